//! The append-only journal: the truth of the edge store. Everything else on the device can be
//! derived from it, except the bytes of photos.
//!
//! Order of a commit: write, `fdatasync`, and only then the index and the word "saved". A write
//! that fails is cut back. A sync that fails poisons the journal: nobody knows what reached the
//! medium, so nothing may be built on it before it was closed, opened and walked.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::error::StoreError;
use super::frame::{self, FOOTER_PAYLOAD, FrameHash, FrameKind, MAX_PAYLOAD, MAX_SEGMENT, OVERHEAD};
use super::segment::{self, FramePosition, Mark, Torn, Visit, Walked};
use super::vfs::{Privacy, Vfs, VfsFile, read_up_to, write_all_at};

/// How to open a journal.
#[derive(Debug, Clone, Copy)]
pub struct OpenJournal {
    /// From where to walk; everything before is taken on trust. [`Mark::START`] checks all.
    pub from: Mark,
    /// Look only: no tail is cut, nothing is written.
    pub look_only: bool,
}

/// An open journal.
#[derive(Debug)]
pub struct Journal {
    vfs: Arc<dyn Vfs>,
    directory: PathBuf,
    end: Mark,
    /// The last frame is a footer, or there is no segment yet: the next append begins a segment.
    sealed: bool,
    state: State,
    /// The segment that is written; opened at the first append.
    tail: Option<Box<dyn VfsFile>>,
    /// Segments read lately, kept open.
    reader: Option<(u32, Box<dyn VfsFile>)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Writable,
    /// Damaged in the middle, or only looked at.
    ReadOnly,
    /// A sync failed.
    Poisoned,
}

impl Journal {
    /// Opens the journal in `directory` (created when missing), walks it from `options.from`, cuts
    /// a torn tail after copying it into `torn`, and calls `visit` for each commit in order.
    ///
    /// # Errors
    /// File errors; a newer format; whatever `visit` returns. Damage is not an error: the journal
    /// is open for reading and [`Walked::damage`] says where.
    pub fn open(
        vfs: Arc<dyn Vfs>,
        directory: &Path,
        torn: &Path,
        options: OpenJournal,
        visit: &mut Visit<'_>,
    ) -> Result<(Self, Walked), StoreError> {
        if !options.look_only {
            create_durably(vfs.as_ref(), directory)?;
        }
        let mut walked = segment::walk(vfs.as_ref(), directory, options.from, visit)?;
        let readable = walked.damage.is_empty() && !options.look_only;
        let mut journal = Self {
            vfs,
            directory: directory.to_owned(),
            end: walked.end,
            sealed: walked.sealed || walked.end == Mark::START,
            state: if readable { State::Writable } else { State::ReadOnly },
            tail: None,
            reader: None,
        };
        if readable {
            if let Some(tear) = &mut walked.torn {
                journal.cut(tear, torn)?;
            }
            journal.settle(walked.last)?;
        }
        Ok((journal, walked))
    }

    /// One that only reads frames whose place is known: nothing is walked.
    #[must_use]
    pub fn reader(vfs: Arc<dyn Vfs>, directory: &Path) -> Self {
        let (directory, end) = (directory.to_owned(), Mark::START);
        Self { vfs, directory, end, sealed: false, state: State::ReadOnly, tail: None, reader: None }
    }

    /// Place after the last frame.
    #[must_use]
    pub fn end(&self) -> Mark {
        self.end
    }

    /// Nothing can be written: damage in the middle, or opened to look only.
    #[must_use]
    pub fn is_read_only(&self) -> bool {
        self.state == State::ReadOnly
    }

    /// A sync failed: nothing can be written until the journal was opened again.
    #[must_use]
    pub fn is_poisoned(&self) -> bool {
        self.state == State::Poisoned
    }

    /// Appends one commit; it is on the medium when this returns.
    ///
    /// # Errors
    /// [`StoreError::TooLarge`]; [`StoreError::ReadOnly`]; [`StoreError::Poisoned`]; a failed write
    /// (cut back: the journal is as before) or sync (poisoned).
    pub fn append(&mut self, payload: &[u8]) -> Result<FramePosition, StoreError> {
        match self.state {
            State::Writable => {}
            State::ReadOnly => return Err(StoreError::ReadOnly),
            State::Poisoned => return Err(StoreError::Poisoned),
        }
        if payload.len() > MAX_PAYLOAD {
            return Err(StoreError::TooLarge { bytes: payload.len(), limit: MAX_PAYLOAD });
        }
        let with_footer = self.end.offset + (payload.len() + 2 * OVERHEAD + FOOTER_PAYLOAD) as u64;
        if !self.sealed && with_footer > MAX_SEGMENT as u64 {
            self.write(FrameKind::Footer, &self.footer())?;
            self.sealed = true;
        }
        if self.sealed {
            self.begin_segment()?;
        }
        self.write(FrameKind::Commit, payload)
    }

    /// Reads a commit again, checking its hash.
    ///
    /// # Errors
    /// File errors; [`StoreError::Damaged`] when the frame is not good any more.
    pub fn read(&mut self, position: FramePosition) -> Result<Vec<u8>, StoreError> {
        let path = segment::path_of(&self.directory, position.segment);
        if self.reader.as_ref().is_none_or(|(number, _)| *number != position.segment) {
            let file = self.vfs.open(&path).map_err(StoreError::io("opening", &path))?;
            self.reader = Some((position.segment, file));
        }
        let Some((_, file)) = &self.reader else { return Err(StoreError::Poisoned) };
        let reading =
            |length| read_up_to(file.as_ref(), position.offset, length).map_err(StoreError::io("reading", &path));
        let damaged = |fault| StoreError::Damaged { segment: position.segment, offset: position.offset, fault };
        // Most frames are short: one read suffices; the rest of a long one is read again in whole.
        let mut bytes = reading(4096)?;
        if matches!(frame::parse(&bytes), Err(frame::FrameFault::Short)) && bytes.len() == 4096 {
            bytes = reading(MAX_SEGMENT)?;
        }
        frame::parse(&bytes).map(|frame| frame.payload.to_vec()).map_err(damaged)
    }

    /// Where the segments are.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    fn footer(&self) -> Vec<u8> {
        let mut payload = self.end.segment.to_le_bytes().to_vec();
        payload.extend_from_slice(&self.end.offset.to_le_bytes());
        payload
    }

    fn begin_segment(&mut self) -> Result<(), StoreError> {
        let number = if self.end.sequence == 0 { 1 } else { self.end.segment + 1 };
        let path = segment::path_of(&self.directory, number);
        let file = match self.vfs.create(&path, Privacy::Default) {
            // Created before a crash (or a full disk) and never written.
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => self.vfs.open_for_writing(&path),
            other => other,
        }
        .map_err(StoreError::io("creating", &path))?;
        file.set_len(0).map_err(StoreError::io("cutting", &path))?;
        // The name of the segment must survive before a frame in it is called saved.
        self.vfs.sync_dir(&self.directory).map_err(|source| self.poison(source))?;
        self.tail = Some(file);
        self.end = Mark { segment: number, offset: 0, ..self.end };
        self.sealed = false;
        Ok(())
    }

    fn write(&mut self, kind: FrameKind, payload: &[u8]) -> Result<FramePosition, StoreError> {
        let path = segment::path_of(&self.directory, self.end.segment);
        if self.tail.is_none() {
            let file = self.vfs.open_for_writing(&path).map_err(StoreError::io("opening", &path))?;
            self.tail = Some(file);
        }
        let Some(file) = &self.tail else { return Err(StoreError::Poisoned) };
        let (bytes, hash) = frame::encode(kind, self.end.sequence + 1, self.end.hash, payload);
        if let Err(source) = write_all_at(file.as_ref(), self.end.offset, &bytes) {
            if file.set_len(self.end.offset).is_err() {
                self.state = State::Poisoned;
            }
            return Err(StoreError::Io { doing: "appending to", path, source });
        }
        if let Err(source) = file.sync_data() {
            return Err(self.poison(source));
        }
        let position = FramePosition { segment: self.end.segment, offset: self.end.offset };
        self.end =
            Mark { offset: self.end.offset + bytes.len() as u64, sequence: self.end.sequence + 1, hash, ..self.end };
        Ok(position)
    }

    fn poison(&mut self, source: std::io::Error) -> StoreError {
        self.state = State::Poisoned;
        // Best effort: a frame that was not confirmed should not come back as if it had been.
        if let Some(file) = &self.tail {
            let _ = file.set_len(self.end.offset);
        }
        StoreError::SyncFailed { source }
    }

    /// Copies what lies behind the tear aside, durably, and only then cuts it off.
    fn cut(&mut self, tear: &mut Torn, aside: &Path) -> Result<(), StoreError> {
        create_durably(self.vfs.as_ref(), aside)?;
        let numbers = segment::numbers(self.vfs.as_ref(), &self.directory)?;
        for number in numbers.into_iter().filter(|number| *number >= tear.segment).rev() {
            let path = segment::path_of(&self.directory, number);
            let from = if number == tear.segment { tear.offset } else { 0 };
            let copy = self.copy_aside(&path, from, aside, number)?;
            if number == tear.segment {
                let file = self.vfs.open_for_writing(&path).map_err(StoreError::io("opening", &path))?;
                file.set_len(from).map_err(StoreError::io("cutting", &path))?;
                file.sync_data().map_err(StoreError::io("syncing", &path))?;
                tear.copy = Some(copy);
            } else {
                // Later segments hold no good frame: created by a rotation that the crash interrupted.
                self.vfs.remove(&path).map_err(StoreError::io("removing", &path))?;
            }
        }
        self.vfs.sync_dir(&self.directory).map_err(StoreError::io("syncing", &self.directory))
    }

    fn copy_aside(&self, path: &Path, from: u64, aside: &Path, number: u32) -> Result<PathBuf, StoreError> {
        let file = self.vfs.open(path).map_err(StoreError::io("opening", path))?;
        let bytes = read_up_to(file.as_ref(), from, MAX_SEGMENT).map_err(StoreError::io("reading", path))?;
        let mut copy = aside.join(format!("{number:08}-{from}.bin"));
        let mut attempt = 0;
        while self.vfs.exists(&copy).map_err(StoreError::io("looking for", &copy))? {
            attempt += 1;
            copy = aside.join(format!("{number:08}-{from}-{attempt}.bin"));
        }
        let out = self.vfs.create(&copy, Privacy::Owner).map_err(StoreError::io("creating", &copy))?;
        write_all_at(out.as_ref(), 0, &bytes).map_err(StoreError::io("writing", &copy))?;
        out.sync_data().map_err(StoreError::io("syncing", &copy))?;
        self.vfs.sync_dir(aside).map_err(StoreError::io("syncing", aside))?;
        Ok(copy)
    }

    /// Makes the last frame durable. A process killed between write and sync leaves a good frame
    /// that only the page cache holds; after a failed sync the cache may even call its pages clean,
    /// so the frame is written again in place before anything is built on it.
    fn settle(&mut self, last: Option<FramePosition>) -> Result<(), StoreError> {
        let Some(last) = last else { return Ok(()) };
        let path = segment::path_of(&self.directory, last.segment);
        let file = self.vfs.open_for_writing(&path).map_err(StoreError::io("opening", &path))?;
        let length = usize::try_from(self.end.offset - last.offset).unwrap_or(MAX_SEGMENT);
        let bytes = read_up_to(file.as_ref(), last.offset, length).map_err(StoreError::io("reading", &path))?;
        write_all_at(file.as_ref(), last.offset, &bytes).map_err(StoreError::io("writing", &path))?;
        file.sync_data().map_err(StoreError::io("syncing", &path))?;
        self.vfs.sync_dir(&self.directory).map_err(StoreError::io("syncing", &self.directory))?;
        self.tail = Some(file);
        Ok(())
    }

    /// Hash of the last frame.
    #[must_use]
    pub fn head(&self) -> FrameHash {
        self.end.hash
    }
}

/// Creates a directory and makes its name durable in its parent.
pub(super) fn create_durably(vfs: &dyn Vfs, directory: &Path) -> Result<(), StoreError> {
    if vfs.exists(directory).map_err(StoreError::io("looking for", directory))? {
        return Ok(());
    }
    vfs.create_dir_all(directory).map_err(StoreError::io("creating", directory))?;
    vfs.sync_dir(directory).map_err(StoreError::io("syncing", directory))?;
    match directory.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => {
            vfs.sync_dir(parent).map_err(StoreError::io("syncing", parent))
        }
        _ => Ok(()),
    }
}
