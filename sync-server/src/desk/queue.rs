//! The review queue: what waits, the gravest findings first, then the longest wait.

use outlet_core::ids::{Collection, DocKey, OutletId};
use outlet_core::ledger::ReviewState;
use outlet_core::time::Timestamp;
use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};
use serde::Serialize;

use super::catch_up;
use crate::accounts::Account;
use crate::db::{DbError, int};
use crate::engine::{Engine, EngineError};

/// Which part of the queue.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct QueueFilter {
    /// State in review; `None`: all that wait (`submitted`, `approved_amended`, `gated`).
    pub review: Option<ReviewState>,
    /// Only this collection.
    pub collection: Option<Collection>,
    /// Only records without any error, warning, conflict or possible duplicate.
    pub clean: bool,
    /// Lines at most.
    pub limit: u64,
}

/// One record that waits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Line {
    /// The outlet.
    pub id: OutletId,
    /// Key of the field record.
    pub outlet: DocKey,
    /// Temporary number.
    pub number: Option<String>,
    /// Name.
    pub name: Option<String>,
    /// County code.
    pub county: Option<String>,
    /// Who handed it in.
    pub inspector: Option<String>,
    /// State in review.
    pub review: String,
    /// Handed in again after a return.
    pub again: bool,
    /// Errors among the findings.
    pub errors: i64,
    /// Warnings among them.
    pub warnings: i64,
    /// Facts in conflict.
    pub conflicts: Vec<String>,
    /// Possible duplicates that nobody has dismissed.
    pub duplicates: i64,
    /// Receipt of the submission.
    pub submitted_at: Option<Timestamp>,
    /// Whole hours since then.
    pub waiting_hours: Option<i64>,
    /// Name of whoever has it open.
    pub claimed_by: Option<String>,
}

/// Pairs with this outlet that nobody dismissed.
const PAIRS: &str = "((SELECT count(*) FROM pair p WHERE p.a = d.outlet AND NOT EXISTS \
                     (SELECT 1 FROM pair_dismissed x WHERE x.a = p.a AND x.b = p.b)) + \
                     (SELECT count(*) FROM pair p WHERE p.b = d.outlet AND NOT EXISTS \
                     (SELECT 1 FROM pair_dismissed x WHERE x.a = p.a AND x.b = p.b)))";

/// The queue as an account sees it: its collections only.
///
/// # Errors
/// When the database refuses.
pub fn queue(engine: &Engine, account: &Account, filter: &QueueFilter) -> Result<Vec<Line>, EngineError> {
    catch_up(engine)?;
    let now = engine.folder.now();
    let mut values: Vec<Value> = vec![Value::Integer(now.millis())];
    let mut wheres = vec![match &filter.review {
        Some(review) => {
            values.push(Value::Text(review.code().to_owned()));
            "d.review = ?2".to_owned()
        }
        None => "d.review IN ('submitted', 'approved_amended', 'gated')".to_owned(),
    }];
    if !account.collections.is_empty() {
        let codes: Vec<String> = account.collections.iter().map(|own| own.code().to_string()).collect();
        wheres.push(format!("d.collection IN ({})", codes.join(", ")));
    }
    wheres.extend(filter.collection.map(|collection| format!("d.collection = {}", collection.code())));
    if filter.clean {
        wheres.push(format!("d.errors = 0 AND d.warnings = 0 AND d.conflicts = '' AND {PAIRS} = 0"));
    }
    let sql = format!(
        "SELECT d.outlet, d.number, d.name, d.county, d.inspector, d.review, d.again, d.errors, d.warnings, d.conflicts, \
         {PAIRS}, d.submitted_at, (SELECT c.name FROM claim c WHERE c.outlet = d.outlet AND c.until > ?1) \
         FROM desk d WHERE {} ORDER BY d.errors DESC, d.warnings DESC, d.submitted_at, d.outlet LIMIT {}",
        wheres.join(" AND "),
        int(filter.limit)
    );
    engine.database().read(|tx| Ok(read(tx, &sql, values, now)?))
}

fn read(connection: &Connection, sql: &str, values: Vec<Value>, now: Timestamp) -> Result<Vec<Line>, DbError> {
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query(params_from_iter(values))?;
    let mut lines = Vec::new();
    while let Some(row) = rows.next()? {
        lines.push(line(row, now)?);
    }
    Ok(lines)
}

fn line(row: &rusqlite::Row<'_>, now: Timestamp) -> Result<Line, DbError> {
    let bytes: Vec<u8> = row.get(0)?;
    let outlet = DocKey::from_bytes(&bytes).ok_or_else(|| DbError::Damaged("key of a desk row".into()))?;
    let submitted_at = row.get::<_, Option<i64>>(11)?.map(Timestamp::from_millis);
    Ok(Line {
        id: outlet.id,
        outlet,
        number: row.get(1)?,
        name: row.get(2)?,
        county: row.get(3)?,
        inspector: row.get(4)?,
        review: row.get(5)?,
        again: row.get(6)?,
        errors: row.get(7)?,
        warnings: row.get(8)?,
        conflicts: row.get::<_, String>(9)?.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect(),
        duplicates: row.get(10)?,
        waiting_hours: submitted_at.map(|at| (now.millis() - at.millis()) / 3_600_000),
        submitted_at,
        claimed_by: row.get(12)?,
    })
}
