//! Who may write what: keys, tickets, membership certificates, signed runs of changes, rulings,
//! receipts. Everything here can be checked offline against a pinned root key.

mod address;
mod error;
mod file;
mod key;
mod member;
mod peer_address;
mod receipt;
mod redeem;
mod roster;
mod run;
mod signed;
mod statement;
mod ticket;

#[cfg(test)]
mod tests;

pub use address::{AddressError, ServerAddress, TransportKind};
pub use error::IdentityError;
pub use file::{KeyFileError, KeyUse, read_key_file, write_key_file};
pub use key::{Purpose, SecretKey, fingerprint, from_spki_der, to_spki_der, to_x25519, verify, verify_change};
pub use member::{Certificate, Membership, Revocation, ServerCert, ServerGrant, ServerStanding, SignedRevocation};
pub use peer_address::{PeerAddress, PeerAddressError};
pub use receipt::{
    BlobReceipt, Receipt, Ruling, RulingReason, SignedBlobReceipt, SignedReceipt, SignedRuling, Verdict,
};
pub use redeem::{RedeemError, TicketRecord};
pub use roster::Roster;
pub use run::{MAX_CHANGE_BYTES, MAX_RUN_BYTES, MAX_RUN_CHANGES, SignedRun, change_hash};
pub use signed::{Signable, Signed};
pub use statement::{SignedStatement, Statement, StatementLine};
pub use ticket::{Ticket, TicketError, TicketSecret};

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
