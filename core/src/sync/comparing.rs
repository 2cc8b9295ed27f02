//! The initiator's side of a comparison: asks until it knows which documents differ, says so, and
//! sends what is wanted of them.

use std::collections::VecDeque;

use super::calls::Call;
use super::catalogue::{Catalogue, ItemId};
use super::replica::{DocHeads, Missing, SignedRun};
use super::session::{Core, Step, Then, internal, malformed};
use super::wire::{Compare, Differing, Frame, Lane, MAX_COMPARE_BYTES, Wanted};
use crate::ids::{Collection, DocKey};

/// The way out when digests differ.
#[derive(Debug)]
pub(super) struct Comparing {
    todo: VecDeque<Collection>,
    catalogue: Catalogue<DocHeads>,
    after: Option<DocKey>,
    loading: bool,
    /// A question is out.
    asked: bool,
    ready: VecDeque<Differing>,
    end_sent: bool,
    fetching: usize,
    nothing_more_wanted: bool,
}

impl Comparing {
    pub(super) fn new(collections: Vec<Collection>) -> Self {
        Self {
            todo: collections.into(),
            catalogue: Catalogue::new(),
            after: None,
            loading: false,
            asked: false,
            ready: VecDeque::new(),
            end_sent: false,
            fetching: 0,
            nothing_more_wanted: false,
        }
    }

    /// The acceptor knows everything that differs.
    pub(super) fn is_told(&self) -> bool {
        self.end_sent
    }

    /// The acceptor said what it wants, and all of that is ready.
    pub(super) fn is_answered(&self) -> bool {
        self.end_sent && self.nothing_more_wanted && self.fetching == 0
    }

    pub(super) fn pump(&mut self, core: &mut Core) {
        while core.lane_free(Lane::Records) {
            let Some(differing) = self.ready.pop_front() else { break };
            self.end_sent |= differing.last;
            core.send(&Frame::Differing(differing));
        }
        if self.loading || self.asked || self.end_sent || !core.lane_free(Lane::Records) {
            return;
        }
        if let Some(collection) = self.todo.front().copied() {
            self.loading = true;
            let after = self.after;
            core.call(Call::Heads { collection, after, upto: None, max: core.config.compare_docs }, Then::Heads);
        }
    }

    /// A page of own documents; after the last one, the first question.
    pub(super) fn listed(&mut self, core: &mut Core, page: Vec<DocHeads>) -> Step {
        self.loading = false;
        let full = page.len() >= core.config.compare_docs;
        self.after = page.last().map(|last| last.doc).filter(|_| full);
        for entry in page {
            self.catalogue.add(entry, |entry| entry)?;
        }
        if full {
            return Ok(());
        }
        let message = self.catalogue.ask(core.config.compare_bytes)?;
        self.question(core, message)
    }

    fn question(&mut self, core: &mut Core, message: Vec<u8>) -> Step {
        let collection = *self.todo.front().ok_or_else(|| internal("a question about no collection"))?;
        self.asked = true;
        core.send(&Frame::Compare(Compare { collection, message }));
        Ok(())
    }

    pub(super) fn answered(&mut self, core: &mut Core, answer: &Compare) -> Step {
        if !std::mem::take(&mut self.asked) || self.todo.front() != Some(&answer.collection) {
            return Err(malformed("an answer to no question"));
        }
        if let Some(message) = self.catalogue.next(&answer.message)? {
            return self.question(core, message);
        }
        self.todo.pop_front();
        let (ours, theirs) = std::mem::replace(&mut self.catalogue, Catalogue::new()).found();
        self.ready.extend(told(answer.collection, ours, &theirs));
        if self.todo.is_empty() {
            let end = Differing { collection: answer.collection, docs: Vec::new(), ids: Vec::new(), last: true };
            self.ready.push_back(end);
        }
        Ok(())
    }

    pub(super) fn wanted(&mut self, core: &mut Core, wanted: Wanted) -> Step {
        if self.nothing_more_wanted {
            return Err(malformed("more is wanted after the last"));
        }
        if wanted.docs.iter().any(|doc| !core.summary.compared.contains(&doc.doc.collection)) {
            return Err(malformed("a document of another collection was wanted"));
        }
        self.nothing_more_wanted = wanted.last;
        if !wanted.docs.is_empty() {
            self.fetching += 1;
            core.call(Call::RunsFor(wanted.docs.into()), Then::RunsFor);
        }
        Ok(())
    }

    /// Runs that the acceptor wants.
    pub(super) fn fetched(&mut self, missing: Vec<Missing>) -> impl Iterator<Item = SignedRun> + use<> {
        self.fetching = self.fetching.saturating_sub(1);
        missing.into_iter().flat_map(|missing| missing.runs)
    }
}

/// What differs, in frames: own documents with their heads first, then what only the other side
/// can name.
fn told(collection: Collection, ours: Vec<DocHeads>, theirs: &[ItemId]) -> Vec<Differing> {
    let mut frames: Vec<Differing> = Vec::new();
    let mut room = 0;
    let empty = || Differing { collection, docs: Vec::new(), ids: Vec::new(), last: false };
    for entry in ours {
        let bytes = 24 + 34 * entry.heads.len();
        if bytes > room {
            frames.push(empty());
            room = MAX_COMPARE_BYTES;
        }
        room = room.saturating_sub(bytes);
        if let Some(frame) = frames.last_mut() {
            frame.docs.push(entry);
        }
    }
    for ids in theirs.chunks(MAX_COMPARE_BYTES / 34) {
        let ids = ids.iter().map(|id| crate::ids::Digest(*id)).collect();
        frames.push(Differing { ids, ..empty() });
    }
    frames
}
