//! Conflicts side by side, and possible duplicates.

use askama::Template;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use outlet_core::ids::DocKey;
use outlet_core::ledger::LedgerRow;

use super::super::outlet::{PhotoCard, key_of, pictures, value_text};
use super::super::outlets::number;
use super::super::{Answer, Console, Fault, Form, Page, Shared, Visitor, Words, go_on, show_with};
use super::Refused;
use crate::db::DbError;
use crate::desk::conflicts::{self, Conflict, Settled, Side};
use crate::desk::duplicates::{self, Pair};
use crate::engine::{DecideError, EngineError, Seen};
use crate::inventory;

/// Conflicts shown at a time.
const MOST: usize = 60;

/// Pairs shown at a time, each with both records in full.
const PAIRS: usize = 20;

/// Photos of each record of a pair.
const PHOTOS: usize = 3;

/// What of two records is compared, line by line.
const COMPARED: [&str; 11] = [
    "name",
    "outlet_type",
    "township",
    "waterbody",
    "bank",
    "address",
    "primary_party",
    "surveyed_on",
    "review_state",
    "state",
    "national_code",
];

#[derive(Template)]
#[template(path = "console/conflicts.html")]
struct ConflictsPage {
    page: Page,
    /// Each with number and name of its outlet.
    conflicts: Vec<(Conflict, String)>,
    refused: Option<Refused>,
}

/// `GET /conflicts`.
pub(in super::super) async fn conflicts(State(console): Shared, page: Page, visitor: Visitor) -> Answer {
    let conflicts = console.ask(move |console| Ok(open(console, &visitor)?)).await?;
    show_with(StatusCode::OK, &ConflictsPage { page, conflicts, refused: None })
}

fn open(console: &Console, visitor: &Visitor) -> Result<Vec<(Conflict, String)>, EngineError> {
    let engine = &console.engine;
    let open = conflicts::conflicts(engine, &visitor.account, None, MOST as u64)?;
    let scope = visitor.scope();
    engine.database().read(|tx| {
        let named = open.into_iter().map(|conflict| -> Result<_, EngineError> {
            let row = inventory::one(tx, &scope, &conflict.outlet)?.map(|entry| entry.row);
            let name = |row: &LedgerRow| format!("{} {}", number(row), row.name.as_deref().unwrap_or_default());
            let title = row.as_ref().map_or_else(|| conflict.id.to_string(), name);
            Ok((conflict, title))
        });
        named.collect()
    })
}

/// `POST /conflicts/{collection}/{id}`: `field`, `seen`, and the entry picked.
pub(in super::super) async fn settle(
    State(console): Shared,
    page: Page,
    visitor: Visitor,
    Path((collection, id)): Path<(String, String)>,
    form: Form,
) -> Answer {
    let key = key_of(&visitor, &collection, &id)?;
    let seen: Seen = form.value("seen").parse().map_err(|_| Fault::BAD_REQUEST)?;
    let entry = form.value("pick").parse().map_err(|_| Fault::BAD_REQUEST)?;
    let done = console
        .ask(move |console| {
            let note = form.given("note").map(str::to_owned);
            let what = (key, form.value("field"));
            let picked = Settled::Pick(entry);
            let result = conflicts::settle(&console.engine, &visitor.acting(), what, seen, picked, (None, note));
            Ok(match result {
                Ok(_) => Ok(()),
                Err(error) => Err((error, open(console, &visitor)?)),
            })
        })
        .await?;
    match done {
        Ok(()) => Ok(go_on("/conflicts", "settled")),
        Err((error, conflicts)) => {
            let refused = Refused::new(&page, error)?;
            show_with(refused.status, &ConflictsPage { page, conflicts, refused: Some(refused) })
        }
    }
}

impl ConflictsPage {
    fn action(&self, conflict: &Conflict) -> String {
        format!("/conflicts/{}/{}", conflict.outlet.collection.code(), conflict.id)
    }

    fn outlet(&self, conflict: &Conflict) -> String {
        super::super::outlets::address(&conflict.outlet)
    }

    fn value(&self, conflict: &Conflict, side: &Side) -> String {
        value_text(self.page.words(), &conflict.field, &side.value)
    }

    fn basis(&self, side: &Side) -> String {
        let words = self.page.words();
        side.basis.as_ref().map(|basis| value_text(words, "basis", &basis.as_str().into())).unwrap_or_default()
    }

    fn distance(&self, side: &Side) -> String {
        side.distance_m.map_or_else(String::new, apart)
    }

    /// Some of its values are places, so that there is a distance between them.
    fn has_distance(&self, conflict: &Conflict) -> bool {
        conflict.sides.iter().any(|side| side.distance_m.is_some())
    }

    fn received(&self, side: &Side) -> String {
        side.received_at.as_ref().map(|at| self.page.moment(at)).unwrap_or_default()
    }
}

#[derive(Template)]
#[template(path = "console/duplicates.html")]
struct DuplicatesPage {
    page: Page,
    pairs: Vec<Compared>,
    refused: Option<Refused>,
}

/// A pair with both records.
struct Compared {
    pair: Pair,
    twins: [Twin; 2],
}

/// One record of a pair.
struct Twin {
    label: String,
    address: String,
    lines: Vec<(String, String)>,
    photos: Vec<PhotoCard>,
}

/// `GET /duplicates`.
pub(in super::super) async fn duplicates(State(console): Shared, page: Page, visitor: Visitor) -> Answer {
    let words = page.words();
    let pairs = console.ask(move |console| proposed(console, words, &visitor)).await?;
    show_with(StatusCode::OK, &DuplicatesPage { page, pairs, refused: None })
}

fn proposed(console: &Console, words: Words, visitor: &Visitor) -> Result<Vec<Compared>, Fault> {
    let pairs = duplicates::pairs(&console.engine, &visitor.account, None, false, PAIRS)?;
    let compared = |pair: Pair| {
        let twins = [
            twin(console, words, visitor, &pair.candidate.a, &pair.a_label)?,
            twin(console, words, visitor, &pair.candidate.b, &pair.b_label)?,
        ];
        Ok(Compared { pair, twins })
    };
    pairs.into_iter().map(compared).collect()
}

fn twin(console: &Console, words: Words, visitor: &Visitor, key: &DocKey, label: &str) -> Result<Twin, Fault> {
    let scope = visitor.scope();
    let row = console.engine.database().read::<_, DbError>(|tx| inventory::one(tx, &scope, key))?;
    let row = row.map(|entry| entry.row);
    let line = |row: &LedgerRow, code: &str| Some((words.column(code), words.cell(row, code)?));
    let lines = row.iter().flat_map(|row| COMPARED.iter().filter_map(|code| line(row, code))).collect();
    let mut photos = row.as_ref().map(|row| pictures(console, words, row)).transpose()?.unwrap_or_default();
    photos.truncate(PHOTOS);
    Ok(Twin { label: label.to_owned(), address: super::super::outlets::address(key), lines, photos })
}

/// `POST /duplicates` with `act`: link (`goes` is a duplicate of `stays`) or dismiss.
pub(in super::super) async fn tell_apart(State(console): Shared, page: Page, visitor: Visitor, form: Form) -> Answer {
    let key = |name: &str| form.value(name).parse::<DocKey>().map_err(|_| Fault::BAD_REQUEST);
    let (goes, stays) = (key("goes")?, key("stays")?);
    // The second button of a pair says it the other way round.
    let (goes, stays) = if form.value("act") == "link-other" { (stays, goes) } else { (goes, stays) };
    if !visitor.sees(goes.collection) || !visitor.sees(stays.collection) {
        return Err(Fault::NOT_FOUND);
    }
    let words = page.words();
    let done = console
        .ask(move |console| {
            let (engine, acting) = (&console.engine, visitor.acting());
            let note = form.given("note").map(str::to_owned);
            let result = match form.value("act") {
                "link" | "link-other" => {
                    let seen = form.value("seen").parse::<Seen>().ok();
                    let seen =
                        seen.map_or_else(|| Ok(engine.seen(&goes)?.unwrap_or_default()), Ok::<_, EngineError>)?;
                    duplicates::link(engine, &acting, (goes, stays), seen, false, note).map(|_| "linked")
                }
                "dismiss" => match &note {
                    Some(reason) => duplicates::dismiss(engine, &acting, goes, stays, reason).map(|()| "told-apart"),
                    None => Err(DecideError::Proposal("say why these are two outlets")),
                },
                _ => return Err(Fault::BAD_REQUEST),
            };
            Ok(match result {
                Ok(done) => Ok(done),
                Err(error) => Err((error, proposed(console, words, &visitor)?)),
            })
        })
        .await?;
    match done {
        Ok(done) => Ok(go_on("/duplicates", done)),
        Err((error, pairs)) => {
            let refused = Refused::new(&page, error)?;
            show_with(refused.status, &DuplicatesPage { page, pairs, refused: Some(refused) })
        }
    }
}

impl DuplicatesPage {
    fn link(&self, pair: &Pair) -> String {
        self.page.t2("link", ("goes", &pair.b_label), ("stays", &pair.a_label))
    }

    fn link_other(&self, pair: &Pair) -> String {
        self.page.t2("link", ("goes", &pair.a_label), ("stays", &pair.b_label))
    }

    fn distance(&self, pair: &Pair) -> String {
        pair.candidate.distance_m.map_or_else(|| self.page.t("unknown"), apart)
    }

    fn reasons(&self, pair: &Pair) -> String {
        let reason = |reason: &outlet_core::duplicate::Reason| {
            let value = serde_json::to_value(reason).unwrap_or_default();
            let code = value["reason"].as_str().unwrap_or_default().replace('_', "-");
            self.page.t(&format!("pair-{code}"))
        };
        self.page.list(pair.candidate.reasons.iter().map(reason))
    }
}

/// A distance for people.
fn apart(metres: f64) -> String {
    if metres < 1_000.0 { format!("{metres:.1} m") } else { format!("{:.1} km", metres / 1_000.0) }
}
