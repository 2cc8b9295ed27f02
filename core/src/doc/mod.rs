//! Automerge documents: the only module that names automerge.

mod document;
pub mod entry;
mod error;
mod facts;
pub mod genesis;

pub use document::{ChangeInfo, Document, MAX_ACT_BYTES, MAX_ACT_ITEMS, NewChange, Register, RegisterValue};
pub use entry::{Entry, Origin};
pub use error::DocError;
pub use facts::{Conflict, CurrentFact, conflicts, facts, is_gated, latest, to_json};
pub use genesis::{Constant, Constants, RESERVED, constant_change};

#[cfg(test)]
mod tests;
