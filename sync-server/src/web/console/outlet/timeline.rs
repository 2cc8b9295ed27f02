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
const HIDDEN: [&str; 18] = [
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
    let words = page.words();
    let prefix = if decision { "decision" } else { "entry" };
    let key = format!("{prefix}-{}", said.kind().replace('_', "-"));
    let title = page.t(&key);
    let object = said.value.as_object();
    let shown =
        object.into_iter().flatten().filter(|(name, value)| !HIDDEN.contains(&name.as_str()) && !is_empty(value));
    let detail = |(name, value): (&String, &Value)| {
        // A fact's value has the vocabulary of the fact.
        let vocabulary = if name == "value" { said.text("field").unwrap_or(name) } else { name };
        let label = if name == "field" { page.t("fact") } else { words.key(name) };
        let text = match (name.as_str(), value.as_str()) {
            ("field", Some(field)) => words.column(field),
            _ => value_text(words, vocabulary, value),
        };
        (label, text.chars().take(LONGEST).collect())
    };
    Event {
        when: moment(said.when()),
        title: if title == key { said.kind().to_owned() } else { title },
        who: said.who.clone().unwrap_or_default(),
        decision,
        details: shown.map(detail).collect(),
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(all) => all.is_empty(),
        Value::Bool(set) => !set,
        _ => false,
    }
}
