//! One outlet, everything on one page, which prints as its file (一口一档): facts with who and when,
//! photos, the chain 水体—排污口—管线—污染源, problems, plan, findings, the milestones taken apart,
//! and the timeline of both documents.

use askama::Template;
use axum::extract::{Path, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::IntoResponse as _;
use outlet_core::export;
use outlet_core::ids::{BlobHash, Collection, DocKey, DocKind, OutletId};
use outlet_core::ledger::{Finding, LedgerRow, Severity};

use super::outlets::number;
use super::{Answer, Console, Fault, Page, Shared, Visitor, Words, show};
use crate::db::DbError;
use crate::db::files::{self, StoredFile};
use crate::engine::EngineError;
use crate::inventory;

pub(super) mod acts;
mod chain;
mod dossier;
mod facts;
mod milestones;
mod photos;
pub(super) mod plate;
mod suggestion;
mod timeline;

use chain::Chain;
use dossier::Dossier;
use facts::FactLine;
pub(super) use facts::value_text;
use milestones::MilestoneBlock;
pub(super) use milestones::titled;
pub(super) use photos::PhotoCard;
use timeline::Event;
pub(super) use timeline::{described, entry_details, titled_entry};

#[derive(Template)]
#[template(path = "console/outlet.html")]
struct OutletPage {
    page: Page,
    /// Its own address.
    address: String,
    number: String,
    row: LedgerRow,
    class: String,
    class_code: String,
    blocks: Vec<Block>,
    facts: Vec<FactLine>,
    photos: Vec<PhotoCard>,
    chain: Option<Chain>,
    findings: Vec<FindingLine>,
    milestones: Vec<MilestoneBlock>,
    events: Vec<Event>,
    acts: &'static [&'static str],
    printed: String,
}

/// Columns of the row under one head.
struct Block {
    title: String,
    lines: Vec<(String, String)>,
}

/// A finding in words.
struct FindingLine {
    tone: &'static str,
    text: String,
    detail: String,
}

/// Which columns stand under which head, in order.
const BLOCKS: &[(&str, &[&str])] = &[
    (
        "block-identity",
        &[
            "name",
            "national_code",
            "provincial_code",
            "temporary_number",
            "outlet_type",
            "entry_mode",
            "set_up",
            "exists_from",
            "approval_status",
            "sign_state",
            "sign_on",
        ],
    ),
    (
        "block-place",
        &[
            "lon",
            "lat",
            "accuracy_m",
            "datum",
            "county",
            "management_unit",
            "township",
            "village",
            "address",
            "waterbody",
            "bank",
            "basin",
            "water_function_zone",
            "control_unit",
            "section",
        ],
    ),
    (
        "block-survey",
        &[
            "surveyed_on",
            "discharge_state",
            "discharge_pattern",
            "dry_weather_discharge",
            "sampled_on",
            "traced_on",
            "scale",
            "scale_basis",
            "primary_party",
            "party_uscc",
            "party_permit",
            "other_parties",
            "competent_department",
        ],
    ),
    (
        "block-rectification",
        &[
            "classification",
            "classification_proposed",
            "decided_on",
            "decision_document",
            "measures",
            "plan_due",
            "completed_on",
            "accepted_on",
            "reopened_on",
            "extended_until",
            "extension_document",
            "merged_into",
            "duplicate_of",
            "problems",
        ],
    ),
];

/// Where a fact stands among the columns of the page.
pub(super) fn order(field: &str) -> usize {
    let column = if field == "location" { "lon" } else { field };
    let mut columns = BLOCKS.iter().flat_map(|(_, columns)| columns.iter());
    columns.position(|own| *own == column).unwrap_or(usize::MAX)
}

/// The photos of an outlet, for pages that compare or review.
pub(super) fn pictures(console: &Console, words: Words, row: &LedgerRow) -> Result<Vec<PhotoCard>, Fault> {
    let dossier = Dossier::read(console, row.key)?;
    Ok(photos::cards(words, &super::outlets::address(&row.key), &dossier.field, row, &dossier.here))
}

/// The key in an address; nothing where this account may not know of it.
pub(super) fn key_of(visitor: &Visitor, collection: &str, id: &str) -> Result<DocKey, Fault> {
    let collection: Collection = collection.parse().map_err(|_| Fault::NOT_FOUND)?;
    let id: OutletId = id.parse().map_err(|_| Fault::NOT_FOUND)?;
    if !visitor.sees(collection) {
        return Err(Fault::NOT_FOUND);
    }
    Ok(DocKey { kind: DocKind::Field, collection, id })
}

/// `GET /outlets/{collection}/{id}`.
pub(super) async fn page(
    State(console): Shared,
    page: Page,
    visitor: Visitor,
    Path((collection, id)): Path<(String, String)>,
) -> Answer {
    let key = key_of(&visitor, &collection, &id)?;
    let scope = visitor.scope();
    let (row, dossier) = console
        .ask(move |console| {
            let entry = console.engine.database().read::<_, DbError>(|tx| inventory::one(tx, &scope, &key))?;
            let row = entry.ok_or(Fault::NOT_FOUND)?.row;
            Ok((row, Dossier::read(console, key)?))
        })
        .await?;
    show(&OutletPage::new(page, &visitor, row, &dossier))
}

impl OutletPage {
    fn new(page: Page, visitor: &Visitor, row: LedgerRow, dossier: &Dossier) -> Self {
        let words = page.words();
        let address = super::outlets::address(&row.key);
        let decided = row.classification.clone().or_else(|| row.classification_proposed.clone());
        let class_code = decided.unwrap_or_else(|| "undecided".to_owned());
        Self {
            number: number(&row),
            class: words.term("classification", &class_code),
            class_code,
            blocks: blocks(&page, &row),
            facts: facts::lines(words, dossier, &row),
            photos: photos::cards(words, &address, &dossier.field, &row, &dossier.here),
            chain: Chain::of(words, &dossier.field, &row, &page),
            findings: dossier.findings.iter().map(|finding| FindingLine::new(&page, finding)).collect(),
            milestones: milestones::blocks(&page, &dossier.explanations),
            events: timeline::events(&page, &dossier.field, &dossier.case),
            acts: if visitor.decides() { acts::ACTS } else { &[] },
            printed: super::page::moment(dossier.now),
            address,
            row,
            page,
        }
    }

    /// Where it is, for the map.
    fn place(&self) -> Option<String> {
        self.row.lon.zip(self.row.lat).map(|(lon, lat)| format!("/map?at={lon},{lat}"))
    }

    fn state(&self) -> String {
        self.page.label(self.row.state.code())
    }

    fn review(&self) -> String {
        self.page.label(self.row.review_state.code())
    }

    /// Why it was returned.
    fn return_reasons(&self) -> String {
        self.page.list(self.row.return_reasons.iter().map(|reason| self.page.term("return_reason", reason)))
    }

    /// Names of the facts in conflict, in words.
    fn conflicts(&self) -> String {
        self.page.list(self.row.conflicts.iter().map(|code| self.page.column(code)))
    }
}

fn blocks(page: &Page, row: &LedgerRow) -> Vec<Block> {
    let block = |(title, codes): &(&'static str, &'static [&'static str])| {
        let line = |code: &&str| Some((page.column(code), page.words().cell(row, code)?));
        Block { title: page.t(title), lines: codes.iter().filter_map(line).collect() }
    };
    BLOCKS.iter().map(block).filter(|block| !block.lines.is_empty()).collect()
}

impl FindingLine {
    fn new(page: &Page, finding: &Finding) -> Self {
        let tone = match finding.severity {
            Severity::Error => "bad",
            Severity::Warning => "warn",
            Severity::Notice => "",
        };
        let field = finding.field.as_deref().map(|field| page.column(field));
        let detail =
            [field, super::details::detail(page, finding)].into_iter().flatten().collect::<Vec<_>>().join(" · ");
        Self { tone, text: page.label(&finding.code), detail }
    }
}

impl Words {
    /// A column of a row as exports write it, but with the signs of the language between several values;
    /// nothing where nothing is recorded.
    #[must_use]
    pub fn cell(self, row: &LedgerRow, code: &str) -> Option<String> {
        export::shown(row, code, self.style()).map(|values| self.list(values))
    }
}

/// `GET /outlets/{id}`: to the page of the outlet, wherever its collection; maps know ids only.
pub(super) async fn by_id(State(console): Shared, visitor: Visitor, Path(id): Path<String>) -> Answer {
    let id: OutletId = id.parse().map_err(|_| Fault::NOT_FOUND)?;
    let scope = visitor.scope();
    let found = console
        .ask(move |console| {
            Ok(console.engine.database().read::<_, DbError>(|tx| {
                for collection in crate::db::feed::collections(tx)? {
                    let key = DocKey { kind: DocKind::Field, collection, id };
                    if inventory::one(tx, &scope, &key)?.is_some() {
                        return Ok(Some(key));
                    }
                }
                Ok(None)
            })?)
        })
        .await?;
    let key = found.ok_or(Fault::NOT_FOUND)?;
    Ok((StatusCode::SEE_OTHER, [(header::LOCATION, super::outlets::address(&key))]).into_response())
}

/// `GET /outlets/{collection}/{id}/files/{hash}`: a photo or attachment, untouched.
pub(super) async fn file(
    State(console): Shared,
    visitor: Visitor,
    Path((collection, id, hash)): Path<(String, String, String)>,
) -> Answer {
    let key = key_of(&visitor, &collection, &id)?;
    let hash: BlobHash = hash.parse().map_err(|_| Fault::NOT_FOUND)?;
    let bytes = console.ask(move |console| read_file(console, &key, &hash)).await?;
    let mut response = bytes.clone().into_response();
    let headers = response.headers_mut();
    // Only pictures are shown; whatever else somebody attached is saved, never run.
    let shown = picture(&bytes);
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(shown.unwrap_or("application/octet-stream")));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, max-age=86400, immutable"));
    if shown.is_none() {
        headers.insert(header::CONTENT_DISPOSITION, HeaderValue::from_static("attachment"));
    }
    Ok(response)
}

fn read_file(console: &Console, key: &DocKey, hash: &BlobHash) -> Result<bytes::Bytes, Fault> {
    let here = console.engine.database().read::<_, EngineError>(|tx| {
        Ok(matches!(files::get(tx, hash)?, Some(StoredFile::Here(_))) && dossier::names(tx, key, hash)?)
    })?;
    if !here {
        return Err(Fault::NOT_FOUND);
    }
    console.engine.photos.read_all(hash).map_err(|error| {
        if !error.is_not_found() {
            tracing::error!(%error, "a photo cannot be read");
        }
        Fault::NOT_FOUND
    })
}

/// The media type of a picture that browsers show, by its first bytes.
pub(super) fn picture(bytes: &[u8]) -> Option<&'static str> {
    match bytes {
        [0xff, 0xd8, 0xff, ..] => Some("image/jpeg"),
        [0x89, b'P', b'N', b'G', ..] => Some("image/png"),
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Some("image/webp"),
        _ => None,
    }
}

/// The code of a word that is stored as JSON text.
fn code_of<T: serde::Serialize>(value: &T) -> String {
    serde_json::to_value(value).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}
