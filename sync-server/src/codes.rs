//! Official codes: received ones recorded in bulk, and codes assigned from granted blocks.
//!
//! Assigning is one transaction: the decision in the case file and the row that keeps the serial are
//! written together or not at all. A serial that another process took in between rolls both back,
//! and the next one is tried. Nothing gives a serial back.

use std::collections::{BTreeMap, BTreeSet};

use outlet_core::domain::block::{Standing, letters, standing};
use outlet_core::domain::case::{CaseEntry, Code, Decision};
use outlet_core::domain::code::{CodeContext, OutletCode, ProvincialCode};
use outlet_core::domain::dictionary::Dictionaries;
use outlet_core::domain::field::DocumentRef;
use outlet_core::domain::reference::{CodeBlock, ReferenceEntry};
use outlet_core::ids::DocKey;
use outlet_core::ledger::{LedgerRow, LifeCycle};
use outlet_core::time::Day;
use serde::Serialize;

use crate::db::{DbError, codes, meta};
use crate::engine::{Acting, DecideError, Engine, EngineError, Proposal, reference_key};
use crate::report;

/// How often another process may be faster.
const TRIES: usize = 20;
/// Codes of one transaction.
pub const AT_ONCE: usize = 2_000;

/// Why codes are not assigned or recorded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CodesError {
    /// The decision.
    #[error(transparent)]
    Decide(#[from] DecideError),
    /// The engine.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// An outlet that cannot get a code.
    #[error("{outlet} gets no code: {why}")]
    Outlet {
        /// Which.
        outlet: String,
        /// Why, and what to do.
        why: Unfit,
    },
    /// No block of the county has a free serial.
    #[error("no block of county {county} that this server holds has a free serial")]
    NoBlock {
        /// County.
        county: u32,
        /// Blocks that there are, and why they cannot be used.
        blocks: Vec<String>,
    },
    /// Too many at once.
    #[error("{0} codes at once: at most {AT_ONCE} are written in one transaction")]
    TooMany(usize),
    /// Other processes were faster every time.
    #[error("other processes took the serials {TRIES} times in a row; try again")]
    Busy,
}

/// Why an outlet gets no code, or a received one cannot be recorded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unfit {
    /// It has one.
    #[error("it has {0}; cancel that one first (outlet case code ID CODE --cancel)")]
    HasCode(String),
    /// In this state there is no code.
    #[error("its state is {}", .0.code())]
    State(LifeCycle),
    /// No county.
    #[error("its county is not known")]
    County,
    /// No type.
    #[error("its type is not determined")]
    Type,
    /// The letters of the type are not switched on.
    #[error("no table says the type letters of {0}: switch them on in the dictionary code_type_letters")]
    Letters(String),
    /// Not the shape of a code.
    #[error("{0}")]
    Shape(String),
    /// Twice among those received.
    #[error("{code} stands in line {line} too")]
    Twice {
        /// The code.
        code: String,
        /// Where it stood first.
        line: u64,
    },
    /// The outlet has two codes among those received.
    #[error("the outlet is named twice")]
    NamedTwice,
    /// Nothing is called so.
    #[error("no outlet is called {0:?}")]
    NoOutlet(String),
    /// Several are called so.
    #[error("{count} outlets are called {name:?}")]
    Several {
        /// How many.
        count: usize,
        /// What was asked for.
        name: String,
    },
    /// It has another one.
    #[error("the outlet has {has}: cancel that one first, then record {code}")]
    Other {
        /// What it has.
        has: String,
        /// What was received.
        code: String,
    },
    /// Another outlet has it.
    #[error("{code} is that of another outlet ({holder})")]
    Taken {
        /// The code.
        code: String,
        /// Who has it.
        holder: String,
    },
}

/// What is wrong with a received code.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {why}")]
pub struct WrongLine {
    /// Line of what was received.
    pub line: u64,
    /// Why.
    pub why: Unfit,
}

/// As its sentence.
impl Serialize for WrongLine {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl From<DbError> for CodesError {
    fn from(error: DbError) -> Self {
        Self::Engine(error.into())
    }
}

/// A code with its outlet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Given {
    /// Key of the field record.
    pub outlet: DocKey,
    /// The code.
    pub code: String,
    /// Block that it is from.
    pub block: Option<String>,
    /// What is odd about code and record: shown, never a refusal.
    pub findings: Vec<String>,
}

/// Entries of the reference document that holds the blocks.
///
/// # Errors
/// When it cannot be loaded.
pub fn block_entries(engine: &Engine) -> Result<Vec<ReferenceEntry>, EngineError> {
    engine.reference_entries(&reference_key("code_blocks", "code_blocks"))
}

/// Records a block, or a new version of it.
///
/// # Errors
/// When the document cannot be written.
pub fn put_block(engine: &Engine, block: CodeBlock) -> Result<(), EngineError> {
    engine.write_reference(reference_key("code_blocks", "code_blocks"), &[ReferenceEntry::CodeBlock(block)])
}

/// A granted block. `codes block list --json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BlockLine {
    /// Name of the block.
    pub id: String,
    /// Basin letters.
    pub basin: String,
    /// County.
    pub county: u32,
    /// First serial.
    pub from: u16,
    /// Last serial.
    pub to: u16,
    /// Serials of it that are given.
    pub used: usize,
    /// 文号 of the grant.
    pub document: String,
    /// Server that holds it, first digits of its key.
    pub holder: String,
    /// Why it cannot be used here; absent: it can.
    pub unusable: Option<String>,
}

/// Every granted block, with what is left of it.
///
/// # Errors
/// When the database refuses.
pub fn blocks(engine: &Engine) -> Result<Vec<BlockLine>, EngineError> {
    let entries = block_entries(engine)?;
    let (server, epoch) = (engine.folder.key().public(), engine.folder.epoch()?);
    let line = |Standing { block, unusable }: Standing<'_>| -> Result<BlockLine, EngineError> {
        let used = engine
            .database()
            .read::<_, DbError>(|tx| codes::used(tx, &block.basin, block.county, block.from, block.to))?
            .len();
        Ok(BlockLine {
            id: block.id.clone(),
            basin: block.basin.clone(),
            county: block.county,
            from: block.from,
            to: block.to,
            used,
            document: block.document.number.clone(),
            holder: block.holder.short(),
            unusable: unusable.map(|why| why.to_string()),
        })
    };
    standing(&entries, &server, &epoch).into_iter().map(line).collect()
}

/// Outlets with an approved name and without a code.
///
/// # Errors
/// When the database refuses.
pub fn ready(engine: &Engine, wanted: impl Fn(&LedgerRow) -> bool) -> Result<Vec<DocKey>, EngineError> {
    let rows = report::current_rows(engine)?;
    let is = |row: &&LedgerRow| row.name_approved && row.national_code.is_none() && wanted(row);
    Ok(rows.iter().filter(is).map(|row| row.key).collect())
}

/// Assigns a code to each outlet from the blocks that this server holds.
///
/// # Errors
/// [`CodesError`]; then no outlet has got one.
pub fn assign(engine: &Engine, acting: &Acting, outlets: &[DocKey], on: Day) -> Result<Vec<Given>, CodesError> {
    if outlets.len() > AT_ONCE {
        return Err(CodesError::TooMany(outlets.len()));
    }
    let wanted: BTreeSet<DocKey> = outlets.iter().copied().collect();
    for _ in 0..TRIES {
        let rows = rows_of(engine, &wanted)?;
        let given = plan(engine, &rows)?;
        let mut proposals = Vec::with_capacity(given.len());
        for (one, document) in &given {
            let seen = engine.seen(&one.outlet)?.ok_or(DecideError::Missing(one.outlet))?;
            let code = Code {
                system: "national".to_owned(),
                code: one.code.clone(),
                source: "block".to_owned(),
                issued_on: Some(on),
                cancelled: false,
            };
            let entries = vec![entry(Decision::Code(code), Some(on), Some(document.clone()))];
            proposals.push(Proposal { outlet: one.outlet, seen, entries });
        }
        let mut lost = false;
        let now = engine.folder.now();
        let decided = engine.decide_with(acting, proposals, |tx, account, _| {
            for (one, _) in &given {
                let code: OutletCode = one.code.parse().map_err(|_| DecideError::Proposal("a code that is none"))?;
                let block = one.block.as_deref().unwrap_or_default();
                if !codes::take(tx, &code, (&one.outlet, block), &account.login, now)? {
                    lost = true;
                    return Err(DecideError::Proposal("another process took the serial"));
                }
            }
            Ok(())
        });
        match decided {
            Ok(_) => return Ok(given.into_iter().map(|(given, _)| given).collect()),
            Err(_) if lost => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(CodesError::Busy)
}

fn entry(decision: Decision, on: Option<Day>, document: Option<DocumentRef>) -> CaseEntry {
    CaseEntry {
        on,
        at: outlet_core::time::Timestamp::from_millis(0),
        document,
        field_heads: Vec::new(),
        overrules: Vec::new(),
        note: None,
        witness: None,
        decision,
    }
}

fn rows_of(engine: &Engine, wanted: &BTreeSet<DocKey>) -> Result<Vec<LedgerRow>, CodesError> {
    let rows: Vec<LedgerRow> =
        report::current_rows(engine)?.into_iter().filter(|row| wanted.contains(&row.key)).collect();
    match wanted.iter().find(|key| !rows.iter().any(|row| row.key == **key)) {
        None => Ok(rows),
        Some(missing) => Err(DecideError::Missing(*missing).into()),
    }
}

/// A free serial for each row.
fn plan(engine: &Engine, rows: &[LedgerRow]) -> Result<Vec<(Given, DocumentRef)>, CodesError> {
    let entries = block_entries(engine)?;
    let (server, epoch) = (engine.folder.key().public(), engine.folder.epoch()?);
    let blocks = standing(&entries, &server, &epoch);
    let reference = engine.database().read(|tx| engine.reference(tx))?;
    let mut taken: BTreeMap<&str, BTreeSet<u16>> = BTreeMap::new();
    let mut given = Vec::with_capacity(rows.len());
    for row in rows {
        let (county, letters) = may_have_one(row, &reference.dictionaries)?;
        let (block, serial) = free(engine, &blocks, county, &mut taken)?;
        let code = block.code(serial, &letters).map_err(|error| refused(row, Unfit::Shape(error.to_string())))?;
        let findings = lint(&code, row, &reference.dictionaries);
        let one = Given { outlet: row.key, code: code.to_string(), block: Some(block.id.clone()), findings };
        given.push((one, block.document.clone()));
    }
    Ok(given)
}

fn refused(row: &LedgerRow, why: Unfit) -> CodesError {
    CodesError::Outlet { outlet: row.name.clone().unwrap_or_else(|| row.id.to_string()), why }
}

fn may_have_one(row: &LedgerRow, dictionaries: &Dictionaries) -> Result<(u32, String), CodesError> {
    if let Some(code) = &row.national_code {
        return Err(refused(row, Unfit::HasCode(code.clone())));
    }
    let gone = matches!(
        row.state,
        LifeCycle::Closed | LifeCycle::NotAnOutlet | LifeCycle::Duplicate | LifeCycle::Moved | LifeCycle::Suspected
    );
    if gone {
        return Err(refused(row, Unfit::State(row.state)));
    }
    let county = row.county.as_deref().and_then(|county| county.parse().ok());
    let county = county.ok_or_else(|| refused(row, Unfit::County))?;
    let kind = row.outlet_type.as_deref().ok_or_else(|| refused(row, Unfit::Type))?;
    let letters = letters(kind, dictionaries).ok_or_else(|| refused(row, Unfit::Letters(kind.to_owned())))?;
    Ok((county, letters))
}

fn free<'b>(
    engine: &Engine,
    blocks: &[Standing<'b>],
    county: u32,
    taken: &mut BTreeMap<&'b str, BTreeSet<u16>>,
) -> Result<(&'b CodeBlock, u16), CodesError> {
    let here = |standing: &&Standing<'b>| standing.block.county == county;
    for Standing { block, unusable: _ } in blocks.iter().filter(here).filter(|one| one.unusable.is_none()) {
        let block: &'b CodeBlock = block;
        if !taken.contains_key(block.id.as_str()) {
            let used = engine
                .database()
                .read::<_, DbError>(|tx| codes::used(tx, &block.basin, county, block.from, block.to))?;
            taken.insert(&block.id, used.into_iter().collect());
        }
        let used = taken.entry(&block.id).or_default();
        if let Some(serial) = (block.from..=block.to).find(|serial| *serial > 0 && !used.contains(serial)) {
            used.insert(serial);
            return Ok((block, serial));
        }
    }
    let told = blocks.iter().filter(here).map(|one| match one.unusable {
        Some(why) => format!("{}: {why}", one.block.id),
        None => format!("{}: used up", one.block.id),
    });
    Err(CodesError::NoBlock { county, blocks: told.collect() })
}

fn lint(code: &OutletCode, row: &LedgerRow, dictionaries: &Dictionaries) -> Vec<String> {
    let context = CodeContext {
        county: row.county.as_deref().and_then(|county| county.parse().ok()),
        outlet_type: row.outlet_type.as_deref(),
        dictionaries,
    };
    code.lint(&context).iter().map(ToString::to_string).collect()
}

/// A received code, as a file or a person gives it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// Line of the file; 0 on the command line.
    pub line: u64,
    /// The outlet: id, first digits, temporary number, or code of the other system.
    pub outlet: String,
    /// The code.
    pub code: String,
    /// Date of issue.
    pub issued_on: Option<Day>,
}

/// What was recorded.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Recorded {
    /// Written now.
    pub given: Vec<Given>,
    /// Were there already.
    pub known: u64,
    /// What stands in the way, by line; then nothing was written.
    pub problems: Vec<WrongLine>,
}

/// Records received codes with their source: all of them in one transaction, or none.
///
/// # Errors
/// [`CodesError`]; what is wrong with lines is in the answer.
pub fn record(
    engine: &Engine,
    acting: &Acting,
    system: &str,
    received: &[Received],
    document: &DocumentRef,
) -> Result<Recorded, CodesError> {
    if received.len() > AT_ONCE {
        return Err(CodesError::TooMany(received.len()));
    }
    let rows = report::current_rows(engine)?;
    let reference = engine.database().read(|tx| engine.reference(tx))?;
    let mut recorded = Recorded::default();
    let mut seen_codes: BTreeMap<String, u64> = BTreeMap::new();
    let mut proposals: Vec<Proposal> = Vec::new();
    for one in received {
        match check_received(one, &rows, system, &mut seen_codes) {
            Err(why) => recorded.problems.push(WrongLine { line: one.line, why }),
            Ok(None) => recorded.known += 1,
            Ok(Some((row, code))) => {
                let findings = code.parse().map(|code| lint(&code, row, &reference.dictionaries)).unwrap_or_default();
                let seen = engine.seen(&row.key)?.ok_or(DecideError::Missing(row.key))?;
                let decision = Decision::Code(Code {
                    system: system.to_owned(),
                    code: code.clone(),
                    source: "platform".to_owned(),
                    issued_on: one.issued_on.or(document.dated),
                    cancelled: false,
                });
                let entries = vec![entry(decision, one.issued_on.or(document.dated), Some(document.clone()))];
                if proposals.iter().any(|other| other.outlet == row.key) {
                    recorded.problems.push(WrongLine { line: one.line, why: Unfit::NamedTwice });
                    continue;
                }
                proposals.push(Proposal { outlet: row.key, seen, entries });
                recorded.given.push(Given { outlet: row.key, code, block: None, findings });
            }
        }
    }
    if recorded.problems.is_empty() && !proposals.is_empty() {
        engine.decide_all(acting, proposals)?;
    } else if !recorded.problems.is_empty() {
        recorded.given.clear();
    }
    Ok(recorded)
}

/// The row and the code to write; nothing when it is there.
fn check_received<'r>(
    one: &Received,
    rows: &'r [LedgerRow],
    system: &str,
    seen: &mut BTreeMap<String, u64>,
) -> Result<Option<(&'r LedgerRow, String)>, Unfit> {
    let of = |row: &'r LedgerRow| if system == "national" { &row.national_code } else { &row.provincial_code };
    let code = if system == "national" {
        one.code.parse::<OutletCode>().map_err(|error| Unfit::Shape(error.to_string()))?.to_string()
    } else {
        one.code.parse::<ProvincialCode>().map_err(|error| Unfit::Shape(error.to_string()))?.to_string()
    };
    if let Some(first) = seen.insert(code.clone(), one.line) {
        return Err(Unfit::Twice { code, line: first });
    }
    let wanted = one.outlet.trim().to_lowercase();
    let names = |row: &&LedgerRow| {
        let id = row.id.to_string();
        let numbers = [&row.temporary_number, &row.national_code, &row.provincial_code, &row.source_id];
        id == wanted
            || (wanted.len() >= 8 && id.starts_with(&wanted))
            || numbers.into_iter().flatten().any(|number| number.to_lowercase() == wanted)
    };
    let found: Vec<&LedgerRow> = rows.iter().filter(names).collect();
    let row = match found[..] {
        [only] => only,
        [] => return Err(Unfit::NoOutlet(one.outlet.clone())),
        _ => return Err(Unfit::Several { count: found.len(), name: one.outlet.clone() }),
    };
    if of(row).as_ref() == Some(&code) {
        return Ok(None);
    }
    if let Some(other) = of(row) {
        return Err(Unfit::Other { has: other.clone(), code });
    }
    if let Some(holder) = rows.iter().find(|other| of(other).as_ref() == Some(&code)) {
        let holder = holder.name.clone().unwrap_or_else(|| holder.id.to_string());
        return Err(Unfit::Taken { code, holder });
    }
    Ok(Some((row, code)))
}

/// A code that several outlets carry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Conflict {
    /// The code.
    pub code: String,
    /// `national | provincial`.
    pub system: &'static str,
    /// The outlets.
    pub outlets: Vec<DocKey>,
    /// Their names.
    pub names: Vec<Option<String>>,
}

/// Codes that stand on more than one outlet, sorted.
#[must_use]
pub fn conflicts(rows: &[LedgerRow]) -> Vec<Conflict> {
    let mut holders: BTreeMap<(&'static str, String), Vec<&LedgerRow>> = BTreeMap::new();
    for row in rows.iter().filter(|row| !matches!(row.state, LifeCycle::Duplicate | LifeCycle::Moved)) {
        for (system, code) in [("national", &row.national_code), ("provincial", &row.provincial_code)] {
            if let Some(code) = code {
                holders.entry((system, code.clone())).or_default().push(row);
            }
        }
    }
    let several = holders.into_iter().filter(|(_, rows)| rows.len() > 1);
    several
        .map(|((system, code), rows)| Conflict {
            code,
            system,
            outlets: rows.iter().map(|row| row.key).collect(),
            names: rows.iter().map(|row| row.name.clone()).collect(),
        })
        .collect()
}

/// Keeps in the audit who recorded a block.
///
/// # Errors
/// When the database refuses.
pub fn audit_block(engine: &Engine, by: &str, detail: &str) -> Result<(), EngineError> {
    let now = engine.folder.now();
    engine.database().write(|tx| Ok(meta::audit(tx, now, by, "code_block", detail)?))
}
