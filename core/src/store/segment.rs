//! Segments: the files of the journal, and the walk over them that tells good frames, damage in
//! the middle, and a torn tail apart.

use std::fmt;
use std::path::{Path, PathBuf};

use minicbor::{Decode, Encode};

use super::error::StoreError;
use super::frame::{self, Frame, FrameFault, FrameHash, FrameKind, MAX_SEGMENT};
use super::vfs::{Vfs, read_up_to};

/// A place between two frames: all before it is known good. Kept by the index and by the mark of
/// a clean close.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    /// Number of the segment, from 1.
    pub segment: u32,
    /// Byte after the last frame.
    pub offset: u64,
    /// Sequence of the last frame, 0 for none.
    pub sequence: u64,
    /// Hash of the last frame, zeros for none.
    pub hash: FrameHash,
}

impl Mark {
    /// Before the first frame.
    pub const START: Self = Self { segment: 1, offset: 0, sequence: 0, hash: FrameHash([0; 32]) };
}

impl<C> Encode<C> for Mark {
    fn encode<W: minicbor::encode::Write>(
        &self,
        encoder: &mut minicbor::Encoder<W>,
        _: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        encoder.array(4)?.u32(self.segment)?.u64(self.offset)?.u64(self.sequence)?.bytes(&self.hash.0)?.ok()
    }
}

impl<'b, C> Decode<'b, C> for Mark {
    fn decode(decoder: &mut minicbor::Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
        if decoder.array()? != Some(4) {
            return Err(minicbor::decode::Error::message("a mark has four parts"));
        }
        let (segment, offset, sequence) = (decoder.u32()?, decoder.u64()?, decoder.u64()?);
        let hash = decoder.bytes()?.try_into().map_err(|_| minicbor::decode::Error::message("not a frame hash"))?;
        Ok(Self { segment, offset, sequence, hash: FrameHash(hash) })
    }
}

/// Where a commit lies: enough to read it again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
pub struct FramePosition {
    /// Number of the segment.
    #[n(0)]
    pub segment: u32,
    /// Byte where the frame begins.
    #[n(1)]
    pub offset: u64,
}

/// A stretch of the journal that is not readable although good frames follow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// Segment where it begins.
    pub segment: u32,
    /// Byte where it begins.
    pub offset: u64,
    /// First frame that is missing.
    pub first_missing: u64,
    /// First frame that is readable again.
    pub resumes: u64,
    /// What the first bad bytes looked like; `None` when the bytes are sound but the chain is not.
    pub fault: Option<FrameFault>,
}

/// Where, and which acts are missing, for people.
impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { segment, offset, first_missing, resumes, fault } = self;
        write!(f, "segment {segment}, from byte {offset}: ")?;
        match fault {
            Some(fault) => write!(f, "{fault}; ")?,
            None => f.write_str("frames do not follow upon each other; ")?,
        }
        match resumes.checked_sub(*first_missing) {
            Some(0) | None => write!(f, "no frame is missing, frame {resumes} is readable"),
            Some(1) => write!(f, "frame {first_missing} is missing, frame {resumes} is readable again"),
            Some(_) => {
                write!(f, "frames {first_missing} to {} are missing, frame {resumes} is readable again", resumes - 1)
            }
        }
    }
}

/// Bytes at the end after which no good frame follows: a write that the crash interrupted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Torn {
    /// Segment where the tear is.
    pub segment: u32,
    /// Byte of the tear: everything before it is good.
    pub offset: u64,
    /// Bytes behind the tear.
    pub bytes: u64,
    /// Where they were copied before the segment was cut; `None` until then.
    pub copy: Option<PathBuf>,
}

/// Where, how much, and where the bytes were put, for people.
impl fmt::Display for Torn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "segment {}, the last {} bytes from byte {} on", self.segment, self.bytes, self.offset)?;
        match &self.copy {
            Some(copy) => write!(f, "; copied to {}", copy.display()),
            None => Ok(()),
        }
    }
}

/// Outcome of a walk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Walked {
    /// After the last good frame.
    pub end: Mark,
    /// Commits seen.
    pub commits: u64,
    /// The last good frame is a footer.
    pub sealed: bool,
    /// Where the last good frame begins, if any was seen.
    pub last: Option<FramePosition>,
    /// Damage in the middle.
    pub damage: Vec<Damage>,
    /// A torn tail.
    pub torn: Option<Torn>,
}

pub(super) fn path_of(directory: &Path, segment: u32) -> PathBuf {
    directory.join(format!("{segment:08}.seg"))
}

/// Bytes of all segments: what a walk from the start reads.
pub(super) fn total_bytes_if_there(vfs: &dyn Vfs, directory: &Path) -> Result<u64, StoreError> {
    let mut total = 0;
    if !vfs.exists(directory).map_err(StoreError::io("looking for", directory))? {
        return Ok(0);
    }
    for number in numbers(vfs, directory)? {
        let path = path_of(directory, number);
        total += vfs.open(&path).and_then(|file| file.len()).map_err(StoreError::io("measuring", &path))?;
    }
    Ok(total)
}

/// Numbers of the segments in a directory, ascending. Other names are ignored.
pub(super) fn numbers(vfs: &dyn Vfs, directory: &Path) -> Result<Vec<u32>, StoreError> {
    let names = vfs.list(directory).map_err(StoreError::io("listing", directory))?;
    let number = |name: &String| name.strip_suffix(".seg").filter(|stem| stem.len() == 8)?.parse().ok();
    Ok(names.iter().filter_map(number).collect())
}

/// What the caller of a walk sees of each commit, in order.
pub(super) type Visit<'a> = dyn FnMut(FramePosition, &Frame<'_>) -> Result<(), StoreError> + 'a;

/// Reads from `from` to the end, calling `visit` for each commit in order.
pub(super) fn walk(vfs: &dyn Vfs, directory: &Path, from: Mark, visit: &mut Visit<'_>) -> Result<Walked, StoreError> {
    let walked = Walked { end: from, commits: 0, sealed: false, last: None, damage: Vec::new(), torn: None };
    let mut walk = Walk { walked, pending: None };
    let segments = numbers(vfs, directory)?;
    if from.sequence > 0 && !segments.contains(&from.segment) {
        return Err(StoreError::Shortened { sequence: from.sequence });
    }
    for segment in segments.into_iter().filter(|segment| *segment >= from.segment) {
        let path = path_of(directory, segment);
        let file = vfs.open(&path).map_err(StoreError::io("opening", &path))?;
        let length = file.len().map_err(StoreError::io("measuring", &path))?;
        // No segment is written longer than this; what lies beyond can only be a torn tail.
        let bytes = read_up_to(file.as_ref(), 0, MAX_SEGMENT).map_err(StoreError::io("reading", &path))?;
        let start = if segment == from.segment { from.offset } else { 0 };
        if start > length {
            return Err(StoreError::Shortened { sequence: from.sequence });
        }
        walk.segment(segment, &bytes, usize::try_from(start).unwrap_or(usize::MAX), length, visit)?;
    }
    Ok(walk.finish())
}

struct Walk {
    walked: Walked,
    /// A fault for which no later good frame was found yet.
    pending: Option<Pending>,
}

struct Pending {
    segment: u32,
    offset: u64,
    bytes: u64,
    fault: FrameFault,
}

impl Walk {
    fn segment(
        &mut self,
        segment: u32,
        bytes: &[u8],
        start: usize,
        length: u64,
        visit: &mut Visit<'_>,
    ) -> Result<(), StoreError> {
        let mut at = start;
        while at < bytes.len() {
            let found = match frame::parse(&bytes[at..]) {
                Ok(frame) if frame.sequence > self.walked.end.sequence => Some((at, frame)),
                Err(FrameFault::Version(version)) => {
                    return Err(StoreError::NewerVersion { path: PathBuf::from(format!("{segment:08}.seg")), version });
                }
                other => {
                    let fault = other.err().unwrap_or(FrameFault::Magic);
                    self.note(segment, at as u64, length - at as u64, fault);
                    frame::find(bytes, at + 1, self.walked.end.sequence.saturating_add(1))
                }
            };
            let Some((begin, frame)) = found else { return Ok(()) };
            self.accept(segment, begin as u64, &frame, visit)?;
            at = begin + frame.len();
        }
        if length > bytes.len() as u64 {
            self.note(segment, at as u64, length.saturating_sub(at as u64), FrameFault::Magic);
        }
        Ok(())
    }

    fn note(&mut self, segment: u32, offset: u64, bytes: u64, fault: FrameFault) {
        match &mut self.pending {
            None => self.pending = Some(Pending { segment, offset, bytes, fault }),
            Some(pending) => pending.bytes += bytes,
        }
    }

    fn accept(
        &mut self,
        segment: u32,
        offset: u64,
        frame: &Frame<'_>,
        visit: &mut Visit<'_>,
    ) -> Result<(), StoreError> {
        let end = &self.walked.end;
        let fault = self.pending.take();
        if fault.is_some() || frame.sequence != end.sequence.saturating_add(1) || frame.previous != end.hash {
            let place = fault.as_ref().map_or((segment, offset), |pending| (pending.segment, pending.offset));
            self.walked.damage.push(Damage {
                segment: place.0,
                offset: place.1,
                first_missing: end.sequence.saturating_add(1),
                resumes: frame.sequence,
                fault: fault.map(|pending| pending.fault),
            });
        }
        let position = FramePosition { segment, offset };
        self.walked.end =
            Mark { segment, offset: offset + frame.len() as u64, sequence: frame.sequence, hash: frame.hash };
        self.walked.sealed = frame.kind == FrameKind::Footer;
        self.walked.last = Some(position);
        if frame.kind == FrameKind::Commit {
            self.walked.commits += 1;
            visit(position, frame)?;
        }
        Ok(())
    }

    fn finish(mut self) -> Walked {
        self.walked.torn = self.pending.map(|pending| Torn {
            segment: pending.segment,
            offset: pending.offset,
            bytes: pending.bytes,
            copy: None,
        });
        self.walked
    }
}
