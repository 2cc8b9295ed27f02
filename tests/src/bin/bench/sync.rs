//! What a sync costs in bytes, round trips and CPU at the size of a city: 100,000 outlets in real
//! stores on both sides, in one process.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use outlet_core::identity::{Role, SecretKey, SignedRun, TicketSecret};
use outlet_core::ids::{Collection, DocKey, PersonId};
use outlet_core::store::{EdgeStore, Enrolment, Entropy, OpenStore, Store as _, boot_id};
use outlet_core::sync::memory::MemoryReplica;
use outlet_core::sync::replica::{Batch, FeedItem, Replica};
use outlet_core::sync::session::{Options, Summary, SyncOutcome};
use outlet_core::sync::wire::{Packer, pack};
use outlet_core::time::Timestamp;
use outlet_server::db::{DbError, devices};
use outlet_server::engine::Engine;
use outlet_server::folder::Folder;
use outlet_server::replica::ServerReplica;
use outlet_tests::figures::{Figures, cpu_millis_of};
use outlet_tests::pair::{Side, sync};
use outlet_tests::workload::{CHANGES_PER_OUTLET, Writer};

/// Outlets in all; three in ten are what the fresh device pulls first. `bench sync OUTLETS` measures
/// at another size.
const ALL: usize = 100_000;
const EDITS: usize = 100;
/// Sessions with nothing to do, so that CPU in steps of 10 ms says something.
const IDLE: u32 = 20;
/// Runs in one batch of the filling.
const BATCH: usize = 500;

struct World {
    engine: Arc<Engine>,
    now: Timestamp,
    sessions: u64,
}

impl World {
    fn new(folder: &Path) -> Self {
        Folder::init(folder, wall()).expect("a data folder");
        let quota = "[quota]\nchanges = 100_000_000\nbytes = 100_000_000_000\ndocuments = 10_000_000\n";
        std::fs::write(folder.join("server.toml"), quota).expect("the configuration can be written");
        let (folder, _) = Folder::open(folder, Arc::new(wall)).expect("the folder opens");
        Self { engine: Arc::new(Engine::new(folder).expect("an engine")), now: wall(), sessions: 0 }
    }

    fn ticket(&self, secret: [u8; 16], collection: Collection) {
        let grant = devices::Grant {
            role: Role::Inspector,
            level: None,
            collections: vec![collection],
            name: "bench".to_owned(),
            person: PersonId(secret),
        };
        let hash = TicketSecret::from_bytes(secret).hash().0;
        let until = self.now.plus_millis(86_400_000);
        let made =
            self.engine.database().write::<_, DbError>(|tx| devices::insert_ticket(tx, &hash, &grant, self.now, until));
        made.expect("a ticket");
    }

    fn sync(&mut self, device: &mut dyn Replica, key: &SecretKey, secret: Option<[u8; 16]>) -> Summary {
        self.sessions += 1;
        let mut server = ServerReplica::new(Arc::clone(&self.engine));
        let options = Options { ticket_secret: secret.map(|secret| secret.to_vec()), ..Options::default() };
        let acceptor = Side { replica: &mut server, key: self.engine.folder.key().clone() };
        let summary = sync(Side { replica: device, key: key.clone() }, acceptor, options, wall(), self.sessions);
        assert_eq!(summary.outcome, SyncOutcome::Converged, "{summary:?}");
        summary
    }

    fn fill(&self, writer: &mut Writer, author: &SecretKey, collection: Collection, outlets: usize) -> Vec<SignedRun> {
        let started = Instant::now();
        let runs: Vec<SignedRun> = (0..outlets).map(|_| writer.run(collection)).collect();
        for part in runs.chunks(BATCH) {
            let items: Vec<FeedItem> = part.iter().cloned().map(FeedItem::Run).collect();
            let admitted = self.engine.admit(&author.public(), &items).expect("admitted");
            assert!(admitted.new_changes > 0, "{:?}", admitted.outcomes.first());
        }
        super::print(&format!("server filled with {outlets} outlets in {:.0} s\n", started.elapsed().as_secs_f64()));
        runs
    }
}

/// Rows of issue "sync that costs what changed".
pub(crate) fn measure(figures: &mut Figures, folder: &Path, collection: Collection) {
    let all = std::env::args().find_map(|text| text.parse().ok()).unwrap_or(ALL);
    let fresh = all * 3 / 10;
    let mut world = World::new(&folder.join("sync-server"));
    let author = SecretKey::from_bytes([31; 32]);
    let root =
        world.engine.database().read::<_, DbError>(|tx| world.engine.folder.roster(tx)).expect("a roster").root();
    let mut writer = Writer::new(author.clone(), [0; 4], 31);
    world.ticket([1; 16], collection);
    let mut first = MemoryReplica::device(author.clone(), [0; 4], root);
    let _ = world.sync(&mut first, &author, Some([1; 16]));
    drop(first);

    let runs = world.fill(&mut writer, &author, collection, fresh);
    packing(figures, &runs);
    let mut device = store(&folder.join("sync-device"), &world, root);
    let key = device.identity().key().clone();
    world.ticket([2; 16], collection);
    let started = Instant::now();
    let pulled = world.sync(&mut device, &key, Some([2; 16]));
    let least = baseline(&runs);
    figures.at_most(
        &format!("fresh device pulling {fresh} outlets, bytes received"),
        pulled.received.bytes as f64 / least as f64,
        "ratio",
        1.2,
        "zstd -3 of the raw changes with 16-byte ids, and 64 B per signature",
    );
    let name = format!("fresh device pulling {fresh} outlets");
    figures.beside(&name, pulled.received.bytes as f64 / fresh as f64, "B/outlet", "");
    let seconds = started.elapsed().as_secs_f64();
    figures.beside(&name, fresh as f64 / seconds, "outlets/s", "in one process");
    drop(runs);

    let keys: Vec<DocKey> =
        world.fill(&mut writer, &author, collection, all - fresh).iter().map(|run| run.doc).collect();
    let _ = world.sync(&mut device, &key, None);
    idle(figures, &mut world, &mut device, &key, all);
    edits(figures, &mut world, &mut device, &key, &keys, all);
    figures.beside(&format!("memory of both sides in one process, {all} outlets"), peak_mb(), "MB", "peak resident");
    device.close().expect("closed");
}

fn idle(figures: &mut Figures, world: &mut World, device: &mut EdgeStore, key: &SecretKey, all: usize) {
    let cpu = cpu_millis_of(std::process::id(), 0);
    let mut last = None;
    for _ in 0..IDLE {
        last = Some(world.sync(device, key, None));
    }
    let cpu = (cpu_millis_of(std::process::id(), 0) - cpu) / f64::from(IDLE);
    let last = last.expect("at least one session");
    let bytes = last.sent.bytes + last.received.bytes;
    let name = format!("nothing to do at {all}");
    figures.at_most(&format!("{name}, bytes both ways"), bytes as f64, "B", 1024.0, "after the TLS handshake");
    figures.at_most(&format!("{name}, round trips"), last.round_trips as f64, "", 1.0, "");
    figures.at_most(&format!("{name}, CPU of both sides"), cpu, "ms", 20.0, "in open stores, mean of 20");
}

/// Field work on what is there: one act in each of 100 outlets all over the county.
fn edits(
    figures: &mut Figures,
    world: &mut World,
    device: &mut EdgeStore,
    key: &SecretKey,
    keys: &[DocKey],
    all: usize,
) {
    let mut raw = Vec::new();
    for (number, doc) in keys.iter().step_by(keys.len() / EDITS).take(EDITS).enumerate() {
        let at = world.now.millis() + i64::try_from(number).unwrap_or(0) * 60_000;
        let text = format!(r#"{{"type":"note","kind":"note","text":"复查{number}，排口无水流","at":{at}}}"#);
        let saved = device.write(doc, &[text], &[], Timestamp::from_millis(at)).expect("saved");
        raw.extend_from_slice(doc.id.0.as_bytes());
        let runs = device.runs_for(doc, &[]).expect("readable").runs;
        let own = runs.into_iter().find(|run| run.last() == Some(saved.change)).expect("it was just written");
        own.changes.iter().for_each(|change| raw.extend_from_slice(change));
    }
    let least = zstd::bulk::compress(&raw, 3).expect("compresses").len() + 64 * EDITS;
    let pushed = world.sync(device, key, None);
    assert_eq!(pushed.sent.changes, EDITS as u64);
    let compared = "zstd -3 of the raw changes with 16-byte ids, and 64 B per signature";
    let ratio = pushed.sent.bytes as f64 / least as f64;
    let name = format!("100 edits in {all}");
    figures.at_most(&format!("{name}, bytes sent"), ratio, "ratio", 1.15, compared);
    let both = (pushed.sent.bytes + pushed.received.bytes) as f64;
    figures.beside(&format!("{name}, bytes both ways"), both, "B", "receipts and proof included");
    figures.at_most(&format!("{name}, round trips"), pushed.round_trips as f64, "", 2.0, "");
}

fn store(home: &Path, world: &World, root: outlet_core::ids::PublicKey) -> EdgeStore {
    let open = OpenStore {
        home: home.to_owned(),
        who: "bench".to_owned(),
        now: world.now,
        entropy: Entropy { key: [33; 32], incarnation: [3; 4] },
        boot: boot_id(),
        create: true,
        accept_weak_storage: false,
    };
    let mut store = EdgeStore::open(&open, &mut |_| {}).expect("the store opens");
    let enrolment = Enrolment {
        root,
        servers: vec![world.engine.folder.key().public()],
        addresses: vec!["quic://127.0.0.1:4433".into()],
        collections: Vec::new(),
        certificate: None,
        server_certificate: None,
        name: None,
    };
    store.enrol(&enrolment, world.now).expect("enrolled");
    store
}

/// What short runs, dictionary and stream gain, without any session around them.
fn packing(figures: &mut Figures, runs: &[SignedRun]) {
    let batch =
        |runs: &[SignedRun]| Batch { items: runs.iter().cloned().map(FeedItem::Run).collect(), cursors: Vec::new() };
    for count in [1, 4, 20, 200] {
        let part = &runs[..count];
        let packed = pack(&batch(part)).expect("packs").len();
        let name = format!("packed batch of {count} outlets, alone");
        figures.beside(
            &name,
            packed as f64 / baseline(part) as f64,
            "ratio",
            "zstd -3 of raw changes, and 64 B a signature",
        );
    }
    let (mut stream, mut alone, mut together) = (Packer::default(), 0, 0);
    for part in runs[..2_000].chunks(20) {
        let batch = batch(part);
        alone += pack(&batch).expect("packs").len();
        together += stream.pack(&batch, u64::MAX).expect("packs").len();
    }
    figures.beside(
        "100 batches of 20 outlets in one stream",
        together as f64 / alone as f64,
        "ratio",
        "each by itself",
    );
}

/// What no protocol of whole changes can do without.
fn baseline(runs: &[SignedRun]) -> usize {
    let mut raw = Vec::new();
    for run in runs {
        assert_eq!(run.changes.len(), CHANGES_PER_OUTLET);
        raw.extend_from_slice(run.doc.id.0.as_bytes());
        run.changes.iter().for_each(|change| raw.extend_from_slice(change));
    }
    zstd::bulk::compress(&raw, 3).expect("compresses").len() + 64 * runs.len()
}

fn peak_mb() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").trim().parse::<f64>().ok())
        .map_or(f64::NAN, |kb| kb / 1024.0)
}

fn wall() -> Timestamp {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_millis(i64::try_from(now.as_millis()).unwrap_or(i64::MAX))
}
