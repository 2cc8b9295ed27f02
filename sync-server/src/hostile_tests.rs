//! Hostile devices and an honest one on a running server, over QUIC.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use outlet_core::identity::{Role, SecretKey, ServerAddress, TicketSecret};
use outlet_core::ids::{Collection, DocKey, PersonId, PublicKey};
use outlet_core::sync::memory::MemoryReplica;
use outlet_core::sync::session::{Config, Options, Session, SyncOutcome};
use outlet_core::sync::wire::{Frame, Lane};
use outlet_core::time::Timestamp;
use outlet_transport::{Congestion, Driven, Hooks, Link, dial, drive};

use crate::db::{DbError, devices};
use crate::folder::Folder;
use crate::server::Server;
use crate::testing::{Kit, county, outlet};

struct Caller {
    address: ServerAddress,
    server: PublicKey,
    now: Timestamp,
}

impl Caller {
    async fn link(&self, key: &SecretKey) -> Link {
        let pins = [self.server].into();
        dial(std::slice::from_ref(&self.address), key, &pins, Congestion::default()).await.unwrap().1
    }

    async fn sync(&self, device: &Arc<Mutex<MemoryReplica>>, secret: Option<[u8; 16]>) -> Driven {
        let key = device.lock().unwrap().secret().clone();
        let link = self.link(&key).await;
        let options = Options { ticket_secret: secret.map(|secret| secret.to_vec()), ..Options::default() };
        let session = Session::initiator(Config::new(key, link.peer, link.binding), options);
        drive(link, session, Arc::clone(device), Hooks::new(self.now, |_| ())).await
    }
}

fn note(text: &str) -> String {
    format!(r#"{{"type":"note","kind":"note","text":"{text}","at":1640000000000}}"#)
}

/// What the server says to these bytes on the records lane, until it closes.
async fn answers(mut link: Link, frames: Vec<Vec<u8>>) -> Vec<Frame> {
    for frame in frames {
        if link.records.out.send(frame).await.is_err() {
            break;
        }
    }
    let mut heard = Vec::new();
    while let Some(Ok(bytes)) = link.records.incoming.recv().await {
        heard.push(Frame::decode(Lane::Records, &bytes).unwrap());
    }
    heard
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hostile_devices_are_refused_and_the_honest_one_beside_them_goes_on() {
    let kit = Kit::new();
    let (mut folder, _) = Folder::open(kit.place.path(), kit.engine.folder.clock.clone()).unwrap();
    folder.config.listen.quic = "127.0.0.1:0".into();
    folder.config.listen.http = "127.0.0.1:0".into();
    let root = folder.database.read::<_, DbError>(|tx| folder.roster(tx)).unwrap().root();
    let server_key = folder.key().public();
    let server = Server::bind(folder).await.unwrap();
    let (engine, quic) = (server.engine(), server.local_addrs().quic);
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let running = tokio::spawn(server.run(async move {
        let _ = stopped.await;
    }));
    let caller = Caller { address: format!("quic://{quic}").parse().unwrap(), server: server_key, now: kit.now() };
    let mut members = Vec::new();
    for at in [1_u8, 2] {
        let grant = devices::Grant {
            role: Role::Inspector,
            level: None,
            collections: vec![county()],
            name: format!("person {at}"),
            person: PersonId([at; 16]),
        };
        let hash = TicketSecret::from_bytes([at; 16]).hash().0;
        let until = kit.now().plus_millis(1_000_000);
        engine
            .database()
            .write::<_, DbError>(|tx| devices::insert_ticket(tx, &hash, &grant, kit.now(), until))
            .unwrap();
        let device = MemoryReplica::device(SecretKey::from_bytes([at + 60; 32]), [at; 4], root);
        let device = Arc::new(Mutex::new(device));
        let enrolled = caller.sync(&device, Some([at; 16])).await;
        assert_eq!(enrolled.summary.outcome, SyncOutcome::Converged, "{enrolled:?}");
        members.push(device);
    }
    let [honest, rogue] = &members[..] else { panic!("two members") };

    // A member writes where it has no right, and beside that where it has.
    let foreign = DocKey { collection: Collection::from_code(511_903).unwrap(), ..outlet(7) };
    rogue.lock().unwrap().edit(foreign, kit.now(), &[note("harm")]).unwrap();
    rogue.lock().unwrap().edit(outlet(8), kit.now(), &[note("allowed")]).unwrap();
    honest.lock().unwrap().edit(outlet(9), kit.now(), &[note("honest")]).unwrap();
    let key = rogue.lock().unwrap().secret().clone();
    let stranger = SecretKey::from_bytes([99; 32]);
    // Noise, a frame out of place, and a session that opens and says nothing, all at once with work.
    let (harm, work, noise, early, silent) = tokio::join!(
        caller.sync(rogue, None),
        caller.sync(honest, None),
        async { answers(caller.link(&stranger).await, vec![vec![0xff; 900]]).await },
        async { answers(caller.link(&key).await, vec![Frame::Bye.encode()]).await },
        caller.link(&key),
    );
    assert_eq!((harm.summary.refused_items, harm.summary.sent.changes), (1, 1), "{harm:?}");
    assert_eq!(work.summary.outcome, SyncOutcome::Converged, "{work:?}");
    for heard in [noise, early] {
        assert!(matches!(&heard[..], [Frame::Refused(why)] if why.code == 0), "{heard:?}");
    }
    silent.abort(0, "seen");
    let again = caller.sync(honest, None).await;
    assert_eq!(again.summary.outcome, SyncOutcome::Converged, "{again:?}");
    let rows = engine.database().read::<_, DbError>(|tx| crate::db::records::document(tx, &foreign)).unwrap();
    assert!(rows.is_none(), "nothing of it was kept");
    stop.send(()).unwrap();
    tokio::time::timeout(Duration::from_secs(30), running).await.unwrap().unwrap().unwrap();
}

/// Two processes on one database: whoever commits first has the smaller number, so that a device
/// which reads while they write misses nothing.
#[test]
fn a_reader_sees_every_number_of_two_writers_once_and_in_order() {
    let kit = Kit::new();
    let engines = [Arc::clone(&kit.engine), Arc::new(crate::testing::open(kit.place.path(), &kit.clock))];
    let devices = [kit.member(1, Role::Inspector, None), kit.member(2, Role::Inspector, None)];
    const RUNS: usize = 40;
    let head = kit.engine.database().read::<_, DbError>(|tx| crate::db::feed::head(tx, county())).unwrap();
    let seen = std::thread::scope(|scope| {
        for (engine, mut device) in engines.iter().zip(devices) {
            let first = device.key.public().0[0];
            scope.spawn(move || {
                for number in 0..RUNS {
                    let id = outlet_core::ids::OutletId::new(
                        Timestamp::from_millis(i64::try_from(number).unwrap()),
                        [first; 10],
                    );
                    let run = device.fact(&DocKey { id, ..outlet(1) }, "name", "甲");
                    let items = [outlet_core::sync::replica::FeedItem::Run(run)];
                    // The two take the single writer from each other in any order.
                    engine.admit(&device.key.public(), &items).unwrap();
                }
            });
        }
        let reader = scope.spawn(|| {
            let (mut cursor, mut seen) = (head.seq, Vec::new());
            let until = std::time::Instant::now() + Duration::from_secs(120);
            while seen.len() < 2 * RUNS && std::time::Instant::now() < until {
                let read = |tx: &rusqlite::Transaction<'_>| crate::db::feed::after(tx, county(), cursor, 7);
                let items = kit.engine.database().read::<_, DbError>(read).unwrap();
                seen.extend(items.iter().map(|item| item.seq));
                cursor = items.last().map_or(cursor, |last| last.seq);
            }
            seen
        });
        reader.join().unwrap()
    });
    let expected: Vec<u64> = (head.seq + 1..=head.seq + 2 * RUNS as u64).collect();
    assert_eq!(seen, expected);
}
