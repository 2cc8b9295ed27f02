//! The server's half of a ticket: what it keeps, and when it honours it.

use std::collections::BTreeSet;

use minicbor::{Decode, Encode};

use super::ticket::TicketSecret;
use super::{Level, Role};
use crate::ids::{Collection, Digest, PersonId, PublicKey};
use crate::time::Timestamp;

/// What a server keeps of a ticket: enough to honour it, not enough to use it.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct TicketRecord {
    /// [`TicketSecret::hash`]: also the name it is found by.
    #[n(0)]
    pub secret_hash: Digest,
    /// What the member will be allowed to do.
    #[n(1)]
    pub role: Role,
    /// Level of a supervisor.
    #[n(2)]
    pub level: Option<Level>,
    /// Counties.
    #[n(3)]
    pub collections: BTreeSet<Collection>,
    /// The person's name.
    #[n(4)]
    pub name: String,
    /// The person.
    #[n(5)]
    pub person: PersonId,
    /// Unused, it is worthless from here on.
    #[n(6)]
    pub expires_at: Timestamp,
    /// The key that used it up.
    #[n(7)]
    pub used_by: Option<PublicKey>,
}

/// Why a server does not honour a ticket.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RedeemError {
    /// Not the secret of this ticket.
    #[error("the ticket is not known here: ask for a new one")]
    WrongSecret,
    /// Another key was first.
    #[error("the ticket was already used by another device ({}): ask for a new one, and tell the administrator if that was not you", .0.short())]
    UsedByAnother(PublicKey),
    /// Too late.
    #[error("the ticket expired at {0}: ask for a new one")]
    Expired(Timestamp),
}

impl TicketRecord {
    /// Uses the ticket up for a key. The same key may come again, also after the expiry: its first
    /// answer may have been lost on the way. True when this was the first use.
    ///
    /// # Errors
    /// [`RedeemError`].
    pub fn redeem(&mut self, secret: &TicketSecret, key: PublicKey, now: Timestamp) -> Result<bool, RedeemError> {
        // A comparison of hashes of secrets: how far it got tells nothing about the secret.
        if secret.hash() != self.secret_hash {
            return Err(RedeemError::WrongSecret);
        }
        match self.used_by {
            Some(first) if first == key => Ok(false),
            Some(other) => Err(RedeemError::UsedByAnother(other)),
            None if now >= self.expires_at => Err(RedeemError::Expired(self.expires_at)),
            None => {
                self.used_by = Some(key);
                Ok(true)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> TicketRecord {
        TicketRecord {
            secret_hash: TicketSecret::from_bytes([4; 16]).hash(),
            role: Role::Inspector,
            level: None,
            collections: BTreeSet::new(),
            name: "李明".to_owned(),
            person: PersonId([3; 16]),
            expires_at: Timestamp::from_millis(1000),
            used_by: None,
        }
    }

    #[test]
    fn the_first_key_uses_a_ticket_up_and_may_come_again() {
        let (mut record, secret) = (record(), TicketSecret::from_bytes([4; 16]));
        let (mine, other) = (PublicKey([1; 32]), PublicKey([2; 32]));
        let (before, after) = (Timestamp::from_millis(999), Timestamp::from_millis(5000));
        assert_eq!(record.redeem(&secret, mine, before), Ok(true));
        assert_eq!(record.redeem(&secret, mine, before), Ok(false));
        assert_eq!(record.redeem(&secret, mine, after), Ok(false), "its first answer may have been lost");
        assert_eq!(record.redeem(&secret, other, before), Err(RedeemError::UsedByAnother(mine)));
    }

    #[test]
    fn a_wrong_secret_or_a_late_one_changes_nothing() {
        let mut late = record();
        let wrong = late.redeem(&TicketSecret::from_bytes([5; 16]), PublicKey([1; 32]), Timestamp::from_millis(1));
        assert_eq!(wrong, Err(RedeemError::WrongSecret));
        let end = late.expires_at;
        let expired = late.redeem(&TicketSecret::from_bytes([4; 16]), PublicKey([1; 32]), end);
        assert_eq!(expired, Err(RedeemError::Expired(end)));
        assert_eq!(late, record());
    }

    #[test]
    fn a_record_survives_bytes_and_does_not_hold_the_secret() {
        let bytes = minicbor::to_vec(record()).unwrap();
        assert_eq!(minicbor::decode::<TicketRecord>(&bytes).unwrap(), record());
        assert!(!bytes.windows(16).any(|window| window == [4; 16]));
    }
}
