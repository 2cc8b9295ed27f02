//! The network side of `sync` and `enroll`: dial, run one session over the store, show progress.

use std::sync::{Mutex, PoisonError};

use outlet_core::identity::{ServerAddress, ServerCert};
use outlet_core::store::{EdgeStore, Store, StoreError};
use outlet_core::sync::replica::Sealed;
use outlet_core::sync::session::{CloseReason, Config, Event, Options, Phase, Session, Summary};
use outlet_core::time::Timestamp;
use outlet_transport::{Congestion, Driven, Hooks, TransportError, dial, dial_by_roster, drive};

use crate::commands::sync::unreachable;
use crate::context::Context;
use crate::error::{CommandError, Result};
use crate::ui::{Progress, Ui};

/// Runs one session with the first server that answers.
pub(crate) fn sync(ctx: &mut Context<'_>, servers: &[ServerAddress], options: Options) -> Result<Summary> {
    let workspace = ctx.workspace()?;
    let (key, pins, roster) = (workspace.secret_key(), workspace.pins()?, workspace.roster());
    if servers.is_empty() || pins.is_empty() {
        return Err(
            CommandError::user("no server is known on this device").hint("enrol with a ticket: outlet enroll TICKET")
        );
    }
    let replica = workspace.replica();
    let started = ctx.ui.env.now();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| CommandError::because("cannot start the network side", error))?;
    let mut shown = Shown::new(&mut ctx.ui);
    let driven = runtime.block_on(async {
        let congestion = Congestion::default();
        let (address, link) = match &roster {
            Some(roster) => dial_by_roster(servers, &key, &pins, roster, congestion).await?,
            None => dial(servers, &key, &pins, congestion).await?,
        };
        shown.ui.status(format!("Connected to {address}."));
        if let Some(certificate) = &link.introduced {
            // The root vouches for the server's new key: kept before the session builds on it.
            keep_server(&replica, certificate, started).map_err(Failed::Store)?;
            shown.ui.status("The server has a new key, signed by the root this device trusts.");
        }
        let session = Session::initiator(Config::new(key.clone(), link.peer, link.binding), options);
        let hooks = Hooks::new(started, |event| shown.event(&event)).stop_when(interrupted());
        Ok::<Driven, Failed>(drive(link, session, replica, hooks).await)
    });
    shown.end();
    // A call that is still running holds the store: it ends before the next command.
    drop(runtime);
    match driven {
        Ok(driven) => finished(driven),
        Err(Failed::Network(error)) => Err(unreachable(error)),
        Err(Failed::Store(error)) => Err(error.into()),
    }
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

async fn interrupted() {
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
struct Shown<'u, 'e> {
    ui: &'u mut Ui<'e>,
    phase: Option<(Phase, Progress)>,
}

impl<'u, 'e> Shown<'u, 'e> {
    fn new(ui: &'u mut Ui<'e>) -> Self {
        Self { ui, phase: None }
    }

    fn event(&mut self, event: &Event) {
        match event {
            Event::Progress { phase, done, total } => self.progress(*phase, *done, *total),
            Event::Held { doc, code } => self.note(&format!("held by the server ({code}): {doc}")),
            Event::ItemRefused { doc, code, text } => self.note(&format!("refused ({code}): {doc}: {text}")),
            Event::FileRefused { hash, code } => self.note(&format!("photo refused ({code}): {hash}")),
            Event::Comparing(collections) => {
                let all: Vec<String> = collections.iter().map(ToString::to_string).collect();
                self.note(&format!("digests differ: comparing {} document by document", all.join(", ")));
            }
            _ => {}
        }
    }

    fn note(&mut self, text: &str) {
        self.ui.warn(&crate::ui::Warning::new("sync", text.to_owned()));
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

    fn end(&mut self) {
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
