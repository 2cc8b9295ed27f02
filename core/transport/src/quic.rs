//! QUIC: endpoints with our TLS and bounded buffers, and connections that know whose they are.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use outlet_core::identity::{SecretKey, ServerCert};
use outlet_core::ids::PublicKey;
use quinn::crypto::rustls::{HandshakeData, QuicClientConfig, QuicServerConfig};
use quinn::{Endpoint, TransportConfig, VarInt};
use rustls::pki_types::CertificateDer;

use crate::introduce::{CERT_ALPN, read_certificate, send_certificate};
use crate::tls::{self, SeenKey};
use crate::{Connection, Link, TransportError};

/// A connection on which nothing moves, not even keep-alives, ends after this.
pub const IDLE_TIMEOUT: Duration = Duration::from_secs(30);
/// Keeps the mapping of a carrier's address translation alive.
pub const KEEP_ALIVE: Duration = Duration::from_secs(15);
// One lost keep-alive must not end a connection, and the shortest mappings of carriers live 30 s.
const _: () = assert!(KEEP_ALIVE.as_secs() * 2 <= IDLE_TIMEOUT.as_secs() && KEEP_ALIVE.as_secs() < 30);
/// A peer that does not finish the handshake holds its place for so long at most.
pub const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// What is called the congestion controller: how fast to send into a bad link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Congestion {
    /// Loss means congestion.
    Cubic,
    /// Measures bandwidth instead: better on links that lose at random. Called experimental by
    /// the library. The default: links in the field lose by chance, and `make bench` compares all
    /// three over such a link.
    #[default]
    Bbr,
    /// Loss means congestion, and recovery is slow: to compare with.
    NewReno,
}

impl std::str::FromStr for Congestion {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "cubic" => Ok(Self::Cubic),
            "bbr" => Ok(Self::Bbr),
            "newreno" => Ok(Self::NewReno),
            other => Err(format!("{other:?} is no congestion controller; known: cubic, bbr, newreno")),
        }
    }
}

/// The parameters both sides use.
#[must_use]
pub fn transport_config(congestion: Congestion) -> TransportConfig {
    let mut config = TransportConfig::default();
    config
        .max_idle_timeout(Some(VarInt::from_u32(30_000).into()))
        .keep_alive_interval(Some(KEEP_ALIVE))
        // Two lanes, and two more so that a later version can add one.
        .max_concurrent_bidi_streams(VarInt::from_u32(4))
        .max_concurrent_uni_streams(VarInt::from_u32(0))
        // What one peer can make this side buffer. 2 MiB fill 80 Mbit/s at 200 ms.
        .stream_receive_window(VarInt::from_u32(2 << 20))
        .receive_window(VarInt::from_u32(4 << 20))
        .send_window(4 << 20)
        .datagram_receive_buffer_size(None);
    match congestion {
        Congestion::Cubic => {}
        Congestion::Bbr => _ = config.congestion_controller_factory(Arc::new(quinn::congestion::BbrConfig::default())),
        Congestion::NewReno => {
            config.congestion_controller_factory(Arc::new(quinn::congestion::NewRenoConfig::default()));
        }
    }
    config
}

/// Opens the socket of a server. It is bound when this returns; port 0 takes a free one.
///
/// # Errors
/// [`TransportError::Io`] when the address is in use or not allowed.
pub fn listen(address: SocketAddr, key: &SecretKey, congestion: Congestion) -> Result<Endpoint, TransportError> {
    let tls = tls::server_config(key)?;
    let crypto = QuicServerConfig::try_from(tls).map_err(|error| rustls::Error::General(error.to_string()))?;
    let mut config = quinn::ServerConfig::with_crypto(Arc::new(crypto));
    config.transport_config(Arc::new(transport_config(congestion)));
    Endpoint::server(config, address).map_err(|source| io_error(format!("listening on {address} (UDP)"), source))
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
        congestion: Congestion,
    ) -> Result<Self, TransportError> {
        let endpoint = listen(address, key, congestion)?;
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
pub async fn accept_link(incoming: quinn::Incoming, certificate: &[u8]) -> Result<Option<Link>, TransportError> {
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
pub async fn accept(incoming: quinn::Incoming) -> Result<Connection, TransportError> {
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
    congestion: Congestion,
) -> Result<Connection, TransportError> {
    let (connection, endpoint) = call(address, key, pins, congestion, tls::ALPN).await?;
    with_peer(connection, Some(endpoint))
}

pub(crate) async fn fetch_certificate(
    address: SocketAddr,
    key: &SecretKey,
    got: PublicKey,
) -> Result<Vec<u8>, TransportError> {
    let pins = BTreeSet::from([got]);
    let (connection, _endpoint) = call(address, key, &pins, Congestion::default(), CERT_ALPN).await?;
    let (_send, mut receive) = connection.accept_bi().await?;
    read_certificate(&mut receive).await
}

async fn call(
    address: SocketAddr,
    key: &SecretKey,
    pins: &BTreeSet<PublicKey>,
    congestion: Congestion,
    protocol: &[u8],
) -> Result<(quinn::Connection, Endpoint), TransportError> {
    let seen = SeenKey::default();
    let mut tls = tls::client_config(key, pins.clone(), seen.clone())?;
    tls.alpn_protocols = vec![protocol.to_vec()];
    let crypto = QuicClientConfig::try_from(tls).map_err(|error| rustls::Error::General(error.to_string()))?;
    let mut config = quinn::ClientConfig::new(Arc::new(crypto));
    config.transport_config(Arc::new(transport_config(congestion)));
    let any: SocketAddr = match address {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    let endpoint = Endpoint::client(any).map_err(|source| io_error("opening a UDP socket".to_owned(), source))?;
    // The name is not sent: keys, not names, say who a server is.
    let connecting = endpoint.connect_with(config, address, "outlet")?;
    match within(address, HANDSHAKE_TIMEOUT, async { Ok(connecting.await?) }).await {
        Ok(connection) => Ok((connection, endpoint)),
        Err(error) => Err(seen.blame(pins, error)),
    }
}

async fn handshake(incoming: quinn::Incoming) -> Result<quinn::Connection, TransportError> {
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
