//! How fast review goes, and how long records wait.

use rusqlite::params;
use serde::Serialize;

use super::catch_up;
use crate::accounts::Account;
use crate::db::{DbError, optional, uint};
use crate::engine::{Engine, EngineError};

/// Pace of the last seven days and the state of the queue.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Pace {
    /// Records that wait.
    pub waiting: u64,
    /// Records whose last review decision came within seven days.
    pub reviewed_7_days: u64,
    /// Records whose last submission came within seven days.
    pub submitted_7_days: u64,
    /// Days until the queue is empty at this pace; `None`: never at this pace.
    pub days_to_empty: Option<f64>,
    /// Half of the waiting records wait longer than so many hours.
    pub median_wait_hours: Option<i64>,
    /// The longest wait, hours.
    pub longest_wait_hours: Option<i64>,
}

const WEEK_MS: i64 = 7 * 86_400_000;

/// Pace and waiting time in the collections of an account.
///
/// # Errors
/// When the database refuses.
pub fn pace(engine: &Engine, account: &Account) -> Result<Pace, EngineError> {
    catch_up(engine)?;
    let now = engine.folder.now().millis();
    let codes: Vec<String> = account.collections.iter().map(|collection| collection.code().to_string()).collect();
    let mine = if codes.is_empty() { "1".to_owned() } else { format!("collection IN ({})", codes.join(", ")) };
    engine.database().read(|tx| {
        let count = |condition: &str| -> Result<u64, DbError> {
            let sql = format!("SELECT count(*) FROM desk WHERE {mine} AND {condition}");
            Ok(uint(tx.prepare_cached(&sql)?.query_row(params![now - WEEK_MS], |row| row.get(0))?))
        };
        let waiting = count("review = 'submitted' AND ?1 IS NOT NULL")?;
        let reviewed = count("reviewed_at >= ?1")?;
        let submitted = count("submitted_at >= ?1")?;
        let wait = |offset: u64| -> Result<Option<i64>, DbError> {
            let sql = format!(
                "SELECT submitted_at FROM desk WHERE {mine} AND review = 'submitted' AND submitted_at IS NOT NULL \
                 ORDER BY submitted_at LIMIT 1 OFFSET {offset}"
            );
            let at = optional(tx.prepare_cached(&sql)?.query_row([], |row| row.get::<_, i64>(0)))?;
            Ok(at.map(|at| (now - at) / 3_600_000))
        };
        #[expect(clippy::cast_precision_loss, reason = "counts of records")]
        let days = (reviewed > 0).then(|| (waiting as f64 * 70.0 / reviewed as f64).round() / 10.0);
        Ok(Pace {
            waiting,
            reviewed_7_days: reviewed,
            submitted_7_days: submitted,
            days_to_empty: days.or((waiting == 0).then_some(0.0)),
            median_wait_hours: wait(waiting / 2)?,
            longest_wait_hours: wait(0)?,
        })
    })
}
