//! Domain model, documents, admission, sync, edge store and ledger of the discharge-outlet
//! inventory. See `ARCHITECTURE.md` at the top of the repository for the flow of one change from
//! tap to ledger.
//!
//! Nothing here prints, reads a clock, a random source or the environment; only [`store`] touches
//! files. Time and randomness are arguments.

#![cfg_attr(not(test), deny(clippy::unwrap_used))]

pub mod admission;
pub mod bundle;
pub mod consent;
pub mod doc;
pub mod domain;
pub mod duplicate;
pub mod export;
pub mod geo;
pub mod identity;
pub mod ids;
pub mod import;
pub mod ledger;
pub mod media;
pub mod public;
pub mod rules;
pub mod store;
pub mod sync;
pub mod time;
pub mod worklist;
pub mod zones;
