//! Automerge documents: the only module that names automerge.

pub mod entry;

pub use entry::{Entry, Origin};
