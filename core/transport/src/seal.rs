//! Sealing bundles: age files (v1) whose recipients are the X25519 forms of device and server keys.
//!
//! Ed25519 and X25519 are one curve in two coordinates, so that each member can be written to
//! without a key of its own for that, and without any enrolment being repeated. The same key pair for signatures
//! and for this kind of key agreement is known to be sound (eprint 2021/509); the threat model says what
//! follows from it.

use std::io::{Read, Write};

use age::stream::{StreamReader, StreamWriter};
use age::x25519::{Identity, Recipient};
use bech32::{Bech32, Hrp};
use outlet_core::identity::{SecretKey, to_x25519};
use outlet_core::ids::PublicKey;
use zeroize::Zeroizing;

/// Why nothing was sealed or opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SealError {
    /// No recipient, or one whose key is no point of the curve.
    #[error("there is nobody to seal it for")]
    NoRecipient,
    /// Not an age file.
    #[error("it is not a sealed file")]
    NotSealed,
    /// Sealed for others.
    #[error("it is sealed for others: this key is not among those it was made for")]
    ForOthers,
    /// Altered or cut short in its first bytes.
    #[error("its beginning is damaged")]
    Damaged,
    /// The file.
    #[error("it could not be read or written")]
    Io(#[from] std::io::Error),
}

/// Seals for these keys. Whoever has one of the secret keys can open it; nothing in the file names
/// the keys.
///
/// # Errors
/// [`SealError::NoRecipient`], [`SealError::Io`]. Call `finish` on the writer at the end.
pub fn seal<W: Write>(out: W, keys: &[PublicKey]) -> Result<StreamWriter<W>, SealError> {
    let recipients: Vec<Recipient> = keys.iter().filter_map(recipient).collect();
    if recipients.len() != keys.len() || recipients.is_empty() {
        return Err(SealError::NoRecipient);
    }
    let recipients = recipients.iter().map(|recipient| recipient as &dyn age::Recipient);
    let encryptor = age::Encryptor::with_recipients(recipients).map_err(|_| SealError::NoRecipient)?;
    Ok(encryptor.wrap_output(out)?)
}

/// Opens what was sealed for this key. Each read is authenticated; a cut shows as an error before
/// the end.
///
/// # Errors
/// [`SealError`].
pub fn open<R: Read>(input: R, key: &SecretKey) -> Result<StreamReader<R>, SealError> {
    let decryptor = age::Decryptor::new(input).map_err(of_age)?;
    let identity = identity(key).ok_or(SealError::ForOthers)?;
    decryptor.decrypt(std::iter::once(&identity as &dyn age::Identity)).map_err(of_age)
}

fn of_age(error: age::DecryptError) -> SealError {
    match error {
        age::DecryptError::NoMatchingKeys => SealError::ForOthers,
        age::DecryptError::InvalidHeader | age::DecryptError::UnknownFormat => SealError::NotSealed,
        age::DecryptError::Io(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => SealError::NotSealed,
        age::DecryptError::Io(error) => SealError::Io(error),
        _ => SealError::Damaged,
    }
}

fn recipient(key: &PublicKey) -> Option<Recipient> {
    let bytes = to_x25519(key)?;
    let text = bech32::encode::<Bech32>(Hrp::parse("age").ok()?, &bytes).ok()?;
    text.parse().ok()
}

fn identity(key: &SecretKey) -> Option<Identity> {
    let bytes = key.to_x25519();
    let text = bech32::encode_upper::<Bech32>(Hrp::parse("age-secret-key-").ok()?, &bytes[..]).ok()?;
    Zeroizing::new(text).parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_those_it_was_made_for_open_it_and_a_cut_is_noticed() {
        let keys: Vec<SecretKey> = (1..4).map(|seed| SecretKey::from_bytes([seed; 32])).collect();
        let publics: Vec<PublicKey> = keys.iter().map(SecretKey::public).collect();
        let plain: Vec<u8> = (0..200_000_u32).map(|n| (n % 251) as u8).collect();
        let mut writer = seal(Vec::new(), &publics[..2]).unwrap();
        writer.write_all(&plain).unwrap();
        let sealed = writer.finish().unwrap();
        for key in &keys[..2] {
            let mut got = Vec::new();
            open(&sealed[..], key).unwrap().read_to_end(&mut got).unwrap();
            assert_eq!(got, plain);
        }
        assert!(matches!(open(&sealed[..], &keys[2]), Err(SealError::ForOthers)));
        assert!(matches!(open(&b"something else"[..], &keys[0]), Err(SealError::NotSealed)));
        let mut got = Vec::new();
        assert!(open(&sealed[..sealed.len() - 1], &keys[0]).unwrap().read_to_end(&mut got).is_err());
        let mut bent = sealed.clone();
        let last = bent.len() - 40;
        bent[last] ^= 1;
        assert!(open(&bent[..], &keys[0]).unwrap().read_to_end(&mut got).is_err());
        assert!(matches!(seal(Vec::new(), &[]), Err(SealError::NoRecipient)));
        assert!(matches!(seal(Vec::new(), &[PublicKey([0; 32])]), Err(SealError::NoRecipient)), "a weak key");
    }
}
