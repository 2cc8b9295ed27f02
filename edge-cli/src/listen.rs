//! The side that is called: other devices, a few at a time, over one store.
//!
//! Sessions run as tasks of their own, so that one whose caller has walked away keeps nobody waiting;
//! a device that calls again ends the session it had (`outlet_transport::Turns`, as at the server). What
//! they tell comes back here, where alone is printed.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use outlet_core::identity::SecretKey;
use outlet_core::ids::PublicKey;
use outlet_core::store::{PeerReplica, Store};
use outlet_core::sync::replica::RefusalCode;
use outlet_core::sync::session::{CloseReason, Config, Event, Session, SyncOutcome, Transferred};
use outlet_transport::{Driven, Hooks, Link, Turns, drive, quic};
use serde_json::json;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use crate::context::Context;
use crate::env::Clock;
use crate::error::{CommandError, Result};
use crate::net::{SharedStore, Shown, congestion, interrupted, runtime};
use crate::ui::{Ui, Warning};

/// Callers at the same time, in handshakes and sessions; who comes after waits in the handshake.
const MAX_CALLERS: usize = 6;
/// What sessions have told and is not shown yet. Half of it is kept free of progress; what does not find room
/// is counted.
const EVENTS: usize = 512;
/// How long sessions may take to end when the user stops.
const GRACE: Duration = Duration::from_secs(3);

/// How to wait for other devices.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Listen {
    /// Where.
    pub(crate) address: SocketAddr,
    /// One session only.
    pub(crate) once: bool,
    /// Nobody is let in after so long; who is in may finish.
    pub(crate) longest: Option<Duration>,
}

/// Takes sessions of other devices; true when at least one went well. `announce` shows where it
/// listens.
pub(crate) fn listen(
    ctx: &mut Context<'_>,
    listen: &Listen,
    announce: impl FnOnce(&mut Ui<'_>, SocketAddr, PublicKey) -> Result<()>,
) -> Result<bool> {
    let congestion = congestion(ctx)?;
    let (clock, workspace) = (ctx.ui.env.clock(), ctx.workspace()?);
    let (key, store) = (workspace.secret_key(), SharedStore(workspace.replica()));
    let runtime = runtime()?;
    let served = runtime.block_on(async {
        let endpoint = quic::listen(listen.address, &key, congestion).map_err(|error| {
            CommandError::because(format!("cannot listen on {}", listen.address), error)
                .hint("choose another --address, or port 0")
        })?;
        announce(&mut ctx.ui, endpoint.local_addr()?, key.public())?;
        let callers = Callers::new(key, store, clock);
        let went_well = serve(&mut ctx.ui, &endpoint, callers, listen).await;
        endpoint.close(0_u32.into(), b"done");
        let _in_time = tokio::time::timeout(GRACE, endpoint.wait_idle()).await.is_ok();
        went_well
    });
    drop(runtime);
    served
}

/// A session that is over.
struct Ended {
    peer: PublicKey,
    driven: Driven,
}

/// Who is in, and what their sessions need.
struct Callers {
    key: SecretKey,
    store: SharedStore,
    clock: Clock,
    turns: Arc<Turns>,
    handshakes: JoinSet<Option<Link>>,
    sessions: JoinSet<Ended>,
    /// Of the sessions; a device that called again is in twice until the older one has ended.
    peers: Vec<PublicKey>,
    told: mpsc::Sender<Event>,
    events: mpsc::Receiver<Event>,
    /// Words of sessions that found no room.
    missed: Arc<AtomicUsize>,
    stop: watch::Sender<bool>,
}

impl Callers {
    fn new(key: SecretKey, store: SharedStore, clock: Clock) -> Self {
        let (told, events) = mpsc::channel(EVENTS);
        let (stop, _) = watch::channel(false);
        let (handshakes, sessions, peers, turns) = (JoinSet::new(), JoinSet::new(), Vec::new(), Arc::default());
        Self { key, store, clock, turns, handshakes, sessions, peers, told, events, missed: Arc::default(), stop }
    }

    fn room(&self) -> bool {
        self.handshakes.len() + self.sessions.len() < MAX_CALLERS
    }

    fn shake_hands(&mut self, incoming: quic::Incoming) {
        self.handshakes.spawn(async move {
            let connection = quic::accept(incoming).await.ok()?;
            Link::accept(connection).await.ok()
        });
    }

    fn begin(&mut self, link: Link) {
        let (peer, told, mut stop) = (link.peer, self.told.clone(), self.stop.subscribe());
        let session = Session::acceptor(Config::new(self.key.clone(), peer, link.binding));
        let replica = Arc::new(Mutex::new(PeerReplica::new(self.store.clone())));
        let missed = Arc::clone(&self.missed);
        let tell = move |event| {
            let progress = matches!(event, Event::Progress { .. });
            // Progress leaves room for what counts, and may be lost.
            let skipped = progress && told.capacity() < EVENTS / 2;
            if !skipped && told.try_send(event).is_err() && !progress {
                missed.fetch_add(1, Ordering::Relaxed);
            }
        };
        let hooks = Hooks::new((self.clock)(), tell)
            .stop_when(async move { drop(stop.wait_for(|stop| *stop).await) })
            .in_turn(self.turns.of(peer));
        self.peers.push(peer);
        self.sessions.spawn(async move { Ended { peer, driven: drive(link, session, replica, hooks).await } });
    }

    fn end(&mut self, peer: &PublicKey) {
        if let Some(at) = self.peers.iter().position(|known| known == peer) {
            self.peers.swap_remove(at);
        }
    }

    /// Tells the sessions that are left that the user stops, and waits a little: how they ended.
    async fn stop(mut self) -> Vec<Ended> {
        self.stop.send_replace(true);
        let mut all = Vec::new();
        let ended = async {
            while let Some(ended) = self.sessions.join_next().await {
                all.extend(ended);
            }
        };
        let _in_time = tokio::time::timeout(GRACE, ended).await.is_ok();
        self.sessions.shutdown().await;
        all
    }
}

async fn serve(ui: &mut Ui<'_>, endpoint: &quic::Endpoint, mut callers: Callers, listen: &Listen) -> Result<bool> {
    let (mut went_well, mut open) = (false, true);
    let over = async {
        match listen.longest {
            Some(longest) => tokio::time::sleep(longest).await,
            None => std::future::pending().await,
        }
    };
    tokio::pin!(over);
    let stop = interrupted();
    tokio::pin!(stop);
    let mut shown = Shown::new(ui);
    shown.between_devices = true;
    while open || !callers.sessions.is_empty() {
        tokio::select! {
            biased;
            () = &mut stop => break,
            () = &mut over, if open => open = false,
            Some(event) = callers.events.recv() => {
                // Of several at once the bars would jump between them.
                if callers.sessions.len() < 2 || !matches!(event, Event::Progress { .. }) {
                    shown.event(&event);
                }
            }
            Some(ended) = callers.sessions.join_next(), if !callers.sessions.is_empty() => {
                shown.end();
                let ended = ended.map_err(|error| CommandError::because("a session failed", error))?;
                callers.end(&ended.peer);
                went_well |= tell(shown.ui, &callers.store, &ended)?;
                // Its device goes on in another one.
                open &= !listen.once || is_replaced(&ended);
            }
            Some(link) = callers.handshakes.join_next(), if !callers.handshakes.is_empty() => {
                let Ok(Some(link)) = link else { continue };
                if listen.once && !callers.peers.is_empty() && !callers.peers.contains(&link.peer) {
                    link.abort(11, "this device listens for one other device only");
                } else {
                    callers.begin(link);
                }
            }
            incoming = endpoint.accept(), if open && callers.room() => match incoming {
                Some(incoming) => callers.shake_hands(incoming),
                None => break,
            },
        }
    }
    shown.end();
    let (store, missed) = (callers.store.clone(), Arc::clone(&callers.missed));
    for ended in callers.stop().await {
        went_well |= tell(shown.ui, &store, &ended)?;
    }
    let missed = missed.load(Ordering::Relaxed);
    if missed > 0 {
        let text = format!(
            "{missed} more words of sessions were not shown; `outlet status` and `outlet list` have what is held"
        );
        shown.ui.warn(&Warning::new("not_shown", text));
    }
    Ok(went_well)
}

fn is_replaced(ended: &Ended) -> bool {
    matches!(&ended.driven.reason, CloseReason::Refused(why) if why.code == RefusalCode::Replaced)
}

/// One line a session; true when it went well.
fn tell(ui: &mut Ui<'_>, store: &SharedStore, Ended { peer, driven }: &Ended) -> Result<bool> {
    let summary = &driven.summary;
    let name = {
        let mut store = store.clone();
        outlet_core::store::Lend::with(&mut store, |store| {
            let roster = Store::roster(store).ok().flatten();
            roster.and_then(|roster| roster.membership(peer).map(|member| member.name.clone()))
        })
    };
    let shown = name.clone().unwrap_or_else(|| format!("key {}", peer.short()));
    let why = summary.why.as_ref().map(|why| (why.code.as_str(), words(&shown, why.code, &why.text, driven.heard)));
    if ui.json {
        let way = |way: &Transferred| json!({"changes": way.changes, "photos": way.photos, "previews": way.previews, "bytes": way.bytes});
        ui.data(&json!({"peer": peer, "name": name, "outcome": summary.outcome.as_str(), "sent": way(&summary.sent),
            "received": way(&summary.received),
            "why": why.map(|(code, message)| json!({"code": code, "message": message}))}))?;
    } else {
        ui.line(format!(
            "{shown}: {}; {} changes and {} photos received, {} changes and {} photos given",
            summary.outcome.as_str(),
            summary.received.changes,
            summary.received.photos,
            summary.sent.changes,
            summary.sent.photos
        ))?;
        if let Some((code, text)) = why {
            ui.warn(&Warning::new(code, text));
        }
    }
    ui.flush()?;
    Ok(summary.outcome == SyncOutcome::Converged)
}

/// A session that gave way to a newer one of its device: was anybody still at its other end?
fn words(name: &str, code: RefusalCode, text: &str, heard: bool) -> String {
    match (code, heard) {
        (RefusalCode::Replaced, false) => {
            format!("{name} called again after its link was cut; it goes on in the new session")
        }
        (RefusalCode::Replaced, true) => format!(
            "two devices call with the key of {name}: its folder was copied from one to the other, and they end each \
             other's sessions. Use one of them only, and enrol the other with a ticket of its own in a new folder; what \
             is recorded stays on both"
        ),
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_that_gave_way_says_whether_somebody_was_still_there() {
        let gone = words("li", RefusalCode::Replaced, "", false);
        assert!(gone.contains("li called again") && !gone.contains("copied"), "{gone}");
        let two = words("li", RefusalCode::Replaced, "", true);
        assert!(two.contains("two devices") && two.contains("ticket of its own"), "{two}");
        assert_eq!(words("li", RefusalCode::Full, "no room", true), "no room");
    }
}
