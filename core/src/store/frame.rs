//! One frame of the journal: header, payload, hash. A frame can be checked alone, wherever it is
//! found, which is what tells a torn tail from damage in the middle.
//!
//! ```text
//! offset  0  magic         F7 'O' 'J' 'F'
//!         4  version       1
//!         5  kind          1 commit, 2 footer of a segment
//!         6  reserved      0 0
//!         8  sequence      u64 little endian, from 1, without gaps
//!        16  length        u32 little endian, of the payload
//!        20  previous      hash of the frame before (zeros for the first)
//!        52  CRC32C        u32 little endian, of bytes 0..52
//!        56  payload
//!        56+length         BLAKE3 of all of the above, 32 bytes: the hash of this frame
//! ```

use std::fmt;

/// First bytes of a frame. `F7` occurs nowhere in UTF-8, so no text that a member puts into a record
/// can make the search for the next good frame find one inside a torn payload.
pub const MAGIC: [u8; 4] = [0xF7, b'O', b'J', b'F'];
/// The version that this program writes.
pub const VERSION: u8 = 1;
/// Bytes before the payload.
pub const HEADER_LEN: usize = 56;
/// Bytes of a frame that are not payload.
pub const OVERHEAD: usize = HEADER_LEN + 32;
/// Segments are at most this long: the search for the next good frame stays bounded and a sealed
/// segment can be copied in one go.
pub const MAX_SEGMENT: usize = 8 << 20;
/// Longest payload: with the footer of the segment it must fit into one segment.
pub const MAX_PAYLOAD: usize = MAX_SEGMENT - 2 * OVERHEAD - FOOTER_PAYLOAD;
/// Longest payload of a footer.
pub(super) const FOOTER_PAYLOAD: usize = 64;

const CRC_AT: usize = 52;

/// Hash of a frame: names it and, through `previous`, everything before it.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct FrameHash(pub [u8; 32]);

impl fmt::Display for FrameHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&data_encoding::HEXLOWER.encode(&self.0))
    }
}

impl fmt::Debug for FrameHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FrameHash({self})")
    }
}

/// What a frame holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FrameKind {
    /// One commit ([`super::record`]).
    Commit,
    /// Seals a segment: the next frame is the first of the next segment.
    Footer,
}

/// A checked frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame<'a> {
    /// What it holds.
    pub kind: FrameKind,
    /// Its number, from 1.
    pub sequence: u64,
    /// Hash of the frame before it.
    pub previous: FrameHash,
    /// Its payload.
    pub payload: &'a [u8],
    /// Its own hash.
    pub hash: FrameHash,
}

impl Frame<'_> {
    /// Bytes it takes in the segment.
    #[must_use]
    pub fn len(&self) -> usize {
        self.payload.len() + OVERHEAD
    }

    /// A frame is never empty; here because `len` is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        false
    }
}

/// Why bytes are not a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FrameFault {
    /// The file ends inside the frame.
    #[error("the file ends inside a frame")]
    Short,
    /// Other bytes where a frame should begin.
    #[error("no frame begins here")]
    Magic,
    /// The header's checksum does not match.
    #[error("the header of a frame is damaged")]
    Header,
    /// The hash over header and payload does not match.
    #[error("the contents of a frame are damaged")]
    Hash,
    /// A sound header of a version this program does not read. Never repaired, never cut.
    #[error("a frame of version {0}, written by a newer program")]
    Version(u8),
}

/// Builds a frame.
#[must_use]
pub fn encode(kind: FrameKind, sequence: u64, previous: FrameHash, payload: &[u8]) -> (Vec<u8>, FrameHash) {
    let length = u32::try_from(payload.len()).expect("the journal refuses payloads above MAX_PAYLOAD");
    let mut bytes = Vec::with_capacity(payload.len() + OVERHEAD);
    bytes.extend_from_slice(&MAGIC);
    bytes.push(VERSION);
    bytes.push(match kind {
        FrameKind::Commit => 1,
        FrameKind::Footer => 2,
    });
    bytes.extend_from_slice(&[0, 0]);
    bytes.extend_from_slice(&sequence.to_le_bytes());
    bytes.extend_from_slice(&length.to_le_bytes());
    bytes.extend_from_slice(&previous.0);
    bytes.extend_from_slice(&crc32c::crc32c(&bytes).to_le_bytes());
    bytes.extend_from_slice(payload);
    let hash = FrameHash(*blake3::hash(&bytes).as_bytes());
    bytes.extend_from_slice(&hash.0);
    (bytes, hash)
}

/// Reads the frame at the start of `bytes`.
///
/// # Errors
/// [`FrameFault`], in the order of the checks.
pub fn parse(bytes: &[u8]) -> Result<Frame<'_>, FrameFault> {
    let Some(header) = bytes.first_chunk::<HEADER_LEN>() else {
        return Err(FrameFault::Short);
    };
    if header[..4] != MAGIC {
        return Err(FrameFault::Magic);
    }
    if crc32c::crc32c(&header[..CRC_AT]).to_le_bytes() != header[CRC_AT..] {
        return Err(FrameFault::Header);
    }
    if header[4] != VERSION {
        return Err(FrameFault::Version(header[4]));
    }
    let kind = match header[5] {
        1 => FrameKind::Commit,
        2 => FrameKind::Footer,
        _ => return Err(FrameFault::Header),
    };
    let word = |at: usize| header[at..at + 8].try_into().map_or(0, u64::from_le_bytes);
    let sequence = word(8);
    let length = usize::try_from(word(16) & u64::from(u32::MAX)).map_err(|_| FrameFault::Header)?;
    if length > MAX_PAYLOAD {
        return Err(FrameFault::Header);
    }
    let checked = bytes.get(..HEADER_LEN + length).ok_or(FrameFault::Short)?;
    let stored = bytes.get(checked.len()..checked.len() + 32).ok_or(FrameFault::Short)?;
    let hash = FrameHash(*blake3::hash(checked).as_bytes());
    if hash.0 != stored {
        return Err(FrameFault::Hash);
    }
    let mut previous = FrameHash::default();
    previous.0.copy_from_slice(&header[20..CRC_AT]);
    Ok(Frame { kind, sequence, previous, payload: &checked[HEADER_LEN..], hash })
}

/// The next good frame at or after `from` whose sequence is at least `least`.
#[must_use]
pub fn find(bytes: &[u8], from: usize, least: u64) -> Option<(usize, Frame<'_>)> {
    let mut at = from;
    while let Some(rest) = bytes.get(at..) {
        let step = rest.windows(MAGIC.len()).position(|window| window == MAGIC)?;
        at += step;
        match parse(&bytes[at..]) {
            Ok(frame) if frame.sequence >= least => return Some((at, frame)),
            _ => at += 1,
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_survives_bytes_and_the_golden_one_never_changes() {
        let (bytes, hash) = encode(FrameKind::Commit, 7, FrameHash([3; 32]), b"payload");
        let frame = parse(&bytes).unwrap();
        assert_eq!((frame.kind, frame.sequence, frame.payload), (FrameKind::Commit, 7, &b"payload"[..]));
        assert_eq!((frame.previous, frame.hash, frame.len()), (FrameHash([3; 32]), hash, bytes.len()));
        let golden = include_str!("../../../fixtures/golden/frame-v1.hex").trim();
        assert_eq!(data_encoding::HEXLOWER.encode(&bytes), golden);
    }

    #[test]
    fn every_flipped_bit_and_every_cut_is_noticed() {
        let (bytes, _) = encode(FrameKind::Commit, 1, FrameHash::default(), b"abc");
        for at in 0..bytes.len() * 8 {
            let mut bad = bytes.clone();
            bad[at / 8] ^= 1 << (at % 8);
            assert!(parse(&bad).is_err(), "bit {at}");
        }
        for length in 0..bytes.len() {
            assert!(parse(&bytes[..length]).is_err(), "cut at {length}");
        }
    }

    #[test]
    fn a_newer_version_is_told_apart_from_damage() {
        let (mut bytes, _) = encode(FrameKind::Commit, 1, FrameHash::default(), b"abc");
        bytes[4] = 2;
        let sum = crc32c::crc32c(&bytes[..CRC_AT]).to_le_bytes();
        bytes[CRC_AT..HEADER_LEN].copy_from_slice(&sum);
        assert_eq!(parse(&bytes), Err(FrameFault::Version(2)));
    }

    #[test]
    fn the_search_skips_stale_and_damaged_frames() {
        let (old, _) = encode(FrameKind::Commit, 1, FrameHash::default(), b"old");
        let (mut bad, _) = encode(FrameKind::Commit, 9, FrameHash::default(), b"bad");
        bad[60] ^= 1;
        let (good, _) = encode(FrameKind::Commit, 9, FrameHash::default(), b"good");
        let bytes = [&MAGIC[..], &old, &bad, &good].concat();
        let (at, frame) = find(&bytes, 0, 5).unwrap();
        assert_eq!((at, frame.payload), (4 + old.len() + bad.len(), &b"good"[..]));
        assert!(find(&bytes, at + 1, 5).is_none());
    }
}
