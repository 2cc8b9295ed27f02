//! Writing a bundle, piece by piece.

use std::io::{self, Read, Write};

use super::frames::{CONTEXT, End, Frame, Header, MAGIC};
use crate::identity::{Purpose, SecretKey};
use crate::sync::replica::{Batch, BlobOffer};
use crate::sync::wire::{MAX_CHUNK_BYTES, pack};

/// A bundle being written. Batches first, then files, then [`Writer::finish`].
#[derive(Debug)]
pub struct Writer<W> {
    out: W,
    hasher: blake3::Hasher,
    batches: u64,
    files: u64,
}

impl<W: Write> Writer<W> {
    /// Begins with the header.
    ///
    /// # Errors
    /// When `out` refuses.
    pub fn new(out: W, header: &Header) -> io::Result<Self> {
        let mut writer = Self { out, hasher: blake3::Hasher::new_derive_key(CONTEXT), batches: 0, files: 0 };
        writer.bytes(MAGIC)?;
        writer.frame(&Frame::Header(header.clone()))?;
        Ok(writer)
    }

    /// Adds items; an empty batch adds nothing.
    ///
    /// # Errors
    /// When `out` refuses, or the batch is larger than a session would take.
    pub fn batch(&mut self, batch: &Batch) -> io::Result<()> {
        if batch.items.is_empty() {
            return Ok(());
        }
        self.batches += 1;
        let packed = pack(batch).map_err(io::Error::other)?;
        self.frame(&Frame::Batch(packed))
    }

    /// Adds a file; `source` gives exactly its bytes.
    ///
    /// # Errors
    /// When `out` refuses, or `source` gives fewer or more bytes than the offer says: the file has
    /// changed since it was listed, and the bundle is worthless.
    pub fn file(&mut self, offer: &BlobOffer, source: &mut dyn Read) -> io::Result<()> {
        self.files += 1;
        self.frame(&Frame::File(offer.clone()))?;
        let mut left = offer.bytes;
        let mut buffer = vec![0; MAX_CHUNK_BYTES];
        while left > 0 {
            let most = usize::try_from(left).unwrap_or(usize::MAX).min(MAX_CHUNK_BYTES);
            let read = match source.read(&mut buffer[..most]) {
                Ok(0) => return Err(changed(offer)),
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            left -= read as u64;
            self.frame(&Frame::Data(buffer[..read].to_vec()))?;
        }
        if source.read(&mut buffer[..1])? > 0 {
            return Err(changed(offer));
        }
        Ok(())
    }

    /// Signs the whole and returns what it was written to.
    ///
    /// # Errors
    /// When `out` refuses.
    pub fn finish(mut self, maker: &SecretKey) -> io::Result<W> {
        let hash = *self.hasher.finalize().as_bytes();
        let signature = maker.sign(Purpose::Bundle, &hash);
        let end = End { batches: self.batches, files: self.files, hash, signature };
        self.frame(&Frame::End(end))?;
        self.out.flush()?;
        Ok(self.out)
    }

    fn frame(&mut self, frame: &Frame) -> io::Result<()> {
        let body = minicbor::to_vec(frame).map_err(io::Error::other)?;
        let length = u32::try_from(body.len()).map_err(io::Error::other)?;
        self.bytes(&length.to_be_bytes())?;
        self.bytes(&body)
    }

    fn bytes(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.hasher.update(bytes);
        self.out.write_all(bytes)
    }
}

fn changed(offer: &BlobOffer) -> io::Error {
    io::Error::other(format!("file {} has another length than was recorded", offer.hash))
}
