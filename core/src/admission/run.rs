//! A signed run, from bytes to something that may be applied.

use super::chunk::{ChangeHead, Limits, read_change};
use super::refusal::Refusal;
use super::rules::{Target, check_ops};
use crate::doc::{Constants, RESERVED};
use crate::domain::case::CaseEntry;
use crate::domain::field::FieldEntry;
use crate::domain::witness::Witnessed;
use crate::identity::{
    Level, MAX_RUN_BYTES, MAX_RUN_CHANGES, Membership, Role, Roster, SignedRun, change_hash, verify_change,
};
use crate::ids::{Actor, ChangeHash, Collection, DocKey, DocKind, EntryId, PublicKey};

/// A run that passed every check that needs no document. Only [`check_run`] and [`check_form`]
/// make one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckedRun {
    run: SignedRun,
    heads: Vec<ChangeHead>,
    pub(super) targets: Vec<Vec<Target>>,
}

impl CheckedRun {
    /// The run as it came.
    #[must_use]
    pub fn run(&self) -> &SignedRun {
        &self.run
    }

    /// The run as it came, to keep.
    #[must_use]
    pub fn into_run(self) -> SignedRun {
        self.run
    }

    /// The document.
    #[must_use]
    pub fn doc(&self) -> DocKey {
        self.run.doc
    }

    /// What the bounded reader saw of each change, in order; never empty.
    #[must_use]
    pub fn heads(&self) -> &[ChangeHead] {
        &self.heads
    }

    /// The actor of all its changes.
    #[must_use]
    pub fn actor(&self) -> Actor {
        self.heads[0].actor
    }

    /// The device that signed.
    #[must_use]
    pub fn signer(&self) -> PublicKey {
        self.actor().key()
    }

    /// Hash of the last change: the run's name.
    #[must_use]
    pub fn last(&self) -> ChangeHash {
        self.heads[self.heads.len() - 1].hash
    }

    /// The entries that the run writes.
    #[must_use]
    pub fn entry_ids(&self) -> Vec<EntryId> {
        let all = self.targets.iter().flatten();
        all.filter_map(|target| if let Target::Entry(id) = target { Some(*id) } else { None }).collect()
    }
}

/// All checks that need no document: size, form of each change, structure, one uninterrupted run,
/// the signature by the key in the actor, and the signer's right to write it. Pure; runs in
/// parallel.
///
/// # Errors
/// [`Refusal`]: the first check that failed.
pub fn check_run(run: &SignedRun, roster: &Roster) -> Result<CheckedRun, Refusal> {
    check_run_with(run, roster, Constants::shipped())
}

/// As [`check_run`], with another table of constants.
///
/// # Errors
/// As [`check_run`].
pub fn check_run_with(run: &SignedRun, roster: &Roster, constants: &Constants) -> Result<CheckedRun, Refusal> {
    let checked = check_form_with(run, constants)?;
    verify_change(&checked.signer(), &run.doc, &checked.last(), &run.signature).map_err(|_| Refusal::Signature)?;
    check_rights(&checked, roster)?;
    Ok(checked)
}

/// The checks that need neither keys nor roster: for a replica's own journal and its database,
/// whose runs passed [`check_run`] when they came.
///
/// # Errors
/// As [`check_run`].
pub fn check_form(run: &SignedRun) -> Result<CheckedRun, Refusal> {
    check_form_with(run, Constants::shipped())
}

/// As [`check_form`], with another table of constants.
///
/// # Errors
/// As [`check_run`].
pub fn check_form_with(run: &SignedRun, constants: &Constants) -> Result<CheckedRun, Refusal> {
    let size = run.changes.iter().fold(0_usize, |sum, change| sum.saturating_add(change.len()));
    if run.changes.is_empty() || run.changes.len() > MAX_RUN_CHANGES || size > MAX_RUN_BYTES {
        return Err(Refusal::RunSize { limit: MAX_RUN_CHANGES, bytes: MAX_RUN_BYTES });
    }
    let reference = run.doc.collection == Collection::REFERENCE;
    if reference != (run.doc.kind == DocKind::Reference) {
        return Err(Refusal::Collection { collection: run.doc.collection });
    }
    let mut heads: Vec<ChangeHead> = Vec::with_capacity(run.changes.len());
    let mut targets = Vec::with_capacity(run.changes.len());
    for (index, raw) in run.changes.iter().enumerate() {
        let head = read_member_change(index, raw)?;
        if let Some(before) = heads.last() {
            let follows = head.actor == before.actor
                && head.seq == before.seq + 1
                && head.deps.binary_search(&before.hash).is_ok();
            if !follows {
                return Err(Refusal::NotARun { index });
            }
        }
        targets.push(check_ops(run.doc.kind, &head, constants)?);
        heads.push(head);
    }
    Ok(CheckedRun { run: run.clone(), heads, targets })
}

/// Reads a change that must be a member's. One by the reserved actor is an upgrade that this
/// version does not know: known ones need not be sent.
fn read_member_change(index: usize, raw: &[u8]) -> Result<ChangeHead, Refusal> {
    match read_change(raw, &Limits::ADMISSION) {
        Ok(head) if head.actor == RESERVED => Err(Refusal::NewerSchema { change: head.hash }),
        Ok(head) => Ok(head),
        Err(why) => Err(newer_schema(raw).unwrap_or(Refusal::Malformed { index, why })),
    }
}

/// An upgrade creates containers, which the reader refuses; its author stands right behind its one
/// dependency.
fn newer_schema(raw: &[u8]) -> Option<Refusal> {
    let change = change_hash(raw)?;
    let mut cursor = super::cursor::Cursor::new(raw.get(8..)?);
    let uncompressed = cursor.byte().ok()? == super::chunk::CHANGE_CHUNK;
    let length = cursor.unsigned().ok()?;
    let whole = u64::try_from(cursor.rest().len()).ok()? == length;
    for _ in 0..cursor.count(Limits::ADMISSION.deps, "dependencies").ok()? {
        cursor.take(32).ok()?;
    }
    let reserved = cursor.byte().ok()? == 36 && cursor.take(36).ok()? == RESERVED.0;
    let small = raw.len() <= Limits::ADMISSION.bytes;
    (uncompressed && whole && reserved && small).then_some(Refusal::NewerSchema { change })
}

fn check_rights(checked: &CheckedRun, roster: &Roster) -> Result<(), Refusal> {
    let DocKey { kind, collection, .. } = checked.doc();
    let signer = checked.signer();
    // A server loads reference data, and signs decisions of its accounts as a witness.
    // What it makes of an imported list is a field record that names the list.
    if roster.is_server(&signer) {
        return match kind {
            DocKind::Reference => Ok(()),
            DocKind::Case => check_witnesses(checked),
            DocKind::Field => check_imports(checked),
        };
    }
    let grants: Vec<&Membership> = roster.grants(&signer).collect();
    if grants.is_empty() {
        return Err(Refusal::NotAMember { key: signer });
    }
    let here = |grant: &&Membership| kind == DocKind::Reference || grant.collections.contains(&collection);
    let local: Vec<&Membership> = grants.into_iter().filter(here).collect();
    if local.is_empty() {
        return Err(Refusal::Collection { collection });
    }
    if kind == DocKind::Case {
        refuse_witnesses(checked)?;
    }
    for (role, level) in rights_needed(checked) {
        if !local.iter().any(|grant| suffices(grant, role, level)) {
            return Err(Refusal::Right { kind, role, level });
        }
    }
    Ok(())
}

/// What a server writes into a case file is decided by somebody with the right, and says by whom.
fn check_witnesses(checked: &CheckedRun) -> Result<(), Refusal> {
    for (head, op, target) in operations(checked) {
        let missing = |why| Refusal::Witness { change: head.hash, why };
        if *target == Target::Register {
            return Err(missing("a server writes no registers into a case file"));
        }
        let witness = match Witnessed::read(&op.value) {
            Witnessed::By(witness) => witness,
            Witnessed::No => return Err(missing("a server signs decisions as a witness only, and names who decided")),
            Witnessed::Unreadable => return Err(missing("the witness cannot be read")),
        };
        for (role, level) in std::iter::once((Role::Supervisor, Level::County)).chain(decision_needs(&op.value)) {
            if !witness.suffices(role, level) {
                return Err(Refusal::Right { kind: DocKind::Case, role, level: Some(level) });
            }
        }
    }
    Ok(())
}

/// A device signs for itself: it cannot bear witness for somebody else.
fn refuse_witnesses(checked: &CheckedRun) -> Result<(), Refusal> {
    let forged = operations(checked).find(|(_, op, _)| Witnessed::read(&op.value) != Witnessed::No);
    match forged {
        Some((head, ..)) => Err(Refusal::Witness {
            change: head.hash,
            why: "only a server witnesses; a device signs what its own person decides",
        }),
        None => Ok(()),
    }
}

fn operations(checked: &CheckedRun) -> impl Iterator<Item = (&ChangeHead, &super::chunk::Op, &Target)> {
    let changes = checked.heads.iter().zip(&checked.targets);
    changes.flat_map(|(head, targets)| head.ops.iter().zip(targets).map(move |(op, target)| (head, op, target)))
}

/// What the decision asks for; a decision of a newer version asks for nothing more.
fn decision_needs(json: &str) -> Option<(Role, Level)> {
    serde_json::from_str::<CaseEntry>(json).ok().map(|entry| entry.decision.requires())
}

/// What a server writes into a field record is the row of a list, and says of which.
fn check_imports(checked: &CheckedRun) -> Result<(), Refusal> {
    let names_its_list = |head: &ChangeHead| {
        head.ops.iter().any(|op| matches!(serde_json::from_str(&op.value), Ok(FieldEntry::Imported(_))))
    };
    match checked.heads.iter().find(|head| !names_its_list(head)) {
        None => Ok(()),
        Some(head) => Err(Refusal::NotImported { change: head.hash }),
    }
}

fn suffices(grant: &Membership, role: Role, level: Option<Level>) -> bool {
    grant.role >= role
        && (grant.role == Role::Admin || level.is_none_or(|level| grant.level.unwrap_or(Level::County) >= level))
}

/// What the document's kind asks for, and in case files what each decision does. A decision of a
/// newer version asks for what every case file asks for.
fn rights_needed(checked: &CheckedRun) -> Vec<(Role, Option<Level>)> {
    match checked.doc().kind {
        DocKind::Field => vec![(Role::Inspector, None)],
        DocKind::Reference => vec![(Role::Admin, None)],
        DocKind::Case => {
            let mut needed = vec![(Role::Supervisor, Some(Level::County))];
            for op in checked.heads.iter().flat_map(|head| &head.ops) {
                needed.extend(decision_needs(&op.value).map(|(role, level)| (role, Some(level))));
            }
            needed
        }
    }
}
