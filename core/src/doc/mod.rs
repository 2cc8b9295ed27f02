//! Automerge documents: the only module that names automerge.

mod document;
pub mod entry;
mod error;
mod facts;
pub mod genesis;
mod scratch;

pub use document::{ChangeInfo, Document, MAX_ACT_BYTES, MAX_ACT_ITEMS, NewChange, Register, RegisterValue};
pub(crate) use document::{is_register_name, shared_constants};
pub use entry::{Entry, Origin};
pub use error::DocError;
pub(crate) use facts::hidden_conflict;
pub use facts::{Conflict, CurrentFact, conflicts, facts, is_gated, latest, to_json};
pub use genesis::{Constant, Constants, RESERVED, constant_change};

#[cfg(test)]
mod tests;
