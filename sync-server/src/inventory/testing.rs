//! A ledger of made-up rows for tests of questions, without documents behind it.

use std::collections::BTreeMap;

use outlet_core::ids::{Collection, DocKey, DocKind, OutletId};
use outlet_core::ledger::{LedgerRow, LifeCycle, Problem, ReviewState};
use outlet_core::time::{Day, Timestamp};
use rusqlite::Connection;
use serde_json::json;

use super::{Columns, Writer};
use crate::db::{Database, DbError};

/// Small numbers out of a seed, the same every time.
pub(crate) struct Dice(pub u64);

impl Dice {
    pub(crate) fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }

    pub(crate) fn pick<'a, T>(&mut self, list: &'a [T]) -> &'a T {
        let at = usize::try_from(self.roll(list.len() as u64)).unwrap();
        &list[at]
    }
}

pub(crate) const COUNTIES: [u32; 3] = [511_902, 511_921, 511_922];
const NAMES: [&str; 6] =
    ["南江县污水处理厂排口", "巴河左岸1#", "Ｎ－01 雨水口", "通江 南江", "<script>alert(1)</script>", "江"];

pub(crate) fn key(number: u64) -> DocKey {
    let mut random = [0; 10];
    random[..8].copy_from_slice(&number.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
    let code = COUNTIES[usize::try_from(number % 3).unwrap()];
    DocKey {
        kind: DocKind::Field,
        collection: Collection::from_code(code).unwrap(),
        id: OutletId::new(Timestamp::from_millis(1_600_000_000_000), random),
    }
}

pub(crate) fn row(number: u64, dice: &mut Dice) -> LedgerRow {
    let key = key(number);
    let mut row: LedgerRow = serde_json::from_value(json!({
        "id": key.id, "collection": key.collection, "key": key,
        "review_state": "draft", "scale": "undetermined", "state": "surveying", "sign_state": "none",
        "problem_count": 0, "other_parties": [], "measures": [], "photos": 0, "attachments": 0, "problems": [],
        "scale_history": [], "conflicts": [], "amended": [], "unreviewed": [], "return_reasons": [],
        "finding_count": 0,
    }))
    .unwrap();
    let day = |dice: &mut Dice| {
        (dice.roll(4) > 0)
            .then(|| "2021-01-01".parse::<Day>().unwrap().plus_days(i64::try_from(dice.roll(500)).unwrap()))
    };
    row.name = (dice.roll(5) > 0).then(|| (*dice.pick(&NAMES)).to_owned());
    row.county = (dice.roll(9) > 0).then(|| dice.pick(&COUNTIES).to_string());
    row.township = Some(format!("镇{}", dice.roll(20)));
    row.classification = (dice.roll(2) > 0).then(|| (*dice.pick(&["ban", "merge", "regulate"])).to_owned());
    row.state = *dice.pick(&[LifeCycle::Surveying, LifeCycle::Decided, LifeCycle::InService]);
    row.review_state = *dice.pick(&[ReviewState::Draft, ReviewState::Approved]);
    row.surveyed_on = day(dice);
    row.plan_due = if dice.roll(2) > 0 { Some("2022-12-31".parse().unwrap()) } else { day(dice) };
    row.primary_party = (dice.roll(2) > 0).then(|| format!("企业{}", dice.roll(4)));
    row.temporary_number = Some(format!("T-{number:04}"));
    if dice.roll(8) > 0 {
        let degrees = |dice: &mut Dice| f64::from(u32::try_from(dice.roll(10_000)).unwrap()) / 10_000.0;
        row.lon = Some(106.2 + degrees(dice));
        row.lat = Some(31.4 + degrees(dice));
    }
    for code in ["dry_weather_discharge", "no_sign", "odd,comma"] {
        if dice.roll(4) == 0 {
            row.problems.push(Problem {
                code: code.into(),
                found_on: None,
                due: None,
                open: dice.roll(3) > 0,
                closed_on: None,
                reviewed: false,
            });
        }
    }
    row.problem_count = row.problems.iter().filter(|problem| problem.open).count();
    if dice.roll(6) == 0 {
        row.conflicts.push("location".into());
    }
    row
}

pub(crate) struct World {
    _place: tempfile::TempDir,
    pub database: Database,
    pub rows: BTreeMap<DocKey, LedgerRow>,
}

impl World {
    pub(crate) fn new() -> Self {
        let place = tempfile::tempdir().unwrap();
        let database = Database::create(&place.path().join(crate::db::FILE)).unwrap();
        Self { _place: place, database, rows: BTreeMap::new() }
    }

    pub(crate) fn put(&mut self, rows: Vec<LedgerRow>) {
        self.database
            .write::<_, DbError>(|tx| {
                let mut writer = Writer::new(tx);
                for row in &rows {
                    writer.put(&row.key, &super::to_text(row), "[]", &Columns::of(row))?;
                }
                writer.finish()
            })
            .unwrap();
        self.rows.extend(rows.into_iter().map(|row| (row.key, row)));
    }

    pub(crate) fn filled(count: u64) -> Self {
        let mut world = Self::new();
        let mut dice = Dice(7);
        world.put((0..count).map(|number| row(number, &mut dice)).collect());
        // Changed rows leave what they had.
        world.put((0..count).step_by(3).map(|number| row(number, &mut dice)).collect());
        world
    }

    pub(crate) fn read<T>(&self, work: impl FnOnce(&Connection) -> Result<T, DbError>) -> T {
        self.database.read(|tx| work(tx)).unwrap()
    }

    /// Everything derived, as texts.
    pub(crate) fn dump(&self) -> Vec<String> {
        self.read(|connection| {
            let mut lines = Vec::new();
            for sql in [
                "SELECT id, hex(outlet), collection, row, findings FROM ledger ORDER BY id",
                "SELECT * FROM inventory ORDER BY id",
                "SELECT dimension, value, chunk, count, hex(bits) FROM posting ORDER BY 1, 2, 3",
                "SELECT * FROM grid ORDER BY 1, 2, 3",
                "SELECT * FROM party ORDER BY 1, 2, 3",
                "SELECT name, sql FROM sqlite_schema WHERE type = 'index' ORDER BY name",
            ] {
                let mut statement = connection.prepare(sql)?;
                let columns = statement.column_count();
                let mut rows = statement.query([])?;
                while let Some(row) = rows.next()? {
                    let line = (0..columns).map(|at| row.get::<_, rusqlite::types::Value>(at));
                    lines.push(format!("{:?}", line.collect::<Result<Vec<_>, _>>()?));
                }
            }
            Ok(lines)
        })
    }
}
