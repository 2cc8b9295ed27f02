//! The network side of `sync` and `enroll`: dial, run a session over the store, show progress.
//! Listening is in `listen.rs`.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use outlet_core::identity::{PeerAddress, ServerAddress, ServerCert, TransportKind};
use outlet_core::ids::{BlobHash, PublicKey};
use outlet_core::store::{EdgeStore, Lend, PeerReplica, Store, StoreError, is_wanted};
use outlet_core::sync::replica::Sealed;
use outlet_core::sync::session::{CloseReason, Config, Event, Options, Phase, Session, Summary};
use outlet_core::time::Timestamp;
use outlet_transport::{Congestion, Driven, Hooks, TransportError, dial, dial_by_roster, drive};

use crate::commands::peer::PATIENCE;
use crate::commands::sync::unreachable;
use crate::context::Context;
use crate::error::{CommandError, Result};
use crate::rates::Rates;
use crate::route::Route;
use crate::ui::{Progress, Ui, Warning};

/// The store, lent to one call at a time.
#[derive(Debug, Clone)]
pub(crate) struct SharedStore(pub(crate) Arc<Mutex<EdgeStore>>);

impl Lend for SharedStore {
    fn with<T>(&mut self, work: impl FnOnce(&mut EdgeStore) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

pub(crate) fn runtime() -> Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| CommandError::because("cannot start the network side", error))
}

/// How fast to send into a bad link: `OUTLET_CONGESTION`, else what was measured to be best.
pub(crate) fn congestion(ctx: &Context<'_>) -> Result<Congestion> {
    let Some(text) = ctx.ui.env.var("OUTLET_CONGESTION").filter(|text| !text.is_empty()) else {
        return Ok(Congestion::default());
    };
    text.parse().map_err(|error| CommandError::user(format!("OUTLET_CONGESTION: {error}")).hint("unset it"))
}

/// Whether something ended a session, or a wait, before its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stopped {
    /// Nothing did.
    No,
    /// Ctrl-C.
    ByUser,
    /// Another process wants the store.
    Wanted,
}

/// How often a watcher looks whether the store is wanted.
const LOOK: Duration = Duration::from_millis(100);

/// Runs one session with the first server that answers.
pub(crate) fn sync(ctx: &mut Context<'_>, servers: &[ServerAddress], options: Options) -> Result<Summary> {
    Ok(sync_until(ctx, servers, options, false)?.0)
}

/// As [`sync`]; with `step_aside` the session ends as soon as another process wants the store.
pub(crate) fn sync_until(
    ctx: &mut Context<'_>,
    servers: &[ServerAddress],
    options: Options,
    step_aside: bool,
) -> Result<(Summary, Stopped)> {
    let (home, congestion, clock) = (ctx.home()?, congestion(ctx)?, ctx.ui.env.clock());
    let started = clock();
    let workspace = ctx.workspace()?;
    let (key, pins, roster) = (workspace.secret_key(), workspace.pins()?, workspace.roster());
    if servers.is_empty() || pins.is_empty() {
        return Err(
            CommandError::user("no server is known on this device").hint("enrol with a ticket: outlet enroll TICKET")
        );
    }
    let replica = workspace.replica();
    let order = Route::order(&home, servers, started);
    let runtime = runtime()?;
    let plan = options.plan_only;
    let (stopped, by) = tokio::sync::watch::channel(Stopped::No);
    let mut shown = Shown::new(&mut ctx.ui);
    let mut via = None;
    let driven = runtime.block_on(async {
        let (address, link) = match &roster {
            Some(roster) => dial_by_roster(&order, &key, &pins, roster, congestion).await?,
            None => dial(&order, &key, &pins, congestion).await?,
        };
        shown.connected(&home, servers, &address, started);
        via = Some(address);
        if let Some(certificate) = &link.introduced {
            // The root vouches for the server's new key: kept before the session builds on it.
            keep_server(&replica, certificate, started).map_err(Failed::Store)?;
            shown.ui.status("The server has a new key, signed by the root this device trusts.");
        }
        let session = Session::initiator(Config::new(key.clone(), link.peer, link.binding), options);
        let hooks =
            Hooks::new(started, |event| shown.event(&event)).stop_when(stop(step_aside.then(|| home.clone()), stopped));
        Ok::<Driven, Failed>(drive(link, session, replica, hooks).await)
    });
    shown.end();
    let damaged = std::mem::take(&mut shown.damaged);
    // A call that is still running holds the store: it ends before the next command.
    drop(runtime);
    ctx.via = via.map(|address| address.to_string());
    match driven {
        Ok(driven) => {
            damaged_here(ctx, &damaged)?;
            let summary = finished(driven)?;
            if !plan {
                Rates::note(&home, &summary, clock().millis().saturating_sub(started.millis()));
            }
            Ok((summary, *by.borrow()))
        }
        Err(Failed::Network(error)) => Err(unreachable(error)),
        Err(Failed::Store(error)) => Err(error.into()),
    }
}

/// Runs one session with another device that listens.
pub(crate) fn meet(ctx: &mut Context<'_>, address: &PeerAddress, options: Options) -> Result<Summary> {
    let (started, congestion) = (ctx.ui.env.now(), congestion(ctx)?);
    let workspace = ctx.workspace()?;
    let key = workspace.secret_key();
    let pins = match address.key {
        Some(key) => BTreeSet::from([key]),
        // Without the key of the QR code: whoever is a member. Its name is shown.
        None => members(workspace, started),
    };
    let replica = Arc::new(Mutex::new(PeerReplica::new(SharedStore(workspace.replica()))));
    let at = ServerAddress { transport: TransportKind::Quic, host: address.host.clone(), port: address.port };
    let names = workspace.roster();
    let runtime = runtime()?;
    let mut shown = Shown { between_devices: true, ..Shown::new(&mut ctx.ui) };
    let driven = runtime.block_on(async {
        let called = tokio::time::timeout(PATIENCE, dial(&[at], &key, &pins, congestion)).await;
        let (_, link) = called.map_err(|_| {
            TransportError::Unreachable(vec![format!("{address}: no answer within {} s", PATIENCE.as_secs())])
        })??;
        let name = names.as_ref().and_then(|roster| roster.membership(&link.peer)).map(|member| member.name.clone());
        shown.ui.status(format!("Connected to {} ({}).", name.as_deref().unwrap_or("a device"), link.peer.short()));
        let session = Session::initiator(Config::new(key.clone(), link.peer, link.binding), options);
        let hooks = Hooks::new(started, |event| shown.event(&event)).stop_when(interrupted());
        Ok::<Driven, TransportError>(drive(link, session, replica, hooks).await)
    });
    shown.end();
    drop(runtime);
    ctx.via = Some(address.to_string());
    match driven {
        Ok(driven) => finished(driven),
        Err(error @ TransportError::WrongServerKey { .. }) => {
            Err(CommandError::because("another device answers at this address", error)
                .hint("scan the QR code again, or read the address from the other screen; both must have synced with the server once"))
        }
        Err(error) => Err(CommandError::because("the other device could not be reached", error)
            .hint("is `outlet peer listen` running there, and are both in the same network?")),
    }
}

fn members(workspace: &crate::workspace::Workspace, now: Timestamp) -> BTreeSet<PublicKey> {
    let Some(roster) = workspace.roster() else { return BTreeSet::new() };
    let keys = roster.certificates().map(|cert| cert.value().key);
    keys.filter(|key| roster.may_connect(key, now).is_ok()).collect()
}

/// Why no session came about.
enum Failed {
    Network(TransportError),
    Store(StoreError),
}

impl From<TransportError> for Failed {
    fn from(error: TransportError) -> Self {
        Self::Network(error)
    }
}

fn keep_server(store: &Mutex<EdgeStore>, certificate: &ServerCert, now: Timestamp) -> Result<(), StoreError> {
    let mut store = store.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(mut enrolment) = store.enrolment()? else { return Ok(()) };
    enrolment.server_certificate = Some(Sealed(certificate.to_bytes()));
    store.enrol(&enrolment, now)
}

/// Files that arrived with other bytes twice: is it the copy on this device that has changed?
fn damaged_here(ctx: &mut Context<'_>, damaged: &BTreeSet<BlobHash>) -> Result<()> {
    for hash in damaged {
        let here = ctx.workspace()?.store().blob_intact(hash)?;
        let text = if here {
            format!("file {hash} arrived damaged twice and stays pending: the link or the server's disk alters bytes.")
        } else {
            format!(
                "file {hash} on this device is no longer what was recorded, so it cannot be sent: put the original \
                 picture beside it again with `outlet photo`, or run `outlet doctor`."
            )
        };
        ctx.ui.warn(&Warning::new("damaged_file", text));
    }
    Ok(())
}

/// Resolves when the session is to end early, and says why.
async fn stop(home: Option<PathBuf>, why: tokio::sync::watch::Sender<Stopped>) {
    let wanted = async {
        match home {
            Some(home) => wanted(|| is_wanted(&home)).await,
            None => std::future::pending().await,
        }
    };
    let stopped = tokio::select! {
        () = interrupted() => Stopped::ByUser,
        () = wanted => Stopped::Wanted,
    };
    why.send_replace(stopped);
}

async fn wanted(look: impl Fn() -> bool) {
    while !look() {
        tokio::time::sleep(LOOK).await;
    }
}

/// Waits so long, and then as long as `busy` says; or until the user stops it.
pub(crate) fn wait(pause: Duration, busy: impl Fn() -> bool) -> Result<Stopped> {
    Ok(runtime()?.block_on(async {
        tokio::select! {
            () = interrupted() => Stopped::ByUser,
            () = async {
                tokio::time::sleep(pause).await;
                wanted(|| !busy()).await;
            } => Stopped::No,
        }
    }))
}

pub(crate) async fn interrupted() {
    // Without a signal handler Ctrl-C ends the process, which the store survives.
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// A fault of this device's own store is an error; everything else is in the summary.
fn finished(driven: Driven) -> Result<Summary> {
    match driven.reason {
        CloseReason::Failed { text, permanent } => {
            let error = CommandError::because("the sync stopped: the store of this device failed", text);
            Err(error.hint(if permanent {
                "run `outlet doctor`"
            } else {
                "free some disk space or try again; what was acknowledged is kept"
            }))
        }
        _ => Ok(driven.summary),
    }
}

/// Progress of a session on stderr.
pub(crate) struct Shown<'u, 'e> {
    pub(crate) ui: &'u mut Ui<'e>,
    phase: Option<(Phase, Progress)>,
    damaged: BTreeSet<BlobHash>,
    /// With another device: there is no feed, so that comparing is the rule and no reason to worry.
    pub(crate) between_devices: bool,
}

impl<'u, 'e> Shown<'u, 'e> {
    pub(crate) fn new(ui: &'u mut Ui<'e>) -> Self {
        Self { ui, phase: None, damaged: BTreeSet::new(), between_devices: false }
    }

    /// Says where, and remembers a way round what is blocked.
    fn connected(&mut self, home: &Path, servers: &[ServerAddress], address: &ServerAddress, now: Timestamp) {
        self.ui.status(format!("Connected to {address}."));
        if Route::note(home, servers, address, now) {
            self.ui.status("The first address does not answer; this one is tried first for the next hour.");
        }
    }

    pub(crate) fn event(&mut self, event: &Event) {
        match event {
            Event::Progress { phase, done, total } => self.progress(*phase, *done, *total),
            Event::Held { doc, code } => self.note(&format!("held by the server ({code}): {doc}")),
            Event::ItemRefused { doc, code, text } => self.note(&format!("refused ({code}): {doc}: {text}")),
            Event::FileRefused { hash, code } if ["hash_mismatch", "unreadable"].contains(&code.as_str()) => {
                self.damaged.insert(*hash);
            }
            Event::FileRefused { hash, code } => self.note(&format!("photo refused ({code}): {hash}")),
            Event::Comparing(collections) if !self.between_devices => {
                let all: Vec<String> = collections.iter().map(ToString::to_string).collect();
                self.note(&format!("digests differ: comparing {} document by document", all.join(", ")));
            }
            _ => {}
        }
    }

    fn note(&mut self, text: &str) {
        self.ui.warn(&Warning::new("sync", text.to_owned()));
    }

    fn progress(&mut self, phase: Phase, done: u64, total: Option<u64>) {
        if self.phase.as_ref().is_none_or(|(at, _)| *at != phase) {
            self.end();
            self.phase = Some((phase, self.ui.progress(word(phase))));
        }
        let line = self.phase.as_mut().and_then(|(_, bar)| bar.at(done, total.unwrap_or(done)));
        if let Some(line) = line {
            self.ui.status(line);
        }
    }

    pub(crate) fn end(&mut self) {
        if let Some((_, bar)) = self.phase.take() {
            bar.finish();
        }
    }
}

fn word(phase: Phase) -> &'static str {
    match phase {
        Phase::Push => "sending changes",
        Phase::Pull => "fetching changes",
        Phase::Compare => "comparing documents",
        Phase::FilesOut => "sending photos (bytes)",
        Phase::FilesIn => "fetching photos (bytes)",
    }
}
