//! Checked runs into a document: everything that depends on what the changes depend on.

use std::cell::{OnceCell, RefCell, RefMut};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use super::ancestry::{Walk, Walks};
use super::chunk::{ChangeHead, Limits, Op, OpRef, read_change};
use super::refusal::Refusal;
use super::rules::Target;
use super::run::CheckedRun;
use crate::doc::genesis::REGISTERS;
use crate::doc::{
    ChangeInfo, Constants, DocError, Document, Entry, Locator, Origin, View, replacing, shared_constants,
};
use crate::ids::{Actor, ChangeHash, DocKind, EntryId};
use crate::time::Timestamp;

/// A document with runs in it that it did not have before.
#[derive(Debug, Clone)]
pub struct Applied {
    /// The document, as loaded from `saved`.
    pub document: Document,
    /// Its bytes.
    pub saved: Vec<u8>,
    /// Its heads, sorted.
    pub heads: Vec<ChangeHash>,
    /// The changes that are new, in an order in which dependencies come first; constants included.
    pub new_changes: Vec<ChangeHash>,
}

/// What else decides over a run.
#[derive(Debug, Clone)]
pub struct Context<'a> {
    /// The constants of this version.
    pub constants: Arc<Constants>,
    /// Changes of the document that are held: their numbers are taken.
    pub held: &'a [(Actor, u64, ChangeHash)],
}

impl Default for Context<'_> {
    fn default() -> Self {
        Self { constants: shared_constants(), held: &[] }
    }
}

/// What became of several runs for one document.
#[derive(Debug)]
pub struct Outcome {
    /// The document with all runs that could be admitted; none when nothing is new.
    pub applied: Option<Applied>,
    /// For each run, in the order given, what became of it. A run of known changes is fine.
    pub runs: Vec<Result<(), Refusal>>,
}

/// Applies all runs or none. `document` is the document as it is, or none when it is new.
///
/// # Errors
/// The first [`Refusal`]. The document given is never touched.
pub fn apply(document: Option<&Document>, kind: DocKind, runs: &[CheckedRun]) -> Result<Applied, Refusal> {
    let context = Context::default();
    let outcome = apply_each(document, kind, runs, &context);
    for run in outcome.runs {
        run?;
    }
    if let Some(applied) = outcome.applied {
        return Ok(applied);
    }
    let document = document.cloned().unwrap_or_else(|| Document::new(kind));
    Ok(Applied { saved: document.save(), heads: document.heads(), new_changes: Vec::new(), document })
}

/// Applies every run that can be applied, in whatever order they come, in one batch: a run that
/// waits for another one of them is fine, one that is refused refuses nothing but those that
/// depend on it.
#[must_use]
pub fn apply_each(document: Option<&Document>, kind: DocKind, runs: &[CheckedRun], context: &Context<'_>) -> Outcome {
    let mut stage = Stage::new(document, kind, context);
    let mut outcomes: Vec<Option<Result<(), Refusal>>> = vec![None; runs.len()];
    // What others depend on has the lower counters: in this order nearly everything is admitted the
    // first time, also of a batch that was sent backwards to make this loop quadratic.
    let mut order: Vec<usize> = (0..runs.len()).collect();
    order.sort_by_key(|run| runs[*run].heads().last().map(|head| head.start_op));
    loop {
        let mut progress = false;
        for run in &order {
            let outcome = &mut outcomes[*run];
            if matches!(outcome, None | Some(Err(Refusal::MissingDeps { .. }))) {
                let result = stage.admit(&runs[*run]);
                progress |= result.is_ok();
                *outcome = Some(result);
            }
        }
        if !progress || !outcomes.iter().any(|outcome| matches!(outcome, Some(Err(Refusal::MissingDeps { .. })))) {
            break;
        }
    }
    let mut outcomes: Vec<Result<(), Refusal>> =
        outcomes.into_iter().map(|outcome| outcome.unwrap_or(Ok(()))).collect();
    let applied = match stage.finish() {
        Ok(applied) => applied,
        Err(error) => {
            // Should not happen after the checks. Nothing is kept; whoever calls may retry singly.
            let refusal = Refusal::Library(error.to_string());
            outcomes.iter_mut().filter(|outcome| outcome.is_ok()).for_each(|outcome| *outcome = Err(refusal.clone()));
            None
        }
    };
    Outcome { applied, runs: outcomes }
}

/// Changes about to be applied on top of a document.
struct Stage<'a> {
    base: Option<&'a Document>,
    kind: DocKind,
    context: &'a Context<'a>,
    /// Constants that the changes need and the document lacks.
    constants: Vec<usize>,
    new: Vec<(&'a ChangeHead, &'a [u8])>,
    by_hash: HashMap<ChangeHash, usize>,
    by_seq: HashMap<(Actor, u64), ChangeHash>,
    /// Changes that wrote an entry; those of the base are among them once one was written again.
    entries: HashMap<EntryId, Writers>,
    /// New changes by author and counter of the first operation.
    by_op: HashMap<Actor, BTreeMap<u64, usize>>,
    /// Finds the changes of the base's operations, made when first asked for: a hostile member may
    /// repeat every entry of a long document.
    base_locator: OnceCell<Locator>,
    /// As `by_op`, of the base, made when first asked for.
    base_by_op: OnceCell<HashMap<Actor, BTreeMap<u64, &'a ChangeInfo>>>,
    /// Numbers of the base's changes, made when first asked for.
    base_by_seq: OnceCell<HashMap<(Actor, u64), ChangeHash>>,
    /// Registers that changes of the base assigned to, in the order of their operations.
    base_registers: RefCell<HashMap<ChangeHash, Vec<Register>>>,
    /// The changes looked at last, and their ancestors.
    walks: RefCell<Walks>,
}

/// Who wrote an entry.
#[derive(Default)]
struct Writers {
    changes: BTreeSet<ChangeHash>,
    /// Those of the base were looked up.
    with_base: bool,
}

/// A register: its container and its key.
type Register = (OpRef, String);

/// What the graph knows of a change.
struct Node {
    max_op: u64,
    actor: Actor,
    seq: u64,
}

impl<'a> Stage<'a> {
    fn new(base: Option<&'a Document>, kind: DocKind, context: &'a Context<'a>) -> Self {
        Self {
            base,
            kind,
            context,
            constants: Vec::new(),
            new: Vec::new(),
            by_hash: HashMap::new(),
            by_seq: HashMap::new(),
            entries: HashMap::new(),
            by_op: HashMap::new(),
            base_locator: OnceCell::new(),
            base_by_op: OnceCell::new(),
            base_by_seq: OnceCell::new(),
            base_registers: RefCell::default(),
            walks: RefCell::default(),
        }
    }

    /// Takes the run's changes that are not here yet, or none of them.
    fn admit(&mut self, run: &'a CheckedRun) -> Result<(), Refusal> {
        #[cfg(test)]
        ATTEMPTS.set(ATTEMPTS.get() + 1);
        let before = (self.new.len(), self.constants.len());
        for ((head, raw), targets) in run.heads().iter().zip(&run.run().changes).zip(&run.targets) {
            if self.node(&head.hash).is_some() {
                continue;
            }
            if let Err(refusal) = self.check(head, targets) {
                self.roll_back(before);
                return Err(refusal);
            }
            self.take(head, raw, targets);
        }
        Ok(())
    }

    fn take(&mut self, head: &'a ChangeHead, raw: &'a [u8], targets: &[Target]) {
        self.by_hash.insert(head.hash, self.new.len());
        self.by_seq.insert((head.actor, head.seq), head.hash);
        if !head.ops.is_empty() {
            self.by_op.entry(head.actor).or_default().insert(head.start_op, self.new.len());
        }
        for target in targets {
            if let Target::Entry(id) = target {
                self.entries.entry(*id).or_default().changes.insert(head.hash);
            }
        }
        self.new.push((head, raw));
    }

    fn roll_back(&mut self, (new, constants): (usize, usize)) {
        for (head, _) in self.new.drain(new..) {
            self.by_hash.remove(&head.hash);
            self.by_seq.remove(&(head.actor, head.seq));
            if let Some(starts) = self.by_op.get_mut(&head.actor).filter(|_| !head.ops.is_empty()) {
                starts.remove(&head.start_op);
            }
            for op in &head.ops {
                if let Some(writers) = op.key.parse::<EntryId>().ok().and_then(|id| self.entries.get_mut(&id)) {
                    writers.changes.remove(&head.hash);
                }
            }
        }
        self.constants.truncate(constants);
    }

    fn check(&mut self, head: &ChangeHead, targets: &[Target]) -> Result<(), Refusal> {
        let change = head.hash;
        self.check_number(head)?;
        self.check_deps(head)?;
        let highest = head.deps.iter().filter_map(|dep| self.node(dep)).map(|node| node.max_op).max().unwrap_or(0);
        if head.start_op != highest + 1 {
            return Err(Refusal::StartOp { change, expected: highest + 1, found: head.start_op });
        }
        let follows =
            |dep: &ChangeHash| self.node(dep).is_some_and(|node| node.actor == head.actor && node.seq + 1 == head.seq);
        if head.seq > 1 && !head.deps.iter().any(follows) {
            return Err(Refusal::Sequence { change });
        }
        for (op, target) in head.ops.iter().zip(targets) {
            self.check_container(head, op)?;
            match target {
                Target::Entry(id) => self.check_entry(head, id)?,
                Target::Register => self.check_preds(head, op)?,
            }
        }
        let texts = head.ops.iter().zip(targets).filter(|(_, target)| **target != Target::Register);
        let replacing = replacing(self.kind, texts.map(|(op, _)| op.value.as_str()));
        if replacing.is_empty() {
            return Ok(());
        }
        match self.view(head).hidden_by(&replacing) {
            Some(field) => Err(Refusal::HidesConflict { change, field }),
            None => Ok(()),
        }
    }

    fn check_number(&self, head: &ChangeHead) -> Result<(), Refusal> {
        let ours = self.base_by_seq.get_or_init(|| by_number(self.base)).get(&(head.actor, head.seq)).copied();
        let staged = || self.by_seq.get(&(head.actor, head.seq)).copied();
        let held =
            || self.context.held.iter().find(|held| (held.0, held.1) == (head.actor, head.seq)).map(|held| held.2);
        match ours.or_else(staged).or_else(held) {
            Some(first) if first != head.hash => {
                Err(Refusal::Equivocation { actor: head.actor, seq: head.seq, first, second: head.hash })
            }
            _ => Ok(()),
        }
    }

    fn check_deps(&mut self, head: &ChangeHead) -> Result<(), Refusal> {
        for dep in &head.deps {
            if let Some(index) = self.constant_index(dep) {
                // A constant depends on nothing but those before it.
                for earlier in 0..=index {
                    let here = self.base.is_some_and(|base| base.has(&self.constants_table()[earlier].hash));
                    if !here && !self.constants.contains(&earlier) {
                        self.constants.push(earlier);
                    }
                }
            }
        }
        let missing: Vec<ChangeHash> = head.deps.iter().filter(|dep| self.node(dep).is_none()).copied().collect();
        if missing.is_empty() { Ok(()) } else { Err(Refusal::MissingDeps { change: head.hash, missing }) }
    }

    /// A container of a later schema is there only for those who have its upgrade among their
    /// ancestors. The genesis is everybody's.
    fn check_container(&self, head: &ChangeHead, op: &Op) -> Result<(), Refusal> {
        let container = self.context.constants.container(self.kind, op.object.counter);
        let (_, constant) = container.ok_or(Refusal::NewerSchema { change: head.hash })?;
        if constant.schema == 1 || self.is_ancestor(&constant.hash, head) {
            Ok(())
        } else {
            Err(Refusal::Container { change: head.hash })
        }
    }

    fn check_entry(&mut self, head: &ChangeHead, id: &EntryId) -> Result<(), Refusal> {
        let before = self.base.filter(|base| base.has_entry(id));
        if before.is_none() && !self.entries.contains_key(id) {
            return Ok(());
        }
        let writers = self.entries.entry(*id).or_default();
        if let Some(base) = before.filter(|_| !writers.with_base) {
            #[cfg(test)]
            LOOKUPS.set(LOOKUPS.get() + 1);
            let locator = self.base_locator.get_or_init(|| base.locator());
            writers.changes.extend(base.changes_of_entry(id, locator));
            writers.with_base = true;
        }
        if self.walk(head).has_any(&self.entries[id].changes) {
            return Err(Refusal::Overwrite { change: head.hash, entry: id.to_string() });
        }
        Ok(())
    }

    /// What a register assignment overwrites must be earlier assignments of the same register,
    /// among the ancestors.
    fn check_preds(&self, head: &ChangeHead, op: &Op) -> Result<(), Refusal> {
        let legal = |pred: &OpRef| self.writer_of(pred, op).is_some_and(|writer| self.is_ancestor(&writer, head));
        if op.pred.iter().all(legal) { Ok(()) } else { Err(Refusal::Predecessor { change: head.hash }) }
    }

    /// The change that made the operation, if it was an assignment of the same register.
    fn writer_of(&self, pred: &OpRef, op: &Op) -> Option<ChangeHash> {
        let before = |starts: &BTreeMap<u64, usize>| starts.range(..=pred.counter).next_back().map(|(_, at)| *at);
        let new = self.by_op.get(&pred.actor).and_then(before).map(|at| self.new[at].0);
        if let Some(writer) = new.filter(|writer| pred.counter <= writer.max_op) {
            let earlier = writer.ops.get(usize::try_from(pred.counter - writer.start_op).ok()?)?;
            return (earlier.key == op.key && earlier.object == op.object).then_some(writer.hash);
        }
        let starts = self.base_by_op.get_or_init(|| by_first_op(self.base)).get(&pred.actor)?;
        let (start, writer) = starts.range(..=pred.counter).next_back()?;
        let at = usize::try_from(pred.counter - start).ok()?;
        let mut read = self.base_registers.borrow_mut();
        // Read once per change, however many of its values are overwritten.
        let registers = read.entry(writer.hash).or_insert_with(|| registers_of(self.base, &writer.hash));
        let (object, key) = registers.get(at)?;
        (*key == op.key && *object == op.object).then_some(writer.hash)
    }

    /// The facts that the author of the change had in view.
    fn view(&self, head: &ChangeHead) -> RefMut<'_, View> {
        RefMut::map(self.walk(head), |walk| {
            let unseen = std::mem::take(&mut walk.unseen);
            match &mut walk.view {
                Some(view) if unseen.iter().all(|change| self.by_hash.contains_key(change)) => {
                    let new = unseen.iter().map(|change| self.new[self.by_hash[change]].0);
                    new.flat_map(|head| self.entries_of(head)).for_each(|op| view.add(Entry::id_of(op), op));
                }
                outdated => {
                    let mut view = View::default();
                    self.entries_in_view(&walk.ancestors).iter().for_each(|entry| view.add(entry.id, &entry.json));
                    *outdated = Some(view);
                }
            }
            walk.view.get_or_insert_default()
        })
    }

    /// The entries of these changes, which are closed under causality, in document order.
    fn entries_in_view(&self, changes: &HashSet<ChangeHash>) -> Vec<Entry> {
        let inherited: Vec<ChangeHash> = changes.iter().copied().collect();
        let mut entries = self.base.map(|base| base.entries_at(&inherited)).unwrap_or_default();
        for (new, _) in self.new.iter().filter(|(new, _)| changes.contains(&new.hash)) {
            let device_time = Timestamp::from_millis(new.time.saturating_mul(1000));
            let origin = Origin { change: new.hash, actor: new.actor, seq: new.seq, device_time, received_at: None };
            for text in self.entries_of(new) {
                entries.push(Entry { id: Entry::id_of(text), json: Arc::from(text), origin: origin.clone() });
            }
        }
        // What the base has and what is new may interleave: order by counter, as documents do.
        entries.sort_by_key(|entry| self.place(&entry.origin.change));
        entries
    }

    /// Texts of the entries that a change writes.
    fn entries_of<'h>(&self, head: &'h ChangeHead) -> impl Iterator<Item = &'h str> {
        head.ops.iter().filter(|op| !self.is_register(op)).map(|op| op.value.as_str())
    }

    fn is_register(&self, op: &Op) -> bool {
        let container = self.context.constants.container(self.kind, op.object.counter);
        container.is_some_and(|(name, _)| name == REGISTERS)
    }

    /// Place of a change in document order. Constants come first.
    fn place(&self, hash: &ChangeHash) -> (u64, ChangeHash) {
        let new = self.by_hash.get(hash).map(|index| self.new[*index].0.start_op);
        (new.or_else(|| Some(self.base?.change(hash)?.start_op)).unwrap_or(0), *hash)
    }

    fn node(&self, hash: &ChangeHash) -> Option<Node> {
        if let Some(index) = self.by_hash.get(hash) {
            let head = self.new[*index].0;
            return Some(Node { max_op: head.max_op, actor: head.actor, seq: head.seq });
        }
        if let Some(change) = self.base.and_then(|base| base.change(hash)) {
            return Some(Node { max_op: change.max_op, actor: change.actor, seq: change.seq });
        }
        let index = self.constant_index(hash).filter(|index| self.constants.contains(index))?;
        let constant = &self.constants_table()[index];
        Some(Node { max_op: constant.max_op, actor: crate::doc::RESERVED, seq: index as u64 + 1 })
    }

    fn deps(&self, hash: &ChangeHash) -> Vec<ChangeHash> {
        if let Some(index) = self.by_hash.get(hash) {
            return self.new[*index].0.deps.clone();
        }
        if let Some(change) = self.base.and_then(|base| base.change(hash)) {
            return change.deps.clone();
        }
        let before = self.constant_index(hash).and_then(|index| index.checked_sub(1));
        before.map(|index| self.constants_table()[index].hash).into_iter().collect()
    }

    /// The ancestors of a change whose dependencies are all here.
    fn walk(&self, head: &ChangeHead) -> RefMut<'_, Walk> {
        RefMut::map(self.walks.borrow_mut(), |walks| walks.of(head, |hash| self.deps(hash), |hash| self.place(&hash)))
    }

    fn is_ancestor(&self, hash: &ChangeHash, head: &ChangeHead) -> bool {
        head.deps.binary_search(hash).is_ok() || self.walk(head).ancestors.contains(hash)
    }

    fn constants_table(&self) -> &[crate::doc::Constant] {
        self.context.constants.of(self.kind)
    }

    fn constant_index(&self, hash: &ChangeHash) -> Option<usize> {
        self.constants_table().iter().position(|constant| constant.hash == *hash)
    }

    fn finish(mut self) -> Result<Option<Applied>, DocError> {
        if self.new.is_empty() {
            return Ok(None);
        }
        self.constants.sort_unstable();
        let table = self.constants_table();
        let constants = self.constants.iter().map(|index| &table[*index]);
        let new_changes =
            constants.clone().map(|constant| constant.hash).chain(self.new.iter().map(|(head, _)| head.hash));
        let new_changes: Vec<ChangeHash> = new_changes.collect();
        let raws: Vec<&[u8]> =
            constants.map(|constant| constant.raw.as_slice()).chain(self.new.iter().map(|(_, raw)| *raw)).collect();
        let (document, saved) = Document::extended(self.base, self.kind, &self.context.constants, &raws)?;
        let heads = document.heads();
        Ok(Some(Applied { document, saved, heads, new_changes }))
    }
}

/// The changes of a document by author and counter of the first operation.
fn by_first_op(base: Option<&Document>) -> HashMap<Actor, BTreeMap<u64, &ChangeInfo>> {
    let mut starts: HashMap<Actor, BTreeMap<u64, &ChangeInfo>> = HashMap::new();
    let changes = base.into_iter().flat_map(Document::changes);
    for change in changes.filter(|change| change.start_op <= change.max_op) {
        starts.entry(change.actor).or_default().insert(change.start_op, change);
    }
    starts
}

fn by_number(base: Option<&Document>) -> HashMap<(Actor, u64), ChangeHash> {
    base.into_iter().flat_map(Document::changes).map(|change| ((change.actor, change.seq), change.hash)).collect()
}

/// What a change assigned to. Nothing when it is not one of ours to read: a constant.
fn registers_of(base: Option<&Document>, change: &ChangeHash) -> Vec<Register> {
    let raw = base.and_then(|base| base.raw_change(change)).unwrap_or_default();
    #[cfg(test)]
    READINGS.set(READINGS.get() + 1);
    let read = read_change(&raw, &Limits::ADMISSION);
    read.map_or_else(|_| Vec::new(), |head| head.ops.into_iter().map(|op| (op.object, op.key)).collect())
}

#[cfg(test)]
thread_local! {
    /// How often a change of a document was read again.
    static READINGS: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
    /// How often the writers of an entry were looked up in a document.
    static LOOKUPS: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
    /// How often a run was tried.
    static ATTEMPTS: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

#[cfg(test)]
pub(super) fn attempts() -> usize {
    ATTEMPTS.get()
}

#[cfg(test)]
pub(super) fn lookups() -> usize {
    LOOKUPS.get()
}

#[cfg(test)]
pub(super) fn readings() -> usize {
    READINGS.get()
}
