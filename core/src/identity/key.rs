//! Keys and signatures: the secret key of a device, a server or the root, and what a signature is
//! about.
//!
//! Each signature names its purpose, so that one made for a receipt can never pass for one on a
//! change. Nothing here makes a key: 32 random bytes are an argument.

use std::fmt;

use ed25519_dalek::{Signer, SigningKey, VerifyingKey};
use sha2::{Digest as _, Sha256};
use zeroize::{Zeroize, Zeroizing};

use super::IdentityError;
use crate::ids::{ChangeHash, DocKey, PublicKey, Signature};

/// What a signature is about. The tag is signed before the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Purpose {
    /// The last change of an actor's run in a document.
    Change,
    /// A membership certificate, signed by a server.
    Membership,
    /// A server's certificate, signed by the root.
    Server,
    /// A revocation, signed by a server.
    Revocation,
    /// A ruling on changes, signed by a server.
    Ruling,
    /// A receipt for changes, signed by a server.
    Receipt,
    /// A receipt for a photo or attachment, signed by a server.
    BlobReceipt,
    /// A statement that both sides hold the same, signed by both.
    Statement,
    /// The opening of a session, bound to its connection.
    Hello,
    /// A link of the chain of decisions taken in the console, signed by the server as witness.
    Witness,
    /// The manifest of an evidence package or export.
    Evidence,
    /// A bundle, by whoever made it and carries it.
    Bundle,
}

impl Purpose {
    /// The text that is signed first. Released tags never change.
    #[must_use]
    pub fn tag(self) -> &'static str {
        match self {
            Self::Change => "outlet/1 change",
            Self::Membership => "outlet/1 membership",
            Self::Server => "outlet/1 server",
            Self::Revocation => "outlet/1 revocation",
            Self::Ruling => "outlet/1 ruling",
            Self::Receipt => "outlet/1 receipt",
            Self::BlobReceipt => "outlet/1 file receipt",
            Self::Statement => "outlet/1 statement",
            Self::Hello => "outlet/1 hello",
            Self::Witness => "outlet/1 witness",
            Self::Evidence => "outlet/1 evidence",
            Self::Bundle => "outlet/1 bundle",
        }
    }

    /// The bytes a signature covers: the tag, a zero byte (no tag contains one), the message.
    /// Whoever checks an evidence package with other tools signs and verifies exactly these.
    #[must_use]
    pub fn signed_bytes(self, message: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.tag().len() + 1 + message.len());
        bytes.extend_from_slice(self.tag().as_bytes());
        bytes.push(0);
        bytes.extend_from_slice(message);
        bytes
    }
}

/// An Ed25519 secret key. It is wiped from memory when dropped and never printed.
#[derive(Clone)]
pub struct SecretKey(SigningKey);

/// DER before the 32 bytes of a secret key: PKCS#8 version 1, Ed25519 (RFC 8410).
const PKCS8_PREFIX: [u8; 16] =
    [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];

/// DER before the 32 bytes of a public key: SubjectPublicKeyInfo, Ed25519 (RFC 8410).
const SPKI_PREFIX: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

impl SecretKey {
    /// From 32 random bytes.
    #[must_use]
    pub fn from_bytes(mut seed: [u8; 32]) -> Self {
        let key = SigningKey::from_bytes(&seed);
        seed.zeroize();
        Self(key)
    }

    /// The key others know it by.
    #[must_use]
    pub fn public(&self) -> PublicKey {
        PublicKey(self.0.verifying_key().to_bytes())
    }

    /// Signs a message for one purpose.
    #[must_use]
    pub fn sign(&self, purpose: Purpose, message: &[u8]) -> Signature {
        Signature(self.0.sign(&purpose.signed_bytes(message)).to_bytes())
    }

    /// Signs a change of a document, and with it every ancestor by the same actor.
    #[must_use]
    pub fn sign_change(&self, doc: &DocKey, change: &ChangeHash) -> Signature {
        self.sign(Purpose::Change, &change_message(doc, change))
    }

    /// PKCS#8 DER, the form in which rustls takes a key. Wiped when dropped.
    #[must_use]
    pub fn to_pkcs8_der(&self) -> Zeroizing<Vec<u8>> {
        let mut der = Zeroizing::new(Vec::with_capacity(PKCS8_PREFIX.len() + 32));
        der.extend_from_slice(&PKCS8_PREFIX);
        der.extend_from_slice(self.0.as_bytes());
        der
    }

    /// The X25519 secret of the same key pair: opens what was sealed for [`to_x25519`] of the public
    /// key. Wiped when dropped.
    #[must_use]
    pub fn to_x25519(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.0.to_scalar_bytes())
    }

    /// The 32 secret bytes, for the file or the sealed backup that keeps them. Wiped when dropped.
    #[must_use]
    pub fn expose(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.0.to_bytes())
    }
}

/// The X25519 form of a public key (RFC 7748, the birational map of the curve): what bundles are
/// sealed for. None when the bytes are no key, or one of small order.
#[must_use]
pub fn to_x25519(key: &PublicKey) -> Option<[u8; 32]> {
    let key = VerifyingKey::from_bytes(&key.0).ok().filter(|key| !key.is_weak())?;
    Some(key.to_montgomery().to_bytes())
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretKey(of {})", self.public().short())
    }
}

/// Checks a signature. Strict: keys of small order and non-canonical forms are refused, so that
/// the answer is the same on every replica.
///
/// # Errors
/// [`IdentityError::NotAKey`] and [`IdentityError::BadSignature`].
pub fn verify(key: &PublicKey, purpose: Purpose, message: &[u8], signature: &Signature) -> Result<(), IdentityError> {
    let verifying = VerifyingKey::from_bytes(&key.0).map_err(|_| IdentityError::NotAKey(*key))?;
    verifying
        .verify_strict(&purpose.signed_bytes(message), &ed25519_dalek::Signature::from_bytes(&signature.0))
        .map_err(|_| IdentityError::BadSignature { what: purpose.tag(), key: *key })
}

/// Checks a signature on a change of a document.
///
/// # Errors
/// As [`verify`].
pub fn verify_change(
    key: &PublicKey,
    doc: &DocKey,
    change: &ChangeHash,
    signature: &Signature,
) -> Result<(), IdentityError> {
    verify(key, Purpose::Change, &change_message(doc, change), signature)
}

fn change_message(doc: &DocKey, change: &ChangeHash) -> [u8; DocKey::LEN + 32] {
    let mut message = [0; DocKey::LEN + 32];
    message[..DocKey::LEN].copy_from_slice(&doc.to_bytes());
    message[DocKey::LEN..].copy_from_slice(&change.0);
    message
}

/// SubjectPublicKeyInfo DER of a key: what TLS raw public keys carry and what `openssl` reads.
#[must_use]
pub fn to_spki_der(key: &PublicKey) -> [u8; 44] {
    let mut der = [0; 44];
    der[..12].copy_from_slice(&SPKI_PREFIX);
    der[12..].copy_from_slice(&key.0);
    der
}

/// Inverse of [`to_spki_der`]; nothing but an Ed25519 key passes.
#[must_use]
pub fn from_spki_der(der: &[u8]) -> Option<PublicKey> {
    PublicKey::from_slice(der.strip_prefix(&SPKI_PREFIX)?)
}

/// Twenty hexadecimal digits of SHA-256 over the key, in fours: what two people compare by voice.
#[must_use]
pub fn fingerprint(key: &PublicKey) -> String {
    let digits = data_encoding::HEXLOWER.encode(&Sha256::digest(key.0)[..10]);
    let mut text = String::with_capacity(24);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && index % 4 == 0 {
            text.push('-');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::{Collection, DocKind, OutletId};

    fn doc() -> DocKey {
        let id = OutletId(uuid::Uuid::from_bytes([7; 16]));
        DocKey { kind: DocKind::Field, collection: Collection::from_code(511_902).unwrap(), id }
    }

    #[test]
    fn a_signature_is_good_for_its_key_purpose_and_message_only() {
        let (mine, other) = (SecretKey::from_bytes([1; 32]), SecretKey::from_bytes([2; 32]));
        let signature = mine.sign(Purpose::Receipt, b"message");
        assert!(verify(&mine.public(), Purpose::Receipt, b"message", &signature).is_ok());
        assert!(verify(&other.public(), Purpose::Receipt, b"message", &signature).is_err());
        assert!(verify(&mine.public(), Purpose::Ruling, b"message", &signature).is_err());
        assert!(verify(&mine.public(), Purpose::Receipt, b"messagf", &signature).is_err());
        for bit in [0, 100, 511] {
            let mut bent = signature;
            bent.0[bit / 8] ^= 1 << (bit % 8);
            assert!(verify(&mine.public(), Purpose::Receipt, b"message", &bent).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn a_change_signed_for_one_document_is_not_signed_for_another() {
        let key = SecretKey::from_bytes([1; 32]);
        let change = ChangeHash([9; 32]);
        let signature = key.sign_change(&doc(), &change);
        assert!(verify_change(&key.public(), &doc(), &change, &signature).is_ok());
        let case = doc().with_kind(DocKind::Case);
        assert!(verify_change(&key.public(), &case, &change, &signature).is_err());
        assert!(verify_change(&key.public(), &doc(), &ChangeHash([8; 32]), &signature).is_err());
    }

    #[test]
    fn a_weak_key_signs_nothing() {
        // The identity point: under a lax check, one signature by it is good for every message.
        let mut weak = [0; 32];
        weak[0] = 1;
        let mut signature = [0; 64];
        signature[0] = 1;
        let result = verify(&PublicKey(weak), Purpose::Change, b"anything", &Signature(signature));
        assert!(result.is_err());
        let not_on_curve = PublicKey([2; 32]);
        assert!(verify(&not_on_curve, Purpose::Change, b"", &Signature([0; 64])).is_err());
    }

    // Made with `openssl pkeyutl -sign -rawin`.
    const GOLDEN_KEY: &str = "8a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c";
    const GOLDEN_CHANGE: &str = "77e71ae20d0cdafc0ceb4033c8fb08df15f62c50297036530b2b472c2fd038def277b47da7d36948412bd667dc84d60a6a4bc5b4a0ab33412782b9d0e2792206";

    #[test]
    fn the_released_signature_of_a_change_stays_valid() {
        let key = SecretKey::from_bytes([1; 32]);
        assert_eq!(key.public().to_string(), GOLDEN_KEY);
        assert_eq!(key.sign_change(&doc(), &ChangeHash([9; 32])).to_string(), GOLDEN_CHANGE);
    }

    #[test]
    fn a_secret_key_is_never_printed() {
        let seed = *b"not to be seen by anybody at all";
        let key = SecretKey::from_bytes(seed);
        let shown = format!("{key:?} {key:#?}");
        assert!(!shown.contains("not to be seen"));
        assert!(!shown.contains(&data_encoding::HEXLOWER.encode(&seed[..4])));
        assert!(!shown.contains(&format!("{}, {}", seed[0], seed[1])));
        assert!(shown.contains(&key.public().short()));
    }

    #[test]
    fn der_forms_carry_the_key() {
        let key = SecretKey::from_bytes([5; 32]);
        assert_eq!(&key.to_pkcs8_der()[16..], &key.expose()[..]);
        assert_eq!(from_spki_der(&to_spki_der(&key.public())), Some(key.public()));
        let mut rsa = to_spki_der(&key.public());
        rsa[8] ^= 1;
        assert_eq!(from_spki_der(&rsa), None);
        assert_eq!(from_spki_der(&to_spki_der(&key.public())[..43]), None);
    }

    #[test]
    fn a_fingerprint_is_five_groups_of_four() {
        let text = fingerprint(&SecretKey::from_bytes([1; 32]).public());
        assert_eq!(text.split('-').map(str::len).collect::<Vec<_>>(), [4; 5]);
        assert_ne!(text, fingerprint(&SecretKey::from_bytes([2; 32]).public()));
    }
}
