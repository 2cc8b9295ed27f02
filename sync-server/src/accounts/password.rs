//! Passwords: what may be one, and their argon2id hashes (RFC 9106; parameters of the crate's
//! default, 19 MiB, 2 passes, which is what OWASP asks for at least).

use std::sync::OnceLock;

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};

use super::AccountError;

/// Fewest characters (NIST SP 800-63B asks for 8 at least, and for no other rule of composition).
pub const MIN_PASSWORD: usize = 10;
/// Most characters: bounds the work.
pub const MAX_PASSWORD: usize = 200;

/// Says what is wrong with a password.
pub(super) fn check(password: &str, login: &str) -> Result<(), AccountError> {
    let length = password.chars().count();
    let one_character = password.chars().collect::<std::collections::BTreeSet<_>>().len() < 3;
    let why = match () {
        () if length < MIN_PASSWORD => "is too short",
        () if length > MAX_PASSWORD => "is too long",
        () if password.to_lowercase() == login.to_lowercase() => "is the login",
        () if one_character => "repeats one or two characters",
        () => return Ok(()),
    };
    Err(AccountError::Password(why))
}

/// The hash, as a PHC string with a random salt.
pub(super) fn hash(password: &str) -> Result<String, AccountError> {
    let wrong = |error: &dyn std::fmt::Display| AccountError::Hash(error.to_string());
    let salt: [u8; 16] = crate::env::random().map_err(|error| wrong(&error))?;
    let hash = Argon2::default().hash_password_with_salt(password.as_bytes(), &salt);
    Ok(hash.map_err(|error| wrong(&error))?.to_string())
}

/// Whether the password is the one of the hash. Without a hash it takes as long and is wrong.
pub(super) fn fits(password: &str, hash: Option<&str>) -> bool {
    static NOBODY: OnceLock<Option<String>> = OnceLock::new();
    let nobody = || NOBODY.get_or_init(|| self::hash("a password that nobody has").ok()).as_deref();
    let known = hash.is_some();
    let too_long = password.chars().count() > MAX_PASSWORD;
    let Some(Ok(parsed)) = hash.or_else(nobody).map(PasswordHash::new) else { return false };
    let fits = !too_long && Argon2::default().verify_password(password.as_bytes(), &parsed).is_ok();
    fits && known
}
