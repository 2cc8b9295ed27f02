//! The inventory: questions on a ledger of a million made-up rows, the dashboard, map tiles; and on
//! real documents the data of an outlet's page, and how soon a change is seen.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use outlet_core::identity::{Role, SecretKey, SignedRun};
use outlet_core::ids::{Collection, DocKey, DocKind, OutletId, PersonId};
use outlet_core::ledger::LedgerRow;
use outlet_core::sync::replica::FeedItem;
use outlet_core::time::{Day, Timestamp};
use outlet_server::db::{Database, DbError, devices::Grant};
use outlet_server::engine::Engine;
use outlet_server::folder::{Folder, issue};
use outlet_server::inventory::place::{self, Tile};
use outlet_server::inventory::{self, Columns, Filter, Query, Scope, Writer as RowWriter};
use outlet_server::{report, tiles};
use outlet_tests::figures::{Figures, percentile};
use outlet_tests::workload::Writer;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::json;

/// Rows of the made-up ledger, unless `OUTLET_BENCH_ROWS` says otherwise.
const ROWS: u64 = 1_000_000;
/// Rows per transaction.
const BATCH: u64 = 20_000;
/// Outlets with real documents.
const DOCUMENTS: u64 = 1_000;

/// Filters of the page; the mix takes every one with another one.
const FILTERS: [&str; 25] = [
    "county=511921",
    "unit=511902",
    "township=镇017",
    "waterbody=河12",
    "basin=渠江",
    "class=ban&class=merge",
    "class=",
    "proposed=regulate",
    "state=rectifying",
    "review=submitted",
    "type=T07",
    "scale=above",
    "entry_mode=pipe",
    "discharge=flowing",
    "dry_weather=yes",
    "sign=none",
    "approval=approved",
    "problem=P03",
    "flag=conflict",
    "flag=no_position",
    "overdue=true",
    "surveyed_on=2021-03-10..2021-07-20",
    "bbox=106.62,31.70,106.95,32.05",
    "q=南江",
    "q=T-0123",
];

/// Columns of the page.
const SORTS: [&str; 18] = [
    "-changed",
    "name",
    "number",
    "-party",
    "surveyed_on",
    "-sampled_on",
    "traced_on",
    "-decided_on",
    "plan_due",
    "completed_on",
    "-accepted_on",
    "county",
    "-township",
    "waterbody",
    "class",
    "-state",
    "review",
    "-problems",
];

/// 50 questions: each filter with the one seven places on, each order in turn; every other one reads
/// a page deep inside.
fn questions() -> Vec<(String, bool)> {
    (0..50)
        .map(|number| {
            let (first, second) = (FILTERS[number % 25], FILTERS[(number * 7 + 3 + number / 25) % 25]);
            let filter = if number % 5 == 4 { first.to_owned() } else { format!("{first}&{second}") };
            (format!("{filter}&sort={}", SORTS[number % 18]), number % 2 == 1)
        })
        .collect()
}

fn setting(name: &str, usual: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(usual)
}

fn day(text: &str) -> Day {
    text.parse().expect("a day")
}

pub(crate) fn measure(figures: &mut Figures, folder: &Path) {
    let rows = setting("OUTLET_BENCH_ROWS", ROWS);
    let database = Database::create(&folder.join("inventory.sqlite")).expect("a fresh database");
    let began = Instant::now();
    fill(&database, rows);
    let rate = rows as f64 / began.elapsed().as_secs_f64();
    figures.beside(&format!("ledger rows written ({rows})"), rate, "rows/s", "");
    lists(figures, &database);
    map(figures, &database);
    documents(figures, &folder.join("documents"));
}

fn fill(database: &Database, rows: u64) {
    let mut dice = ChaCha8Rng::seed_from_u64(8);
    let template: LedgerRow = template();
    for first in (0..rows).step_by(usize::try_from(BATCH).expect("fits")) {
        let write = database.write::<_, DbError>(|tx| {
            let mut writer = RowWriter::new(tx);
            for number in first..(first + BATCH).min(rows) {
                let row = made_up(&template, number, &mut dice);
                let text = inventory::to_text(&row);
                writer.put(&row.key, &text, "[]", &Columns::of(&row))?;
            }
            writer.finish()
        });
        write.expect("written");
    }
    database.checkpoint().expect("one file");
}

fn template() -> LedgerRow {
    let collection: Collection = "511902".parse().expect("a county");
    let id = OutletId::new(Timestamp::from_millis(0), [0; 10]);
    serde_json::from_value(json!({
        "id": id, "collection": collection, "key": DocKey { kind: DocKind::Field, collection, id },
        "review_state": "draft", "scale": "undetermined", "state": "surveying", "sign_state": "none",
        "problem_count": 0, "other_parties": [], "measures": [], "photos": 2, "attachments": 0, "problems": [],
        "scale_history": [], "conflicts": [], "amended": [], "unreviewed": ["name", "location"],
        "return_reasons": [], "finding_count": 1, "bank": "left", "datum": "wgs84", "accuracy_m": 5.0,
        "village": "河坝村", "address": "村口桥下游约一百米", "basin": "渠江",
    }))
    .expect("a row")
}

fn made_up(template: &LedgerRow, number: u64, dice: &mut ChaCha8Rng) -> LedgerRow {
    let mut row = template.clone();
    let counties = ["511902", "511903", "511921", "511922", "511923"];
    // Squared: some counties, townships and rivers have many more outlets than others.
    let uneven =
        |dice: &mut ChaCha8Rng, count: usize| ((dice.random::<f64>().powi(2) * count as f64) as usize).min(count - 1);
    let at = uneven(dice, counties.len());
    let county = counties[at];
    row.collection = county.parse().expect("a county");
    row.id = OutletId::new(Timestamp::from_millis(1_600_000_000_000), dice.random());
    row.key = DocKey { kind: DocKind::Field, collection: row.collection, id: row.id };
    row.county = Some(county.into());
    row.management_unit = Some(county.into());
    let township = at * 38 + uneven(dice, 38);
    row.township = Some(format!("镇{township:03}"));
    let river = uneven(dice, 60);
    row.waterbody = Some(format!("河{river:02}"));
    let place = ["南江", "通江", "平昌", "巴州", "恩阳"][at];
    row.name = Some(format!("{place}县镇{township:03}河{river:02}左岸{}米生活污水排口", number % 9_000));
    row.temporary_number = Some(format!("T-{number:07}"));
    row.primary_party = (dice.random_range(0..10) > 2).then(|| format!("{place}第{}水务公司", uneven(dice, 3_000)));
    let mut code = |list: &[&str]| (dice.random_range(0..5) > 0).then(|| list[uneven(dice, list.len())].to_owned());
    row.classification = code(&["regulate", "merge", "ban", "none_needed"]);
    row.classification_proposed = code(&["regulate", "merge", "ban", "none_needed"]);
    row.entry_mode = code(&["pipe", "ditch", "culvert", "pump"]);
    row.discharge_state = code(&["flowing", "dry", "cannot_determine"]);
    row.dry_weather_discharge = code(&["no", "yes", "cannot_determine"]);
    row.approval_status = code(&["none", "approved", "registered"]);
    row.outlet_type = code(&["T01", "T02", "T03", "T04", "T05", "T06", "T07", "T08", "T09", "T10"]);
    row.sign_state = code(&["none", "erected", "damaged"]).unwrap_or_else(|| "none".into());
    let states = ["surveying", "submitted", "listed", "decided", "rectifying", "in_service", "closed"];
    row.state = serde_json::from_value(json!(states[uneven(dice, states.len())])).expect("a state");
    let reviews = ["approved", "draft", "submitted", "returned"];
    row.review_state = serde_json::from_value(json!(reviews[uneven(dice, reviews.len())])).expect("a state");
    if dice.random_range(0..12) == 0 {
        row.scale = outlet_core::ledger::ScaleClass::Above;
    }
    let all_at_once = dice.random_range(0..3) == 0;
    let mut days = |share: u32| {
        let some = dice.random_range(0..100) < share;
        some.then(|| day("2021-01-01").plus_days(dice.random_range(0..1_000)))
    };
    (row.surveyed_on, row.sampled_on, row.traced_on) = (days(90), days(70), days(60));
    (row.decided_on, row.completed_on, row.accepted_on) = (days(50), days(30), days(20));
    row.plan_due = if all_at_once { Some(day("2022-12-31")) } else { days(40) };
    for problem in 0..dice.random_range(0..3) {
        row.problems.push(outlet_core::ledger::Problem {
            code: format!("P{:02}", (number + problem) % 12),
            found_on: row.surveyed_on,
            due: None,
            open: true,
            closed_on: None,
            reviewed: false,
        });
    }
    row.problem_count = row.problems.len();
    if dice.random_range(0..200) == 0 {
        row.conflicts.push("location".into());
    }
    if dice.random_range(0..50) > 0 {
        // Along rivers: a few lines rather than a cloud.
        let along = dice.random::<f64>();
        row.lon = Some(106.35 + along * 1.2 + dice.random::<f64>() * 0.02);
        row.lat = Some(31.3 + (along * 7.0 + f64::from(u32::try_from(river).unwrap_or(0)) / 9.0).sin().abs() * 1.2);
    }
    row
}

/// CPU nanoseconds of this thread; 0 where the system does not say.
fn cpu() -> f64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    text.split(' ').next().and_then(|number| number.parse().ok()).unwrap_or(0.0)
}

/// Wall and CPU milliseconds.
fn timed<T>(work: impl FnOnce() -> T) -> (T, f64, f64) {
    let (began, before) = (Instant::now(), cpu());
    let value = work();
    (value, began.elapsed().as_secs_f64() * 1e3, (cpu() - before) / 1e6)
}

/// Samples with both times.
#[derive(Default)]
struct Samples {
    wall: Vec<f64>,
    cpu: Vec<f64>,
}

impl Samples {
    fn add<T>(&mut self, work: impl FnOnce() -> T) -> T {
        let (value, wall, cpu) = timed(work);
        self.wall.push(wall);
        self.cpu.push(cpu);
        value
    }

    fn report(mut self, figures: &mut Figures, name: &str, limit: f64) {
        figures.at_most(&format!("{name}, p95"), percentile(&mut self.wall, 0.95), "ms", limit, "");
        figures.beside(&format!("{name}, p95 of CPU"), percentile(&mut self.cpu, 0.95), "ms", "");
    }
}

fn lists(figures: &mut Figures, database: &Database) {
    let today = day("2022-06-01");
    let ask = |query: &Query| database.read::<_, DbError>(|tx| inventory::page(tx, query)).expect("a page");
    let mut samples = Samples::default();
    for (text, deep) in questions() {
        let mut query = Query::parse(Scope::everything(), &text, today).expect("a question");
        if deep {
            // Far inside, by way of large pages.
            query.limit = 500;
            for _ in 0..30 {
                let Some(next) = ask(&query).next else { break };
                query.after = Some(next);
            }
            query.limit = 50;
        }
        let (page, wall, used) = timed(|| ask(&query));
        if wall > 50.0 {
            crate::print(&format!("slow: {text} deep={deep}: {wall:.0} ms ({used:.0} ms CPU), {}\n", page.total));
        }
        samples.wall.push(wall);
        samples.cpu.push(used);
    }
    samples.report(figures, "50 questions", 50.0);
    for (name, scope) in
        [("everything", Scope::everything()), ("one county", Scope::of(["511921".parse().expect("a county")]))]
    {
        let mut samples = Samples::default();
        for _ in 0..5 {
            samples.add(|| database.read::<_, DbError>(|tx| inventory::overview(tx, &scope, today)).expect("counts"));
        }
        samples.report(figures, &format!("today's dashboard, {name}"), 150.0);
    }
}

fn map(figures: &mut Figures, database: &Database) {
    let today = day("2022-06-01");
    let filtered = Query::parse(Scope::everything(), "class=ban&state=rectifying", today).expect("a question").filter;
    for (name, filter) in [("all outlets", Filter::new(Scope::everything())), ("filtered", filtered)] {
        let mut samples = Samples::default();
        let mut largest = 0;
        for z in 0..=18 {
            for step in 0..6 {
                let part = f64::from(step) / 5.0;
                let lon = 106.36 + part * 1.2;
                let lat = 31.3 + (part * 7.0 + 0.5).sin().abs() * 1.2;
                let (x, y) = place::unmorton(place::cell(lon, lat).expect("on the map"));
                let tile = Tile::new(z, x >> (place::LEVEL - z), y >> (place::LEVEL - z)).expect("a tile");
                let bytes = samples
                    .add(|| database.read::<_, DbError>(|tx| tiles::render(tx, &filter, tile, today)).expect("a tile"));
                largest = largest.max(bytes.len());
            }
        }
        samples.report(figures, &format!("tiles of every zoom, {name}"), 50.0);
        figures.at_most(&format!("largest tile, {name}"), largest as f64 / 1e3, "KB", 500.0, "");
    }
}

fn documents(figures: &mut Figures, folder: &Path) {
    let count = DOCUMENTS;
    let now = Timestamp::from_millis(1_650_000_000_000);
    let made = Folder::init(folder, now).expect("a data folder");
    let (mut data, _) = Folder::open(folder, Arc::new(move || now)).expect("it opens");
    // The quota of a device and day is not what is measured.
    data.config.quota =
        outlet_server::config::Quota { changes: u64::MAX, bytes: u64::MAX, documents: u64::MAX, photo_bytes: u64::MAX };
    let _ = made;
    let engine = Engine::new(data).expect("an engine");
    let collection: Collection = "511902".parse().expect("a county");
    let key = SecretKey::from_bytes([3; 32]);
    let grant = Grant {
        role: Role::Inspector,
        level: None,
        collections: vec![collection],
        name: "bench".into(),
        person: PersonId([3; 16]),
    };
    let config = &engine.folder.config;
    let issued = engine.database().write(|tx| issue(tx, config, engine.folder.key(), key.public(), &grant, None, now));
    let _ = issued.expect("a member");
    let mut writer = Writer::new(key.clone(), [0; 4], 1);
    for first in (0..count).step_by(500) {
        let runs = (first..(first + 500).min(count)).map(|_| FeedItem::Run(writer.run(collection)));
        let admitted = engine.admit(&key.public(), &runs.collect::<Vec<_>>()).expect("admitted");
        assert!(admitted.new_changes > 0, "the quota lets them in");
    }
    one(figures, &engine, writer.run(collection), &key);
}

/// A page of one outlet, and how soon a change is seen.
fn one(figures: &mut Figures, engine: &Engine, run: SignedRun, key: &SecretKey) {
    let doc = run.doc;
    let scope = Scope::everything();
    let (seen, wall, _) = timed(|| {
        engine.admit(&key.public(), &[FeedItem::Run(run)]).expect("admitted");
        engine.database().read::<_, DbError>(|tx| {
            let overview = inventory::overview(tx, &scope, day("2022-06-01"))?;
            Ok((overview.total, inventory::one(tx, &scope, &doc)?.is_some()))
        })
    });
    assert!(seen.expect("read").1, "the row is there");
    figures.at_most("a change in ledger and dashboard", wall, "ms", 1_000.0, "");
    let reference = engine.database().read(|tx| engine.reference(tx)).expect("reference data");
    let mut samples = Samples::default();
    for _ in 0..20 {
        samples.add(|| {
            let entry = engine.database().read::<_, DbError>(|tx| inventory::one(tx, &scope, &doc)).expect("a row");
            assert!(entry.is_some());
            report::profiles_around(engine, reference.active_set(), day("2022-12-31"), &doc).expect("profiles")
        });
    }
    samples.report(figures, "outlet page data", 30.0);
}
