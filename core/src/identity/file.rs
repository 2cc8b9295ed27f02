//! The file that keeps a secret key: three lines of text, checked against each other.
//!
//! Writing it with the right permissions is the business of whoever owns the directory.

use std::fmt;

use data_encoding::HEXLOWER;
use zeroize::Zeroizing;

use super::key::SecretKey;
use crate::ids::PublicKey;

/// What a key in a file is for: a root key is not taken for a server's by renaming the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum KeyUse {
    /// A member's device.
    Device,
    /// A server.
    Server,
    /// The root, which signs server keys and stays offline.
    Root,
}

impl fmt::Display for KeyUse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Device => "device",
            Self::Server => "server",
            Self::Root => "root",
        })
    }
}

/// Why a key file was not read. No variant carries any of its content.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyFileError {
    /// Something else, or cut short.
    #[error("not a key file, or cut short: restore it from a backup")]
    NotAKeyFile,
    /// Of a later version.
    #[error("the key file was written by a newer version: update this program")]
    NewerVersion,
    /// For something else.
    #[error("this is the key of a {found}, not of a {expected}: give the right file")]
    OtherUse {
        /// What was asked for.
        expected: KeyUse,
        /// What it is.
        found: KeyUse,
    },
    /// The lines do not fit each other.
    #[error("the key file is damaged (the secret does not belong to the public key in it): restore it from a backup")]
    Damaged,
}

const FIRST_WORDS: &str = "outlet-secret-key ";

/// The content of a key file. Wiped when dropped.
#[must_use]
pub fn write_key_file(key: &SecretKey, usage: KeyUse) -> Zeroizing<Vec<u8>> {
    let secret = Zeroizing::new(HEXLOWER.encode(&key.expose()[..]));
    // Reserved at once: growing would leave a copy of the secret behind.
    let mut text = Zeroizing::new(String::with_capacity(256));
    for part in [FIRST_WORDS, "1 ", &usage.to_string(), "\n", &key.public().to_string(), "\n", &secret, "\n"] {
        text.push_str(part);
    }
    Zeroizing::new(std::mem::take(&mut *text).into_bytes())
}

/// Reads a key file that must be for this use.
///
/// # Errors
/// [`KeyFileError`].
pub fn read_key_file(bytes: &[u8], expected: KeyUse) -> Result<SecretKey, KeyFileError> {
    let text = std::str::from_utf8(bytes).map_err(|_| KeyFileError::NotAKeyFile)?;
    let mut lines = text.lines();
    let mut next = || lines.next().ok_or(KeyFileError::NotAKeyFile);
    let usage = next()?.strip_prefix(FIRST_WORDS).ok_or(KeyFileError::NotAKeyFile)?;
    let Some(usage) = usage.strip_prefix("1 ") else {
        let version = usage.split(' ').next().and_then(|version| version.parse::<u32>().ok());
        return Err(version.map_or(KeyFileError::NotAKeyFile, |_| KeyFileError::NewerVersion));
    };
    let uses = [KeyUse::Device, KeyUse::Server, KeyUse::Root];
    let found = uses.into_iter().find(|known| known.to_string() == usage).ok_or(KeyFileError::NotAKeyFile)?;
    if found != expected {
        return Err(KeyFileError::OtherUse { expected, found });
    }
    let public: PublicKey = next()?.parse().map_err(|_| KeyFileError::NotAKeyFile)?;
    let secret = Zeroizing::new(HEXLOWER.decode(next()?.as_bytes()).map_err(|_| KeyFileError::NotAKeyFile)?);
    let seed = <[u8; 32]>::try_from(&secret[..]).map_err(|_| KeyFileError::NotAKeyFile)?;
    let key = SecretKey::from_bytes(seed);
    if key.public() == public { Ok(key) } else { Err(KeyFileError::Damaged) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_file_gives_back_its_key_for_its_use_only() {
        let key = SecretKey::from_bytes([3; 32]);
        let file = write_key_file(&key, KeyUse::Server);
        assert_eq!(read_key_file(&file, KeyUse::Server).unwrap().public(), key.public());
        let wrong = read_key_file(&file, KeyUse::Root).unwrap_err();
        assert_eq!(wrong, KeyFileError::OtherUse { expected: KeyUse::Root, found: KeyUse::Server });
    }

    #[test]
    fn the_released_key_file_stays_readable() {
        let secret = "03".repeat(32);
        let file = format!("outlet-secret-key 1 device\n{}\n{secret}\n", SecretKey::from_bytes([3; 32]).public());
        assert_eq!(file.as_bytes(), &write_key_file(&SecretKey::from_bytes([3; 32]), KeyUse::Device)[..]);
        assert!(read_key_file(file.as_bytes(), KeyUse::Device).is_ok());
    }

    #[test]
    fn every_cut_and_every_damage_is_noticed() {
        let file = write_key_file(&SecretKey::from_bytes([3; 32]), KeyUse::Device);
        for end in 0..file.len() - 1 {
            assert!(read_key_file(&file[..end], KeyUse::Device).is_err(), "cut at {end}");
        }
        for at in 0..file.len() - 1 {
            let mut bent = file.to_vec();
            bent[at] ^= 1;
            assert!(read_key_file(&bent, KeyUse::Device).is_err(), "byte {at}");
        }
        let newer = b"outlet-secret-key 2 device\nwhatever\n";
        assert_eq!(read_key_file(newer, KeyUse::Device).unwrap_err(), KeyFileError::NewerVersion);
    }

    #[test]
    fn an_error_shows_nothing_of_the_secret() {
        let mut file = write_key_file(&SecretKey::from_bytes([0xab; 32]), KeyUse::Device).to_vec();
        let last = file.len() - 2;
        file[last] = b'0';
        let error = read_key_file(&file, KeyUse::Device).unwrap_err();
        assert!(!format!("{error} {error:?}").contains("abab"));
    }
}
