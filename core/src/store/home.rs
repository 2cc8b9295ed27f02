//! Whose store this is: the secret key (0600) and the incarnation.
//!
//! The incarnation is kept beside the journal with the device and inode number of the journal's
//! directory. A copied or restored store has another directory, so it gets another incarnation,
//! and two stores with one key never write two changes under one (actor, number).

use std::path::{Path, PathBuf};

use super::error::StoreError;
use super::vfs::{DirectoryId, Privacy, Vfs, read_small, replace};
use crate::identity::{KeyUse, SecretKey, read_key_file, write_key_file};
use crate::ids::{Actor, ChangeHash, PublicKey};

/// Key and incarnation of an open store.
#[derive(Debug, Clone)]
pub struct Identity {
    key: SecretKey,
    incarnation: [u8; 4],
}

impl Identity {
    /// The secret key. Its `Debug` shows nothing of it.
    #[must_use]
    pub fn key(&self) -> &SecretKey {
        &self.key
    }

    /// The public key: the device's name.
    #[must_use]
    pub fn public(&self) -> PublicKey {
        self.key.public()
    }

    /// Under which changes are written now.
    #[must_use]
    pub fn actor(&self) -> Actor {
        Actor::new(self.key.public(), self.incarnation)
    }
}

/// Randomness for a store that is new or was copied; unused otherwise.
#[derive(Clone)]
pub struct Entropy {
    /// Becomes the secret key of a new store.
    pub key: [u8; 32],
    /// Becomes the incarnation of a new or copied store.
    pub incarnation: [u8; 4],
}

impl std::fmt::Debug for Entropy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Entropy(..)")
    }
}

/// Why the store has another incarnation than before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Renewed {
    /// The directory is not the one it was: copied or restored.
    Copied,
    /// The incarnation's file was missing or unreadable.
    Unreadable,
    /// The journal is shorter than what the index had seen: acts may be out in the world that this
    /// store has forgotten.
    Shortened,
    /// A peer showed an own act that this store did not make.
    Equivocation,
}

fn key_path(home: &Path) -> PathBuf {
    home.join("key")
}

fn incarnation_path(home: &Path) -> PathBuf {
    home.join("incarnation")
}

/// Is there a store in this directory?
pub(super) fn exists(vfs: &dyn Vfs, home: &Path) -> Result<bool, StoreError> {
    let path = key_path(home);
    vfs.exists(&path).map_err(StoreError::io("looking for", &path))
}

/// Reads the identity, or makes it in a new store.
pub(super) fn open(
    vfs: &dyn Vfs,
    home: &Path,
    journal: &Path,
    entropy: &Entropy,
) -> Result<(Identity, Option<Renewed>), StoreError> {
    let path = key_path(home);
    let read = read_small(vfs, &path).map_err(StoreError::io("reading", &path))?;
    let Some(bytes) = read else {
        let key = SecretKey::from_bytes(entropy.key);
        let identity = Identity { key, incarnation: entropy.incarnation };
        save_incarnation(vfs, home, journal, identity.incarnation)?;
        let file = write_key_file(&identity.key, KeyUse::Device);
        replace(vfs, &path, &file, Privacy::Owner).map_err(StoreError::io("writing", &path))?;
        return Ok((identity, None));
    };
    let key =
        read_key_file(&bytes, KeyUse::Device).map_err(|error| StoreError::Identity(error.to_string(), path.clone()))?;
    let path = incarnation_path(home);
    let kept = read_small(vfs, &path).map_err(StoreError::io("reading", &path))?;
    let here = vfs.directory_id(journal).map_err(StoreError::io("looking at", journal))?;
    let renewed = match kept.as_deref().and_then(parse_incarnation) {
        Some((incarnation, there)) if there == here => return Ok((Identity { key, incarnation }, None)),
        Some(_) => Renewed::Copied,
        None => Renewed::Unreadable,
    };
    save_incarnation(vfs, home, journal, entropy.incarnation)?;
    Ok((Identity { key, incarnation: entropy.incarnation }, Some(renewed)))
}

/// Takes a new incarnation, durably, before anything is written under it.
pub(super) fn renew(
    vfs: &dyn Vfs,
    home: &Path,
    journal: &Path,
    identity: &mut Identity,
    incarnation: [u8; 4],
) -> Result<(), StoreError> {
    save_incarnation(vfs, home, journal, incarnation)?;
    identity.incarnation = incarnation;
    Ok(())
}

/// An incarnation that follows from the present one and the foreign act that made it necessary:
/// two copies of one store see different acts of each other, so they part.
pub(super) fn parted(identity: &Identity, foreign: &ChangeHash) -> [u8; 4] {
    let mut hasher = blake3::Hasher::new_derive_key("outlet 2026 parted incarnation v1");
    let hash = hasher.update(&identity.actor().0).update(&foreign.0).finalize();
    hash.as_bytes().first_chunk().copied().unwrap_or_default()
}

fn save_incarnation(vfs: &dyn Vfs, home: &Path, journal: &Path, incarnation: [u8; 4]) -> Result<(), StoreError> {
    let here = vfs.directory_id(journal).map_err(StoreError::io("looking at", journal))?;
    let text = format!(
        "outlet-incarnation 1\n{}\n{} {}\n",
        data_encoding::HEXLOWER.encode(&incarnation),
        here.device,
        here.inode
    );
    let path = incarnation_path(home);
    replace(vfs, &path, text.as_bytes(), Privacy::Owner).map_err(StoreError::io("writing", &path))
}

fn parse_incarnation(bytes: &[u8]) -> Option<([u8; 4], DirectoryId)> {
    let mut lines = std::str::from_utf8(bytes).ok()?.lines();
    if lines.next()? != "outlet-incarnation 1" {
        return None;
    }
    let incarnation = data_encoding::HEXLOWER.decode(lines.next()?.as_bytes()).ok()?.try_into().ok()?;
    let (device, inode) = lines.next()?.split_once(' ')?;
    Some((incarnation, DirectoryId { device: device.parse().ok()?, inode: inode.parse().ok()? }))
}
