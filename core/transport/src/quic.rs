//! QUIC: endpoints with our TLS and bounded buffers, and connections that know whose they are.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use outlet_core::identity::{SecretKey, ServerCert};
use outlet_core::ids::PublicKey;
use quinn::VarInt;
use quinn::crypto::rustls::{HandshakeData, QuicClientConfig, QuicServerConfig};
pub use quinn::{AsyncUdpSocket, Endpoint, Incoming};
use rustls::pki_types::CertificateDer;

use crate::introduce::{CERT_ALPN, read_certificate, send_certificate};
use crate::tls::{self, SeenKey};
use crate::tuning::Tuning;
use crate::{Connection, Link, TransportError};

/// A peer that does not finish the handshake holds its place for so long at most.
pub const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// Opens the socket of a server. It is bound when this returns; port 0 takes a free one.
///
/// # Errors
/// [`TransportError::Io`] when the address is in use or not allowed.
pub fn listen(address: SocketAddr, key: &SecretKey, tuning: impl Into<Tuning>) -> Result<Endpoint, TransportError> {
    let tuning = tuning.into();
    let config = server_config(key, tuning)?;
    let opened = bound(tuning, address).and_then(|socket| endpoint(socket, Some(config)));
    opened.map_err(|source| io_error(format!("listening on {address} (UDP)"), source))
}

/// As [`listen`] on a socket that is not the system's: a network in memory.
///
/// # Errors
/// [`TransportError::Io`] when the socket is none.
pub fn listen_over(
    socket: Arc<dyn AsyncUdpSocket>,
    key: &SecretKey,
    tuning: impl Into<Tuning>,
) -> Result<Endpoint, TransportError> {
    let config = server_config(key, tuning.into())?;
    endpoint(socket, Some(config)).map_err(|source| io_error("listening on a given socket".to_owned(), source))
}

fn server_config(key: &SecretKey, tuning: Tuning) -> Result<quinn::ServerConfig, TransportError> {
    let tls = tls::server_config(key)?;
    let crypto = QuicServerConfig::try_from(tls).map_err(|error| rustls::Error::General(error.to_string()))?;
    let mut config = quinn::ServerConfig::with_crypto(Arc::new(crypto));
    config.transport_config(Arc::new(tuning.transport_config()));
    Ok(config)
}

fn runtime() -> std::io::Result<Arc<dyn quinn::Runtime>> {
    quinn::default_runtime().ok_or_else(|| std::io::Error::other("no async runtime"))
}

fn bound(tuning: Tuning, address: SocketAddr) -> std::io::Result<Arc<dyn AsyncUdpSocket>> {
    runtime()?.wrap_udp_socket(tuning.socket(address)?)
}

fn endpoint(socket: Arc<dyn AsyncUdpSocket>, server: Option<quinn::ServerConfig>) -> std::io::Result<Endpoint> {
    Endpoint::new_with_abstract_socket(quinn::EndpointConfig::default(), server, socket, runtime()?)
}

/// Accepts links over QUIC.
pub struct QuicServer {
    endpoint: Endpoint,
    certificate: Arc<[u8]>,
}

impl QuicServer {
    /// Opens the socket. It is bound when this returns; port 0 takes a free one. `certificate` is
    /// the server's by the root, for devices that do not know its key yet.
    ///
    /// # Errors
    /// [`TransportError::Io`] when the address is in use or not allowed.
    pub fn listen(
        address: SocketAddr,
        key: &SecretKey,
        certificate: &ServerCert,
        tuning: impl Into<Tuning>,
    ) -> Result<Self, TransportError> {
        let endpoint = listen(address, key, tuning)?;
        Ok(Self { endpoint, certificate: certificate.to_bytes().into() })
    }

    /// The endpoint below: its address, its statistics.
    #[must_use]
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Waits for a caller; None when the endpoint is closed. The handshake is a future of its own,
    /// so that a slow caller does not keep others out: spawn it. It resolves to None when the
    /// caller only wanted to see the certificate.
    pub async fn accept(&self) -> Option<impl Future<Output = Result<Option<Link>, TransportError>> + Send + use<>> {
        let incoming = self.endpoint.accept().await?;
        let certificate = Arc::clone(&self.certificate);
        Some(async move { accept_link(incoming, &certificate).await })
    }

    /// Closes every connection with a reason, and waits until the peers were told.
    pub async fn close(&self, reason: &str) {
        self.endpoint.close(VarInt::from_u32(5), reason.as_bytes());
        let _in_time = tokio::time::timeout(Duration::from_secs(3), self.endpoint.wait_idle()).await.is_ok();
    }
}

/// Finishes a handshake on the accepting side and takes the lanes. `certificate` is the server's by
/// the root ([`ServerCert`] as bytes): a caller that only wants to see it is served here, and the
/// answer is None.
///
/// # Errors
/// As [`accept`] and [`Link::accept`].
pub async fn accept_link(incoming: Incoming, certificate: &[u8]) -> Result<Option<Link>, TransportError> {
    let connection = handshake(incoming).await?;
    if protocol(&connection).as_deref() != Some(CERT_ALPN) {
        return Link::accept(with_peer(connection, None)?).await.map(Some);
    }
    within(connection.remote_address(), HANDSHAKE_TIMEOUT, async {
        let (mut send, _receive) = connection.open_bi().await?;
        send_certificate(&mut send, certificate).await?;
        let _received = send.stopped().await;
        Ok(None)
    })
    .await
}

/// Finishes a handshake on the accepting side.
///
/// # Errors
/// [`TransportError::Timeout`], [`TransportError::Connection`], [`TransportError::NoPeerKey`],
/// [`TransportError::OtherProtocol`].
pub async fn accept(incoming: Incoming) -> Result<Connection, TransportError> {
    let connection = handshake(incoming).await?;
    match protocol(&connection).as_deref() {
        Some(tls::ALPN) => with_peer(connection, None),
        _ => Err(TransportError::OtherProtocol),
    }
}

/// Calls a server that must have one of the pinned keys.
///
/// # Errors
/// [`TransportError::WrongServerKey`] names the key that answered; [`TransportError::Timeout`];
/// [`TransportError::Connection`].
pub async fn connect(
    address: SocketAddr,
    key: &SecretKey,
    pins: &BTreeSet<PublicKey>,
    tuning: impl Into<Tuning>,
) -> Result<Connection, TransportError> {
    let tuning = tuning.into();
    let (connection, endpoint) = call(own(address, tuning)?, address, (key, pins), tuning, tls::ALPN).await?;
    with_peer(connection, Some(endpoint))
}

/// As [`connect`] from a socket that is not the system's: a network in memory.
///
/// # Errors
/// As [`connect`].
pub async fn connect_over(
    socket: Arc<dyn AsyncUdpSocket>,
    address: SocketAddr,
    key: &SecretKey,
    pins: &BTreeSet<PublicKey>,
    tuning: impl Into<Tuning>,
) -> Result<Connection, TransportError> {
    let (connection, endpoint) = call(socket, address, (key, pins), tuning.into(), tls::ALPN).await?;
    with_peer(connection, Some(endpoint))
}

/// A socket to call this address from.
fn own(address: SocketAddr, tuning: Tuning) -> Result<Arc<dyn AsyncUdpSocket>, TransportError> {
    let any: SocketAddr = match address {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    bound(tuning, any).map_err(|source| io_error("opening a UDP socket".to_owned(), source))
}

pub(crate) async fn fetch_certificate(
    address: SocketAddr,
    key: &SecretKey,
    got: PublicKey,
) -> Result<Vec<u8>, TransportError> {
    let pins = BTreeSet::from([got]);
    let tuning = Tuning::default();
    let (connection, _endpoint) = call(own(address, tuning)?, address, (key, &pins), tuning, CERT_ALPN).await?;
    let (_send, mut receive) = connection.accept_bi().await?;
    read_certificate(&mut receive).await
}

async fn call(
    socket: Arc<dyn AsyncUdpSocket>,
    address: SocketAddr,
    (key, pins): (&SecretKey, &BTreeSet<PublicKey>),
    tuning: Tuning,
    protocol: &[u8],
) -> Result<(quinn::Connection, Endpoint), TransportError> {
    let seen = SeenKey::default();
    let mut tls = tls::client_config(key, pins.clone(), seen.clone())?;
    tls.alpn_protocols = vec![protocol.to_vec()];
    let crypto = QuicClientConfig::try_from(tls).map_err(|error| rustls::Error::General(error.to_string()))?;
    let mut config = quinn::ClientConfig::new(Arc::new(crypto));
    config.transport_config(Arc::new(tuning.transport_config()));
    let endpoint = endpoint(socket, None).map_err(|source| io_error("opening a UDP socket".to_owned(), source))?;
    // The name is not sent: keys, not names, say who a server is.
    let connecting = endpoint.connect_with(config, address, "outlet")?;
    match within(address, HANDSHAKE_TIMEOUT, async { Ok(connecting.await?) }).await {
        Ok(connection) => Ok((connection, endpoint)),
        Err(error) => Err(seen.blame(pins, error)),
    }
}

async fn handshake(incoming: Incoming) -> Result<quinn::Connection, TransportError> {
    within(incoming.remote_address(), HANDSHAKE_TIMEOUT, async { Ok(incoming.accept()?.await?) }).await
}

fn protocol(connection: &quinn::Connection) -> Option<Vec<u8>> {
    connection.handshake_data()?.downcast::<HandshakeData>().ok()?.protocol
}

pub(crate) fn io_error(operation: String, source: std::io::Error) -> TransportError {
    TransportError::Io { operation, source }
}

pub(crate) async fn within<T>(
    address: SocketAddr,
    after: Duration,
    work: impl Future<Output = Result<T, TransportError>>,
) -> Result<T, TransportError> {
    let late = || TransportError::Timeout { address: address.to_string(), after };
    tokio::time::timeout(after, work).await.unwrap_or_else(|_| Err(late()))
}

fn with_peer(quic: quinn::Connection, endpoint: Option<Endpoint>) -> Result<Connection, TransportError> {
    let certificates = quic.peer_identity().and_then(|any| any.downcast::<Vec<CertificateDer<'static>>>().ok());
    let peer = certificates.and_then(|list| tls::peer_key(&list)).ok_or(TransportError::NoPeerKey)?;
    Connection::new(quic, endpoint, peer)
}
