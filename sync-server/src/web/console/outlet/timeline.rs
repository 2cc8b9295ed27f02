//! The timeline: every entry of both documents by server receipt, with its author and its words. An
//! entry of a type that this version does not know is shown as it is.

use serde_json::Value;

use super::super::Page;
use super::super::page::moment;
use super::dossier::Said;
use super::facts::value_text;

/// One entry.
pub(super) struct Event {
    pub when: String,
    pub title: String,
    pub who: String,
    pub decision: bool,
    /// Label and value.
    pub details: Vec<(String, String)>,
}

/// Keys that the title, the author or the machine already has.
const HIDDEN: [&str; 21] = [
    "type",
    "at",
    "witness",
    "field_heads",
    "overrules",
    "replaces",
    "sha256",
    "preview",
    "bytes",
    "mime",
    "evidence",
    "photos",
    "orientation",
    "direction_deg",
    "width",
    "height",
    "offset_in_file",
    "corrects",
    "contact",
    "file",
    "entries",
];

/// Longest value shown.
const LONGEST: usize = 300;

pub(super) fn events(page: &Page, field: &[Said], case: &[Said]) -> Vec<Event> {
    let mut all: Vec<(&Said, bool)> = field.iter().map(|said| (said, false)).collect();
    all.extend(case.iter().map(|said| (said, true)));
    // By receipt; a device's clock orders nothing, so entries of one batch stay in document order.
    all.sort_by_key(|(said, _)| said.received.map_or(i64::MAX, outlet_core::time::Timestamp::millis));
    all.reverse();
    all.into_iter().map(|(said, decision)| event(page, said, decision)).collect()
}

fn event(page: &Page, said: &Said, decision: bool) -> Event {
    Event {
        when: moment(said.when()),
        title: title(page, said.kind(), decision),
        who: said.who.clone().unwrap_or_default(),
        decision,
        details: entry_details(page, &said.value),
    }
}

/// The name of an entry's type.
fn title(page: &Page, kind: &str, decision: bool) -> String {
    let key = format!("{}-{}", if decision { "decision" } else { "entry" }, kind.replace('_', "-"));
    let title = page.t(&key);
    if title == key { kind.to_owned() } else { title }
}

/// The name of an entry, of whichever document.
pub(in super::super) fn titled_entry(page: &Page, entry: &Value) -> String {
    let kind = entry.get("type").and_then(Value::as_str).unwrap_or_default();
    // Field records and case files name no type alike but `sign`, which reads the same.
    let key = format!("decision-{}", kind.replace('_', "-"));
    title(page, kind, page.t(&key) != key)
}

/// An entry in one line: its type and what it says.
pub(in super::super) fn described(page: &Page, entry: &Value) -> String {
    let details = entry_details(page, entry).into_iter().map(|(label, value)| format!("{label} {value}"));
    format!("{} {}", titled_entry(page, entry), page.clauses(details)).trim().to_owned()
}

/// What an entry says: labels and values.
pub(in super::super) fn entry_details(page: &Page, entry: &Value) -> Vec<(String, String)> {
    let words = page.words();
    let object = entry.as_object();
    let fact = entry.get("field").and_then(Value::as_str);
    // A fact's name is the label of its value, which is shown even where it is nothing.
    let is_value = |name: &str| fact.is_some() && name == "value";
    let hidden =
        |name: &str| HIDDEN.contains(&name) || fact.is_some() && name == "field" && entry.get("value").is_some();
    let shown = object.into_iter().flatten();
    let shown = shown.filter(|(name, value)| !hidden(name) && (is_value(name) || !is_empty(value)));
    let detail = |(name, value): (&String, &Value)| {
        // A fact's value has the vocabulary of the fact.
        let vocabulary = if name == "value" { fact.unwrap_or(name) } else { name };
        let label = match (name.as_str(), fact) {
            ("field", _) => page.t("fact"),
            ("value", Some(fact)) => words.column(fact),
            _ => words.said(name),
        };
        let text = match (name.as_str(), value.as_str()) {
            ("field", Some(field)) => words.column(field),
            _ => value_text(words, vocabulary, value),
        };
        (label, text.chars().take(LONGEST).collect())
    };
    shown.map(detail).collect()
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(all) => all.is_empty(),
        Value::Bool(set) => !set,
        _ => false,
    }
}
