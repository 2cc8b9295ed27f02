//! Seals: the exact export of a ledger or problem list is kept with its SHA-256, and the seal, a
//! reference entry that the server signs, names that hash. Whoever holds the file and the reference
//! documents can check it without this server.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use outlet_core::admission::check_run;
use outlet_core::domain::dictionary::Lang;
use outlet_core::domain::field::DocumentRef;
use outlet_core::domain::reference::{Notice, ReferenceEntry, Seal};
use outlet_core::export::{self, ExportError, Style};
use outlet_core::identity::SignedRun;
use outlet_core::ids::{BlobHash, Collection, DocKey, PublicKey};
use outlet_core::ledger::{LedgerRow, Reference, problem_list};
use outlet_core::time::{Day, Timestamp};
use rusqlite::{Connection, params};
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use crate::db::{DbError, optional};
use crate::engine::{Engine, EngineError, reference_key};
use crate::report;

/// What is sealed: `ledger | problem_list`.
pub const WHAT: [&str; 2] = ["ledger", "problem_list"];

/// Is this a management unit: a county code, 511971 for 巴中经开区, or 5119 for the city?
#[must_use]
pub fn is_unit(unit: &str) -> bool {
    unit.bytes().all(|byte| byte.is_ascii_digit()) && matches!(unit.len(), 4 | 6)
}

/// Where the seals are.
#[must_use]
pub fn key() -> DocKey {
    reference_key("seals", "seals")
}

/// Where the register of notices is.
#[must_use]
pub fn notices_key() -> DocKey {
    reference_key("notices", "notices")
}

/// Why an export could not be sealed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SealError {
    /// The database, or a document.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The table writer.
    #[error(transparent)]
    Export(#[from] ExportError),
}

/// A file that is sealed, or was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sealed {
    /// The file.
    pub bytes: Vec<u8>,
    /// Collections whose records are in it: a record counts for the unit that it names, whatever its collection.
    /// Nothing where nobody knows, as of a file that was brought along.
    pub collections: Option<BTreeSet<Collection>>,
}

/// The export that is sealed: rows of the unit as of the day, as CSV with Chinese labels.
///
/// # Errors
/// [`SealError`].
pub fn snapshot(engine: &Engine, reference: &Reference, what: &str, unit: &str, on: Day) -> Result<Sealed, SealError> {
    let mut rows = report::rows(engine, Some(on), None)?;
    let area = &reference.active_set().area;
    rows.retain(|row: &LedgerRow| unit == area || row.management_unit.as_deref() == Some(unit));
    let style = Style { labels: Some((&reference.dictionaries, Lang::Zh)) };
    if what != "problem_list" {
        let collections = rows.iter().map(|row| row.collection).collect();
        return Ok(Sealed { bytes: export::ledger_csv(&rows, style)?, collections: Some(collections) });
    }
    let list = problem_list(&rows);
    let named: BTreeSet<_> = list.iter().map(|line| line.id).collect();
    let collections = rows.iter().filter(|row| named.contains(&row.id)).map(|row| row.collection).collect();
    Ok(Sealed { bytes: export::problems_csv(&list, style)?, collections: Some(collections) })
}

/// SHA-256 of bytes.
#[must_use]
pub fn sha256(bytes: &[u8]) -> BlobHash {
    BlobHash(Sha256::digest(bytes).into())
}

/// SHA-256 of a file, which may be larger than memory.
///
/// # Errors
/// When it cannot be read.
pub fn sha256_of(file: &Path) -> std::io::Result<BlobHash> {
    let (mut file, mut digest, mut part) = (File::open(file)?, Sha256::new(), vec![0; 1 << 16]);
    loop {
        match file.read(&mut part)? {
            0 => return Ok(BlobHash(digest.finalize().into())),
            some => digest.update(&part[..some]),
        }
    }
}

/// Keeps the bytes, if there are any, and writes the signed seal.
///
/// # Errors
/// When the database refuses.
pub fn seal(
    engine: &Engine,
    (what, unit, on): (&str, &str, Day),
    document: Option<String>,
    sealed: Option<&Sealed>,
) -> Result<Seal, EngineError> {
    let now = engine.folder.now();
    let hash = sealed.map(|sealed| sha256(&sealed.bytes));
    if let (Some(sealed), Some(hash)) = (sealed, hash) {
        engine.database().write(|tx| keep(tx, &hash, &format!("{what}-{unit}-{on}"), sealed, now))?;
    }
    let seal = Seal {
        what: what.to_owned(),
        unit: unit.to_owned(),
        on,
        document: document.map(|number| DocumentRef { number, dated: Some(on), file: None }),
        sha256: hash,
        at: now,
    };
    engine.write_reference(key(), &[ReferenceEntry::Seal(seal.clone())])?;
    Ok(seal)
}

fn keep(connection: &Connection, hash: &BlobHash, name: &str, sealed: &Sealed, now: Timestamp) -> Result<(), DbError> {
    // The same bytes are the same records; only what was not known of them is added.
    let sql = "INSERT INTO sealed_file (sha256, name, bytes, at, collections) VALUES (?1, ?2, ?3, ?4, ?5) \
               ON CONFLICT (sha256) DO UPDATE SET collections = coalesce(collections, excluded.collections)";
    let collections = sealed.collections.as_ref().map(|own| {
        let codes: Vec<String> = own.iter().map(ToString::to_string).collect();
        codes.join(" ")
    });
    connection.prepare_cached(sql)?.execute(params![&hash.0[..], name, sealed.bytes, now.millis(), collections])?;
    Ok(())
}

/// A sealed file as it was sealed.
///
/// # Errors
/// When the database refuses.
pub fn file(engine: &Engine, hash: &BlobHash) -> Result<Option<Sealed>, DbError> {
    engine.database().read(|tx| {
        let sql = "SELECT bytes, collections FROM sealed_file WHERE sha256 = ?1";
        let row =
            tx.prepare_cached(sql)?.query_row([&hash.0[..]], |row| Ok((row.get(0)?, row.get::<_, Option<String>>(1)?)));
        let Some((bytes, codes)) = optional(row)? else { return Ok(None) };
        // A code that cannot be read is as unknown as one that is missing.
        let known =
            |codes: String| codes.split(' ').filter(|code| !code.is_empty()).map(|code| code.parse().ok()).collect();
        Ok(Some(Sealed { bytes, collections: codes.and_then(known) }))
    })
}

/// All seals, in the order in which they were written.
///
/// # Errors
/// When the seals cannot be loaded.
pub fn all(engine: &Engine) -> Result<Vec<Seal>, EngineError> {
    let seal = |entry| if let ReferenceEntry::Seal(seal) = entry { Some(seal) } else { None };
    Ok(engine.reference_entries(&key())?.into_iter().filter_map(seal).collect())
}

/// The register of notices, newest first.
///
/// # Errors
/// When it cannot be loaded.
pub fn notices(engine: &Engine) -> Result<Vec<Notice>, EngineError> {
    let notice = |entry| if let ReferenceEntry::Notice(notice) = entry { Some(notice) } else { None };
    let mut all: Vec<Notice> = engine.reference_entries(&notices_key())?.into_iter().filter_map(notice).collect();
    all.sort_by_key(|notice| std::cmp::Reverse((notice.on, notice.at)));
    Ok(all)
}

/// What became of a sealed file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Verified {
    /// `ledger | problem_list`.
    pub what: String,
    /// Unit.
    pub unit: String,
    /// Day of the seal.
    pub on: Day,
    /// SHA-256 that the seal names.
    pub sha256: BlobHash,
    /// Key that signed the seal; its signature was checked.
    pub signed_by: Option<PublicKey>,
    /// `as_sealed | changed | missing | not_signed`.
    pub state: &'static str,
}

/// Checks the sealed files that are kept, or those seals that name the hash of a file that somebody holds.
///
/// # Errors
/// When the database refuses.
pub fn verify(engine: &Engine, held: Option<BlobHash>) -> Result<Vec<Verified>, EngineError> {
    let mut verified = Vec::new();
    for seal in all(engine)? {
        let Some(hash) = seal.sha256.filter(|hash| held.is_none_or(|held| held == *hash)) else { continue };
        let found = match held {
            Some(held) => Some(held),
            None => file(engine, &hash)?.map(|sealed| sha256(&sealed.bytes)),
        };
        let signed_by = signer(engine, &seal)?;
        let state = match found {
            None => "missing",
            Some(found) if found != hash => "changed",
            Some(_) if signed_by.is_none() => "not_signed",
            Some(_) => "as_sealed",
        };
        verified.push(Verified { what: seal.what, unit: seal.unit, on: seal.on, sha256: hash, signed_by, state });
    }
    Ok(verified)
}

/// The key whose signature over the seal's change is good and has the right.
fn signer(engine: &Engine, seal: &Seal) -> Result<Option<PublicKey>, EngineError> {
    engine.database().read(|tx| {
        let roster = engine.folder.roster(tx)?;
        for run in runs(tx, &key())? {
            let Ok(run) = SignedRun::from_bytes(&run) else { continue };
            let Ok(checked) = check_run(&run, &roster) else { continue };
            let texts = checked.heads().iter().flat_map(|head| &head.ops);
            let is = |text: &str| matches!(serde_json::from_str(text), Ok(ReferenceEntry::Seal(own)) if own == *seal);
            if texts.into_iter().any(|op| is(&op.value)) {
                return Ok(Some(checked.signer()));
            }
        }
        Ok(None)
    })
}

fn runs(connection: &Connection, doc: &DocKey) -> Result<Vec<Vec<u8>>, DbError> {
    let mut statement = connection.prepare_cached("SELECT run FROM runs WHERE doc = ?1 AND state = 1 ORDER BY id")?;
    let rows = statement.query_map([&doc.to_bytes()[..]], |row| row.get(0))?;
    Ok(rows.collect::<Result<_, _>>()?)
}
