//! Sessions over real connections. What a session decides is tested where it lives; here, that the
//! loop around it neither loses nor blocks anything.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use outlet_core::identity::SignedStatement;
use outlet_core::ids::{BlobHash, ChainHash, ChangeHash, Collection, DocKey, Epoch, PublicKey};
use outlet_core::sync::calls::Call;
use outlet_core::sync::digest::CollectionDigest;
use outlet_core::sync::replica::{
    Admitted, Batch, BlobFinish, BlobList, BlobOffer, BlobQuery, BlobWant, CollectionState, Cursor, DocHeads,
    Introduction, Local, Missing, Outgoing, PeerPlan, Replica, ReplicaError, Sealed, SendPlan, Since, Verdict, Welcome,
};
use outlet_core::sync::session::{CloseReason, Config, Event, Options, Session, SyncOutcome};
use outlet_core::time::Timestamp;

use crate::tests::{BOTH, key, links};
use crate::{Driven, Hooks, Link, drive};

/// A replica without documents: enough for a session that has nothing to do.
#[derive(Default)]
struct Empty {
    statements: usize,
    /// Panics at a peer's hello.
    panics: bool,
}

fn state(collection: &Collection) -> CollectionState {
    let cursor = Some(Cursor { epoch: Epoch([1; 8]), seq: 0, chain: ChainHash([0; 16]) });
    let digest = CollectionDigest::new();
    CollectionState { collection: *collection, digest: digest.digest(), count: digest.count(), held: 0, cursor }
}

fn collections() -> Vec<Collection> {
    [0, 511_902, 511_903, 511_921, 511_922].into_iter().map(|code| Collection::from_code(code).unwrap()).collect()
}

fn absent<T>() -> Result<T, ReplicaError> {
    Err(ReplicaError::NotFound("anything".into()))
}

impl Replica for Empty {
    fn local(&mut self) -> Result<Local, ReplicaError> {
        Ok(Local { subscriptions: collections().iter().map(state).collect(), ..Local::default() })
    }

    fn begin(&mut self, _: &PublicKey, hello: &Introduction, _: Timestamp) -> Result<Verdict, ReplicaError> {
        assert!(!self.panics, "a bug in the store");
        let since = |state: &CollectionState| Some((state.collection, Since::After(state.cursor?)));
        let feeds: BTreeMap<_, _> = hello.subscriptions.iter().filter_map(since).collect();
        Ok(Verdict::Welcome(PeerPlan { feeds, ..PeerPlan::default() }))
    }

    fn welcome(&mut self, _: &PublicKey, _: &Welcome, _: Timestamp) -> Result<(), ReplicaError> {
        Ok(())
    }

    fn outgoing(&mut self, _: &PublicKey, plan: &SendPlan, _: usize) -> Result<Outgoing, ReplicaError> {
        Ok(Outgoing { next: plan.clone(), ..Outgoing::default() })
    }

    fn admit(&mut self, _: &PublicKey, _: &Batch, _: Timestamp) -> Result<Admitted, ReplicaError> {
        absent()
    }

    fn states(&mut self, collections: &[Collection]) -> Result<Vec<CollectionState>, ReplicaError> {
        Ok(collections.iter().map(state).collect())
    }

    fn heads(
        &mut self,
        _: Collection,
        _: Option<&DocKey>,
        _: Option<&DocKey>,
        _: usize,
    ) -> Result<Vec<DocHeads>, ReplicaError> {
        Ok(Vec::new())
    }

    fn runs_for(&mut self, _: &DocKey, _: &[ChangeHash]) -> Result<Missing, ReplicaError> {
        absent()
    }

    fn keep_statement(&mut self, statement: &SignedStatement, _: Timestamp) -> Result<(), ReplicaError> {
        statement.verify().unwrap();
        self.statements += 1;
        Ok(())
    }

    fn blobs_to_send(&mut self, _: &PublicKey, _: &BlobQuery) -> Result<BlobList, ReplicaError> {
        Ok(BlobList::default())
    }

    fn blob_read(&mut self, _: &BlobHash, _: u64, _: usize) -> Result<Vec<u8>, ReplicaError> {
        absent()
    }

    fn blob_begin(&mut self, _: &PublicKey, _: &BlobOffer, _: Timestamp) -> Result<BlobWant, ReplicaError> {
        absent()
    }

    fn blob_write(&mut self, _: &BlobHash, _: u64, _: &[u8]) -> Result<(), ReplicaError> {
        absent()
    }

    fn blob_finish(&mut self, _: &PublicKey, _: &BlobHash, _: Timestamp) -> Result<BlobFinish, ReplicaError> {
        absent()
    }

    fn blob_stored(
        &mut self,
        _: &PublicKey,
        _: &BlobHash,
        _: Option<&Sealed>,
        _: Timestamp,
    ) -> Result<(), ReplicaError> {
        absent()
    }
}

fn config(link: &Link, seed: u8) -> Config {
    Config::new(key(seed), link.peer, link.binding)
}

fn now() -> Timestamp {
    Timestamp::from_millis(1_600_000_000_000)
}

async fn drive_device(link: Link, replica: Arc<Mutex<Empty>>) -> Driven {
    let session = Session::initiator(config(&link, 2), Options::default());
    drive(link, session, replica, Hooks::new(now(), |_| ())).await
}

async fn drive_server(link: Link, replica: Arc<Mutex<Empty>>) -> Driven {
    let session = Session::acceptor(config(&link, 1));
    drive(link, session, replica, Hooks::new(now(), |_| ())).await
}

#[tokio::test]
async fn with_nothing_to_do_both_sides_agree_in_a_kilobyte() {
    for kind in BOTH {
        let (ours, theirs) = links(kind).await;
        let meter = ours.meter();
        let (device, server) = (Arc::default(), Arc::default());
        // Spawned, to show that a session can be: the futures are Send.
        let served = tokio::spawn(drive_server(theirs, Arc::clone(&server)));
        let done = drive_device(ours, Arc::clone(&device)).await;
        let served = served.await.unwrap();
        for side in [&done, &served] {
            assert_eq!(side.reason, CloseReason::Done, "{kind:?}: {side:?}");
            assert_eq!(side.summary.outcome, SyncOutcome::Converged, "{side:?}");
        }
        assert_eq!(done.summary.round_trips, 1);
        let total = meter.sent() + meter.received();
        assert!(total <= 1024, "{total} bytes");
        assert_eq!((device.lock().unwrap().statements, server.lock().unwrap().statements), (1, 1));
    }
}

#[tokio::test]
async fn calls_are_foreseen_in_the_order_of_their_turns() {
    let (ours, theirs) = links(BOTH[0]).await;
    let session = Session::initiator(config(&ours, 2), Options::default());
    let seen = Arc::new(Mutex::new(Vec::new()));
    let told = Arc::clone(&seen);
    let hooks = Hooks::new(now(), |_| ()).foresee(move |call| told.lock().unwrap().push(call.clone()));
    let done = drive(ours, session, Arc::new(Mutex::new(Empty::default())), hooks);
    let (done, _) = tokio::join!(done, drive_server(theirs, Arc::default()));
    assert_eq!(done.reason, CloseReason::Done);
    let seen = seen.lock().unwrap();
    assert!(matches!(seen[..], [Call::Local, .., Call::KeepStatement(_)]), "{seen:?}");
}

#[tokio::test]
async fn a_panic_of_the_store_ends_its_session_and_the_other_side_is_told() {
    for kind in BOTH {
        let (ours, theirs) = links(kind).await;
        let broken = Arc::new(Mutex::new(Empty { panics: true, ..Empty::default() }));
        let (done, served) = tokio::join!(drive_device(ours, Arc::default()), drive_server(theirs, broken));
        assert!(matches!(served.reason, CloseReason::Failed { permanent: true, .. }), "{served:?}");
        assert!(matches!(done.reason, CloseReason::RefusedByPeer(_)), "{done:?}");
    }
}

#[tokio::test]
async fn a_peer_that_says_nothing_is_cut_with_a_reason() {
    for kind in BOTH {
        let (ours, theirs) = links(kind).await;
        let mut config = config(&ours, 2);
        config.stall_ms = 200;
        let session = Session::initiator(config, Options::default());
        let mut last = None;
        let hooks = Hooks::new(now(), |event| last = Some(event));
        let done = drive(ours, session, Arc::new(Mutex::new(Empty::default())), hooks);
        // The peer keeps the connection alive, reads, and never answers.
        let silent = async {
            let mut theirs = theirs;
            while theirs.records.incoming.recv().await.is_some() {}
            theirs.close(0, "").await;
        };
        let (done, ()) = tokio::join!(done, silent);
        let CloseReason::Refused(refusal) = &done.reason else { panic!("{done:?}") };
        assert!(refusal.text.contains("nothing moved"), "{refusal:?}");
        assert!(matches!(last, Some(Event::Finished(summary)) if summary.why.as_ref() == Some(refusal)));
    }
}

#[tokio::test]
async fn a_lost_connection_ends_the_session_as_incomplete() {
    for kind in BOTH {
        let (ours, theirs) = links(kind).await;
        theirs.abort(9, "gone");
        let done = drive_device(ours, Arc::default()).await;
        assert_eq!(done.reason, CloseReason::Cut, "{done:?}");
        assert_eq!(done.summary.outcome, SyncOutcome::Incomplete);
    }
}

#[tokio::test]
async fn a_wish_to_stop_ends_the_session() {
    for kind in BOTH {
        let (ours, theirs) = links(kind).await;
        let session = Session::initiator(config(&ours, 2), Options::default());
        let hooks = Hooks::new(now(), |_| ()).stop_when(async {});
        let stopped = drive(ours, session, Arc::new(Mutex::new(Empty::default())), hooks);
        let (stopped, served) = tokio::join!(stopped, drive_server(theirs, Arc::default()));
        assert_eq!(stopped.reason, CloseReason::Cut);
        assert_eq!(served.reason, CloseReason::Cut);
    }
}
