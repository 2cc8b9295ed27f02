//! What supervisors have on their desk: records that wait for review, conflicts, possible
//! duplicates. Derived from the ledger's rows and brought up to date when it is asked for, so that
//! a device's sync pays nothing for it; decisions themselves go through
//! [`crate::engine::Engine::decide`] only.

mod audit;
mod brief;
mod claims;
pub mod conflicts;
pub mod duplicates;
mod pace;
mod pictures;
mod queue;
mod rows;
mod sheet;
#[cfg(test)]
mod tests;
mod undo;
mod verdict;

use std::sync::{Mutex, PoisonError};

use outlet_core::duplicate::{Feature, Index};
use outlet_core::geo::GeoPoint;
use outlet_core::ids::{BlobHash, DocKey};
use outlet_core::ledger::{Finding, LedgerRow, LifeCycle, Severity};
use rusqlite::Transaction;

use crate::db::{DbError, meta};
use crate::engine::{Engine, EngineError};
use crate::report::parse;

pub use audit::{Audited, audit};
pub use brief::{Brief, Changed, FactLine, brief};
pub use claims::{CLAIM_MINUTES, Claim, claim, release};
pub use pace::{Pace, pace};
pub use pictures::thumbnails;
pub use queue::{Line, QueueFilter, queue};
pub use sheet::{
    Approved, LeftOut, MOST_LINES, Sheet, SheetLine, approve_sheet, make_sheet, open_on_sheet, open_sheet, sheet,
};
pub use undo::{UNDO_MINUTES, undo};
pub use verdict::{approve, return_record};

/// Rows taken over in one transaction.
const AT_ONCE: u64 = 2_000;
/// Where the desk has come to in the ledger.
const VERSION: &str = "desk_version";
const ID: &str = "desk_id";

/// The index of duplicates as of a place in the ledger, kept while the process runs.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    index: Mutex<Option<((i64, i64), Index)>>,
}

/// Brings the desk up to the ledger. Cheap when nothing moved.
///
/// # Errors
/// When the database refuses, or a row is damaged.
pub fn catch_up(engine: &Engine) -> Result<(), EngineError> {
    loop {
        let behind = engine
            .database()
            .read::<_, EngineError>(|tx| Ok(!rows::newer(tx, place(tx)?, 1)?.is_empty() || pictures::waiting(tx)?))?;
        if !behind {
            return Ok(());
        }
        let shots = pictures::compute(engine)?;
        let mut memory = engine.desk.index.lock().unwrap_or_else(PoisonError::into_inner);
        let mut advanced = None;
        engine.database().write_derived::<_, EngineError>(|tx| {
            let from = place(tx)?;
            let mut index = match memory.take() {
                Some((at, index)) if at == from => index,
                _ => rows::index(tx)?,
            };
            let touched = pictures::store(tx, &shots)?;
            let (to, mut changed) = take_over(tx, from)?;
            for key in touched {
                let known = changed.iter().any(|(own, _)| *own == key);
                if let Some((row, _)) = crate::db::ledger::get(tx, &key)?.filter(|_| !known) {
                    changed.push((key, feature(tx, &parse(&row)?)?));
                }
            }
            rows::put_features(tx, &mut index, &changed)?;
            meta::set(tx, VERSION, to.0)?;
            meta::set(tx, ID, to.1)?;
            advanced = Some((to, index));
            Ok(())
        })?;
        *memory = advanced;
    }
}

fn place(connection: &rusqlite::Connection) -> Result<(i64, i64), DbError> {
    Ok((meta::get(connection, VERSION)?.unwrap_or(0), meta::get(connection, ID)?.unwrap_or(0)))
}

type Changes = Vec<(DocKey, Option<Feature>)>;

/// Takes over the next rows of the ledger; returns where it came to, and what changed.
fn take_over(tx: &Transaction<'_>, from: (i64, i64)) -> Result<((i64, i64), Changes), EngineError> {
    let mut to = from;
    let mut changed = Vec::new();
    for stored in rows::newer(tx, from, AT_ONCE)? {
        let row = parse(&stored.row)?;
        rows::put(tx, &row, &counts(&findings(&stored.findings)?))?;
        changed.push((row.key, feature(tx, &row)?));
        to = (stored.version, stored.id);
    }
    Ok((to, changed))
}

/// Findings as stored.
fn findings(text: &str) -> Result<Vec<Finding>, DbError> {
    serde_json::from_str(text).map_err(|error| DbError::Damaged(format!("findings of a ledger row ({error})")))
}

/// Findings that matter to a reviewer.
struct Counts {
    errors: usize,
    warnings: usize,
}

fn counts(findings: &[Finding]) -> Counts {
    let of = |severity: Severity| findings.iter().filter(|finding| finding.severity == severity).count();
    Counts { errors: of(Severity::Error), warnings: of(Severity::Warning) }
}

/// What the comparison knows of a row; nothing of records that do not count by themselves.
fn feature(connection: &rusqlite::Connection, row: &LedgerRow) -> Result<Option<Feature>, DbError> {
    if matches!(row.state, LifeCycle::NotAnOutlet | LifeCycle::Duplicate | LifeCycle::Moved) {
        return Ok(None);
    }
    let photos = row.photo_files.iter().map(|hash| Ok((*hash, pictures::of(connection, hash)?)));
    let photos = photos.collect::<Result<Vec<(BlobHash, _)>, DbError>>()?;
    Ok(Some(Feature {
        key: row.key,
        point: row.lon.zip(row.lat).and_then(|(lon, lat)| GeoPoint::new(lon, lat).ok()),
        accuracy_m: row.accuracy_m,
        waterbody: row.waterbody.clone(),
        bank: row.bank.clone(),
        name: row.name.clone(),
        codes: [&row.national_code, &row.provincial_code].into_iter().flatten().cloned().collect(),
        photos,
    }))
}
