//! How far a record has come as a list shows it: what was handed out in sessions, and what devices
//! brought. Hints for people, not promises: not in the journal, and forgotten with the index.
//!
//! *Sent* means that somebody else has it, or brought it, and that no server is known to have it:
//! pushed and not confirmed; with another device, whichever side called; from another device, until
//! a proof with a server covers it. Only a server's receipt makes *stored*.

use std::collections::{BTreeMap, BTreeSet};

use super::edge::EdgeStore;
use super::error::StoreError;
use super::rows::{self, OwnState, SummaryRow};
use super::summary::{OutletSummary, RecordState};
use crate::ids::{BlobHash, Collection, DocKey, DocKind};

/// Up to which frame own acts were handed out.
#[derive(Debug, Default)]
pub(super) struct Handed {
    /// Of all collections.
    all: u64,
    /// Of some, where only these were shared.
    of: BTreeMap<Collection, u64>,
    /// Devices have brought changes that no server is known to have.
    brought: bool,
}

impl Handed {
    fn through(&self, collection: Collection) -> u64 {
        self.all.max(self.of.get(&collection).copied().unwrap_or(0))
    }

    fn state(&self, row: &SummaryRow, collection: Collection, brought: bool) -> RecordState {
        match row.own {
            Some(OwnState::Held) => RecordState::Held,
            Some(OwnState::Unsent) if row.last_unsent > self.through(collection) => RecordState::OnDevice,
            Some(OwnState::Unsent) => RecordState::Sent,
            _ if brought => RecordState::Sent,
            Some(OwnState::Stored) => RecordState::Stored,
            None | Some(OwnState::InLedger) => RecordState::InLedger,
        }
    }
}

impl EdgeStore {
    pub(super) fn handed(&self) -> Result<Handed, StoreError> {
        let mut handed = Handed { all: self.row(rows::SENT)?.unwrap_or(0), ..Handed::default() };
        let mut bad = None;
        self.index()?.scan(rows::SENT, &mut |key, value| {
            match (rows::sent_collection(key), rows::decode(value)) {
                (Some(collection), Ok(through)) => _ = handed.of.insert(collection, through),
                (Some(_), Err(error)) => bad = Some(error),
                (None, _) => {}
            }
            true
        })?;
        self.index()?.scan(b"y", &mut |_, _| {
            handed.brought = true;
            false
        })?;
        bad.map_or(Ok(handed), Err)
    }

    /// A summary with its state.
    pub(super) fn summary_of(&self, row: &SummaryRow, handed: &Handed) -> Result<OutletSummary, StoreError> {
        let mut summary = super::lookup::parse(row)?;
        let brought = handed.brought && self.was_brought(&summary.key)?;
        summary.state = handed.state(row, summary.collection, brought);
        Ok(summary)
    }

    /// Did a device bring changes of this outlet that no server is known to have?
    fn was_brought(&self, doc: &DocKey) -> Result<bool, StoreError> {
        for kind in [DocKind::Field, DocKind::Case] {
            if self.index()?.get(&rows::brought(&doc.with_kind(kind)))?.is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Own acts up to this frame were handed out.
    pub(super) fn note_sent(&self, through: u64) -> Result<(), StoreError> {
        self.raise(rows::SENT.to_vec(), through)
    }

    /// Another device holds everything of these collections that was here up to this frame.
    pub(super) fn note_with_peer(&self, shared: &BTreeSet<Collection>, through: u64) -> Result<(), StoreError> {
        shared.iter().try_for_each(|collection| self.raise(rows::sent_of(*collection), through))
    }

    /// Another device has these bytes.
    pub(super) fn note_file_with_peer(&self, hash: &BlobHash) -> Result<(), StoreError> {
        self.raise(rows::sent_file(hash), 1)
    }

    fn raise(&self, key: Vec<u8>, through: u64) -> Result<(), StoreError> {
        if self.row(&key)?.is_some_and(|before: u64| before >= through) {
            return Ok(());
        }
        self.index()?.apply(&[(key, Some(rows::encode(&through)))].into(), None)
    }

    /// State of a file: own, or carried for its author.
    pub(super) fn file_state(&self, hash: &BlobHash, row: &rows::BlobRow) -> Result<RecordState, StoreError> {
        let has = |key: Vec<u8>| self.index()?.get(&key).map(|row| row.is_some());
        Ok(match (row.own, row.stored) {
            (true, true) => RecordState::Stored,
            (true, false) if has(rows::sent_file(hash))? || has(rows::carried(hash))? => RecordState::Sent,
            (true, false) => RecordState::OnDevice,
            (false, false) if has(rows::brought(&row.doc))? => RecordState::Sent,
            (false, _) => RecordState::InLedger,
        })
    }
}
