//! TLS 1.3 with raw public keys (RFC 7250) on both sides: no certificate authority, no names, no
//! dates. Who a key belongs to is decided above.
//!
//! The provider is passed explicitly, so that no other can be picked up from the process. There
//! is no resumption and no early data: nothing that was said on one connection counts on another.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use outlet_core::identity::{SecretKey, from_spki_der, to_spki_der};
use outlet_core::ids::PublicKey;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{AlwaysResolvesClientRawPublicKeys, Resumption};
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms, ring, verify_tls13_signature_with_raw_key};
use rustls::pki_types::{
    CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName, SubjectPublicKeyInfoDer, UnixTime,
};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{AlwaysResolvesServerRawPublicKeys, NoServerSessionStorage};
use rustls::sign::CertifiedKey;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, DistinguishedName, Error, ServerConfig, SignatureScheme,
};

use crate::TransportError;
use crate::introduce::CERT_ALPN;

/// Names the protocol and, with it, the format of changes. A new one is a new name.
pub const ALPN: &[u8] = b"outlet/1";

/// What the client's verifier saw: lets the caller name the key that was refused.
#[derive(Debug, Clone, Default)]
pub struct SeenKey(Arc<Mutex<Option<PublicKey>>>);

impl SeenKey {
    /// The key the server presented, once it did.
    #[must_use]
    pub fn get(&self) -> Option<PublicKey> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Names the key, where a failed connection is its fault.
    pub(crate) fn blame(&self, pins: &BTreeSet<PublicKey>, error: TransportError) -> TransportError {
        match self.get() {
            Some(got) if !pins.contains(&got) => {
                TransportError::WrongServerKey { expected: pins.iter().copied().collect(), got }
            }
            _ => error,
        }
    }

    fn set(&self, key: PublicKey) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(key);
    }
}

/// TLS of a client that believes exactly these server keys.
///
/// # Errors
/// When the library refuses the key.
pub fn client_config(key: &SecretKey, pins: BTreeSet<PublicKey>, seen: SeenKey) -> Result<ClientConfig, Error> {
    let provider = Arc::new(ring::default_provider());
    let verifier = PinnedServer { pins, seen, algorithms: provider.signature_verification_algorithms };
    let mut config = ClientConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_client_cert_resolver(Arc::new(AlwaysResolvesClientRawPublicKeys::new(raw_key(key, &provider)?)));
    config.alpn_protocols = vec![ALPN.to_vec()];
    config.resumption = Resumption::disabled();
    config.enable_sni = false;
    Ok(config)
}

/// TLS of a server (or of a device that accepts): takes any client with an Ed25519 key.
///
/// # Errors
/// When the library refuses the key.
pub fn server_config(key: &SecretKey) -> Result<ServerConfig, Error> {
    let provider = Arc::new(ring::default_provider());
    let verifier = AnyClient { algorithms: provider.signature_verification_algorithms };
    let mut config = ServerConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_client_cert_verifier(Arc::new(verifier))
        .with_cert_resolver(Arc::new(AlwaysResolvesServerRawPublicKeys::new(raw_key(key, &provider)?)));
    config.alpn_protocols = vec![ALPN.to_vec(), CERT_ALPN.to_vec()];
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(config)
}

/// The peer's key, from what TLS calls its certificates: exactly one raw key.
#[must_use]
pub fn peer_key(certificates: &[CertificateDer<'_>]) -> Option<PublicKey> {
    match certificates {
        [only] => from_spki_der(only),
        _ => None,
    }
}

fn raw_key(key: &SecretKey, provider: &CryptoProvider) -> Result<Arc<CertifiedKey>, Error> {
    // The library keeps its own copy for as long as the configuration lives.
    let der = PrivatePkcs8KeyDer::from(key.to_pkcs8_der().to_vec());
    let signing = provider.key_provider.load_private_key(PrivateKeyDer::Pkcs8(der))?;
    let public = CertificateDer::from(to_spki_der(&key.public()).to_vec());
    Ok(Arc::new(CertifiedKey::new(vec![public], signing)))
}

fn refused() -> Error {
    Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure)
}

fn verify_signature(
    message: &[u8],
    key: &CertificateDer<'_>,
    signed: &DigitallySignedStruct,
    algorithms: &WebPkiSupportedAlgorithms,
) -> Result<HandshakeSignatureValid, Error> {
    let spki = SubjectPublicKeyInfoDer::from(key.as_ref());
    verify_tls13_signature_with_raw_key(message, &spki, signed, algorithms)
}

struct PinnedServer {
    pins: BTreeSet<PublicKey>,
    seen: SeenKey,
    algorithms: WebPkiSupportedAlgorithms,
}

impl fmt::Debug for PinnedServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PinnedServer").field("pins", &self.pins).finish_non_exhaustive()
    }
}

impl ServerCertVerifier for PinnedServer {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let key = from_spki_der(end_entity).filter(|_| intermediates.is_empty()).ok_or_else(refused)?;
        self.seen.set(key);
        if self.pins.contains(&key) { Ok(ServerCertVerified::assertion()) } else { Err(refused()) }
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(refused())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_signature(message, cert, dss, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }

    fn requires_raw_public_keys(&self) -> bool {
        true
    }
}

#[derive(Debug)]
struct AnyClient {
    algorithms: WebPkiSupportedAlgorithms,
}

impl ClientCertVerifier for AnyClient {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let key = from_spki_der(end_entity).filter(|_| intermediates.is_empty());
        key.map(|_| ClientCertVerified::assertion()).ok_or_else(refused)
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(refused())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_signature(message, cert, dss, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }

    fn requires_raw_public_keys(&self) -> bool {
        true
    }
}
