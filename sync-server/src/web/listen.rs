//! The listener for browsers: HTTPS when a certificate is configured; plain HTTP on loopback only,
//! unless the settings say that a proxy before it does TLS.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::connect_info::Connected;
use axum::serve::IncomingStream;
use outlet_transport::Https;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::config::Console;
use crate::error::{CommandError, IoContext as _};

/// Longest TLS handshake.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// Handshakes under way at the same time, and finished ones that wait.
const HANDSHAKES: usize = 64;

/// How long to wait when the system has no socket left.
const PAUSE: Duration = Duration::from_millis(100);

/// Where a connection comes from.
#[derive(Debug, Clone, Copy)]
pub struct Remote(pub SocketAddr);

impl Connected<IncomingStream<'_, TcpListener>> for Remote {
    fn connect_info(stream: IncomingStream<'_, TcpListener>) -> Self {
        Self(*stream.remote_addr())
    }
}

impl Connected<IncomingStream<'_, HttpsListener>> for Remote {
    fn connect_info(stream: IncomingStream<'_, HttpsListener>) -> Self {
        Self(*stream.remote_addr())
    }
}

/// Refuses what would send passwords in the clear.
///
/// # Errors
/// When the address is not loopback, no certificate is configured, and no proxy is named.
pub fn check(address: SocketAddr, console: &Console) -> Result<(), CommandError> {
    if address.ip().is_loopback() || console.behind_proxy || !console.certificate.is_empty() {
        return Ok(());
    }
    let message = format!("{address} is not a loopback address, and passwords would pass it unencrypted");
    Err(CommandError::user(message).hint(
        "set console.certificate and console.key in server.toml for HTTPS, or console.behind_proxy = true when a \
         proxy before this server does TLS, or listen on 127.0.0.1",
    ))
}

/// The TLS settings, when a certificate is configured. Paths are relative to the data folder.
///
/// # Errors
/// When a file cannot be read, or the key does not fit the certificate.
pub fn tls(data: &Path, console: &Console) -> Result<Option<TlsAcceptor>, CommandError> {
    if console.certificate.is_empty() {
        return Ok(None);
    }
    let (certificate, key) = (data.join(&console.certificate), data.join(&console.key));
    let wrong = |path: &Path, error: &dyn std::fmt::Display| {
        CommandError::user(format!("{} cannot be used for HTTPS: {error}", path.display())).hint(
            "console.certificate is a PEM file with the chain, the server\'s own first; console.key its private key",
        )
    };
    let chain = std::fs::read(&certificate).context(format_args!("reading {}", certificate.display()))?;
    let chain = CertificateDer::pem_slice_iter(&chain).collect::<Result<Vec<_>, _>>();
    let chain = chain.map_err(|error| wrong(&certificate, &error))?;
    let private = std::fs::read(&key).context(format_args!("reading {}", key.display()))?;
    let private = PrivateKeyDer::from_pem_slice(&private).map_err(|error| wrong(&key, &error))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let builder = builder.map_err(|error| CommandError::internal(format!("TLS: {error}")))?;
    let config = builder.with_no_client_auth().with_single_cert(chain, private);
    let mut config = config.map_err(|error| wrong(&certificate, &error))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Some(TlsAcceptor::from(Arc::new(config))))
}

/// Browsers whose handshake is done. They come from a port of their own, from the port of the
/// devices (told apart by ALPN), or from both.
pub struct Browsers {
    acceptor: TlsAcceptor,
    done: mpsc::Sender<(TlsStream<TcpStream>, SocketAddr)>,
    ready: mpsc::Receiver<(TlsStream<TcpStream>, SocketAddr)>,
}

impl std::fmt::Debug for Browsers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Browsers").finish_non_exhaustive()
    }
}

impl Browsers {
    /// With the settings of [`tls`].
    #[must_use]
    pub fn new(acceptor: TlsAcceptor) -> Self {
        let (done, ready) = mpsc::channel(HANDSHAKES);
        Self { acceptor, done, ready }
    }

    /// What the port of the devices needs to pass browsers on.
    #[must_use]
    pub fn share(&self) -> Https {
        Https { config: Arc::clone(self.acceptor.config()), streams: self.done.clone() }
    }
}

/// A listener whose handshakes do not hold up one another.
#[derive(Debug)]
pub struct HttpsListener {
    address: SocketAddr,
    ready: mpsc::Receiver<(TlsStream<TcpStream>, SocketAddr)>,
    /// None where the devices' port is the only one.
    accepting: Option<JoinHandle<()>>,
}

impl HttpsListener {
    /// Takes over a listener, if there is one beside the devices' port.
    #[must_use]
    pub fn new(address: SocketAddr, listener: Option<TcpListener>, browsers: Browsers) -> Self {
        let Browsers { acceptor, done, ready } = browsers;
        let accepting = listener.map(|listener| tokio::spawn(accept(listener, acceptor, done)));
        Self { address, ready, accepting }
    }
}

impl Drop for HttpsListener {
    fn drop(&mut self) {
        if let Some(accepting) = &self.accepting {
            accepting.abort();
        }
    }
}

async fn accept(listener: TcpListener, acceptor: TlsAcceptor, done: mpsc::Sender<(TlsStream<TcpStream>, SocketAddr)>) {
    let mut handshakes = tokio::task::JoinSet::new();
    loop {
        while handshakes.len() >= HANDSHAKES {
            handshakes.join_next().await;
        }
        let (stream, remote) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "no socket for a browser");
                tokio::time::sleep(PAUSE).await;
                continue;
            }
        };
        let (acceptor, done) = (acceptor.clone(), done.clone());
        handshakes.spawn(async move {
            match tokio::time::timeout(HANDSHAKE, acceptor.accept(stream)).await {
                Ok(Ok(stream)) => drop(done.send((stream, remote)).await),
                Ok(Err(error)) => tracing::debug!(%remote, %error, "no TLS handshake"),
                Err(_) => tracing::debug!(%remote, "the TLS handshake took too long"),
            }
        });
        while handshakes.try_join_next().is_some() {}
    }
}

impl axum::serve::Listener for HttpsListener {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, SocketAddr) {
        match self.ready.recv().await {
            Some(accepted) => accepted,
            // The accepting task ends with this listener only.
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> std::io::Result<SocketAddr> {
        Ok(self.address)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    #[test]
    fn passwords_never_pass_a_network_unencrypted() {
        let mut console = Config::default().console;
        let (open, local) = ("0.0.0.0:8080".parse().unwrap(), "127.0.0.1:8080".parse().unwrap());
        assert!(check(local, &console).is_ok());
        let refused = check(open, &console).unwrap_err();
        assert!(
            refused.message.contains("unencrypted") && refused.hints.iter().any(|hint| hint.contains("certificate"))
        );
        console.behind_proxy = true;
        assert!(check(open, &console).is_ok());
        let console = Console { certificate: "cert.pem".into(), ..Config::default().console };
        assert!(check(open, &console).is_ok());
    }
}
