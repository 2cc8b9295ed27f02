//! What supervisors wait for, at 30,000 outlets: possible duplicates, the review queue, milestone
//! tables of today and of a past day. The engine runs in this process, so that start-up and network
//! are not measured.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use outlet_core::identity::{Certificate, KeyUse, Membership, Role, SecretKey, SignedRun, read_key_file};
use outlet_core::ids::{Collection, PersonId};
use outlet_core::ledger::GroupBy;
use outlet_core::sync::replica::FeedItem;
use outlet_core::time::{Day, Timestamp};
use outlet_server::desk::duplicates;
use outlet_server::engine::Engine;
use outlet_server::folder::Folder;
use outlet_server::inventory::{self, Scope};
use outlet_tests::figures::Figures;
use outlet_tests::workload::Writer;

/// Outlets.
const OUTLETS: usize = 30_000;
/// Outlets per batch of a device.
const BATCH: usize = 500;
/// More than any device of this run brings.
const NO_QUOTA: &str = "[quota]\nchanges = 100000000\nbytes = 100000000000\ndocuments = 100000000\n";

/// Measures; everything is below `folder`.
pub(crate) fn measure(figures: &mut Figures, folder: &Path, collection: Collection) {
    let (engine, inspector) = server(&folder.join("decisions"), collection);
    let mut writer = Writer::new(inspector.clone(), [1; 4], 4);
    for _ in 0..OUTLETS / BATCH {
        let runs: Vec<SignedRun> = (0..BATCH).map(|_| writer.run(collection)).collect();
        admit(&engine, &inspector, runs);
    }

    let (first, (records, pairs)) = timed(|| duplicates::totals(&engine).expect("compared"));
    assert_eq!(records, OUTLETS as u64);
    figures.at_most("possible duplicates of 30,000 records, first look", first, "ms", 10_000.0, "");
    figures.beside("pairs among them", pairs as f64, "pairs", "");
    let one = median(|| {
        let run = writer.run(collection);
        let key = run.doc;
        admit(&engine, &inspector, vec![run]);
        timed(|| duplicates::candidates(&engine, &key).expect("compared")).0
    });
    figures.at_most("possible duplicates of one new record, median of 9", one, "ms", 10.0, "");

    let (today, past) = (day("2026-01-15"), [day("2021-12-31"), day("2022-12-31")]);
    figures.beside("milestone table, nothing kept yet", table(&engine, today), "ms", "");
    figures.at_most("milestone table of today, as pages ask for it", table(&engine, today), "ms", 150.0, "");
    let changed = median(|| {
        admit(&engine, &inspector, vec![writer.run(collection)]);
        table(&engine, today)
    });
    figures.at_most("milestone table of today after a change, median of 9", changed, "ms", 150.0, "");
    let seen = median(|| {
        let run = writer.run(collection);
        let work = || {
            admit(&engine, &inspector, vec![run]);
            let everything = Scope::everything();
            engine.database().read(|tx| inventory::overview(tx, &everything, today)).expect("counts");
            table(&engine, today)
        };
        timed(work).0
    });
    figures.at_most("a change admitted, counted and in the milestone table, median of 9", seen, "ms", 1_000.0, "");
    figures.at_most("milestone table of a past day", table(&engine, past[0]), "ms", 3_000.0, "");
    figures.at_most("milestone table of another past day", table(&engine, past[1]), "ms", 3_000.0, "");
}

fn day(text: &str) -> Day {
    text.parse().expect("a date literal")
}

fn table(engine: &Engine, as_of: Day) -> f64 {
    let reference = engine.database().read(|tx| engine.reference(tx)).expect("reference data");
    let set = reference.active_set();
    let all = Scope::everything();
    timed(|| outlet_server::milestones::table(engine, set, as_of, GroupBy::Unit, &all).expect("a table")).0
}

fn timed<T>(work: impl FnOnce() -> T) -> (f64, T) {
    let started = Instant::now();
    let value = work();
    (millis(started.elapsed()), value)
}

/// Of nine measurements: a single one meets whatever else the machine does.
fn median(mut measure: impl FnMut() -> f64) -> f64 {
    let mut all: Vec<f64> = (0..9).map(|_| measure()).collect();
    all.sort_by(f64::total_cmp);
    all[4]
}

fn millis(elapsed: Duration) -> f64 {
    elapsed.as_secs_f64() * 1000.0
}

/// A server with one inspector, whose certificate it recognises as its own signature.
fn server(data: &Path, collection: Collection) -> (Engine, SecretKey) {
    let clock = || {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970");
        Timestamp::from_millis(i64::try_from(since.as_millis()).expect("a clock before the year 292,000,000"))
    };
    let now = clock();
    Folder::init(data, now).expect("a data folder");
    std::fs::write(data.join("server.toml"), NO_QUOTA).expect("settings");
    let keys = std::fs::read_dir(data.join("keys")).expect("keys");
    let file = keys
        .filter_map(|entry| Some(entry.ok()?.path()))
        .find(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("server-")))
        .expect("the server's key");
    let key = read_key_file(&std::fs::read(file).expect("readable"), KeyUse::Server).expect("a key");
    let inspector = SecretKey::from_bytes([5; 32]);
    let membership = Membership {
        key: inspector.public(),
        person: PersonId([5; 16]),
        name: "bench".to_owned(),
        role: Role::Inspector,
        level: None,
        collections: [collection].into(),
        not_before: now.plus_millis(-1),
        not_after: now.plus_millis(86_400_000),
        serial: 1_000,
    };
    let (folder, _) = Folder::open(data, Arc::new(clock)).expect("opens");
    let engine = Engine::new(folder).expect("an engine");
    assert!(engine.recognise(&Certificate::sign(&key, membership), now).expect("recognised"));
    (engine, inspector)
}

fn admit(engine: &Engine, inspector: &SecretKey, runs: Vec<SignedRun>) {
    let items: Vec<FeedItem> = runs.into_iter().map(FeedItem::Run).collect();
    let admitted = engine.admit(&inspector.public(), &items).expect("admitted");
    let stored = |outcome: &outlet_core::sync::replica::Outcome| {
        matches!(outcome, outlet_core::sync::replica::Outcome::Stored { .. })
    };
    assert!(admitted.outcomes.iter().all(stored), "{:?}", admitted.outcomes.first());
}
