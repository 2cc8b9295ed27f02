//! What a change of this program may contain: checked on the change alone.

use std::collections::BTreeSet;

use super::chunk::{ChangeHead, Op};
use super::refusal::Refusal;
use crate::doc::{Constants, Entry, RESERVED, genesis::REGISTERS, is_register_name};
use crate::ids::{DocKind, EntryId};

/// What an operation does, once it is known to be legal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Target {
    /// Writes the entry of this name.
    Entry(EntryId),
    /// Assigns a register.
    Register,
}

/// Checks every operation of a change and says what each one does.
pub(super) fn check_ops(kind: DocKind, head: &ChangeHead, constants: &Constants) -> Result<Vec<Target>, Refusal> {
    let mut keys = BTreeSet::new();
    let mut targets = Vec::with_capacity(head.ops.len());
    for op in &head.ops {
        let target = check_op(kind, head, op, constants)?;
        if !keys.insert((op.object, op.key.as_str())) {
            return Err(Refusal::Twice { change: head.hash, key: op.key.clone() });
        }
        targets.push(target);
    }
    Ok(targets)
}

fn check_op(kind: DocKind, head: &ChangeHead, op: &Op, constants: &Constants) -> Result<Target, Refusal> {
    let change = head.hash;
    if op.object.actor != RESERVED {
        return Err(Refusal::Container { change });
    }
    let Some((container, _)) = constants.container(kind, op.object.counter) else {
        let newer = op.object.counter > constants.max_op(kind);
        return Err(if newer { Refusal::NewerSchema { change } } else { Refusal::Container { change } });
    };
    if container == REGISTERS {
        return if is_register_name(&op.key) { Ok(Target::Register) } else { Err(Refusal::RegisterName { change }) };
    }
    if !op.pred.is_empty() {
        return Err(Refusal::Overwrite { change, entry: op.key.clone() });
    }
    let entry = Entry::id_of(&op.value);
    if op.key != entry.to_string() {
        return Err(Refusal::EntryKey { change, key: op.key.clone() });
    }
    let object = serde_json::from_str::<serde_json::Value>(&op.value).is_ok_and(|value| value.is_object());
    if object { Ok(Target::Entry(entry)) } else { Err(Refusal::EntryText { change, entry }) }
}
