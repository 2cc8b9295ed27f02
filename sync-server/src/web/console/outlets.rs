//! The inventory: the whole ledger as a table to filter, sort and page through. The address holds the
//! whole state of the list, so it can be kept, sent and returned to; an account keeps addresses
//! under names ("views").

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use outlet_core::ids::OutletId;

use super::{Answer, Form, Page, Shared, Visitor, Words, go_on, show_with};
use crate::db::{DbError, sessions};
use crate::inventory::{self, Dimension, Direction, Entry, FilterError, Query, Sort, SortColumn, Total};

/// Filters that the page offers as selects: parameter, column label, dimension.
const SELECTS: &[(&str, &str, Dimension)] = &[
    ("county", "county", Dimension::County),
    ("unit", "management_unit", Dimension::Unit),
    ("state", "state", Dimension::State),
    ("review", "review_state", Dimension::Review),
    ("class", "classification", Dimension::Class),
    ("proposed", "classification_proposed", Dimension::Proposed),
    ("type", "outlet_type", Dimension::Type),
    ("scale", "scale", Dimension::Scale),
    ("waterbody", "waterbody", Dimension::Waterbody),
    ("township", "township", Dimension::Township),
    ("problem", "problem", Dimension::Problem),
    ("flag", "flag", Dimension::Flag),
];

/// Columns of the table: sort word, label.
const COLUMNS: &[(&str, &str)] = &[
    ("number", "number"),
    ("name", "name"),
    ("county", "county"),
    ("township", "township"),
    ("waterbody", "waterbody"),
    ("type", "outlet_type"),
    ("class", "classification"),
    ("state", "state"),
    ("review", "review_state"),
    ("surveyed_on", "surveyed_on"),
    ("due", "plan_due"),
    ("party", "primary_party"),
    ("problems", "problem_count"),
];

/// Shown below the county, without a head of its own.
const BELOW: &str = "township";

/// Most values that a select offers.
const CHOICES: usize = 200;
/// Longest name of a view.
const VIEW_NAME: usize = 60;

/// A row as lists show it.
pub(super) struct ListRow {
    /// Its page.
    pub address: String,
    /// When it changed, as a version of the ledger.
    pub version: u64,
    pub number: String,
    pub name: String,
    pub county: String,
    pub township: String,
    pub waterbody: String,
    pub kind: String,
    /// Code of the class decided, or proposed; for its sign.
    pub class_code: String,
    pub class: String,
    /// Only proposed so far.
    pub proposed: bool,
    pub state: String,
    pub review: String,
    pub surveyed: String,
    pub due: String,
    pub party: String,
    pub problems: usize,
    pub conflict: bool,
}

impl ListRow {
    /// In the words of the page.
    pub(super) fn new(words: Words, entry: Entry) -> Self {
        let row = entry.row;
        let day = |day: Option<outlet_core::time::Day>| day.map(|day| day.to_string()).unwrap_or_default();
        let place = |code: Option<String>| code.map(|code| words.place(&code)).unwrap_or_default();
        let decided = row.classification.clone();
        let proposed = decided.is_none() && row.classification_proposed.is_some();
        let class = decided.or_else(|| row.classification_proposed.clone()).unwrap_or_else(|| "undecided".to_owned());
        Self {
            address: address(&entry.key),
            version: entry.version,
            number: number(&row),
            class: words.term("classification", &class),
            class_code: class,
            proposed,
            name: row.name.unwrap_or_default(),
            county: place(row.county),
            township: row.township.unwrap_or_default(),
            waterbody: row.waterbody.unwrap_or_default(),
            kind: row.outlet_type.map(|code| words.outlet_type(&code)).unwrap_or_default(),
            state: words.label(row.state.code()),
            review: words.label(row.review_state.code()),
            surveyed: day(row.surveyed_on),
            due: day(row.plan_due.filter(|_| row.accepted_on.is_none())),
            party: row.primary_party.unwrap_or_default(),
            problems: row.problem_count,
            conflict: !row.conflicts.is_empty(),
        }
    }
}

/// The page of an outlet.
pub(super) fn address(key: &outlet_core::ids::DocKey) -> String {
    format!("/outlets/{}/{}", key.collection.code(), key.id)
}

/// The number that people know it by.
pub(super) fn number(row: &outlet_core::ledger::LedgerRow) -> String {
    let known = row.national_code.as_ref().or(row.provincial_code.as_ref()).or(row.temporary_number.as_ref());
    known.cloned().unwrap_or_else(|| short(&row.id))
}

/// The end of an id, for an outlet that has no number: the beginning is the time, alike for many.
pub(super) fn short(id: &OutletId) -> String {
    let id = id.to_string();
    id.get(id.len().saturating_sub(8)..).unwrap_or(&id).to_owned()
}

/// A select with what it can be narrowed to, and how many rows each value has.
struct Select {
    name: &'static str,
    label: String,
    choices: Vec<Choice>,
}

struct Choice {
    value: String,
    /// With the number of rows, where it is known.
    label: String,
}

/// A head that sorts.
struct Head {
    label: String,
    address: String,
    /// `ascending | descending | none`.
    order: &'static str,
    number: bool,
}

#[derive(Template)]
#[template(path = "console/outlets.html")]
struct OutletsPage {
    page: Page,
    form: Form,
    rows: Vec<ListRow>,
    total: Total,
    selects: Vec<Select>,
    heads: Vec<Head>,
    /// The same orders as a select: on a phone there are no heads.
    sorts: Vec<(String, String)>,
    /// Some filter is set.
    narrowed: bool,
    next: Option<String>,
    first: Option<String>,
    views: Vec<(String, String)>,
    /// State of the list without page, for saving.
    list: String,
    problem: Option<String>,
}

/// `GET /outlets?…`.
pub(super) async fn page(State(console): Shared, page: Page, visitor: Visitor, form: Form) -> Answer {
    let words = page.words();
    let login = visitor.account.login.clone();
    let asked = form.pairs_without(&["done"]);
    let (query, problem, found) = console
        .ask(move |console| {
            let today = console.engine.folder.now().day_in_shanghai();
            let scope = visitor.scope();
            // What cannot be read is said, and the whole list shown: a kept address never fails.
            let (query, problem) =
                match Query::from_pairs(scope.clone(), asked.iter().map(|(name, value)| (name, read(value))), today) {
                    Ok(query) => (query, None),
                    Err(error) => (Query::new(scope), Some(error)),
                };
            let found = console.engine.database().read::<_, DbError>(|tx| {
                let page = inventory::page(tx, &query)?;
                let dimensions: Vec<Dimension> = SELECTS.iter().map(|(.., dimension)| *dimension).collect();
                let facets = inventory::facets(tx, &query.filter, &dimensions)?;
                Ok((page, facets, sessions::views(tx, &login)?))
            })?;
            Ok((query, problem, found))
        })
        .await?;
    let (found, facets, views) = found;
    let plain = query.list();
    let list = written(&plain);
    let next = found.next.map(|cursor| {
        let cursor = cursor.encode(&plain);
        let cursor: String = form_urlencoded::byte_serialize(cursor.as_bytes()).collect();
        format!("/outlets?{list}&cursor={cursor}")
    });
    let selects = SELECTS.iter().zip(facets.by).map(|((name, label, dimension), counts)| Select {
        name,
        label: if *name == "flag" { page.t("flag") } else { page.column(label) },
        choices: choices(words, &page, *dimension, counts, facets.exact),
    });
    let status = if problem.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    let view = OutletsPage {
        rows: found.entries.into_iter().map(|entry| ListRow::new(words, entry)).collect(),
        total: found.total,
        selects: selects.collect(),
        heads: heads(&page, &query),
        sorts: sorts(&page),
        narrowed: !query.filter.is_plain(),
        next,
        first: query.after.as_ref().map(|_| format!("/outlets?{list}")),
        views,
        list,
        problem: problem.map(|error| refusal(&page, &error)),
        form,
        page,
    };
    show_with(status, &view)
}

/// In addresses "-" stands for "nothing recorded": an empty field of a form is no filter.
fn read(value: &str) -> &str {
    if value == "-" { "" } else { value }
}

/// Inverse of [`read`], for a whole query.
fn written(query: &str) -> String {
    let mut text = form_urlencoded::Serializer::new(String::new());
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        text.append_pair(&name, if value.is_empty() { "-" } else { &value });
    }
    text.finish()
}

fn refusal(page: &Page, error: &FilterError) -> String {
    match error {
        FilterError::Cursor(_) => page.t("list-cursor"),
        _ => page.t1("list-refused", "name", error.name()),
    }
}

fn choices(words: Words, page: &Page, dimension: Dimension, counts: inventory::Counts, exact: bool) -> Vec<Choice> {
    let label = |value: &str| match (dimension, value) {
        (_, "") => page.t("nothing-recorded"),
        (Dimension::County | Dimension::Unit, code) => words.place(code),
        (Dimension::Class | Dimension::Proposed, code) => words.term("classification", code),
        (Dimension::Type, code) => words.outlet_type(code),
        (Dimension::Scale, code) => words.term("scale", code),
        (Dimension::Problem, code) => match words.term("problem", code) {
            same if same == code => words.label(code),
            found => found,
        },
        (Dimension::Flag, code) => page.t(&format!("flag-{code}")),
        (Dimension::State | Dimension::Review, code) => words.label(code),
        (_, text) => text.to_owned(),
    };
    let choice = |(value, count): (String, u64)| Choice {
        label: if exact { format!("{} ({count})", label(&value)) } else { label(&value) },
        value: if value.is_empty() { "-".to_owned() } else { value },
    };
    counts.into_iter().take(CHOICES).map(choice).collect()
}

/// A head as short as thirteen of them side by side need it: the message `head-CODE`, else the label of exports.
fn head_text(page: &Page, label: &str) -> String {
    let key = format!("head-{}", label.replace('_', "-"));
    let text = page.t(&key);
    if text == key { page.column(label) } else { text }
}

fn heads(page: &Page, query: &Query) -> Vec<Head> {
    let head = |(code, label): &(&'static str, &'static str)| {
        let column = SortColumn::all().find(|column| column.code() == *code);
        let own = column.is_some_and(|column| column == query.sort.column);
        let down = own && query.sort.direction == Direction::Up;
        let mut other = query.clone();
        other.after = None;
        if let Some(column) = column {
            other.sort = Sort { column, direction: if down { Direction::Down } else { Direction::Up } };
        }
        let order = match (own, query.sort.direction) {
            (false, _) => "none",
            (true, Direction::Up) => "ascending",
            (true, Direction::Down) => "descending",
        };
        Head {
            label: head_text(page, label),
            address: format!("/outlets?{}", written(&other.text())),
            order,
            number: *code == "problems",
        }
    };
    COLUMNS.iter().filter(|(code, _)| *code != BELOW).map(head).collect()
}

fn sorts(page: &Page) -> Vec<(String, String)> {
    let usual = (String::new(), page.t("latest"));
    let both = COLUMNS.iter().flat_map(|(code, label)| {
        let label = page.column(label);
        [((*code).to_owned(), format!("{label} ▲")), (format!("-{code}"), format!("{label} ▼"))]
    });
    std::iter::once(usual).chain(both).collect()
}

/// `POST /views`: keeps the list under a name, or removes a name.
pub(super) async fn keep_view(State(console): Shared, visitor: Visitor, form: Form) -> Answer {
    let login = visitor.account.login.clone();
    let name: String = form.value("name").chars().filter(|letter| !letter.is_control()).take(VIEW_NAME).collect();
    // Only what this page itself would write into an address.
    let query = Form::parse(form.value("query").as_bytes()).query_without(&["cursor", "done"]);
    let back = format!("/outlets?{query}");
    if name.is_empty() || query.len() > 4000 {
        return Ok(go_on(&back, "view-unnamed"));
    }
    let remove = form.value("act") == "remove";
    let done = console
        .ask(move |console| {
            Ok(console.engine.database().write::<_, DbError>(|tx| match remove {
                true => sessions::remove_view(tx, &login, &name).map(|()| "view-removed"),
                false => Ok(if sessions::save_view(tx, &login, &name, &query)? { "view-kept" } else { "view-full" }),
            })?)
        })
        .await?;
    Ok(go_on(&back, done))
}
