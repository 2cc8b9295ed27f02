//! Reading a bundle: every limit before an allocation, every count checked, nothing believed
//! before the end.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read};

use sha2::{Digest as _, Sha256};

use super::frames::{CONTEXT, End, Frame, Header, MAGIC};
use crate::identity::{Purpose, verify};
use crate::ids::{BlobHash, Collection, PublicKey};
use crate::sync::parts::Parts;
use crate::sync::replica::{Batch, BlobFinish, BlobOffer, BlobWant, FeedItem, Outcome, Replica, ReplicaError};
use crate::sync::wire::{MAX_CHUNK_BYTES, MAX_COLLECTIONS, MAX_FRAME_BYTES, WireError, unpack};
use crate::time::Timestamp;

/// Most batches and most files of a bundle: a medium full of nothing ends, too.
const MAX_PARTS: u64 = 1_000_000;

/// Why a bundle is not used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BundleError {
    /// Not a bundle at all.
    #[error("it is not a bundle of this program")]
    NotABundle,
    /// It ends before its end.
    #[error("it is cut short: copy it again, or export it again")]
    Truncated,
    /// Not what its maker signed.
    #[error("it is damaged or was altered ({0}); nothing of it was used: copy it again, or export it again")]
    Damaged(&'static str),
    /// A batch that does not unpack.
    #[error("it holds a batch that does not unpack; nothing of it was used")]
    Batch(#[source] WireError),
    /// The medium.
    #[error("it could not be read")]
    Io(#[source] io::Error),
    /// The store that takes it.
    #[error(transparent)]
    Replica(#[from] ReplicaError),
}

/// One part of a bundle, in the order of the file.
#[derive(Debug, PartialEq, Eq)]
pub enum Part {
    /// Items to be admitted together.
    Batch(Batch),
    /// A file begins; so many bytes of [`Part::Data`] follow.
    File(BlobOffer),
    /// Bytes of the file that began last.
    Data(Vec<u8>),
}

/// A bundle being read.
#[derive(Debug)]
pub struct Reader<R> {
    input: R,
    hasher: blake3::Hasher,
    header: Header,
    batches: u64,
    files: u64,
    /// Bytes of the open file that have not come yet.
    left: u64,
    ended: bool,
}

impl<R: Read> Reader<R> {
    /// Reads the header.
    ///
    /// # Errors
    /// [`BundleError`].
    pub fn new(mut input: R) -> Result<Self, BundleError> {
        let mut magic = [0; MAGIC.len()];
        input.read_exact(&mut magic).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => BundleError::NotABundle,
            _ => BundleError::Io(error),
        })?;
        if &magic != MAGIC {
            return Err(BundleError::NotABundle);
        }
        let mut hasher = blake3::Hasher::new_derive_key(CONTEXT);
        hasher.update(&magic);
        let (frame, _) = frame(&mut input, &mut hasher)?;
        let Frame::Header(header) = frame else { return Err(BundleError::Damaged("it has no header")) };
        let sorted = header.collections.is_sorted_by(|a, b| a < b) && header.collections.len() <= MAX_COLLECTIONS;
        if !sorted {
            return Err(BundleError::Damaged("its collections are not in order"));
        }
        Ok(Self { input, hasher, header, batches: 0, files: 0, left: 0, ended: false })
    }

    /// Who made it.
    #[must_use]
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The next part; `None` after an end that the maker signed and that fits.
    ///
    /// # Errors
    /// [`BundleError`].
    pub fn next_part(&mut self) -> Result<Option<Part>, BundleError> {
        if self.ended {
            return Ok(None);
        }
        let (frame, before) = frame(&mut self.input, &mut self.hasher)?;
        match frame {
            Frame::Batch(packed) if self.left == 0 && self.files == 0 => {
                self.batches += 1;
                limit(self.batches)?;
                let batch = unpack(&packed).map_err(BundleError::Batch)?;
                if !batch.cursors.is_empty() {
                    return Err(BundleError::Damaged("a batch moves cursors"));
                }
                Ok(Some(Part::Batch(batch)))
            }
            Frame::File(offer) if self.left == 0 => {
                self.files += 1;
                limit(self.files)?;
                self.left = offer.bytes;
                Ok(Some(Part::File(offer)))
            }
            Frame::Data(bytes) => {
                let length = bytes.len() as u64;
                if length == 0 || bytes.len() > MAX_CHUNK_BYTES || length > self.left {
                    return Err(BundleError::Damaged("bytes of a file out of place"));
                }
                self.left -= length;
                Ok(Some(Part::Data(bytes)))
            }
            Frame::End(end) if self.left == 0 => {
                self.end(&end, &before)?;
                Ok(None)
            }
            _ => Err(BundleError::Damaged("its parts are out of order")),
        }
    }

    fn end(&mut self, end: &End, before: &blake3::Hash) -> Result<(), BundleError> {
        let counted = end.batches == self.batches && end.files == self.files;
        if !counted || end.hash != *before.as_bytes() {
            return Err(BundleError::Damaged("its end does not fit"));
        }
        verify(&self.header.maker, Purpose::Bundle, &end.hash, &end.signature)
            .map_err(|_| BundleError::Damaged("its signature is not of its maker"))?;
        if self.input.read(&mut [0]).map_err(reading)? > 0 {
            return Err(BundleError::Damaged("something follows its end"));
        }
        self.ended = true;
        Ok(())
    }
}

/// Reads a frame; also the hash of everything before it.
fn frame(input: &mut impl Read, hasher: &mut blake3::Hasher) -> Result<(Frame, blake3::Hash), BundleError> {
    let before = hasher.finalize();
    let mut length = [0; 4];
    input.read_exact(&mut length).map_err(reading)?;
    let announced = u32::from_be_bytes(length);
    if usize::try_from(announced).unwrap_or(usize::MAX) > MAX_FRAME_BYTES {
        return Err(BundleError::Damaged("a part is larger than any may be"));
    }
    let mut body = Vec::new();
    input.take(u64::from(announced)).read_to_end(&mut body).map_err(reading)?;
    if body.len() as u64 != u64::from(announced) {
        return Err(BundleError::Truncated);
    }
    hasher.update(&length).update(&body);
    let mut decoder = minicbor::Decoder::new(&body);
    let frame = decoder.decode().map_err(|_| BundleError::Damaged("a part does not decode"))?;
    if decoder.position() != body.len() {
        return Err(BundleError::Damaged("a part is longer than its content"));
    }
    Ok((frame, before))
}

fn reading(error: io::Error) -> BundleError {
    if error.kind() == io::ErrorKind::UnexpectedEof { BundleError::Truncated } else { BundleError::Io(error) }
}

fn limit(parts: u64) -> Result<(), BundleError> {
    if parts > MAX_PARTS { Err(BundleError::Damaged("it has more parts than any may have")) } else { Ok(()) }
}

/// What a bundle that was read to its end holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contents {
    /// Who made it, of what.
    pub header: Header,
    /// Changes.
    pub changes: u64,
    /// Files.
    pub files: u64,
    /// Their bytes.
    pub file_bytes: u64,
}

/// Reads a bundle to its end and uses nothing: order, counts, hashes of files, the maker's signature.
///
/// # Errors
/// [`BundleError`].
pub fn check(input: impl Read) -> Result<Contents, BundleError> {
    let mut reader = Reader::new(input)?;
    let mut contents = Contents { header: reader.header().clone(), changes: 0, files: 0, file_bytes: 0 };
    let mut open: Option<(BlobHash, Sha256)> = None;
    loop {
        let part = reader.next_part()?;
        if !matches!(part, Some(Part::Data(_)))
            && let Some((hash, hasher)) = open.take()
            && hash.0 != *hasher.finalize()
        {
            return Err(BundleError::Damaged("a file is not the one it is named after"));
        }
        match part {
            None => return Ok(contents),
            Some(Part::Batch(batch)) => contents.changes += changes(&batch),
            Some(Part::File(offer)) => {
                contents.files += 1;
                contents.file_bytes = contents.file_bytes.saturating_add(offer.bytes);
                open = Some((offer.hash, Sha256::new()));
            }
            Some(Part::Data(bytes)) => {
                if let Some((_, hasher)) = &mut open {
                    hasher.update(&bytes);
                }
            }
        }
    }
}

fn changes(batch: &Batch) -> u64 {
    let of = |item: &FeedItem| if let FeedItem::Run(run) = item { run.changes.len() as u64 } else { 0 };
    batch.items.iter().map(of).sum()
}

/// What became of the parts of a bundle.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Imported {
    /// Changes that were new here.
    pub new_changes: u64,
    /// Changes that the bundle holds, of collections taken here.
    pub changes: u64,
    /// Runs held by a ruling.
    pub held: u64,
    /// Runs kept until what they build on comes.
    pub waiting: u64,
    /// Runs refused, by stable code.
    pub refused: BTreeMap<String, u64>,
    /// Changes left out because this side does not follow their collection.
    pub elsewhere: u64,
    /// Files that are here now and were not before.
    pub files: u64,
    /// Files that were here already.
    pub known_files: u64,
    /// Files not taken, by stable code.
    pub refused_files: BTreeMap<String, u64>,
}

/// Takes a bundle that [`check`] has found whole. Repeated, it changes nothing.
///
/// `carrier` is who the store believes brought it. Items of collections outside `wanted` are left out.
///
/// # Errors
/// [`BundleError::Replica`] when the store fails: what was taken before stays, and the same bundle
/// can be imported again.
pub fn import<R: Replica + ?Sized>(
    input: impl Read,
    replica: &mut R,
    carrier: &PublicKey,
    wanted: &BTreeSet<Collection>,
    now: Timestamp,
) -> Result<Imported, BundleError> {
    let mut reader = Reader::new(input)?;
    let mut imported = Imported::default();
    let mut open: Option<Open> = None;
    loop {
        let part = reader.next_part()?;
        if !matches!(part, Some(Part::Data(_)))
            && let Some(file) = open.take()
        {
            file.finish(replica, carrier, now, &mut imported)?;
        }
        match part {
            None => return Ok(imported),
            Some(Part::Batch(batch)) => admit(replica, carrier, wanted, batch, now, &mut imported)?,
            Some(Part::File(offer)) if wanted.contains(&offer.doc.collection) => {
                open = begin(replica, carrier, &offer, now, &mut imported)?;
            }
            Some(Part::File(_)) => *imported.refused_files.entry("elsewhere".to_owned()).or_default() += 1,
            Some(Part::Data(bytes)) => {
                if let Some(file) = &mut open {
                    file.write(replica, &bytes)?;
                }
            }
        }
    }
}

fn admit<R: Replica + ?Sized>(
    replica: &mut R,
    carrier: &PublicKey,
    wanted: &BTreeSet<Collection>,
    mut batch: Batch,
    now: Timestamp,
    imported: &mut Imported,
) -> Result<(), ReplicaError> {
    let all = changes(&batch);
    batch.items.retain(|item| match item {
        FeedItem::Run(run) => wanted.contains(&run.doc.collection) || run.doc.collection == Collection::REFERENCE,
        _ => true,
    });
    let taken = changes(&batch);
    imported.changes += taken;
    imported.elsewhere += all - taken;
    if batch.items.is_empty() {
        return Ok(());
    }
    let admitted = replica.admit(carrier, &batch, now)?;
    imported.new_changes += admitted.new_changes;
    for (item, outcome) in batch.items.iter().zip(admitted.outcomes) {
        match outcome {
            Outcome::Held { .. } => imported.held += 1,
            Outcome::Waiting => imported.waiting += 1,
            Outcome::Refused { code, .. } if matches!(item, FeedItem::Run(_)) => {
                *imported.refused.entry(code).or_default() += 1;
            }
            Outcome::Stored { .. } | Outcome::Refused { .. } => {}
        }
    }
    Ok(())
}

/// A file on its way into the store.
struct Open {
    offer: BlobOffer,
    /// What is not here yet: the rest is skipped.
    missing: Parts,
    at: u64,
}

fn begin<R: Replica + ?Sized>(
    replica: &mut R,
    carrier: &PublicKey,
    offer: &BlobOffer,
    now: Timestamp,
    imported: &mut Imported,
) -> Result<Option<Open>, ReplicaError> {
    match replica.blob_begin(carrier, offer, now)? {
        BlobWant::Parts(list) => {
            let missing = Parts::from_list(&list).unwrap_or_else(|| Parts::first(offer.bytes));
            Ok(Some(Open { offer: offer.clone(), missing, at: 0 }))
        }
        BlobWant::Have(_) => {
            imported.known_files += 1;
            Ok(None)
        }
        BlobWant::Refused(code) => {
            *imported.refused_files.entry(code).or_default() += 1;
            Ok(None)
        }
    }
}

impl Open {
    fn write<R: Replica + ?Sized>(&mut self, replica: &mut R, bytes: &[u8]) -> Result<(), ReplicaError> {
        let end = self.at + bytes.len() as u64;
        for (from, to) in self.missing.iter() {
            let (from, to) = (from.max(self.at), to.min(end));
            let place = |at: u64| usize::try_from(at.saturating_sub(self.at)).unwrap_or(usize::MAX);
            if let Some(fresh) = bytes.get(place(from)..place(to)).filter(|fresh| !fresh.is_empty()) {
                replica.blob_write(&self.offer.hash, from, fresh)?;
            }
        }
        self.at = end;
        Ok(())
    }

    fn finish<R: Replica + ?Sized>(
        self,
        replica: &mut R,
        carrier: &PublicKey,
        now: Timestamp,
        imported: &mut Imported,
    ) -> Result<(), ReplicaError> {
        match replica.blob_finish(carrier, &self.offer.hash, now)? {
            BlobFinish::Stored(_) => imported.files += 1,
            BlobFinish::HashMismatch => *imported.refused_files.entry("hash_mismatch".to_owned()).or_default() += 1,
        }
        Ok(())
    }
}
