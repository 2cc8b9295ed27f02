//! The acceptor's side of a comparison: answers questions about what it holds, then sends what the
//! initiator lacks of the documents that differ, and asks for what is missing here.

use std::collections::{BTreeSet, VecDeque};

use super::calls::Call;
use super::catalogue::Catalogue;
use super::replica::{DocHeads, Missing, SignedRun};
use super::session::{Core, Step, Then, malformed};
use super::wire::{Compare, Differing, Frame, Lane, Wanted};
use crate::ids::{Collection, DocKey};

/// Frames of a comparison that may wait.
const MAX_QUEUED: usize = 4;
/// Documents whose runs are read at once.
const RUNS_DOCS: usize = 64;
/// Documents that may differ in one comparison: far more than its rounds can find, and a bound.
const MAX_DIFFERING: usize = 1 << 20;

#[derive(Debug)]
enum Told {
    Question(Compare),
    Differing(Differing),
}

/// One comparison.
#[derive(Debug, Default)]
pub(super) struct Answering {
    queue: VecDeque<Told>,
    catalogue: Option<(Collection, Catalogue<DocKey>)>,
    after: Option<DocKey>,
    listed: bool,
    loading: bool,
    question: Option<Vec<u8>>,
    /// Documents that differ, with the initiator's heads.
    todo: VecDeque<DocHeads>,
    asked: Vec<DocKey>,
    /// Documents the initiator named.
    named: BTreeSet<DocKey>,
    ended: bool,
    answered: bool,
}

impl Answering {
    pub(super) fn has_room(&self) -> bool {
        self.queue.len() < MAX_QUEUED
    }

    pub(super) fn is_open(&self) -> bool {
        !self.answered
    }

    pub(super) fn ask(&mut self, question: Compare) -> Step {
        self.take(Told::Question(question))
    }

    pub(super) fn differing(&mut self, differing: Differing) -> Step {
        if differing.docs.iter().any(|entry| entry.doc.collection != differing.collection) {
            return Err(malformed("a document of another collection"));
        }
        self.take(Told::Differing(differing))
    }

    fn take(&mut self, told: Told) -> Step {
        let ends = matches!(&told, Told::Differing(differing) if differing.last);
        if self.ended {
            return Err(malformed("a comparison goes on after its end"));
        }
        self.ended = ends;
        self.queue.push_back(told);
        Ok(())
    }

    pub(super) fn pump(&mut self, core: &mut Core) -> Step {
        while !self.answered && !self.loading && core.lane_free(Lane::Records) {
            if !self.todo.is_empty() {
                let docs: Vec<DocHeads> = self.todo.drain(..self.todo.len().min(RUNS_DOCS)).collect();
                self.asked = docs.iter().map(|entry| entry.doc).collect();
                self.loading = true;
                core.call(Call::RunsFor(docs.into()), Then::RunsFor);
            } else if self.question.is_some() {
                self.answer(core)?;
            } else if let Some(told) = self.queue.pop_front() {
                self.begin(told)?;
            } else if self.ended {
                self.answered = true;
                self.catalogue = None;
                core.send(&Frame::Wanted(Wanted { docs: Vec::new(), last: true }));
            } else {
                break;
            }
        }
        Ok(())
    }

    fn begin(&mut self, told: Told) -> Step {
        match told {
            Told::Question(Compare { collection, message }) => {
                if self.catalogue.as_ref().is_none_or(|(known, _)| *known != collection) {
                    self.catalogue = Some((collection, Catalogue::new()));
                    (self.after, self.listed) = (None, false);
                }
                self.question = Some(message);
                Ok(())
            }
            Told::Differing(differing) => self.note(differing),
        }
    }

    fn note(&mut self, differing: Differing) -> Step {
        let known = self.catalogue.as_ref().filter(|(collection, _)| *collection == differing.collection);
        let (_, catalogue) = known.ok_or_else(|| malformed("differences in what was not compared"))?;
        for entry in differing.docs {
            if !self.named.insert(entry.doc) || self.named.len() > MAX_DIFFERING {
                return Err(malformed("a document that differs twice, or too many of them"));
            }
            self.todo.push_back(entry);
        }
        for id in &differing.ids {
            let doc = *catalogue.get(&id.0).ok_or_else(|| malformed("a document that was never listed"))?;
            if self.named.insert(doc) {
                self.todo.push_back(DocHeads { doc, heads: Vec::new() });
            }
        }
        Ok(())
    }

    /// Lists what is here, page by page, then answers.
    fn answer(&mut self, core: &mut Core) -> Step {
        let Some((collection, catalogue)) = &mut self.catalogue else { return Ok(()) };
        if !self.listed {
            self.loading = true;
            let (collection, after, max) = (*collection, self.after, core.config.compare_docs);
            core.call(Call::Heads { collection, after, upto: None, max }, Then::Heads);
        } else if let Some(question) = self.question.take() {
            let message = catalogue.answer(&question, core.config.compare_bytes)?;
            core.send(&Frame::Compare(Compare { collection: *collection, message }));
        }
        Ok(())
    }

    pub(super) fn listed(&mut self, core: &Core, page: Vec<DocHeads>) -> Step {
        self.loading = false;
        self.listed = page.len() < core.config.compare_docs;
        self.after = page.last().map(|last| last.doc);
        if let Some((_, catalogue)) = &mut self.catalogue {
            for entry in page {
                catalogue.add(entry, |entry| entry.doc)?;
            }
        }
        Ok(())
    }

    /// What the initiator lacks; and asks for what is missing here.
    pub(super) fn fetched(&mut self, core: &mut Core, missing: Vec<Missing>) -> Vec<SignedRun> {
        self.loading = false;
        let (mut runs, mut docs) = (Vec::new(), Vec::new());
        for (doc, missing) in std::mem::take(&mut self.asked).into_iter().zip(missing) {
            runs.extend(missing.runs);
            if !missing.unknown.is_empty() {
                docs.push(DocHeads { doc, heads: missing.heads });
            }
        }
        if !docs.is_empty() {
            core.send(&Frame::Wanted(Wanted { docs, last: false }));
        }
        runs
    }
}
