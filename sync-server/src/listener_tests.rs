//! The running server's listeners: HTTPS with its own certificate, one port for browsers and devices,
//! and what watches the server on a port of its own.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use outlet_core::identity::{Role, SecretKey};
use outlet_core::ids::PublicKey;
use outlet_transport::Congestion;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::error::CommandError;
use crate::folder::Folder;
use crate::server::{Addresses, Server};
use crate::testing::{Kit, outlet};

/// A server that runs until it is stopped.
struct Running {
    addresses: Addresses,
    stop: tokio::sync::oneshot::Sender<()>,
    task: tokio::task::JoinHandle<Result<(), CommandError>>,
}

impl Running {
    async fn start(folder: Folder) -> Self {
        let server = Server::bind(folder).await.unwrap();
        let addresses = server.local_addrs();
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let task = tokio::spawn(server.run(async move {
            let _ = stopped.await;
        }));
        Self { addresses, stop, task }
    }

    async fn stop(self) {
        self.stop.send(()).unwrap();
        tokio::time::timeout(Duration::from_secs(20), self.task).await.unwrap().unwrap().unwrap();
    }
}

fn folder(kit: &Kit, change: impl FnOnce(&mut crate::config::Config)) -> Folder {
    let (mut folder, _) = Folder::open(kit.place.path(), kit.engine.folder.clock.clone()).unwrap();
    folder.config.listen.quic = "127.0.0.1:0".into();
    folder.config.listen.http = "127.0.0.1:0".into();
    change(&mut folder.config);
    folder
}

async fn exchange(mut stream: impl AsyncRead + AsyncWrite + Unpin, path: &str) -> String {
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    // A server that closes without goodbye has answered all the same.
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).into_owned()
}

async fn get(address: SocketAddr, path: &str) -> String {
    exchange(TcpStream::connect(address).await.unwrap(), path).await
}

/// A certificate of its own for `localhost`, in the files that the settings name.
fn certificate(kit: &Kit) -> CertificateDer<'static> {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    std::fs::write(kit.place.path().join("cert.pem"), made.cert.pem()).unwrap();
    std::fs::write(kit.place.path().join("cert.key"), made.signing_key.serialize_pem()).unwrap();
    made.cert.der().clone()
}

/// A browser that trusts this certificate and no other.
fn browser(certificate: Option<CertificateDer<'static>>) -> TlsConnector {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(certificate);
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let mut config = builder.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    TlsConnector::from(Arc::new(config))
}

async fn over_tls(browser: &TlsConnector, address: SocketAddr, path: &str) -> Result<String, std::io::Error> {
    let name = ServerName::try_from("localhost").unwrap();
    let stream = browser.connect(name, TcpStream::connect(address).await?).await?;
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
    Ok(exchange(stream, path).await)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn browsers_get_https_with_the_servers_certificate_and_nothing_in_the_clear() {
    let kit = Kit::new();
    let own = certificate(&kit);
    let folder = folder(&kit, |config| {
        config.console.certificate = "cert.pem".into();
        config.console.key = "cert.key".into();
    });
    let running = Running::start(folder).await;
    let address = running.addresses.http;
    assert!(running.addresses.https);
    let trusting = browser(Some(own));
    let page = over_tls(&trusting, address, "/signin").await.unwrap();
    assert!(page.starts_with("HTTP/1.1 200"), "{page}");
    assert!(page.contains("outlet_visit=") && page.contains("; Secure"), "{page}");
    assert!(over_tls(&browser(None), address, "/signin").await.is_err(), "a stranger's certificate is not trusted");
    let plain = get(address, "/signin").await;
    assert!(!plain.contains("HTTP/1.1 200") && !plain.contains("csrf"), "{plain}");
    // Who connects and says nothing holds nobody up.
    let silent = TcpStream::connect(address).await.unwrap();
    assert!(over_tls(&trusting, address, "/healthz").await.unwrap().contains(r#""status":"ok""#));
    drop(silent);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_port_serves_devices_and_browsers() {
    let kit = Kit::new();
    kit.member(7, Role::Inspector, None);
    let own = certificate(&kit);
    let folder = folder(&kit, |config| {
        config.listen.tls = "127.0.0.1:0".into();
        config.listen.http = "127.0.0.1:0".into();
        config.console.certificate = "cert.pem".into();
        config.console.key = "cert.key".into();
    });
    let server: PublicKey = folder.key().public();
    let running = Running::start(folder).await;
    let port = running.addresses.tls.unwrap();
    assert_eq!(running.addresses.http, port);
    let browser = browser(Some(own));
    let key = SecretKey::from_bytes([7; 32]);
    for _ in 0..2 {
        let page = over_tls(&browser, port, "/signin").await.unwrap();
        assert!(page.starts_with("HTTP/1.1 200"), "{page}");
        for address in [format!("tls://{port}"), format!("quic://{}", running.addresses.quic)] {
            let address = [address.parse().unwrap()];
            let (_, link) =
                outlet_transport::dial(&address, &key, &[server].into(), Congestion::default()).await.unwrap();
            assert_eq!(link.peer, server);
            link.abort(0, "seen");
        }
    }
    running.stop().await;
}

#[tokio::test]
async fn a_certificate_that_cannot_be_used_is_said_before_the_server_starts() {
    let kit = Kit::new();
    certificate(&kit);
    std::fs::write(kit.place.path().join("empty.pem"), "").unwrap();
    for (chain, key) in
        [("missing.pem", "cert.key"), ("cert.pem", "missing.key"), ("empty.pem", "cert.key"), ("cert.pem", "cert.pem")]
    {
        let folder = folder(&kit, |config| {
            config.console.certificate = chain.into();
            config.console.key = key.into();
        });
        let error = Server::bind(folder).await.unwrap_err();
        assert!(error.message.contains(".pem") || error.message.contains(".key"), "{chain} {key}: {}", error.message);
        assert!(!error.hints.is_empty(), "{chain} {key}");
    }
    let open = folder(&kit, |config| config.listen.http = "0.0.0.0:0".into());
    let error = Server::bind(open).await.unwrap_err();
    assert!(error.message.contains("unencrypted"), "{}", error.message);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_watches_the_server_has_a_port_of_its_own_and_hears_when_it_cannot_work() {
    let kit = Kit::new();
    let mut device = kit.member(1, Role::Inspector, None);
    let run = device.fact(&outlet(1), "name", "一号排口");
    kit.push(&device, &[run]);
    let running = Running::start(folder(&kit, |config| config.listen.metrics = "127.0.0.1:0".into())).await;
    let (watch, pages) = (running.addresses.metrics.unwrap(), running.addresses.http);
    let numbers = get(watch, "/metrics").await;
    assert!(numbers.starts_with("HTTP/1.1 200") && numbers.contains("openmetrics-text"), "{numbers}");
    assert!(numbers.trim_end().ends_with("# EOF") && numbers.contains("# TYPE "), "{numbers}");
    assert!(!numbers.contains("一号排口"));
    for path in ["/", "/signin", "/api/v1/outlets", "/ogc"] {
        assert!(get(watch, path).await.starts_with("HTTP/1.1 404"), "{path}");
    }
    assert!(get(pages, "/metrics").await.starts_with("HTTP/1.1 401"), "beside the pages it is for admins");
    for address in [watch, pages] {
        let ready = get(address, "/readyz").await;
        assert!(ready.starts_with("HTTP/1.1 200") && ready.contains(r#"{"status":"ready","obstacles":[]}"#), "{ready}");
    }
    // The clock goes back by a day: a receipt would lie.
    kit.clock.fetch_sub(86_400_000, Ordering::SeqCst);
    for address in [watch, pages] {
        let ready = get(address, "/readyz").await;
        assert!(ready.starts_with("HTTP/1.1 503") && ready.contains("clock-behind"), "{ready}");
        assert!(get(address, "/healthz").await.starts_with("HTTP/1.1 200"), "it lives all the same");
    }
    running.stop().await;
    kit.clock.fetch_add(86_400_000, Ordering::SeqCst);
    let full = folder(&kit, |config| config.disk.stop_percent = 101);
    let running = Running::start(full).await;
    let ready = get(running.addresses.http, "/readyz").await;
    assert!(ready.starts_with("HTTP/1.1 503") && ready.contains("disk-full"), "{ready}");
    running.stop().await;
}
