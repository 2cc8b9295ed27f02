//! Certificates: who is a member with which rights, which servers the root vouches for, and who
//! was revoked from when.

use std::collections::BTreeSet;

use minicbor::{Decode, Encode};

use super::key::Purpose;
use super::signed::{Signable, Signed};
use super::{Level, Role};
use crate::ids::{Collection, PersonId, PublicKey};
use crate::time::Timestamp;

/// What a server says about a member's key.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Membership {
    /// The device.
    #[n(0)]
    pub key: PublicKey,
    /// The person; several devices may be theirs.
    #[n(1)]
    pub person: PersonId,
    /// The person's name, as the record names its authors.
    #[n(2)]
    pub name: String,
    /// What the member may do.
    #[n(3)]
    pub role: Role,
    /// Level of a supervisor.
    #[n(4)]
    pub level: Option<Level>,
    /// Counties the member reads and writes. Reference documents are read by every member.
    #[n(5)]
    pub collections: BTreeSet<Collection>,
    /// Peer sessions are possible from here.
    #[n(6)]
    pub not_before: Timestamp,
    /// Peer sessions are possible until here. Old work is admitted for ever.
    #[n(7)]
    pub not_after: Timestamp,
    /// Of two memberships of a key the one with the larger number holds.
    #[n(8)]
    pub serial: u64,
}

impl Membership {
    /// A server gives a membership so long after the start of its validity: a device whose clock is behind
    /// must not find its fresh certificate "not yet valid".
    pub const BACKDATED_MS: i64 = 86_400_000;

    /// When the server gave it.
    #[must_use]
    pub fn given_at(&self) -> Timestamp {
        self.not_before.plus_millis(Self::BACKDATED_MS)
    }

    /// Whether the instant is within the validity.
    #[must_use]
    pub fn is_valid_at(&self, now: Timestamp) -> bool {
        self.not_before <= now && now < self.not_after
    }

    /// Whether documents of the collection may be read. Reference documents always.
    #[must_use]
    pub fn reads(&self, collection: Collection) -> bool {
        collection == Collection::REFERENCE || self.collections.contains(&collection)
    }

    /// Whether `other` gives no right that this membership does not give.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        self.role >= other.role && self.level >= other.level && self.collections.is_superset(&other.collections)
    }
}

impl Signable for Membership {
    const PURPOSE: Purpose = Purpose::Membership;
    const NAME: &'static str = "membership certificate";
    // A city has five counties; a province 180. The name is a person's.
    const MAX_BYTES: usize = 4096;

    fn check(&self) -> Result<(), &'static str> {
        if self.name.chars().count() > 100 {
            return Err("the name has more than 100 characters");
        }
        if self.not_before > self.not_after {
            return Err("the validity ends before it starts");
        }
        if self.collections.iter().any(|collection| Collection::from_code(collection.code()).is_none()) {
            return Err("a collection is not a six-digit code");
        }
        Ok(())
    }
}

/// A membership signed by a server.
pub type Certificate = Signed<Membership>;

/// What the root says about a server's key.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct ServerGrant {
    /// The server's key.
    #[n(0)]
    pub key: PublicKey,
    /// Name of the system, for people.
    #[n(1)]
    pub name: String,
    /// When the root signed, by the clock beside it. For people.
    #[n(2)]
    pub issued_at: Timestamp,
    /// Of two certificates of a key the one with the larger number holds.
    #[n(3)]
    pub serial: u64,
    /// Whether the key is in use.
    #[n(4)]
    pub standing: ServerStanding,
}

/// What the root thinks of a server key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum ServerStanding {
    /// In use.
    #[n(0)]
    Active,
    /// Replaced: what it signed stands, devices no longer connect to it.
    #[n(1)]
    Retired,
    /// Compromised: nothing it signed counts. The new key signs the memberships again.
    #[n(2)]
    Distrusted,
}

impl Signable for ServerGrant {
    const PURPOSE: Purpose = Purpose::Server;
    const NAME: &'static str = "server certificate";
    const MAX_BYTES: usize = 1024;

    fn check(&self) -> Result<(), &'static str> {
        if self.name.chars().count() > 100 { Err("the name has more than 100 characters") } else { Ok(()) }
    }
}

/// A server's key signed by the root.
pub type ServerCert = Signed<ServerGrant>;

/// A key may no longer write. There is no way back: the person gets a ticket for a new key.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Revocation {
    /// The device.
    #[n(0)]
    pub key: PublicKey,
    /// By server receipt: what the server had before is kept, what comes from here on is held.
    #[n(1)]
    pub at: Timestamp,
    /// Why, for people.
    #[n(2)]
    pub reason: String,
    /// The account that decided.
    #[n(3)]
    pub who: String,
}

impl Signable for Revocation {
    const PURPOSE: Purpose = Purpose::Revocation;
    const NAME: &'static str = "revocation";
    const MAX_BYTES: usize = 4096;
}

/// A revocation signed by a server.
pub type SignedRevocation = Signed<Revocation>;
