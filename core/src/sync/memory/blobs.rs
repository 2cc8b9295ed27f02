//! Files in memory.

use std::collections::BTreeMap;

use sha2::{Digest as _, Sha256};

use super::{MemoryReplica, peer_error};
use crate::identity::{BlobReceipt, Roster, SecretKey, SignedBlobReceipt};
use crate::ids::{BlobHash, DocKey, PublicKey};
use crate::sync::parts::Parts;
use crate::sync::replica::{BlobClass, BlobFinish, BlobList, BlobOffer, BlobQuery, BlobWant, ReplicaError, Sealed};
use crate::time::Timestamp;

#[derive(Debug, Clone, Default)]
pub(super) struct Blobs {
    files: BTreeMap<BlobHash, File>,
    next_order: u64,
}

#[derive(Debug, Clone)]
struct File {
    offer: BlobOffer,
    bytes: Vec<u8>,
    /// Of a file that is coming: what is here.
    here: Parts,
    /// All bytes are here and have the hash.
    complete: bool,
    /// Own files: what the server signed, or that it has it.
    confirmed: bool,
    own: bool,
    order: u64,
}

impl MemoryReplica {
    /// Adds a file of this side, to be sent.
    pub fn add_blob(&mut self, doc: DocKey, class: BlobClass, original: Option<BlobHash>, bytes: Vec<u8>) -> BlobHash {
        let hash = BlobHash(Sha256::digest(&bytes).into());
        let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        let offer = BlobOffer { hash, bytes: length, class, doc, original };
        let order = self.blobs.next_order;
        self.blobs.next_order += 1;
        let here = Parts::first(length);
        let file = File { offer, bytes, here, complete: true, confirmed: false, own: true, order };
        self.blobs.files.entry(hash).or_insert(file);
        hash
    }

    /// The bytes of a complete file.
    #[must_use]
    pub fn blob(&self, hash: &BlobHash) -> Option<&[u8]> {
        self.blobs.files.get(hash).filter(|file| file.complete).map(|file| file.bytes.as_slice())
    }

    /// Bytes of a file that are here, complete or not.
    #[must_use]
    pub fn blob_progress(&self, hash: &BlobHash) -> usize {
        self.blobs.files.get(hash).map_or(0, |file| usize::try_from(file.here.bytes()).unwrap_or(usize::MAX))
    }

    /// Whether a server has confirmed one of our files.
    #[must_use]
    pub fn blob_is_safe(&self, hash: &BlobHash) -> bool {
        self.blobs.files.get(hash).is_some_and(|file| file.confirmed)
    }

    /// Own files, complete, by hash.
    pub fn own_blobs(&self) -> impl Iterator<Item = &BlobHash> {
        self.blobs.files.values().filter(|file| file.own).map(|file| &file.offer.hash)
    }

    /// Damages a file where it lies, as a disk might.
    pub fn spoil_blob(&mut self, hash: &BlobHash) {
        if let Some(byte) = self.blobs.files.get_mut(hash).and_then(|file| file.bytes.first_mut()) {
            *byte ^= 0x55;
        }
    }
}

impl Blobs {
    pub(super) fn to_send(&self, _: &PublicKey, query: &BlobQuery) -> BlobList {
        let open: Vec<_> = self.files.values().filter(|file| file.own && !file.confirmed).collect();
        let mut offers: Vec<_> = open
            .iter()
            .filter(|file| !query.exclude.contains(&file.offer.hash))
            .filter(|file| query.originals || file.offer.class == BlobClass::Preview)
            .collect();
        offers.sort_by_key(|file| (file.offer.class != BlobClass::Preview, std::cmp::Reverse(file.order)));
        let photos = open.iter().filter(|file| file.offer.class != BlobClass::Preview).count();
        BlobList {
            offers: offers.into_iter().take(query.max).map(|file| file.offer.clone()).collect(),
            pending: u64::try_from(photos).unwrap_or(u64::MAX),
            pending_bytes: open.iter().map(|file| file.offer.bytes).sum(),
        }
    }

    pub(super) fn read(&self, hash: &BlobHash, offset: u64, len: usize) -> Result<Vec<u8>, ReplicaError> {
        let file = self.files.get(hash).ok_or_else(|| ReplicaError::NotFound(format!("file {hash}")))?;
        let start = usize::try_from(offset).unwrap_or(usize::MAX).min(file.bytes.len());
        let end = start.saturating_add(len).min(file.bytes.len());
        Ok(file.bytes.get(start..end).unwrap_or_default().to_vec())
    }

    pub(super) fn begin(&mut self, offer: &BlobOffer) -> BlobWant {
        let file = self.files.entry(offer.hash).or_insert_with(|| File {
            offer: offer.clone(),
            bytes: Vec::new(),
            here: Parts::default(),
            complete: false,
            confirmed: false,
            own: false,
            order: 0,
        });
        if file.complete {
            return BlobWant::Have(None);
        }
        BlobWant::Parts(file.here.missing(file.offer.bytes).to_list())
    }

    pub(super) fn write(&mut self, hash: &BlobHash, offset: u64, bytes: &[u8]) -> Result<(), ReplicaError> {
        let file = self.files.get_mut(hash).ok_or_else(|| ReplicaError::NotFound(format!("file {hash}")))?;
        let start = usize::try_from(offset).unwrap_or(usize::MAX);
        let end = start.saturating_add(bytes.len());
        let length = u64::try_from(end).unwrap_or(u64::MAX);
        if length > file.offer.bytes || file.complete {
            return Err(ReplicaError::Peer(format!("bytes of file {hash} out of place")));
        }
        if file.bytes.len() < end {
            file.bytes.resize(end, 0);
        }
        file.bytes.splice(start..end, bytes.iter().copied());
        file.here.add(offset, length);
        Ok(())
    }

    pub(super) fn finish(
        &mut self,
        _: &PublicKey,
        hash: &BlobHash,
        signer: Option<&SecretKey>,
        now: Timestamp,
    ) -> Result<BlobFinish, ReplicaError> {
        let file = self.files.get_mut(hash).ok_or_else(|| ReplicaError::NotFound(format!("file {hash}")))?;
        if BlobHash(Sha256::digest(&file.bytes).into()) != *hash {
            self.files.remove(hash);
            return Ok(BlobFinish::HashMismatch);
        }
        file.complete = true;
        let receipt = BlobReceipt { sha256: *hash, bytes: file.offer.bytes, at: now };
        let sealed = signer.map(|key| Sealed(SignedBlobReceipt::sign(key, receipt).to_bytes()));
        Ok(BlobFinish::Stored(sealed))
    }

    pub(super) fn stored(
        &mut self,
        _: &PublicKey,
        hash: &BlobHash,
        receipt: Option<&Sealed>,
        roster: &Roster,
    ) -> Result<(), ReplicaError> {
        if let Some(sealed) = receipt {
            let signed = SignedBlobReceipt::from_bytes(&sealed.0).map_err(peer_error)?;
            let receipt = roster.check_signer(&signed).map_err(peer_error)?;
            if receipt.sha256 != *hash {
                return Err(ReplicaError::Peer(format!("a receipt for another file than {hash}")));
            }
        }
        let file = self.files.get_mut(hash).ok_or_else(|| ReplicaError::NotFound(format!("file {hash}")))?;
        file.confirmed = true;
        Ok(())
    }
}
