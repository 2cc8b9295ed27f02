//! `outlet-server`: the sync endpoint of the devices, the merged inventory, the ledger with its
//! milestones, and the exports.
//!
//! [`run`] is the command line; [`Server`] the running server, which tests start in their own
//! process.

#![cfg_attr(not(test), deny(clippy::unwrap_used))]

pub mod cli;
pub mod config;
pub mod db;
pub mod env;
pub mod error;
mod enrol;
pub mod folder;

pub use env::Env;
