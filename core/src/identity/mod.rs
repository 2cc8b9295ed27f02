//! Who may write what: keys, tickets, membership certificates, signed runs of changes, rulings,
//! receipts. Everything here can be checked offline against a pinned root key.

use minicbor::{Decode, Encode};
use serde::{Deserialize, Serialize};

/// What a member may do. Ordered: each may do what the one before may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cbor(index_only)]
pub enum Role {
    /// Reads.
    #[n(0)]
    Viewer,
    /// Writes field records.
    #[n(1)]
    Inspector,
    /// Writes case files, within its level.
    #[n(2)]
    Supervisor,
    /// Writes reference documents.
    #[n(3)]
    Admin,
}

/// Level of a supervisor: the county checks first, the city decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cbor(index_only)]
pub enum Level {
    /// 县级.
    #[n(0)]
    County,
    /// 市级.
    #[n(1)]
    City,
}
