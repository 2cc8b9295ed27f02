//! Automerge documents: the only module that names automerge.
//!
//! # Format of a document (schema 1)
//!
//! A document is a set of automerge changes. The raw, signed changes are the truth; what
//! [`Document::save`] gives is a cache rebuilt from them.
//!
//! - **Genesis.** The first change of every document of a kind is a constant ([`genesis`]): actor of
//!   36 zero bytes, sequence number 1, time 0, no dependencies. In `ROOT` it creates the maps
//!   `entries` (operation 1) and `registers` (operation 2) and sets the scalars `schema` = 1 and
//!   `kind` = `field`, `case` or `reference`. It is admitted by its hash, never signed, never sent.
//! - **Upgrades.** The containers of schema n + 1 come with another constant: the same actor, the
//!   next sequence number, time 0, depending on the constant before it and nothing else. Each of
//!   them holds entries. A device writes an upgrade together with its first change that needs it;
//!   whoever receives a change that depends on a constant it knows adds the constant. A replica that
//!   does not know it holds what depends on it ([`crate::admission::Refusal::NewerSchema`],
//!   [`crate::admission::Refusal::MissingDeps`]).
//! - **Changes of members.** The actor is the device's public key (32 bytes) and the incarnation of
//!   its store (4 bytes). One change is one act of a user. It contains nothing but assignments of a
//!   text to a key of a container:
//!   - in `entries` (and every container to come) under the lower-case hexadecimal [`EntryId`] of the
//!     text, which is one JSON object; each key is written once, with no predecessor, and never
//!     again by a change that has it among its ancestors;
//!   - in `registers` under a name of 1 to 64 characters, with the values it overwrites as
//!     predecessors: all of the same register, all among its ancestors.
//!
//!   No key occurs twice in a change. There are no other objects, lists, counters, marks or deletes.
//! - **Form of a change.** An uncompressed chunk (type 1) in exactly one encoding: shortest integers,
//!   dependencies, actors and predecessors sorted and without repetition, an actor table of the
//!   author and exactly those that operations use, the columns of automerge 0.12 without empty ones,
//!   runs for two or more equal cells and literals for everything else, no message, no bytes after
//!   the columns. Admission re-encodes what it read and compares.
//! - **Order.** The sequence number of an actor's change is one more than that of its change before,
//!   on which it depends directly. The first operation counter is one more than the highest among
//!   the dependencies. *Document order* sorts changes by (first operation counter, hash) and entries
//!   by their change and place in it: causes come before effects, every replica has the same order,
//!   and the order of two entries never changes, whatever arrives later. No clock takes part.
//!
//! # Values
//!
//! Entries are facts for ever; a correction is a new entry. A register shows the value automerge
//! shows, and concurrent losers beside it. Facts are assertions with `replaces`; which are current
//! and which of the gated ones conflict is defined at [`facts()`] and, with decisions, at
//! [`resolve()`].
//!
//! [`EntryId`]: crate::ids::EntryId

mod act;
mod assertions;
mod chronicle;
mod document;
pub mod entry;
mod error;
mod facts;
pub mod genesis;
mod resolve;
mod scratch;
mod view;
mod write;

pub use act::Act;
pub use chronicle::Chronicle;
pub use document::{ChangeInfo, Document, Register, RegisterValue};
pub use entry::{Entry, EntryText, Origin};
pub use error::DocError;
pub use facts::{Conflict, CurrentFact, conflicts, current_positions, facts, is_gated, latest, to_json};
pub use genesis::{Constant, Constants, RESERVED, constant_change};
pub use resolve::{Decided, Resolution, open_conflicts, resolve};
pub use write::{MAX_ACT_BYTES, MAX_ACT_ITEMS, NewChange, first_change};

pub(crate) use document::{Locator, shared_constants};
#[cfg(test)]
pub(crate) use view::texts_read;
pub(crate) use view::{View, replacing};
pub(crate) use write::is_register_name;

#[cfg(test)]
mod chronicle_tests;
#[cfg(test)]
mod tests;
