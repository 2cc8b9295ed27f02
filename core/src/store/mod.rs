//! The edge store: an append-only journal that is the truth, an index over it that can always be
//! rebuilt, and files named by hash. The only module of `core` that touches files.

pub mod blobs;
pub mod error;
pub mod frame;
pub mod journal;
pub mod lock;
pub mod segment;
pub mod space;
pub mod testing;
pub mod vfs;

#[cfg(test)]
mod journal_tests;

pub use blobs::{Blobs, StoredBlob};
pub use error::StoreError;
pub use journal::Journal;
pub use lock::StoreLock;
