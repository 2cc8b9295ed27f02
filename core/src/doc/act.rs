//! One act of a user, collected and then written as one change.

use super::document::Document;
use super::entry::Entry;
use super::error::DocError;
use super::facts::to_json;
use super::write::NewChange;
use crate::domain::case::CaseEntry;
use crate::domain::field::{Fact, FieldEntry};
use crate::domain::reference::ReferenceEntry;
use crate::ids::{Actor, DocKind, EntryId};
use crate::time::Timestamp;

/// What a user did at once: entries, assertions, registers. Several acts never share a change, and
/// one act is never split over several.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Act {
    kind: DocKind,
    entries: Vec<String>,
    registers: Vec<(String, String)>,
}

impl Act {
    /// An act on a document of this kind, empty so far.
    #[must_use]
    pub fn new(kind: DocKind) -> Self {
        Self { kind, entries: Vec::new(), registers: Vec::new() }
    }

    /// Adds an entry of a field record and answers its name.
    ///
    /// # Errors
    /// When the document is of another kind.
    pub fn field(&mut self, entry: &FieldEntry) -> Result<EntryId, DocError> {
        self.add(DocKind::Field, to_json(entry)?)
    }

    /// Adds an entry of a case file and answers its name.
    ///
    /// # Errors
    /// When the document is of another kind.
    pub fn case(&mut self, entry: &CaseEntry) -> Result<EntryId, DocError> {
        self.add(DocKind::Case, to_json(entry)?)
    }

    /// Adds an entry of a reference document and answers its name.
    ///
    /// # Errors
    /// When the document is of another kind.
    pub fn reference(&mut self, entry: &ReferenceEntry) -> Result<EntryId, DocError> {
        self.add(DocKind::Reference, to_json(entry)?)
    }

    /// Asserts a fact, replacing exactly the assertions that its author had before their eyes: the
    /// entries of the [`CurrentFact`](super::CurrentFact)s shown. Of a gated fact in conflict either
    /// all are named or none; neither ends the conflict (see [`super::facts()`]).
    ///
    /// # Errors
    /// When the document is of another kind.
    pub fn assert_fact(&mut self, fact: Fact, seen: &[EntryId]) -> Result<EntryId, DocError> {
        self.field(&FieldEntry::Fact(Fact { replaces: seen.to_vec(), ..fact }))
    }

    /// Sets a register.
    pub fn register(&mut self, name: impl Into<String>, text: impl Into<String>) {
        self.registers.push((name.into(), text.into()));
    }

    /// Whether there is nothing in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty() && self.registers.is_empty()
    }

    /// Writes it as one change.
    ///
    /// # Errors
    /// As [`Document::write`], and when the document is of another kind.
    pub fn write(&self, document: &mut Document, actor: &Actor, now: Timestamp) -> Result<NewChange, DocError> {
        if document.kind() != self.kind {
            return Err(DocError::WrongKind { wanted: self.kind });
        }
        document.write(actor, now, &self.entries, &self.registers)
    }

    fn add(&mut self, kind: DocKind, json: String) -> Result<EntryId, DocError> {
        if kind != self.kind {
            return Err(DocError::WrongKind { wanted: kind });
        }
        let id = Entry::id_of(&json);
        self.entries.push(json);
        Ok(id)
    }
}
