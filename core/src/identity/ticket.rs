//! Tickets: how a device becomes a member, as a line of text or a QR code.
//!
//! A ticket carries where the server is, which keys to believe, and a secret that the first key to
//! present it uses up. Whoever reads a ticket before it is used can use it: it is a password.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use data_encoding::BASE32_NOPAD;
use minicbor::{Decode, Decoder, Encode, Encoder, decode, encode};
use zeroize::{Zeroize, ZeroizeOnDrop};

use super::signed::{from_cbor, to_cbor};
use super::{IdentityError, Level, Role};
use crate::ids::{Collection, Digest, PersonId, PublicKey};
use crate::time::Timestamp;

/// How to speak to a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TransportKind {
    /// QUIC over UDP.
    Quic,
    /// The same frames over TLS on TCP, for networks that block UDP.
    Tls,
}

/// Where a server listens: `quic://host:port` or `tls://host:port`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServerAddress {
    /// How.
    pub transport: TransportKind,
    /// Name or IP address; IPv6 without brackets.
    pub host: String,
    /// Port, not 0.
    pub port: u16,
}

/// Not a server address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a server address is quic://host:port or tls://host:port such as quic://203.0.113.7:4433, got {0:?}")]
pub struct AddressError(pub String);

impl fmt::Display for ServerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match self.transport {
            TransportKind::Quic => "quic",
            TransportKind::Tls => "tls",
        };
        if self.host.contains(':') {
            write!(f, "{scheme}://[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{scheme}://{}:{}", self.host, self.port)
        }
    }
}

impl FromStr for ServerAddress {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let bad = || AddressError(text.chars().take(120).collect());
        let (scheme, rest) = text.split_once("://").ok_or_else(bad)?;
        let transport = match scheme {
            "quic" => TransportKind::Quic,
            "tls" => TransportKind::Tls,
            _ => return Err(bad()),
        };
        let (host, port) = rest.rsplit_once(':').ok_or_else(bad)?;
        let bracketed = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        let host = bracketed.unwrap_or(host);
        let known = |character: char| character.is_alphanumeric() || "-._:%".contains(character);
        let host_ok = !host.is_empty()
            && host.len() <= 253
            && host.chars().all(known)
            && host.contains(':') == bracketed.is_some();
        let port_ok = port.bytes().all(|byte| byte.is_ascii_digit());
        let port = port.parse().ok().filter(|port| port_ok && *port != 0).ok_or_else(bad)?;
        if host_ok { Ok(Self { transport, host: host.to_owned(), port }) } else { Err(bad()) }
    }
}

impl<C> Encode<C> for ServerAddress {
    fn encode<W: encode::Write>(&self, e: &mut Encoder<W>, _: &mut C) -> Result<(), encode::Error<W::Error>> {
        e.str(&self.to_string())?.ok()
    }
}

impl<'b, C> Decode<'b, C> for ServerAddress {
    fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, decode::Error> {
        d.str()?.parse().map_err(|_| decode::Error::message("not a server address"))
    }
}

/// The one-time secret of a ticket. Wiped when dropped and never printed.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop, Encode, Decode)]
#[cbor(transparent)]
pub struct TicketSecret(#[cbor(n(0), with = "minicbor::bytes")] [u8; 16]);

impl TicketSecret {
    /// From 16 random bytes.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// As a hello carries it.
    #[must_use]
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// The secret bytes, for the hello of an enrolment: only ever sent to the ticket's server.
    #[must_use]
    pub fn expose(&self) -> &[u8; 16] {
        &self.0
    }

    /// What the server keeps instead of the secret. 128 random bits need no slow hash.
    #[must_use]
    pub fn hash(&self) -> Digest {
        let hash = blake3::Hasher::new_derive_key("outlet 2026 ticket secret v1").update(&self.0).finalize();
        Digest(*hash.as_bytes())
    }
}

impl fmt::Debug for TicketSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TicketSecret(..)")
    }
}

/// What a new device needs to know to become a member. Its text form is secret, hence
/// [`Ticket::to_text`] and no `Display`.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Ticket {
    /// Tried in order.
    #[n(0)]
    pub addresses: Vec<ServerAddress>,
    /// The root the device will pin.
    #[n(1)]
    pub root: PublicKey,
    /// The server's key, for the first connection.
    #[n(2)]
    pub server: PublicKey,
    /// Proves that the holder was given the ticket.
    #[n(3)]
    pub secret: TicketSecret,
    /// What the member will be allowed to do.
    #[n(4)]
    pub role: Role,
    /// Level of a supervisor.
    #[n(5)]
    pub level: Option<Level>,
    /// Counties.
    #[n(6)]
    pub collections: BTreeSet<Collection>,
    /// The person's name.
    #[n(7)]
    pub name: String,
    /// The person: the same as on their other devices.
    #[n(8)]
    pub person: PersonId,
    /// Unused, it is worthless from here on.
    #[n(9)]
    pub expires_at: Timestamp,
}

/// Why a text is not a usable ticket. No variant carries any of the text.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TicketError {
    /// Does not start with `outlet1:`.
    #[error("a ticket starts with \"outlet1:\": copy the whole line")]
    NotATicket,
    /// Another version.
    #[error("the ticket is of version {0}, this program knows version 1: update the program")]
    OtherVersion(u32),
    /// A character that no ticket has.
    #[error("character {position} after \"outlet1:\" cannot be in a ticket: copy it again, or scan the QR code")]
    Character {
        /// From 1, spaces and hyphens not counted.
        position: usize,
    },
    /// The end is missing.
    #[error("the ticket is cut short: copy the whole line")]
    Truncated,
    /// The checksum is not of this content.
    #[error("the ticket has a typing error or was altered: copy it again, or scan the QR code")]
    Damaged,
    /// The checksum fits, the content does not: made by something else.
    #[error("the ticket's content is not valid: ask for a new one")]
    Content(#[source] IdentityError),
    /// Too late.
    #[error("the ticket expired at {0}: ask for a new one")]
    Expired(Timestamp),
}

const PREFIX: &str = "OUTLET";
/// Before decoding: an address or two, two keys and a name take 400 characters.
const MAX_TEXT: usize = 8192;
const MAX_PAYLOAD: usize = 4096;
const CHECKSUM: usize = 5;

impl Ticket {
    /// The ticket as one line of text: `outlet1:` and base32. Secret.
    #[must_use]
    pub fn to_text(&self) -> String {
        self.to_qr_text().to_ascii_lowercase()
    }

    /// The same in capitals, which a QR code stores in 5.5 bits each. Secret.
    #[must_use]
    pub fn to_qr_text(&self) -> String {
        let payload = to_cbor(self);
        let length = u16::try_from(payload.len()).expect("a ticket is far smaller than 64 KiB");
        let mut bytes = Vec::with_capacity(payload.len() + 7);
        bytes.extend_from_slice(&length.to_be_bytes());
        bytes.extend_from_slice(&payload);
        let sum = checksum(&bytes);
        bytes.extend_from_slice(&sum);
        format!("{PREFIX}1:{}", BASE32_NOPAD.encode(&bytes))
    }

    /// Refuses an expired ticket. The device's clock may be wrong: the server has the last word.
    ///
    /// # Errors
    /// [`TicketError::Expired`].
    pub fn check_expiry(&self, now: Timestamp) -> Result<(), TicketError> {
        if now < self.expires_at { Ok(()) } else { Err(TicketError::Expired(self.expires_at)) }
    }

    /// What the server keeps of it.
    #[must_use]
    pub fn record(&self) -> TicketRecord {
        TicketRecord {
            secret_hash: self.secret.hash(),
            role: self.role,
            level: self.level,
            collections: self.collections.clone(),
            name: self.name.clone(),
            person: self.person,
            expires_at: self.expires_at,
            used_by: None,
        }
    }

    fn check(&self) -> Result<(), &'static str> {
        if self.addresses.is_empty() || self.addresses.len() > 8 {
            return Err("it has no server address, or more than eight");
        }
        if self.name.chars().count() > 100 {
            return Err("the name has more than 100 characters");
        }
        if self.collections.iter().any(|collection| Collection::from_code(collection.code()).is_none()) {
            return Err("a collection is not a six-digit code");
        }
        Ok(())
    }
}

impl FromStr for Ticket {
    type Err = TicketError;

    /// Capitals, spaces, line breaks and hyphens do not matter.
    fn from_str(text: &str) -> Result<Self, TicketError> {
        if text.len() > MAX_TEXT {
            return Err(TicketError::NotATicket);
        }
        let (prefix, rest) = text.trim().split_once(':').ok_or(TicketError::NotATicket)?;
        check_prefix(prefix)?;
        let plain: String = rest.chars().filter(|c| !c.is_whitespace() && *c != '-').collect();
        let bytes = decode_base32(&plain.to_ascii_uppercase())?;
        let (length, _) = bytes.split_first_chunk::<2>().ok_or(TicketError::Truncated)?;
        let end = 2 + usize::from(u16::from_be_bytes(*length));
        if bytes.len() < end + CHECKSUM {
            return Err(TicketError::Truncated);
        }
        let (content, sum) = bytes.split_at(end);
        if sum != checksum(content) {
            return Err(TicketError::Damaged);
        }
        let ticket: Self = from_cbor(&content[2..], NAME, MAX_PAYLOAD).map_err(TicketError::Content)?;
        ticket.check().map_err(|why| TicketError::Content(IdentityError::Invalid { what: NAME, why }))?;
        Ok(ticket)
    }
}

const NAME: &str = "ticket";

fn check_prefix(prefix: &str) -> Result<(), TicketError> {
    let prefix = prefix.to_ascii_uppercase();
    let version = prefix.strip_prefix(PREFIX).ok_or(TicketError::NotATicket)?;
    match version.parse() {
        Ok(1) => Ok(()),
        Ok(other) => Err(TicketError::OtherVersion(other)),
        Err(_) => Err(TicketError::NotATicket),
    }
}

fn decode_base32(plain: &str) -> Result<Vec<u8>, TicketError> {
    let known = |character: char| character.is_ascii_uppercase() || ('2'..='7').contains(&character);
    if let Some(index) = plain.chars().position(|character| !known(character)) {
        return Err(TicketError::Character { position: index + 1 });
    }
    // What is left to fail is the length and the unused bits of the last character.
    BASE32_NOPAD.decode(plain.as_bytes()).map_err(|error| match error.kind {
        data_encoding::DecodeKind::Length => TicketError::Truncated,
        _ => TicketError::Damaged,
    })
}

fn checksum(bytes: &[u8]) -> [u8; CHECKSUM] {
    let hash = blake3::Hasher::new_derive_key("outlet 2026 ticket checksum v1").update(bytes).finalize();
    let mut sum = [0; CHECKSUM];
    sum.copy_from_slice(&hash.as_bytes()[..CHECKSUM]);
    sum
}

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
