//! The running server: a QUIC endpoint for devices (and TLS on TCP, if asked for), an HTTP page for
//! people, graceful shutdown.

use std::net::{SocketAddr, ToSocketAddrs as _};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use outlet_core::identity::ServerCert;
use outlet_core::ids::PublicKey;
use outlet_core::sync::calls::Call;
use outlet_core::sync::replica::RefusalCode;
use outlet_core::sync::session::{CloseReason, Config as SessionConfig, Session};
use outlet_transport::{Hooks, Link, TcpServer, TransportError, Turns, drive, quic};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use crate::db::{devices, meta};
use crate::engine::{Ahead, Engine, EngineError};
use crate::error::{CommandError, IoContext};
use crate::folder::Folder;
use crate::replica::ServerReplica;
use crate::tiles::base::BaseMap;
use crate::web;
use crate::web::listen::{self, Browsers, HttpsListener, Remote};

/// How long sessions may take to end after the signal.
const GRACE: Duration = Duration::from_secs(10);

/// How long to wait when the system has no socket left.
const SOCKET_PAUSE: Duration = Duration::from_millis(100);

/// File that says which process serves the folder.
const LOCK: &str = "serve.lock";

/// A server that listens and does not run yet.
pub struct Server {
    engine: Arc<Engine>,
    /// By the root: shown to devices that do not know this key yet.
    certificate: ServerCert,
    endpoint: quinn::Endpoint,
    tcp: Option<TcpServer>,
    /// None where browsers come through the devices' TLS port only.
    listener: Option<TcpListener>,
    /// For browsers, when a certificate is configured.
    https: Option<Browsers>,
    /// For what watches the server, when it has an address of its own.
    watch: Option<TcpListener>,
    base: Option<BaseMap>,
    addresses: Addresses,
    _lock: std::fs::File,
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server").field("addresses", &self.addresses).finish_non_exhaustive()
    }
}

/// Where a server listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Addresses {
    /// Devices.
    pub quic: SocketAddr,
    /// Devices in networks that block UDP; None when it is off.
    pub tls: Option<SocketAddr>,
    /// The console.
    pub http: SocketAddr,
    /// Does the console speak HTTPS?
    pub https: bool,
    /// `/metrics`; None when it has no address of its own.
    pub metrics: Option<SocketAddr>,
}

impl Server {
    /// Opens both addresses. Tickets can name them from here on.
    ///
    /// # Errors
    /// When an address is taken or another process serves the folder.
    pub async fn bind(folder: Folder) -> Result<Self, CommandError> {
        let lock = lock(&folder)?;
        let quic = resolve(&folder.config.listen.quic)?;
        let http = resolve(&folder.config.listen.http)?;
        let endpoint = quic::listen(quic, folder.key(), folder.config.network.congestion).map_err(|error| {
            CommandError::user(format!("cannot listen on {quic} (UDP): {}", chain(&error)))
                .hint("is another server running? choose another --quic address, or port 0")
        })?;
        let certificate = own_certificate(&folder)?;
        let tcp = listen_tls(&folder, &certificate).await?;
        listen::check(http, &folder.config.console)?;
        #[cfg(feature = "console")]
        crate::oidc::Provider::new(&folder.config.oidc, folder.path())?;
        let https = listen::tls(folder.path(), &folder.config.console)?.map(Browsers::new);
        let tcp = match (tcp, &https) {
            (Some(tcp), Some(browsers)) => Some(tcp.share(browsers.share())),
            (tcp, _) => tcp,
        };
        // One port for devices and browsers, such as 443.
        let shared = https.is_some() && tcp.is_some() && folder.config.listen.http == folder.config.listen.tls;
        let listener = if shared { None } else { Some(listen_http(http).await?) };
        let watch = listen_watch(&folder).await?;
        let base = open_base(&folder).await?;
        let addresses =
            Addresses {
                quic: endpoint.local_addr().context("asking for the QUIC address")?,
                tls: tcp.as_ref().map(TcpServer::local_address).transpose().map_err(|error| {
                    CommandError::internal(format!("asking for the TLS address: {}", chain(&error)))
                })?,
                http: SocketAddr::from(([0, 0, 0, 0], 0)),
                https: https.is_some(),
                metrics: watch
                    .as_ref()
                    .map(TcpListener::local_addr)
                    .transpose()
                    .context("asking for the address of /metrics")?,
            };
        let at = match (&listener, addresses.tls) {
            (Some(listener), _) => listener.local_addr().context("asking for the HTTP address")?,
            (None, tls) => tls.unwrap_or(http),
        };
        let addresses = Addresses { http: at, ..addresses };
        let engine = Arc::new(Engine::new(folder)?);
        engine
            .database()
            .write::<_, CommandError>(|tx| Ok(meta::set(tx, meta::LISTENING, addresses.quic.to_string())?))?;
        Ok(Self { engine, certificate, endpoint, tcp, listener, https, watch, base, addresses, _lock: lock })
    }

    /// Where it listens.
    #[must_use]
    pub fn local_addrs(&self) -> Addresses {
        self.addresses
    }

    /// What is behind it: tests read the database of the running server.
    #[must_use]
    pub fn engine(&self) -> Arc<Engine> {
        Arc::clone(&self.engine)
    }

    /// Serves until `shutdown` resolves, then ends the sessions and closes.
    ///
    /// # Errors
    /// When the page's listener fails.
    pub async fn run(self, shutdown: impl Future<Output = ()>) -> Result<(), CommandError> {
        let (stop, stopped) = watch::channel(false);
        let secure = self.https.is_some() || self.engine.folder.config.console.behind_proxy;
        let router = web::router(Arc::clone(&self.engine), self.base, secure);
        let page = tokio::spawn(serve_pages((self.addresses.http, self.listener), self.https, router, stopped.clone()));
        let watch = self.watch.map(|listener| {
            let router = web::health::watched(Arc::clone(&self.engine));
            let at = self.addresses.metrics.unwrap_or(self.addresses.http);
            tokio::spawn(serve_pages((at, Some(listener)), None, router, stopped.clone()))
        });
        let permits = Arc::new(Semaphore::new(self.engine.folder.config.limits.connections));
        let certificate: Arc<[u8]> = self.certificate.to_bytes().into();
        let mut sessions = JoinSet::new();
        let turns = Arc::new(Turns::default());
        tokio::pin!(shutdown);
        loop {
            tokio::select! {
                () = &mut shutdown => break,
                incoming = self.endpoint.accept() => {
                    let Some(incoming) = incoming else { break };
                    let Ok(permit) = Arc::clone(&permits).try_acquire_owned() else {
                        // Before the handshake: it costs nothing.
                        tracing::warn!(remote = %incoming.remote_address(), "refused: too many connections");
                        incoming.refuse();
                        continue;
                    };
                    let remote = incoming.remote_address();
                    let certificate = Arc::clone(&certificate);
                    let link = async move { quic::accept_link(incoming, &certificate).await };
                    let (engine, stopped, turns) = (Arc::clone(&self.engine), stopped.clone(), Arc::clone(&turns));
                    sessions.spawn(async move {
                        serve_device(Some(remote), link, engine, (stopped, turns)).await;
                        drop(permit);
                    });
                }
                link = next_tls(self.tcp.as_ref()) => {
                    let Ok(permit) = Arc::clone(&permits).try_acquire_owned() else {
                        // Dropping the future closes the socket before the handshake.
                        tracing::warn!("refused: too many connections");
                        continue;
                    };
                    let (engine, stopped, turns) = (Arc::clone(&self.engine), stopped.clone(), Arc::clone(&turns));
                    sessions.spawn(async move {
                        serve_device(None, link, engine, (stopped, turns)).await;
                        drop(permit);
                    });
                }
                Some(ended) = sessions.join_next(), if !sessions.is_empty() => {
                    if let Err(error) = ended {
                        // A panic ends its session, not the server.
                        tracing::error!(%error, "a session failed");
                    }
                }
            }
        }
        tracing::info!(sessions = sessions.len(), "shutting down");
        let _ = stop.send(true);
        let ended = async { while sessions.join_next().await.is_some() {} };
        if tokio::time::timeout(GRACE, ended).await.is_err() {
            tracing::warn!("sessions did not end in time and were cut; what was acknowledged is stored");
            sessions.shutdown().await;
        }
        self.endpoint.close(0_u32.into(), b"shutting down");
        let _ = tokio::time::timeout(GRACE, self.endpoint.wait_idle()).await;
        let failed = |error| CommandError::internal(format!("the page's task failed: {error}"));
        if let Some(watch) = watch {
            watch.await.map_err(failed)??;
        }
        page.await.map_err(failed)?
    }
}

/// One process serves a folder: two would hold two rosters and two clocks.
fn lock(folder: &Folder) -> Result<std::fs::File, CommandError> {
    let path = folder.path().join(LOCK);
    let what = format!("opening {}", path.display());
    let file = std::fs::File::options().create(true).truncate(false).write(true).open(&path).context(&what)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(std::fs::TryLockError::WouldBlock) => {
            let message = format!("another outlet-server serves {}", folder.path().display());
            Err(CommandError::user(message).hint("stop it first; tickets and all other commands work while it runs"))
        }
        Err(std::fs::TryLockError::Error(error)) => Err(error).context(what),
    }
}

fn resolve(text: &str) -> Result<SocketAddr, CommandError> {
    let wrong = |why: String| {
        CommandError::usage(format!("{text:?} is no address to listen on: {why}"))
            .hint("write HOST:PORT such as 127.0.0.1:4433; port 0 takes a free one")
    };
    let mut found = text.to_socket_addrs().map_err(|error| wrong(error.to_string()))?;
    found.next().ok_or_else(|| wrong("the name has no address".into()))
}

/// An error with its causes.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

async fn serve_pages(
    (address, listener): (SocketAddr, Option<TcpListener>),
    https: Option<Browsers>,
    router: axum::Router,
    mut stopped: watch::Receiver<bool>,
) -> Result<(), CommandError> {
    let stop = async move {
        let _ = stopped.wait_for(|stopped| *stopped).await;
    };
    let service = router.into_make_service_with_connect_info::<Remote>();
    let served = match (https, listener) {
        (Some(browsers), listener) => {
            axum::serve(HttpsListener::new(address, listener, browsers), service).with_graceful_shutdown(stop).await
        }
        (None, Some(listener)) => axum::serve(listener, service).with_graceful_shutdown(stop).await,
        (None, None) => return Err(CommandError::internal("pages without a port".to_owned())),
    };
    served.context("serving the pages")
}

/// The listener of `listen.metrics`, when it names an address.
async fn listen_watch(folder: &Folder) -> Result<Option<TcpListener>, CommandError> {
    let text = folder.config.listen.metrics.as_str();
    if text.is_empty() {
        return Ok(None);
    }
    let address = resolve(text)?;
    let listening = TcpListener::bind(address).await;
    listening.map(Some).map_err(|error| {
        CommandError::user(format!("cannot listen on {address} (TCP): {error}"))
            .hint("choose another listen.metrics address in server.toml, or port 0")
    })
}

/// The base map of `map.base`, when it names a file.
async fn open_base(folder: &Folder) -> Result<Option<BaseMap>, CommandError> {
    let settings = &folder.config.map;
    if settings.base.is_empty() {
        return Ok(None);
    }
    BaseMap::open(&folder.path().join(&settings.base), &settings.attribution).await.map(Some)
}

/// The certificate of the root for the key that this server shows.
fn own_certificate(folder: &Folder) -> Result<ServerCert, CommandError> {
    let roster = folder.database.read::<_, CommandError>(|tx| Ok(folder.roster(tx)?))?;
    let key = folder.key().public();
    roster.server_certs().find(|cert| cert.value().key == key).cloned().ok_or_else(|| {
        CommandError::user(format!("the root key has not vouched for the server key {}", key.short()))
            .hint("run `outlet-server key rotate` with the root key, or restore keys/ and database from one backup")
    })
}

async fn listen_http(http: SocketAddr) -> Result<TcpListener, CommandError> {
    TcpListener::bind(http).await.map_err(|error| {
        CommandError::user(format!("cannot listen on {http} (TCP): {error}"))
            .hint("choose another --http address, or port 0")
    })
}

/// TLS on TCP, when `listen.tls` names an address.
async fn listen_tls(folder: &Folder, certificate: &ServerCert) -> Result<Option<TcpServer>, CommandError> {
    let text = folder.config.listen.tls.as_str();
    if text.is_empty() {
        return Ok(None);
    }
    let address = resolve(text)?;
    let listening = TcpServer::listen(address, folder.key(), certificate).await;
    listening.map(Some).map_err(|error| {
        CommandError::user(format!("cannot listen on {address} (TLS): {}", chain(&error)))
            .hint("choose another --tls address, or port 0")
    })
}

/// The next caller over TLS; never, when it is off.
async fn next_tls(
    server: Option<&TcpServer>,
) -> impl Future<Output = Result<Option<Link>, TransportError>> + Send + use<> {
    let Some(server) = server else { return std::future::pending().await };
    loop {
        match server.accept().await {
            Ok(link) => return link,
            Err(error) => {
                tracing::warn!(error = chain(&error), "no socket for a caller");
                tokio::time::sleep(SOCKET_PAUSE).await;
            }
        }
    }
}

async fn serve_device(
    remote: Option<SocketAddr>,
    link: impl Future<Output = Result<Option<Link>, TransportError>>,
    engine: Arc<Engine>,
    (mut stopped, turns): (watch::Receiver<bool>, Arc<Turns>),
) {
    let link = match link.await {
        Ok(Some(link)) => link,
        Ok(None) => {
            tracing::debug!(?remote, "a browser, or a device that wanted to see the certificate");
            return;
        }
        Err(error) => {
            tracing::info!(?remote, error = chain(&error), "no session");
            return;
        }
    };
    let (peer, binding, remote) = (link.peer, link.binding, link.remote);
    let mut config = SessionConfig::new(engine.folder.key().clone(), peer, binding);
    config.batch_bytes = engine.folder.config.limits.batch_bytes;
    let session = Session::acceptor(config);
    let ahead = Ahead::new(Arc::clone(&engine));
    let replica = Arc::new(Mutex::new(ServerReplica::foreseen(Arc::clone(&engine), ahead.clone())));
    let longest = engine.folder.config.limits.session;
    let stop = async move {
        let _ = tokio::time::timeout(longest, stopped.wait_for(|stopped| *stopped)).await;
    };
    let foresee = move |call: &Call| {
        if let Call::Admit(batch) = call {
            ahead.begin(batch);
        }
    };
    let hooks = Hooks::new(engine.folder.now(), |_| {}).foresee(foresee).stop_when(stop).in_turn(turns.of(peer));
    engine.metrics.session_began();
    let driven = drive(link, session, replica, hooks).await;
    let summary = driven.summary;
    engine.metrics.session_ended(Some(&summary));
    let replaced = matches!(&driven.reason, CloseReason::Refused(why) if why.code == RefusalCode::Replaced);
    if replaced && driven.heard {
        note_copied(&engine, peer).await;
    }
    if let CloseReason::Refused(why) = &driven.reason
        && !replaced
    {
        tracing::warn!(%remote, device = %peer.short(), code = why.code.as_str(), why = why.text, "refused a session");
    }
    if summary.refused_items > 0 {
        tracing::warn!(%remote, device = %peer.short(), items = summary.refused_items, "refused what a device brought");
    }
    tracing::info!(
        %remote,
        device = %peer.short(),
        outcome = summary.outcome.as_str(),
        changes_in = summary.received.changes,
        changes_out = summary.sent.changes,
        photos_in = summary.received.photos,
        bytes_in = summary.received.bytes,
        bytes_out = summary.sent.bytes,
        held = summary.held,
        refused = summary.refused_items,
        damaged = summary.damaged_files,
        why = summary.why.as_ref().map(|why| why.code.as_str()),
        reason = ?driven.reason,
        "session ended"
    );
}

/// The device called again while its older session was there and has read that it ends: that is another
/// device with the same key. One that was cut does not answer any more.
async fn note_copied(engine: &Arc<Engine>, device: PublicKey) {
    tracing::warn!(
        device = %device.short(),
        "two devices speak with one key: its folder was copied, and they end each other's sessions; let one of them be \
         enrolled anew"
    );
    engine.metrics.copied();
    let (engine, now) = (Arc::clone(engine), engine.folder.now());
    let noted = tokio::task::spawn_blocking(move || {
        engine.database().write::<_, EngineError>(|tx| Ok(devices::copied(tx, &device, now)?))
    });
    if !matches!(noted.await, Ok(Ok(()))) {
        tracing::error!(device = %device.short(), "a copied folder could not be noted");
    }
}

#[cfg(test)]
mod tests {
    use outlet_core::identity::Role;
    use outlet_transport::Congestion;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;
    use crate::testing::{Kit, outlet};

    async fn get(address: SocketAddr, path: &str) -> String {
        let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    fn folder(kit: &Kit) -> Folder {
        let (mut folder, _) = Folder::open(kit.place.path(), kit.engine.folder.clock.clone()).unwrap();
        folder.config.listen.quic = "127.0.0.1:0".into();
        folder.config.listen.http = "127.0.0.1:0".into();
        folder
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_device_that_pinned_the_key_before_a_rotation_gets_to_know_the_new_one() {
        let kit = Kit::new();
        let before = folder(&kit);
        let roster = before.database.read::<_, CommandError>(|tx| Ok(before.roster(tx)?)).unwrap();
        let (old, pins) = (before.key().public(), roster.active_servers());
        drop(before);
        kit.runs(&["key", "rotate"]);
        let mut rotated = folder(&kit);
        rotated.config.listen.tls = "127.0.0.1:0".into();
        let new = rotated.key().public();
        let server = Server::bind(rotated).await.unwrap();
        let addresses = server.local_addrs();
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let running = tokio::spawn(server.run(async move {
            let _ = stopped.await;
        }));
        let key = outlet_core::identity::SecretKey::from_bytes([7; 32]);
        for address in [format!("quic://{}", addresses.quic), format!("tls://{}", addresses.tls.unwrap())] {
            let address = [address.parse().unwrap()];
            let dialled = outlet_transport::dial(&address, &key, &pins, Congestion::default()).await;
            assert!(matches!(dialled, Err(TransportError::WrongServerKey { got, .. }) if got == new));
            let (_, link) =
                outlet_transport::dial_by_roster(&address, &key, &pins, &roster, Congestion::default()).await.unwrap();
            assert_eq!((link.peer, link.introduced.as_ref().map(|cert| cert.value().key)), (new, Some(new)));
            assert_ne!(new, old);
            link.abort(0, "seen");
        }
        stop.send(()).unwrap();
        tokio::time::timeout(Duration::from_secs(20), running).await.unwrap().unwrap().unwrap();
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn the_running_server_shows_nothing_to_strangers_and_writes_durably() {
        let kit = Kit::new();
        let mut device = kit.member(1, Role::Inspector, None);
        let run = device.fact(&outlet(1), "name", "<script>alert(1)</script>");
        kit.push(&device, &[run]);
        let server = Server::bind(folder(&kit)).await.unwrap();
        let addresses = server.local_addrs();
        let engine = server.engine();
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let running = tokio::spawn(server.run(async move {
            let _ = stopped.await;
        }));
        let settings = engine.database().durability().unwrap();
        assert_eq!(
            settings,
            [("journal_mode", "wal".to_owned()), ("synchronous", "2".into()), ("foreign_keys", "1".into())]
        );
        let page = get(addresses.http, "/").await;
        assert!(page.starts_with("HTTP/1.1 303") && page.contains("location: /signin?next=%2F"), "{page}");
        assert!(get(addresses.http, "/healthz").await.ends_with(r#"{"status":"ok","outlets":1}"#));
        assert!(get(addresses.http, "/../keys/root.key").await.starts_with("HTTP/1.1 404"));
        let second = Server::bind(folder(&kit)).await.unwrap_err();
        assert!(second.message.contains("another outlet-server serves"));
        stop.send(()).unwrap();
        tokio::time::timeout(Duration::from_secs(20), running).await.unwrap().unwrap().unwrap();
        let third = Server::bind(folder(&kit)).await;
        assert!(third.is_ok(), "the folder is free again");
    }
}
