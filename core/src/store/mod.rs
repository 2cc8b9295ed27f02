//! The edge store: an append-only journal that is the truth, an index over it that can always be
//! rebuilt, and files named by hash. The only module of `core` that touches files.
//!
//! ```text
//! HOME/lock            one process at a time: who, and since when
//! HOME/lock.gate       held for the moment in which the lock is taken or asked about
//! HOME/key             secret key of the device, 0600
//! HOME/incarnation     with the device and inode number of the journal's directory
//! HOME/journal/*.seg   segments of frames: every commit, in order          (the truth)
//! HOME/torn/           what crashes left behind the last good frame
//! HOME/index-N/        sled, derived from the journal
//! HOME/opened, closed  which index, under which boot; the mark of a clean close
//! HOME/blobs/ab/…      photos, previews, attachments by SHA-256            (the truth, too)
//! HOME/reserve         space that is given back when the disk is full
//! ```
//!
//! A commit is written, `fdatasync`ed, brought into the index, and only then called saved.

mod admit;
mod api;
mod backup;
pub mod blobs;
mod bundle;
mod doctor;
mod edge;
pub mod error;
pub mod frame;
mod handed;
mod home;
mod index;
pub mod journal;
pub mod lock;
mod lookup;
mod open;
pub mod partial;
mod peer;
mod receipts;
pub mod record;
mod replica;
mod rows;
pub mod segment;
mod send;
mod settle;
pub mod space;
mod stage;
pub mod summary;
pub mod testing;
mod turn;
pub mod vfs;

#[cfg(test)]
mod journal_tests;
#[cfg(test)]
mod replica_tests;
#[cfg(test)]
mod store_tests;

pub use api::{BlobState, KeptReceipt, Proof, RejectedAct, Saved, StateCounts, Store, StoreStatus};
pub use backup::{BackupReport, restore};
pub use blobs::{Blobs, StoredBlob};
pub use bundle::{BundleFiles, BundlePlan, BundleQuery};
pub use doctor::Checkup;
pub use edge::{EdgeStore, OpenStore, boot_id};
pub use error::StoreError;
pub use home::{Entropy, Identity, Renewed};
pub use journal::Journal;
pub use lock::StoreLock;
pub use open::{FULL_CHECK_EVERY, IndexUse, OnProgress, OpenReport, Progress};
pub use partial::PartialFile;
pub use peer::{Lend, PeerReplica};
pub use record::Enrolment;
pub use summary::{Filter, OutletSummary, RecordState, Returned, summarise};
pub use turn::{Waiting, is_wanted};
