//! Tickets: how a device becomes a member, as a line of text or a QR code.
//!
//! A ticket carries where the server is, which keys to believe, and a secret that the first key to
//! present it uses up. Whoever reads a ticket before it is used can use it: it is a password.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use data_encoding::BASE32_NOPAD;
use minicbor::{Decode, Encode};
use zeroize::{Zeroize, ZeroizeOnDrop};

use super::address::ServerAddress;
use super::redeem::TicketRecord;
use super::signed::{from_cbor, to_cbor};
use super::{IdentityError, Level, Role};
use crate::ids::{Collection, Digest, PersonId, PublicKey};
use crate::time::Timestamp;

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::SecretKey;

    fn ticket() -> Ticket {
        Ticket {
            addresses: vec!["quic://203.0.113.7:4433".parse().unwrap(), "tls://paikou.example.cn:443".parse().unwrap()],
            root: SecretKey::from_bytes([200; 32]).public(),
            server: SecretKey::from_bytes([1; 32]).public(),
            secret: TicketSecret::from_bytes(*b"open sesame 0123"),
            role: Role::Supervisor,
            level: Some(Level::City),
            collections: BTreeSet::from([Collection::from_code(511_902).unwrap()]),
            name: "李明".to_owned(),
            person: PersonId([3; 16]),
            expires_at: Timestamp::from_millis(1_600_000_000_000),
        }
    }

    #[test]
    fn a_ticket_survives_being_copied_by_people() {
        let text = ticket().to_text();
        assert!(text.starts_with("outlet1:"));
        assert_eq!(text.parse::<Ticket>().unwrap(), ticket());
        assert_eq!(ticket().to_qr_text().parse::<Ticket>().unwrap(), ticket());
        let broken_into_lines = text.as_bytes().chunks(40).map(|line| String::from_utf8(line.to_vec()).unwrap());
        let wrapped = format!("  {}\n", broken_into_lines.collect::<Vec<_>>().join("\r\n "));
        assert_eq!(wrapped.parse::<Ticket>().unwrap(), ticket());
        assert!(text.len() < 500, "{} characters do not make a QR code a phone can read", text.len());
        let alphanumeric = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == ':';
        assert!(ticket().to_qr_text().chars().all(alphanumeric));
    }

    #[test]
    fn every_changed_character_is_noticed() {
        let text = ticket().to_text();
        for index in 0..text.len() {
            let mut bent = text.clone().into_bytes();
            bent[index] = if bent[index] == b'a' { b'b' } else { b'a' };
            assert!(String::from_utf8(bent).unwrap().parse::<Ticket>().is_err(), "character {index}");
        }
    }

    #[test]
    fn every_cut_is_called_a_cut() {
        let text = ticket().to_text();
        for end in "outlet1:".len()..text.len() {
            // A cut inside a byte leaves bits over, which looks like a typing error.
            let error = text[..end].parse::<Ticket>().unwrap_err();
            assert!(matches!(error, TicketError::Truncated | TicketError::Damaged), "cut at {end}: {error}");
        }
        let lost: Ticket = text.parse().unwrap();
        assert_eq!(lost, ticket());
        let half = text[..text.len() / 2 / 8 * 8].parse::<Ticket>().unwrap_err();
        assert!(matches!(half, TicketError::Truncated), "{half}");
        assert!(half.to_string().contains("whole line"));
    }

    #[test]
    fn other_things_are_told_apart() {
        let parse = |text: &str| text.parse::<Ticket>().unwrap_err();
        assert!(matches!(parse(""), TicketError::NotATicket));
        assert!(matches!(parse("https://example.org"), TicketError::NotATicket));
        assert!(matches!(parse(&"a".repeat(10_000)), TicketError::NotATicket));
        let newer = parse("outlet2:abcdefgh");
        assert!(matches!(newer, TicketError::OtherVersion(2)));
        assert!(newer.to_string().contains("update the program"));
        assert!(matches!(parse("outlet1:abc1defgh"), TicketError::Character { position: 4 }));
        assert!(matches!(parse("outlet1:"), TicketError::Truncated));
        let longer = format!("{}aaaaaaaa", ticket().to_text());
        assert!(matches!(parse(&longer), TicketError::Damaged));
        let homeless = Ticket { addresses: Vec::new(), ..ticket() };
        assert!(matches!(parse(&homeless.to_text()), TicketError::Content(_)));
    }

    #[test]
    fn an_expired_ticket_says_when() {
        let end = ticket().expires_at;
        assert!(ticket().check_expiry(end.plus_millis(-1)).is_ok());
        let error = ticket().check_expiry(end).unwrap_err();
        assert!(error.to_string().contains("2020-09-13"), "{error}");
    }

    #[test]
    fn the_secret_is_never_printed() {
        let text = ticket().to_text();
        let bent = format!("{}7{}", &text[..60], &text[61..]);
        let error = bent.parse::<Ticket>().unwrap_err();
        let shown = format!("{:?} {:#?} {:?} {error} {error:?}", ticket(), ticket().record(), ticket().secret);
        for form in ["open sesame", "6f70656e", "111, 112", &text[60..100], "[6f"] {
            assert!(!shown.contains(form), "{form} in {shown}");
        }
    }

    #[test]
    fn the_released_ticket_stays_readable() {
        assert_eq!(ticket().to_text(), GOLDEN);
        assert_eq!(GOLDEN.parse::<Ticket>().unwrap(), ticket());
    }

    const GOLDEN: &str = "outlet1:ac72uaeco5yxk2ldhixs6mrqgmxdalrrgezs4nz2gq2dgm3ydn2gy4z2f4xxayljnnxxkltfpbqw24dmmuxgg3r2gq2dgakyecl77sedzaf644rx56k5tonxapkk2y7gbiq6mbmgo2blow4lh5bqgasyecfiry65oqe7dfp5klns2pf2lvzmuzyjx4ozieq36n2iqanub5xvya2qn5ygk3raonsxgylnmuqdamjsgmcaebiba2aruaahz6paozxgtwhongeobbiagaydambqgaydambqgaydambqgci3aaaac5ehn2aabo7f4tyug";
}
