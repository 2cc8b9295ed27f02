//! Admission of changes that continue a straight line: the usual case, decided without automerge.
//!
//! A new outlet, and one that one device after another works on, is a line: each change depends on
//! the one before it alone and does nothing but write new entries, and registers that nobody has
//! assigned before. Whatever may stand in such a change was fixed by the bounded reader, byte for
//! byte, and the rest are numbers and names that this module compares. Nothing is left for a trial on
//! a copy ([`super::apply()`]) to find: no concurrency, no overwriting, one encoding. The tests hold
//! this against automerge for honest, random, mutated and hostile changes: what is taken here, the
//! trial takes too, with the same outcome.
//!
//! Whatever is not a line goes through the trial, which also names the refusal.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::apply::Context;
use super::rules::Target;
use super::run::CheckedRun;
use crate::doc::{Chronicle, Document, Entry, View, replacing};
use crate::ids::{ChangeHash, DocKind};

/// A document with runs in it that it did not have before.
#[derive(Debug, Clone)]
pub struct Continued {
    /// The document with all of them.
    pub document: Chronicle,
    /// The changes that are new, in order; constants included.
    pub new_changes: Vec<ChangeHash>,
}

/// A new document of these runs as automerge has it, with its new changes, if they are a straight
/// line from its beginning. `None` as in [`continue_line`].
#[must_use]
pub fn start_line(kind: DocKind, runs: &[CheckedRun]) -> Option<(Document, Vec<ChangeHash>)> {
    let context = Context::default();
    let continued = continue_line(&Chronicle::new(kind), runs, &context)?;
    let mut seen = BTreeSet::new();
    let changes = runs.iter().flat_map(|run| run.heads().iter().zip(&run.run().changes));
    let raws = changes.filter(|(head, _)| seen.insert(head.hash)).map(|(_, raw)| raw.as_slice());
    let document = Document::assembled(kind, &context.constants, raws).ok()?;
    (document.heads() == continued.document.heads()).then_some((document, continued.new_changes))
}

/// The document with all runs, if they continue it in a straight line in the order given. `None`
/// says nothing against the runs: [`super::apply_each`] decides then. Changes that are known
/// already are skipped.
#[must_use]
pub fn continue_line(base: &Chronicle, runs: &[CheckedRun], context: &Context<'_>) -> Option<Continued> {
    let same_table = Arc::ptr_eq(base.constants(), &context.constants);
    if !same_table || !context.held.is_empty() || !base.is_straight() {
        return None;
    }
    let mut document = base.clone();
    let mut written = base.entry_ids();
    let mut view: Option<View> = None;
    for run in runs {
        for (head, targets) in run.heads().iter().zip(&run.targets) {
            if document.has(&head.hash) {
                continue;
            }
            if !document.continues(head) {
                return None;
            }
            // That a register is new to the document was compared above.
            let is_entry = |target: &Target| matches!(target, Target::Entry(_));
            for target in targets {
                if let Target::Entry(id) = target
                    && !written.insert(*id)
                {
                    return None;
                }
            }
            let texts = || head.ops.iter().zip(targets).filter(|(_, target)| is_entry(target)).map(|(op, _)| &op.value);
            let replacing = replacing(document.kind(), texts().map(String::as_str));
            if !replacing.is_empty() {
                let view = view.get_or_insert_with(|| in_view(&document));
                if view.hidden_by(&replacing).is_some() {
                    return None;
                }
            }
            // Kept up from the first time that it was asked: one member may correct a fact 20,000 times.
            if let Some(view) = &mut view {
                texts().for_each(|text| view.add(Entry::id_of(text), text));
            }
            document.extend([head]);
        }
    }
    let new = document.changes().filter(|change| !base.has(&change.hash));
    let new_changes = new.map(|change| change.hash).collect();
    Some(Continued { document, new_changes })
}

fn in_view(document: &Chronicle) -> View {
    let mut view = View::default();
    document.texts().for_each(|(id, text)| view.add(id, text));
    view
}
