//! Sheets: clean records approved in bulk. A seeded sample of each sheet must be opened in full
//! first; what changed since the sheet was made is left out and said, never approved unseen.

use std::collections::BTreeSet;

use outlet_core::domain::case::CaseEntry;
use outlet_core::ids::{DocKey, OutletId};
use outlet_core::ledger::{Objection, ReviewState};
use outlet_core::time::Timestamp;
use rusqlite::{Connection, Transaction, params};
use serde::{Deserialize, Serialize};

use super::queue::{QueueFilter, queue};
use super::verdict::review;
use super::{Brief, brief, claims, rows};
use crate::accounts::{self, Account};
use crate::db::{DbError, int, meta, optional, uint};
use crate::engine::{Acting, DecideError, Engine, EngineError, Proposal, Seen, Witnessed};

/// Records on a sheet at most: one transaction approves them.
pub const MOST_LINES: u64 = 200;
/// One of so many is opened in full, and never fewer than [`LEAST_SAMPLE`].
const SAMPLE_ONE_OF: usize = 10;
/// Fewest records of a sample.
const LEAST_SAMPLE: usize = 3;

/// One record of a sheet.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SheetLine {
    /// The outlet.
    pub id: OutletId,
    /// Key of the field record.
    pub outlet: DocKey,
    /// Temporary number.
    pub number: Option<String>,
    /// Name.
    pub name: Option<String>,
    /// Who handed it in.
    pub inspector: Option<String>,
    /// Heads when the sheet was made: what is approved.
    pub seen: Seen,
    /// Drawn: must be opened in full.
    pub sample: bool,
}

/// A sheet.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Sheet {
    /// Number.
    pub id: i64,
    /// Login of whoever made it.
    pub account: String,
    /// When.
    pub made_at: Timestamp,
    /// Seed of the sample: anybody can draw it again.
    pub seed: u64,
    /// Records.
    pub lines: Vec<SheetLine>,
    /// Records that were opened.
    pub opened: Vec<OutletId>,
    /// Approved.
    pub done_at: Option<Timestamp>,
}

impl Sheet {
    /// Records of the sample that were not opened yet.
    #[must_use]
    pub fn unopened(&self) -> Vec<OutletId> {
        let drawn = self.lines.iter().filter(|line| line.sample).map(|line| line.id);
        drawn.filter(|id| !self.opened.contains(id)).collect()
    }
}

/// What became of a sheet.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Approved {
    /// Approved records.
    pub approved: Vec<Witnessed>,
    /// Left out: the record and why.
    pub left_out: Vec<(OutletId, LeftOut)>,
}

/// Why a record of a sheet was not approved with it; as text in JSON.
#[derive(Debug, Clone, PartialEq, Serialize, thiserror::Error)]
#[serde(into = "String")]
pub enum LeftOut {
    /// The reviewer said so.
    #[error("excepted by the reviewer")]
    Excepted,
    /// It is not what was on the sheet any more.
    #[error("changed since the sheet was made")]
    Changed,
    /// Somebody else has it open.
    #[error("claimed by {0}")]
    Claimed(String),
    /// Something speaks against the approval.
    #[error("{0}")]
    Objection(Objection),
}

impl From<LeftOut> for String {
    fn from(why: LeftOut) -> Self {
        why.to_string()
    }
}

/// Makes a sheet of clean records that wait, oldest first.
///
/// # Errors
/// [`DecideError::Proposal`] when no clean record waits.
pub fn make_sheet(engine: &Engine, acting: &Acting, size: u64, seed: u64) -> Result<Sheet, DecideError> {
    let account = engine.database().read(|tx| accounts::usable(tx, &acting.login))?;
    let filter = QueueFilter {
        review: Some(ReviewState::Submitted),
        clean: true,
        limit: size.clamp(1, MOST_LINES),
        ..QueueFilter::default()
    };
    let mut free = queue(engine, &account, &filter)?;
    free.retain(|line| line.claimed_by.as_ref().is_none_or(|by| *by == account.name));
    let drawn = draw(&free.iter().map(|line| line.outlet).collect::<Vec<_>>(), seed);
    let mut lines = Vec::with_capacity(free.len());
    for line in free {
        let Some(seen) = engine.seen(&line.outlet)? else { continue };
        let sample = drawn.contains(&line.outlet);
        let (number, name, inspector) = (line.number, line.name, line.inspector);
        lines.push(SheetLine { id: line.id, outlet: line.outlet, number, name, inspector, seen, sample });
    }
    if lines.is_empty() {
        return Err(DecideError::Proposal("no record without findings waits for review"));
    }
    let made_at = engine.folder.now();
    let login = account.login;
    let sheet = Sheet { id: 0, account: login, made_at, seed, lines, opened: Vec::new(), done_at: None };
    let id = engine.database().write(|tx| insert(tx, &sheet))?;
    Ok(Sheet { id, ..sheet })
}

/// Every tenth, at least three, by the smallest hashes of seed and key: nobody knows them before
/// the seed, everybody can draw them again after it.
fn draw(keys: &[DocKey], seed: u64) -> BTreeSet<DocKey> {
    let rank = |key: &DocKey| {
        let mut hasher = blake3::Hasher::new_derive_key("outlet 2026 sample of a review sheet v1");
        hasher.update(&seed.to_be_bytes()).update(&key.to_bytes());
        *hasher.finalize().as_bytes()
    };
    let mut ranked: Vec<([u8; 32], DocKey)> = keys.iter().map(|key| (rank(key), *key)).collect();
    ranked.sort();
    let wanted = keys.len().div_ceil(SAMPLE_ONE_OF).max(LEAST_SAMPLE);
    ranked.into_iter().take(wanted).map(|(_, key)| key).collect()
}

fn insert(connection: &Connection, sheet: &Sheet) -> Result<i64, DbError> {
    let lines = serde_json::to_string(&sheet.lines).map_err(rows::damaged)?;
    let sql = "INSERT INTO sheet (account, made_at, seed, lines, opened) VALUES (?1, ?2, ?3, ?4, '[]')";
    connection.prepare_cached(sql)?.execute(params![sheet.account, sheet.made_at.millis(), int(sheet.seed), lines])?;
    Ok(connection.last_insert_rowid())
}

/// A sheet by its number.
///
/// # Errors
/// [`DecideError::Proposal`] when there is none.
pub fn sheet(engine: &Engine, id: i64) -> Result<Sheet, DecideError> {
    let found = engine.database().read(|tx| load(tx, id))?;
    found.ok_or(DecideError::Proposal("there is no such sheet"))
}

/// The newest sheet of an account that is not approved yet.
///
/// # Errors
/// When the database refuses.
pub fn open_sheet(engine: &Engine, login: &str) -> Result<Option<i64>, EngineError> {
    let sql = "SELECT id FROM sheet WHERE account = ?1 AND done_at IS NULL ORDER BY id DESC LIMIT 1";
    let find = |tx: &Transaction<'_>| optional(tx.prepare_cached(sql)?.query_row([login], |row| row.get(0)));
    Ok(engine.database().read::<_, DbError>(|tx| find(tx))?)
}

fn load(connection: &Connection, id: i64) -> Result<Option<Sheet>, DbError> {
    let sql = "SELECT account, made_at, seed, lines, opened, done_at FROM sheet WHERE id = ?1";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query([id])?;
    let Some(row) = rows.next()? else { return Ok(None) };
    let text = |at: usize| -> Result<String, DbError> { Ok(row.get(at)?) };
    Ok(Some(Sheet {
        id,
        account: text(0)?,
        made_at: Timestamp::from_millis(row.get(1)?),
        seed: uint(row.get(2)?),
        lines: serde_json::from_str(&text(3)?).map_err(rows::damaged)?,
        opened: serde_json::from_str(&text(4)?).map_err(rows::damaged)?,
        done_at: row.get::<_, Option<i64>>(5)?.map(Timestamp::from_millis),
    }))
}

/// Opens a record of a sheet in full; of the sample, this is what the approval waits for.
///
/// # Errors
/// [`DecideError`].
pub fn open_on_sheet(engine: &Engine, acting: &Acting, id: i64, outlet: OutletId) -> Result<Brief, DecideError> {
    let sheet = sheet(engine, id)?;
    let line = sheet.lines.iter().find(|line| line.id == outlet);
    let line = line.ok_or(DecideError::Proposal("this record is not on the sheet"))?;
    let brief = brief(engine, line.outlet)?;
    engine.database().write::<_, DecideError>(|tx| {
        let account = own(tx, acting, &sheet)?;
        let mut opened = load(tx, id)?.map(|sheet| sheet.opened).unwrap_or_default();
        if !opened.contains(&outlet) {
            opened.push(outlet);
        }
        set_opened(tx, id, &opened)?;
        meta::audit(tx, engine.folder.now(), &account.login, "open", &format!("sheet {id}: {outlet}"))?;
        Ok(())
    })?;
    Ok(brief)
}

fn set_opened(connection: &Connection, id: i64, opened: &[OutletId]) -> Result<(), DbError> {
    let text = serde_json::to_string(opened).map_err(rows::damaged)?;
    connection.prepare_cached("UPDATE sheet SET opened = ?2 WHERE id = ?1")?.execute(params![id, text])?;
    Ok(())
}

/// False when it was done before.
fn set_done(connection: &Connection, id: i64, at: Timestamp) -> Result<bool, DbError> {
    let sql = "UPDATE sheet SET done_at = ?2 WHERE id = ?1 AND done_at IS NULL";
    Ok(connection.prepare_cached(sql)?.execute(params![id, at.millis()])? == 1)
}

fn own(tx: &Transaction<'_>, acting: &Acting, sheet: &Sheet) -> Result<Account, DecideError> {
    let account = accounts::usable(tx, &acting.login)?;
    if account.login == sheet.account {
        return Ok(account);
    }
    Err(DecideError::Proposal("this sheet is another reviewer's: make your own"))
}

const DONE: DecideError = DecideError::Proposal("this sheet has been approved before");

/// Approves the records of a sheet in one transaction, as they were when it was made. Left out is
/// what changed since, what somebody else has claimed, what this person wrote in, and `except`.
///
/// # Errors
/// [`DecideError::Proposal`] while a record of the sample is unopened, or when it was done before.
pub fn approve_sheet(engine: &Engine, acting: &Acting, id: i64, except: &[OutletId]) -> Result<Approved, DecideError> {
    let sheet = sheet(engine, id)?;
    if sheet.done_at.is_some() {
        return Err(DONE);
    }
    if !sheet.unopened().is_empty() {
        return Err(DecideError::Proposal("open the drawn sample of the sheet in full first"));
    }
    let today = engine.folder.now().day_in_shanghai();
    let note = format!("sheet {id}, seed {}", sheet.seed);
    let entry = CaseEntry { on: Some(today), note: Some(note), ..review("approve", &[], &[]) };
    let (excepted, wanted): (Vec<&SheetLine>, Vec<&SheetLine>) =
        sheet.lines.iter().partition(|line| except.contains(&line.id));
    let mut left_out: Vec<(OutletId, LeftOut)> = excepted.iter().map(|line| (line.id, LeftOut::Excepted)).collect();
    let proposal =
        |line: &&SheetLine| Proposal { outlet: line.outlet, seen: line.seen.clone(), entries: vec![entry.clone()] };
    let mut proposals: Vec<Proposal> = wanted.iter().map(proposal).collect();
    while !proposals.is_empty() {
        let result = engine.decide_with(acting, proposals.clone(), |tx, account, written| {
            own(tx, acting, &sheet)?;
            for one in written {
                claims::free_for(tx, &one.outlet, &account.login, one.at)?;
                claims::forget(tx, &one.outlet, &account.login)?;
            }
            let at = written.first().map_or(sheet.made_at, |one| one.at);
            if set_done(tx, id, at)? { Ok(()) } else { Err(DONE) }
        });
        // One record that cannot be approved does not hold up the others: it is left out and said.
        let (outlet, why) = match result {
            Ok(approved) => return Ok(Approved { approved, left_out }),
            Err(DecideError::Stale(stale)) => (stale.outlet, LeftOut::Changed),
            Err(DecideError::Claimed { outlet, by, .. }) => (outlet, LeftOut::Claimed(by)),
            Err(DecideError::Objection { outlet, objection }) => (outlet, LeftOut::Objection(objection)),
            Err(other) => return Err(other),
        };
        proposals.retain(|proposal| proposal.outlet != outlet);
        left_out.push((outlet.id, why));
    }
    Ok(Approved { approved: Vec::new(), left_out })
}
