//! The same frames over TLS on TCP, for networks that block UDP.
//!
//! One stream carries both lanes, so each frame is preceded by its lane; a waiting record always
//! goes before a waiting piece of a file, and pieces are small (64 KiB), so that records wait for
//! one of them at most.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;

use outlet_core::identity::{SecretKey, ServerCert};
use outlet_core::ids::PublicKey;
use rustls::CommonState;
use rustls::pki_types::ServerName;
use rustls::server::Acceptor;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, split};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::mpsc;
use tokio_rustls::client::TlsStream;
use tokio_rustls::{LazyConfigAcceptor, TlsConnector};

use crate::connection::{EXPORTER_LABEL, FILES, RECORDS};
use crate::frame::{FRAME_HEADER, read_frame, write_tagged};
use crate::introduce::{CERT_ALPN, read_certificate, send_certificate};
use crate::link::{Arrived, Facts, Link, Meter, Pumps, lane};
use crate::quic::{HANDSHAKE_TIMEOUT, io_error, within};
use crate::tls::{self, SeenKey};
use crate::{FrameError, TransportError};

/// A browser's connection whose handshake is done.
pub type HttpsStream = tokio_rustls::server::TlsStream<TcpStream>;

/// People's HTTPS on the port of the devices: who asks for no protocol of ours gets it.
#[derive(Clone)]
pub struct Https {
    /// With a certificate that browsers believe.
    pub config: Arc<rustls::ServerConfig>,
    /// Where the connections go; bounded, and full means that the browser waits.
    pub streams: mpsc::Sender<(HttpsStream, SocketAddr)>,
}

impl std::fmt::Debug for Https {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Https").finish_non_exhaustive()
    }
}

/// Accepts links over TLS on TCP.
pub struct TcpServer {
    listener: TcpListener,
    config: Arc<rustls::ServerConfig>,
    certificate: Arc<[u8]>,
    https: Option<Https>,
}

impl TcpServer {
    /// Opens the socket. It is bound when this returns; port 0 takes a free one. `certificate` is
    /// the server's by the root, for devices that do not know its key yet.
    ///
    /// # Errors
    /// [`TransportError::Io`] when the address is in use or not allowed.
    pub async fn listen(
        address: SocketAddr,
        key: &SecretKey,
        certificate: &ServerCert,
    ) -> Result<Self, TransportError> {
        let config = Arc::new(tls::server_config(key)?);
        let listener = bind(address);
        let listener = listener.map_err(|source| io_error(format!("listening on {address} (TCP)"), source))?;
        Ok(Self { listener, config, certificate: certificate.to_bytes().into(), https: None })
    }

    /// Shares the port with HTTPS, told apart by ALPN.
    #[must_use]
    pub fn share(mut self, https: Https) -> Self {
        self.https = Some(https);
        self
    }

    /// Where it listens.
    ///
    /// # Errors
    /// When the socket is gone.
    pub fn local_address(&self) -> Result<SocketAddr, TransportError> {
        self.listener.local_addr().map_err(|source| io_error("asking for the own address".to_owned(), source))
    }

    /// Waits for a caller. The handshake is a future of its own, so that a slow caller does not
    /// keep others out: spawn it. It resolves to None when the caller only wanted to see the
    /// certificate.
    ///
    /// # Errors
    /// [`TransportError::Io`] when the system has no sockets left: wait a little, go on.
    pub async fn accept(
        &self,
    ) -> Result<impl Future<Output = Result<Option<Link>, TransportError>> + Send + use<>, TransportError> {
        let (stream, remote) =
            self.listener.accept().await.map_err(|source| io_error("accepting a caller (TCP)".to_owned(), source))?;
        let (config, certificate) = (Arc::clone(&self.config), Arc::clone(&self.certificate));
        let https = self.https.clone();
        Ok(within(remote, HANDSHAKE_TIMEOUT, async move {
            let failed = |source| io_error(format!("the TLS handshake with {remote}"), source);
            let _failure_costs_latency_only = stream.set_nodelay(true);
            let hello = LazyConfigAcceptor::new(Acceptor::default(), stream).await.map_err(failed)?;
            let ours = {
                let hello = hello.client_hello();
                let mut wanted = hello.alpn().into_iter().flatten();
                wanted.any(|name| name == tls::ALPN || name == CERT_ALPN)
            };
            if let Some(https) = https.filter(|_| !ours) {
                let stream = hello.into_stream(https.config).await.map_err(failed)?;
                // Gone only when the server is shutting down.
                let _gone = https.streams.send((stream, remote)).await;
                return Ok(None);
            }
            let mut stream = hello.into_stream(config).await.map_err(failed)?;
            if stream.get_ref().1.alpn_protocol() == Some(CERT_ALPN) {
                send_certificate(&mut stream, &certificate).await?;
                return Ok(None);
            }
            let (_, tls) = stream.get_ref();
            let binding = tls.export_keying_material([0; 32], EXPORTER_LABEL, None)?;
            let peer = peer(tls)?;
            Ok(Some(link(stream, Facts { peer, binding, remote, initiator: false })))
        }))
    }
}

/// Calls a server that must have one of the pinned keys.
///
/// # Errors
/// [`TransportError::WrongServerKey`] names the key that answered; [`TransportError::Timeout`];
/// [`TransportError::Io`].
pub async fn connect(remote: SocketAddr, key: &SecretKey, pins: &BTreeSet<PublicKey>) -> Result<Link, TransportError> {
    let stream = call(remote, key, pins, tls::ALPN).await?;
    let (_, tls) = stream.get_ref();
    let binding = tls.export_keying_material([0; 32], EXPORTER_LABEL, None)?;
    let peer = peer(tls)?;
    Ok(link(stream, Facts { peer, binding, remote, initiator: true }))
}

pub(crate) async fn fetch_certificate(
    remote: SocketAddr,
    key: &SecretKey,
    got: PublicKey,
) -> Result<Vec<u8>, TransportError> {
    let mut stream = call(remote, key, &BTreeSet::from([got]), CERT_ALPN).await?;
    read_certificate(&mut stream).await
}

async fn call(
    remote: SocketAddr,
    key: &SecretKey,
    pins: &BTreeSet<PublicKey>,
    protocol: &[u8],
) -> Result<TlsStream<TcpStream>, TransportError> {
    let seen = SeenKey::default();
    let mut config = tls::client_config(key, pins.clone(), seen.clone())?;
    config.alpn_protocols = vec![protocol.to_vec()];
    let connector = TlsConnector::from(Arc::new(config));
    let connected = within(remote, HANDSHAKE_TIMEOUT, async {
        let failed = |source| io_error(format!("connecting to {remote} (TCP)"), source);
        let stream = socket(remote).map_err(failed)?.connect(remote).await.map_err(failed)?;
        let _failure_costs_latency_only = stream.set_nodelay(true);
        // Not sent: keys, not names, say who a server is.
        let name = ServerName::IpAddress(remote.ip().into());
        connector.connect(name, stream).await.map_err(failed)
    });
    connected.await.map_err(|error| seen.blame(pins, error))
}

/// What the system may hold of what was written: pieces of files wait in it, and a record behind
/// them. 256 KiB fill 10 Mbit/s at 200 ms.
const SEND_BUFFER: u32 = 256 << 10;

fn socket(address: SocketAddr) -> std::io::Result<TcpSocket> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_send_buffer_size(SEND_BUFFER)?;
    Ok(socket)
}

/// Sockets that are accepted inherit the buffer.
fn bind(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = socket(address)?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(1024)
}

fn peer(state: &CommonState) -> Result<PublicKey, TransportError> {
    if state.alpn_protocol() != Some(tls::ALPN) {
        return Err(TransportError::OtherProtocol);
    }
    state.peer_certificates().and_then(tls::peer_key).ok_or(TransportError::NoPeerKey)
}

fn link<S: AsyncRead + AsyncWrite + Send + 'static>(stream: S, facts: Facts) -> Link {
    let (read, write) = split(stream);
    let (records, files) = (lane(), lane());
    let mut pumps = Pumps::default();
    let arrived = [(RECORDS, records.arrived), (FILES, files.arrived)];
    pumps.readers.spawn(read_both(read, arrived, Arc::clone(&pumps.meter)));
    pumps.writers.spawn(write_both(write, records.outgoing, files.outgoing, Arc::clone(&pumps.meter)));
    Link::new(facts, records.ends, files.ends, pumps)
}

async fn read_both(mut stream: impl AsyncRead + Unpin, arrived: [(u8, Arrived); 2], meter: Arc<Meter>) {
    loop {
        match read_one(&mut stream).await {
            Ok(None) => return,
            Ok(Some((lane, frame))) => {
                meter.add_received(&frame, FRAME_HEADER + 1);
                let Some((_, queue)) = arrived.iter().find(|(known, _)| *known == lane) else { return };
                if queue.send(Ok(frame)).await.is_err() {
                    return;
                }
            }
            Err(error) => {
                // The records lane tells; the other just ends.
                let _gone = arrived[0].1.send(Err(error)).await;
                return;
            }
        }
    }
}

async fn read_one(stream: &mut (impl AsyncRead + Unpin)) -> Result<Option<(u8, Vec<u8>)>, FrameError> {
    let mut lane = [0];
    if stream.read(&mut lane).await.map_err(FrameError::Io)? == 0 {
        return Ok(None);
    }
    if ![RECORDS, FILES].contains(&lane[0]) {
        return Err(FrameError::Lanes);
    }
    let frame = read_frame(stream).await?.ok_or(FrameError::Cut)?;
    Ok(Some((lane[0], frame)))
}

async fn write_both(
    mut stream: impl AsyncWrite + Unpin,
    mut records: mpsc::Receiver<Vec<u8>>,
    mut files: mpsc::Receiver<Vec<u8>>,
    meter: Arc<Meter>,
) -> bool {
    loop {
        let (lane, frame) = tokio::select! {
            biased;
            Some(frame) = records.recv() => (RECORDS, frame),
            Some(frame) = files.recv() => (FILES, frame),
            else => break,
        };
        let written = async {
            write_tagged(&mut stream, &[lane], &frame).await?;
            stream.flush().await.map_err(FrameError::Io)
        };
        if written.await.is_err() {
            return false;
        }
        meter.add_sent(&frame, FRAME_HEADER + 1);
    }
    // Says that this was the end, and not a cut. The peer may be gone already.
    stream.shutdown().await.is_ok()
}
