//! The gated facts that the author of a change has in view, kept while one change after another adds
//! to them: whether the next one hides a conflict is then asked at the cost of that one change.

use std::collections::BTreeMap;

use super::assertions::Table;
use super::facts::is_gated;
use crate::domain::field::{Fact, FieldEntry};
use crate::ids::{DocKind, EntryId};

/// Assertions of gated facts, in document order.
#[derive(Debug, Default)]
pub(crate) struct View {
    fields: BTreeMap<String, Table>,
}

impl View {
    /// Adds an entry that comes after all others in document order. One that is there is left alone.
    pub(crate) fn add(&mut self, id: EntryId, text: &str) {
        if !may_say(text, "fact") {
            return;
        }
        #[cfg(test)]
        READ.set(READ.get() + 1);
        if let Ok(FieldEntry::Fact(fact)) = serde_json::from_str(text)
            && is_gated(&fact.field)
        {
            let table = self.fields.entry(fact.field.clone()).or_default();
            if !table.has(&id) {
                table.add(id, &fact);
            }
        }
    }

    /// The gated fact, if any, of which one of the assertions replaces *part* of a conflict in view.
    /// Naming all candidates adds one more, naming none does too; naming some would take candidates
    /// away until one value is left, so neither [`super::Document::write`] nor admission lets it pass.
    pub(crate) fn hidden_by(&self, replacing: &[Fact]) -> Option<String> {
        let part =
            |fact: &&Fact| self.fields.get(&fact.field).is_some_and(|table| table.is_part_of_conflict(&fact.replaces));
        replacing.iter().find(part).map(|fact| fact.field.clone())
    }
}

/// The assertions of gated facts, among the texts of one change, that name what they replace: what a
/// [`View`] is asked about. Nearly always none.
pub(crate) fn replacing<'a>(kind: DocKind, texts: impl Iterator<Item = &'a str>) -> Vec<Fact> {
    if kind != DocKind::Field {
        return Vec::new();
    }
    let read = |text: &str| match serde_json::from_str(text) {
        Ok(FieldEntry::Fact(fact)) if is_gated(&fact.field) && !fact.replaces.is_empty() => Some(fact),
        _ => None,
    };
    texts.filter(|text| may_say(text, "replaces")).filter_map(read).collect()
}

/// Whether a JSON text may hold the word: as it stands, or written with escapes.
fn may_say(text: &str, word: &str) -> bool {
    text.contains(word) || text.contains('\\')
}

#[cfg(test)]
thread_local! {
    /// Texts read into views.
    static READ: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

#[cfg(test)]
pub(crate) fn texts_read() -> usize {
    READ.get()
}
