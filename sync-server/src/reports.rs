//! Reports of the public: taken without an account, kept apart from every document, triaged by
//! people. What a reporter wrote never enters a record; a record that follows from it names the
//! report's number only.

use outlet_core::doc::to_json;
use outlet_core::domain::field::{Fact, FieldEntry, Imported, Inspection, fact};
use outlet_core::geo::{Datum, GeoPoint, Reading};
use outlet_core::ids::{BlobHash, Collection, DocKey, DocKind};
use outlet_core::import::imported_id;
use outlet_core::time::Timestamp;
use serde_json::json;
use sha2::{Digest as _, Sha256};

use crate::db::reports::{self, Decided, Report};
use crate::db::{DbError, meta};
use crate::engine::{Engine, EngineError, NewRecord};
use crate::env::random;
use crate::error::{CommandError, IoContext as _};

/// List that records made of reports belong to.
pub const LIST: &str = "公众举报";
/// Longest text.
pub const MAX_TEXT: usize = 2_000;
/// Folder of the photos in the data folder.
const FOLDER: &str = "reports";
/// Letters and digits that are not mistaken for one another.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// What somebody sends.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct NewReport {
    /// Code on the sign.
    pub code: String,
    /// The record of that code.
    pub outlet: Option<DocKey>,
    /// Text.
    pub text: String,
    /// Degrees east and north, as the phone gives them.
    pub place: Option<(f64, f64)>,
    /// Photo, JPEG or PNG.
    pub photo: Option<Vec<u8>>,
}

/// Why a report is not taken.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReportError {
    /// Nothing in it.
    #[error("请描述您看到的情况 / please describe what you saw")]
    Empty,
    /// Too long.
    #[error("描述不能超过 {MAX_TEXT} 字 / at most {MAX_TEXT} characters")]
    TooLong,
    /// No picture.
    #[error("照片须为 JPEG 或 PNG / the photo must be a JPEG or PNG")]
    Photo,
    /// Outside China.
    #[error("位置不正确 / the place is not right")]
    Place,
    /// Enough for one day.
    #[error("今日举报过多，请稍后再试或拨打热线 / too many reports today, try later or call")]
    TooMany,
    /// Database or disk.
    #[error("{0}")]
    Server(String),
}

impl From<DbError> for ReportError {
    fn from(error: DbError) -> Self {
        Self::Server(error.to_string())
    }
}

/// Takes a report into the queue; the number by which its state is read.
///
/// # Errors
/// [`ReportError`]; then nothing is kept.
pub fn take(engine: &Engine, new: &NewReport, per_day: u64) -> Result<String, ReportError> {
    let text = new.text.trim();
    if text.is_empty() {
        return Err(ReportError::Empty);
    }
    if text.chars().count() > MAX_TEXT {
        return Err(ReportError::TooLong);
    }
    if new.place.is_some_and(|(lon, lat)| GeoPoint::new(lon, lat).is_err()) {
        return Err(ReportError::Place);
    }
    let now = engine.folder.now();
    let day_ago = now.plus_millis(-86_400_000);
    if engine.database().read::<_, DbError>(|tx| reports::since(tx, day_ago))? >= per_day {
        return Err(ReportError::TooMany);
    }
    let server = |error: CommandError| ReportError::Server(error.message);
    let photo = new.photo.as_deref().map(|bytes| keep_photo(engine, bytes)).transpose()?;
    let bytes: [u8; 7] = random().map_err(server)?;
    let number: String =
        std::iter::once('R').chain(bytes.iter().map(|byte| char::from(ALPHABET[usize::from(byte % 32)]))).collect();
    let report = Report {
        number: number.clone(),
        code: new.code.chars().take(40).collect(),
        outlet: new.outlet,
        at: now,
        text: text.to_owned(),
        lon: new.place.map(|place| place.0),
        lat: new.place.map(|place| place.1),
        photo,
        state: "new".to_owned(),
        answer: None,
        decided_by: None,
        promoted_to: None,
    };
    engine.database().write::<_, DbError>(|tx| reports::insert(tx, &report))?;
    Ok(number)
}

/// The photo of a report, untouched; nothing when it has none, or the file is gone.
///
/// # Errors
/// When the file cannot be read.
pub fn photo(engine: &Engine, report: &Report) -> std::io::Result<Option<Vec<u8>>> {
    let Some(hash) = &report.photo else { return Ok(None) };
    match std::fs::read(engine.folder.path().join(FOLDER).join(hash.to_string())) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// The file is durable under its hash before the row names it.
fn keep_photo(engine: &Engine, bytes: &[u8]) -> Result<BlobHash, ReportError> {
    let jpeg = bytes.starts_with(&[0xff, 0xd8, 0xff]);
    let png = bytes.starts_with(b"\x89PNG\r\n\x1a\n");
    if !jpeg && !png {
        return Err(ReportError::Photo);
    }
    let hash = BlobHash(Sha256::digest(bytes).into());
    let folder = engine.folder.path().join(FOLDER);
    let write = || -> std::io::Result<()> {
        std::fs::create_dir_all(&folder)?;
        let (part, path) = (folder.join(format!("{hash}.part")), folder.join(hash.to_string()));
        if path.exists() {
            return Ok(());
        }
        let mut file = std::fs::File::create(&part)?;
        std::io::Write::write_all(&mut file, bytes)?;
        file.sync_all()?;
        std::fs::rename(&part, &path)?;
        std::fs::File::open(&folder)?.sync_all()
    };
    write().context("keeping a reported photo").map_err(|error| ReportError::Server(error.message))?;
    Ok(hash)
}

/// A report by its number.
///
/// # Errors
/// When there is none, or the database refuses.
pub fn find(engine: &Engine, number: &str) -> Result<Report, CommandError> {
    let wanted = number.trim().to_ascii_uppercase();
    engine.database().read::<_, DbError>(|tx| reports::get(tx, &wanted))?.ok_or_else(|| {
        CommandError::user(format!("there is no report {number:?}"))
            .hint("`outlet-server reports list --all` shows all")
    })
}

/// Answers a report; whoever has its number reads the answer.
///
/// # Errors
/// When the database refuses.
pub fn answer(engine: &Engine, report: &Report, text: &str, reject: bool, by: &str) -> Result<(), CommandError> {
    if report.state == "promoted" && reject {
        return Err(CommandError::user(format!(
            "report {} was promoted to {}",
            report.number,
            report.promoted_to.as_deref().unwrap_or("-")
        ))
        .hint("answer it without --reject"));
    }
    let state = match (report.state.as_str(), reject) {
        ("promoted", _) => "promoted",
        (_, true) => "rejected",
        (_, false) => "answered",
    };
    decide(engine, report, &Decided { state, answer: Some(text), promoted_to: None, by, at: engine.folder.now() })
}

fn decide(engine: &Engine, report: &Report, decided: &Decided<'_>) -> Result<(), CommandError> {
    engine.database().write::<_, DbError>(|tx| {
        reports::decide(tx, &report.number, decided)?;
        meta::audit(tx, decided.at, decided.by, "report", &format!("{} {}", report.number, decided.state))
    })?;
    Ok(())
}

/// Makes a suspected outlet at the reported place.
///
/// # Errors
/// When there is no place or county, or the record cannot be made.
pub fn suspect(
    engine: &Engine,
    report: &Report,
    collection: Option<Collection>,
    by: &str,
) -> Result<DocKey, CommandError> {
    not_yet(report)?;
    let collection = collection.or(report.outlet.map(|outlet| outlet.collection)).ok_or_else(|| {
        CommandError::user("the report names no known outlet, so its county must be said")
            .hint("add --collection 511902")
    })?;
    let (lon, lat) = report.lon.zip(report.lat).ok_or_else(|| {
        CommandError::user("the report has no place, and a suspected outlet needs one")
            .hint("answer it and ask for the place, or record the point by `outlet add` on a device")
    })?;
    let reading = Reading::new(lon, lat, Datum::Wgs84).map_err(|error| CommandError::user(error.to_string()))?;
    let now = engine.folder.now();
    let location = serde_json::to_value(reading.location(None, Some("report"), None));
    let location = location.map_err(|error| CommandError::internal(error.to_string()))?;
    let fact = |field: &str, value| {
        FieldEntry::Fact(Fact {
            field: field.to_owned(),
            value,
            basis: Some("report".to_owned()),
            reason: None,
            on: None,
            replaces: Vec::new(),
            at: now,
        })
    };
    let entries = [
        FieldEntry::Imported(origin(report, by, now)),
        fact(fact::STATE, json!("suspected")),
        fact(fact::LOCATION, location),
    ];
    let key = DocKey { kind: DocKind::Field, collection, id: imported_id(LIST, &report.number) };
    engine.create_records(vec![NewRecord { key, entries: texts(&entries)?, registers: Vec::new() }], None)?;
    promoted(engine, report, &format!("suspected {}", key.id), by)?;
    Ok(key)
}

/// Proposes re-opening of the outlet that the report names (T17); a supervisor decides.
///
/// # Errors
/// When the report names no outlet, or the record cannot be written.
pub fn propose_reopening(engine: &Engine, report: &Report, by: &str) -> Result<DocKey, CommandError> {
    not_yet(report)?;
    let key = report.outlet.ok_or_else(|| {
        CommandError::user(format!("{:?} is the code of no outlet in the ledger", report.code))
            .hint("promote it --to suspected, or answer it")
    })?;
    let now = engine.folder.now();
    let seen = Inspection {
        kind: "report".to_owned(),
        on: Some(report.at.day_in_shanghai()),
        at: now,
        result: "bad".to_owned(),
        ..Inspection::default()
    };
    let entries = [FieldEntry::Imported(origin(report, by, now)), FieldEntry::Inspection(Box::new(seen))];
    engine.add_to_record(&key, &texts(&entries)?)?;
    promoted(engine, report, &format!("reopening of {}", key.id), by)?;
    Ok(key)
}

fn not_yet(report: &Report) -> Result<(), CommandError> {
    match &report.promoted_to {
        None => Ok(()),
        Some(what) => Err(CommandError::user(format!("report {} became {what} already", report.number))
            .hint("answer it with `outlet-server reports answer`")),
    }
}

fn promoted(engine: &Engine, report: &Report, what: &str, by: &str) -> Result<(), CommandError> {
    let at = engine.folder.now();
    decide(engine, report, &Decided { state: "promoted", answer: None, promoted_to: Some(what), by, at })
}

/// The report's number and the hash of its text: the text itself stays in the queue.
fn origin(report: &Report, by: &str, at: Timestamp) -> Imported {
    Imported {
        list: LIST.to_owned(),
        source_id: report.number.clone(),
        line: 0,
        file: BlobHash(Sha256::digest(report.text.as_bytes()).into()),
        by: by.to_owned(),
        at,
    }
}

fn texts(entries: &[FieldEntry]) -> Result<Vec<String>, CommandError> {
    entries.iter().map(to_json).collect::<Result<_, _>>().map_err(|error| CommandError::internal(error.to_string()))
}

impl From<EngineError> for ReportError {
    fn from(error: EngineError) -> Self {
        Self::Server(error.to_string())
    }
}
