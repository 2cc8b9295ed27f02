//! Batches as they travel: one zstd stream per direction and session, flushed after each batch.
//!
//! A batch by itself is too short to compress well; in one stream the second refers to the first,
//! and the first to a dictionary that both sides have. Signatures and keys, which
//! no compression touches, stand together at the end of a batch, so that they do not spoil the
//! statistics of the texts. A batch is cut into parts: on a slow link each part that arrives says
//! that something moves.

use minicbor::{Decoder, Encoder, decode, encode};
use zstd::stream::raw::{CParameter, DParameter, InBuffer, Operation, OutBuffer};
use zstd::stream::raw::{Decoder as Inflate, Encoder as Deflate};

use super::compact;
use super::replica::{Batch, FeedItem};
use super::wire::{MAX_BATCH_BYTES, MAX_BATCH_CHANGES, MAX_BATCH_ITEMS, MAX_COLLECTIONS, WireError};
use crate::identity::SignedRun;
use crate::ids::{DocKey, Signature};

/// Texts that entries are made of, as both sides know them before the first batch. Version 1 of the
/// protocol pins it.
pub(super) const DICTIONARY: &[u8] = include_bytes!("dictionary-v1.txt");
/// Bytes of a batch in one frame.
pub const MAX_PART_BYTES: usize = 32 << 10;
/// Base-2 logarithm of the largest zstd window accepted: 2 MiB.
pub const MAX_WINDOW_LOG: u32 = 21;

/// A good window for a long stream, and the least there is: a session with a few changes should not
/// make a server reserve a megabyte.
const WINDOW_LOG: std::ops::RangeInclusive<u32> = 15..=20;
const LEVEL: i32 = 3;
const CHUNK: usize = 32 << 10;

/// Kind of an item that is a run in its short form.
const SHORT_RUN: u8 = 6;
/// Collection and kind, in front of a document's id.
const PLACE_BYTES: usize = 4;
const ID_BYTES: usize = 16;
const NOISE_BYTES: usize = ID_BYTES + 64;

/// Compresses the batches of one direction.
#[derive(Default)]
pub struct Packer(Option<Deflate<'static>>);

/// Reads the batches of one direction, part by part.
#[derive(Default)]
pub struct Unpacker {
    stream: Option<Inflate<'static>>,
    plain: Vec<u8>,
}

impl std::fmt::Debug for Packer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Packer").finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Unpacker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Unpacker").field("plain", &self.plain.len()).finish_non_exhaustive()
    }
}

impl Packer {
    /// The next batch of the stream. `expected` is about how many bytes will follow it in the
    /// session, as far as is known: it decides the window.
    ///
    /// # Errors
    /// [`WireError::TooLarge`] when it could not be unpacked again.
    pub fn pack(&mut self, batch: &Batch, expected: u64) -> Result<Vec<u8>, WireError> {
        let (plain, noise_at) = write(batch);
        let bytes = plain.len();
        if bytes > MAX_BATCH_BYTES {
            return Err(WireError::TooLarge { what: "a batch", bytes, limit: MAX_BATCH_BYTES });
        }
        let expected = expected.saturating_add(bytes as u64);
        let stream = match &mut self.0 {
            Some(stream) => stream,
            empty => empty.insert(deflate(expected).map_err(WireError::Zstd)?),
        };
        let mut packed = Vec::new();
        let (texts, noise) = plain.split_at(noise_at);
        for section in [texts, noise] {
            run(stream, section, &mut packed, usize::MAX).map_err(WireError::Zstd)?;
            flush(stream, &mut packed).map_err(WireError::Zstd)?;
        }
        Ok(packed)
    }
}

impl Unpacker {
    /// Takes the next part; answers the batch with its last one.
    ///
    /// # Errors
    /// [`WireError`]; what it inflates is bounded by [`MAX_BATCH_BYTES`], after which the stream is
    /// of no more use.
    pub fn part(&mut self, packed: &[u8], last: bool) -> Result<Option<Batch>, WireError> {
        let stream = match &mut self.stream {
            Some(stream) => stream,
            empty => empty.insert(inflate().map_err(WireError::Zstd)?),
        };
        let most = MAX_BATCH_BYTES + 1;
        if run(stream, packed, &mut self.plain, most).map_err(WireError::Zstd)? {
            return Err(WireError::Trailing(packed.len()));
        }
        if self.plain.len() > MAX_BATCH_BYTES {
            return Err(WireError::TooLarge { what: "a batch", bytes: self.plain.len(), limit: MAX_BATCH_BYTES });
        }
        if !last {
            return Ok(None);
        }
        read(&std::mem::take(&mut self.plain)).map(Some)
    }
}

/// One batch by itself, as the first of a stream.
///
/// # Errors
/// As [`Packer::pack`].
pub fn pack(batch: &Batch) -> Result<Vec<u8>, WireError> {
    Packer::default().pack(batch, 0)
}

/// Inverse of [`pack`].
///
/// # Errors
/// As [`Unpacker::part`].
pub fn unpack(packed: &[u8]) -> Result<Batch, WireError> {
    let batch = Unpacker::default().part(packed, true)?;
    Ok(batch.expect("the last part gives the batch"))
}

fn deflate(expected: u64) -> std::io::Result<Deflate<'static>> {
    let mut stream = Deflate::with_dictionary(LEVEL, DICTIONARY)?;
    let needed = u64::BITS - expected.max(1).leading_zeros();
    stream.set_parameter(CParameter::WindowLog(needed.clamp(*WINDOW_LOG.start(), *WINDOW_LOG.end())))?;
    // Who speaks, and that it arrived, is known from TLS.
    stream.set_parameter(CParameter::ChecksumFlag(false))?;
    stream.set_parameter(CParameter::ContentSizeFlag(false))?;
    Ok(stream)
}

fn inflate() -> std::io::Result<Inflate<'static>> {
    let mut stream = Inflate::with_dictionary(DICTIONARY)?;
    stream.set_parameter(DParameter::WindowLogMax(MAX_WINDOW_LOG))?;
    Ok(stream)
}

/// Feeds `input` until all of it is read and nothing more comes out, or `most` bytes are out.
/// Answers whether a zstd frame ended.
fn run(stream: &mut impl Operation, input: &[u8], out: &mut Vec<u8>, most: usize) -> std::io::Result<bool> {
    let mut input = InBuffer::around(input);
    let mut chunk = vec![0; CHUNK];
    loop {
        let mut buffer = OutBuffer::around(&mut chunk[..]);
        let left = stream.run(&mut input, &mut buffer)?;
        let written = buffer.pos();
        out.extend_from_slice(&chunk[..written]);
        if out.len() >= most {
            return Ok(false);
        }
        if written < CHUNK && input.pos() == input.src.len() {
            return Ok(left == 0);
        }
    }
}

fn flush(stream: &mut impl Operation, out: &mut Vec<u8>) -> std::io::Result<()> {
    let mut chunk = vec![0; CHUNK];
    loop {
        let mut buffer = OutBuffer::around(&mut chunk[..]);
        let left = stream.flush(&mut buffer)?;
        let written = buffer.pos();
        out.extend_from_slice(&chunk[..written]);
        if left == 0 {
            return Ok(());
        }
    }
}

/// A batch as CBOR, and where in it the section begins that does not compress.
fn write(batch: &Batch) -> (Vec<u8>, usize) {
    let (mut plain, mut noise) = (Vec::new(), Vec::new());
    let written = put_batch(&mut Encoder::new(&mut plain), batch, &mut noise);
    written.expect("a Vec takes any bytes, and no encoding here refuses");
    let noise_at = plain.len() - noise.len();
    (plain, noise_at)
}

fn put_batch(e: &mut Encoder<&mut Vec<u8>>, batch: &Batch, noise: &mut Vec<u8>) -> Encoded {
    e.array(3)?.array(batch.items.len() as u64)?;
    for item in &batch.items {
        e.array(2)?;
        match item {
            FeedItem::Run(run) => put_run(e, run, noise)?,
            FeedItem::Certificate(sealed) => _ = e.u8(1)?.encode(sealed)?,
            FeedItem::ServerCert(sealed) => _ = e.u8(2)?.encode(sealed)?,
            FeedItem::Revocation(sealed) => _ = e.u8(3)?.encode(sealed)?,
            FeedItem::Ruling(sealed) => _ = e.u8(4)?.encode(sealed)?,
            FeedItem::Receipt(sealed) => _ = e.u8(5)?.encode(sealed)?,
            FeedItem::FileReceipt(sealed) => _ = e.u8(7)?.encode(sealed)?,
        }
    }
    e.encode(&batch.cursors)?.bytes(noise)?.ok()
}

type Encoded = Result<(), encode::Error<core::convert::Infallible>>;

fn put_run(e: &mut Encoder<&mut Vec<u8>>, run: &SignedRun, noise: &mut Vec<u8>) -> Encoded {
    let Some(short) = compact::shorten(run) else { return e.u8(0)?.encode(run)?.ok() };
    let key = run.doc.to_bytes();
    let (place, id) = key.split_at(PLACE_BYTES);
    noise.extend_from_slice(id);
    noise.extend_from_slice(&run.signature.0);
    e.u8(SHORT_RUN)?.array(2)?.bytes(place)?.bytes(&short)?.ok()
}

fn read(plain: &[u8]) -> Result<Batch, WireError> {
    let mut d = Decoder::new(plain);
    let batch = take_batch(&mut d)?;
    match plain.len().saturating_sub(d.position()) {
        0 => Ok(batch),
        rest => Err(WireError::Trailing(rest)),
    }
}

fn take_batch(d: &mut Decoder<'_>) -> Result<Batch, decode::Error> {
    if d.array()? != Some(3) {
        return Err(decode::Error::message("a batch is an array of three"));
    }
    // Counted while reading: small items would otherwise take many times their bytes.
    let count = d.array()?.unwrap_or(u64::MAX);
    if usize::try_from(count).map_or(true, |count| count > MAX_BATCH_ITEMS) {
        return Err(decode::Error::message("too many items in a batch"));
    }
    let (mut items, mut short, mut changes, mut bytes) = (Vec::new(), Vec::new(), 0_usize, 0_usize);
    for place in 0..count {
        if d.array()? != Some(2) {
            return Err(decode::Error::message("an item is an array of two"));
        }
        let kind = d.u8()?;
        let item = take_item(d, kind)?;
        if let FeedItem::Run(run) = &item {
            changes = changes.saturating_add(run.changes.len());
            bytes = bytes.saturating_add(run.size());
        }
        if changes > MAX_BATCH_CHANGES || bytes > MAX_BATCH_BYTES {
            return Err(decode::Error::message("too many changes in a batch"));
        }
        if kind == SHORT_RUN {
            short.push(usize::try_from(place).unwrap_or(usize::MAX));
        }
        items.push(item);
    }
    let cursors: Vec<_> = d.decode()?;
    if cursors.len() > MAX_COLLECTIONS {
        return Err(decode::Error::message("too many cursors in a batch"));
    }
    let noise = d.bytes()?;
    let (parts, rest) = noise.as_chunks::<NOISE_BYTES>();
    if parts.len() != short.len() || !rest.is_empty() {
        return Err(decode::Error::message("another number of signatures than of runs"));
    }
    for (place, part) in short.into_iter().zip(parts) {
        let Some(FeedItem::Run(run)) = items.get_mut(place) else { continue };
        let mut key = run.doc.to_bytes();
        key[PLACE_BYTES..].copy_from_slice(&part[..ID_BYTES]);
        run.doc = DocKey::from_bytes(&key).ok_or_else(|| decode::Error::message("no document key"))?;
        run.signature.0.copy_from_slice(&part[ID_BYTES..]);
    }
    Ok(Batch { items, cursors })
}

fn take_item(d: &mut Decoder<'_>, kind: u8) -> Result<FeedItem, decode::Error> {
    Ok(match kind {
        0 => FeedItem::Run(d.decode()?),
        1 => FeedItem::Certificate(d.decode()?),
        2 => FeedItem::ServerCert(d.decode()?),
        3 => FeedItem::Revocation(d.decode()?),
        4 => FeedItem::Ruling(d.decode()?),
        5 => FeedItem::Receipt(d.decode()?),
        7 => FeedItem::FileReceipt(d.decode()?),
        SHORT_RUN => FeedItem::Run(take_run(d)?),
        _ => return Err(decode::Error::message("an item of an unknown kind")),
    })
}

/// A run without its document's id and its signature.
fn take_run(d: &mut Decoder<'_>) -> Result<SignedRun, decode::Error> {
    if d.array()? != Some(2) {
        return Err(decode::Error::message("a short run is an array of two"));
    }
    let place = d.bytes()?;
    let mut key = [0; DocKey::LEN];
    if place.len() != PLACE_BYTES {
        return Err(decode::Error::message("no collection and kind of document"));
    }
    key[..PLACE_BYTES].copy_from_slice(place);
    let doc = DocKey::from_bytes(&key).ok_or_else(|| decode::Error::message("no document key"))?;
    let changes = compact::restore(doc.kind, d.bytes()?)
        .map_err(|error| decode::Error::message(format!("a run that cannot be restored: {error}")))?;
    Ok(SignedRun { doc, changes, signature: Signature([0; 64]) })
}

#[cfg(test)]
#[path = "pack_tests.rs"]
mod tests;
