//! Opening: decides whether the index can be used as it is, needs the frames after an interrupted
//! commit, or is built anew. In doubt it is built anew: it holds nothing that the journal lacks.
//!
//! (a) *Closed cleanly*: the mark `closed` names the index, and the end of the journal it stands
//! for. (b) *Killed, the machine ran on* (same boot): every page sled wrote is still in the cache,
//! and each of its batches names the frame it belongs to; the frames after it are replayed.
//! (c) *Anything else*, every error, every panic, and each thousandth opening: built from the first
//! frame into a new directory.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::error::StoreError;
use super::frame::FrameHash;
use super::index::{self, Index};
use super::journal::{Journal, OpenJournal};
use super::record::Record;
use super::segment::{self, Damage, Mark, Torn, Walked};
use super::stage::{Place, Stage, Staged};
use super::vfs::{Privacy, Vfs, jot, read_small, replace};
use crate::ids::{DocKey, PublicKey};

/// Every so many openings the journal is walked in whole.
pub const FULL_CHECK_EVERY: u64 = 1000;
/// Raw changes gathered before a rebuild writes them out: bounds its memory.
const REBUILD_BYTES: usize = 64 << 20;

/// How the index came to stand for the journal.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum IndexUse {
    /// As it was closed.
    Clean,
    /// The process had been killed; so many commits were read again.
    Replayed(u64),
    /// Built from the first frame.
    Rebuilt {
        /// Why.
        reason: String,
    },
}

/// What opening found and did: for `outlet` to tell the user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenReport {
    /// The index.
    pub index: IndexUse,
    /// A write that a crash interrupted: never acknowledged, kept aside, cut off.
    pub torn: Option<Torn>,
    /// Damage in the middle: the store is read-only.
    pub damage: Vec<Damage>,
    /// The store writes under another incarnation than before, and why.
    pub renewed: Option<super::home::Renewed>,
    /// Frames that the index had seen and the journal lacks.
    pub lost: u64,
    /// Documents that could not be built from their changes, and why. The others are not affected.
    pub unreadable: Vec<(DocKey, String)>,
}

/// How far a walk has come, in bytes of the journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Read so far.
    pub done: u64,
    /// In all.
    pub total: u64,
}

/// Told of the progress of a rebuild; draws nothing itself.
pub type OnProgress<'a> = &'a mut dyn FnMut(Progress);

/// What an opening works on.
#[derive(Debug)]
pub(super) struct Opening<'a> {
    pub(super) vfs: Arc<dyn Vfs>,
    pub(super) home: &'a Path,
    pub(super) own: PublicKey,
    pub(super) boot: Option<&'a str>,
}

/// Journal and index, standing for each other.
#[derive(Debug)]
pub(super) struct Pair {
    pub(super) journal: Journal,
    pub(super) index: Index,
    pub(super) number: u64,
    pub(super) how: IndexUse,
    pub(super) walked: Walked,
    pub(super) staged: Staged,
    pub(super) lost: u64,
}

impl Opening<'_> {
    pub(super) fn journal_path(&self) -> PathBuf {
        self.home.join("journal")
    }

    fn torn_path(&self) -> PathBuf {
        self.home.join("torn")
    }

    /// Opens both by the rules above.
    pub(super) fn open(&self, progress: OnProgress<'_>) -> Result<Pair, StoreError> {
        let closed = self.read_closed()?;
        let opened = self.read_opened()?;
        let count = opened.as_ref().map_or(0, |opened| opened.count) + 1;
        let numbers = index::numbers(self.home)?;
        let usable = |number: &u64| numbers.last() == Some(number);
        self.note_opening(numbers.last().copied().unwrap_or(1), count, closed.is_some())?;
        let seen = closed.map(|closed| closed.mark);
        let reason = if count.is_multiple_of(FULL_CHECK_EVERY) {
            format!("full check at opening {count}")
        } else if let Some(closed) = closed.filter(|closed| usable(&closed.index)) {
            match self.clean(closed) {
                Ok(pair) => return Ok(pair),
                Err(error) => error.to_string(),
            }
        } else if let Some(number) = self.killed(opened.as_ref()).filter(usable) {
            match self.replay(number) {
                Ok(pair) => return Ok(pair),
                Err(error) => error.to_string(),
            }
        } else if numbers.is_empty() {
            "there was none".to_owned()
        } else {
            "the store was not closed and the machine was started anew since".to_owned()
        };
        let mut pair = self.rebuild(reason, progress)?;
        pair.lost = seen.map_or(0, |seen| seen.sequence.saturating_sub(pair.journal.end().sequence));
        self.note_opening(pair.number, count, false)?;
        if !pair.walked.damage.is_empty() {
            // Only a walk from the first frame sees the damage: the next opening must not skip it.
            distrust(self.vfs.as_ref(), self.home);
        }
        Ok(pair)
    }

    fn killed(&self, opened: Option<&Opened>) -> Option<u64> {
        let opened = opened?;
        self.boot.filter(|boot| *boot == opened.boot).map(|_| opened.index)
    }

    fn clean(&self, closed: Closed) -> Result<Pair, StoreError> {
        let index = Index::open_closed(&index::directory(self.home, closed.index))?;
        if index.mark()? != Some(closed.mark) {
            return Err(StoreError::Index("it is not the index that was closed".to_owned()));
        }
        let (journal, walked) = self.journal(closed.mark, true, &mut |_, _| Ok(()))?;
        if walked.commits > 0 || walked.torn.is_some() || !walked.damage.is_empty() {
            return Err(StoreError::Index("the journal went on after the store was closed".to_owned()));
        }
        drop(journal);
        let (journal, walked) = self.journal(closed.mark, false, &mut |_, _| Ok(()))?;
        let number = closed.index;
        Ok(Pair { journal, index, number, how: IndexUse::Clean, walked, staged: Staged::default(), lost: 0 })
    }

    fn replay(&self, number: u64) -> Result<Pair, StoreError> {
        let index = Index::open(&index::directory(self.home, number))?;
        let mark = index.mark()?.ok_or_else(|| StoreError::Index("it was never completed".to_owned()))?;
        let mut records = Vec::new();
        let (mut journal, walked) = self.journal(mark, false, &mut |position, frame| {
            let place = Place { sequence: frame.sequence, position };
            records.push((place, Record::from_bytes(frame.sequence, frame.payload)?));
            Ok(())
        })?;
        let mut stage = Stage::new(&index, self.own);
        for (place, record) in &records {
            stage.record(*place, record)?;
        }
        stage.settle(&mut journal)?;
        let mut staged = stage.finish();
        index.apply(&std::mem::take(&mut staged.writes), Some(journal.end()))?;
        let how = IndexUse::Replayed(walked.commits);
        Ok(Pair { journal, index, number, how, walked, staged, lost: 0 })
    }

    /// Builds the index from the first frame into a new directory.
    pub(super) fn rebuild(&self, reason: String, progress: OnProgress<'_>) -> Result<Pair, StoreError> {
        let number = index::numbers(self.home)?.last().copied().unwrap_or(0) + 1;
        let index = Index::open(&index::directory(self.home, number))?;
        let total = segment::total_bytes_if_there(self.vfs.as_ref(), &self.journal_path())?;
        let mut reader = Journal::reader(Arc::clone(&self.vfs), &self.journal_path());
        let mut stage = Stage::new(&index, self.own);
        let (mut done, mut told) = (0, 0);
        let (journal, walked) = self.journal(Mark::START, false, &mut |position, frame| {
            let place = Place { sequence: frame.sequence, position };
            stage.record(place, &Record::from_bytes(frame.sequence, frame.payload)?)?;
            done += frame.len() as u64;
            if done - told > 1 << 20 {
                told = done;
                progress(Progress { done, total });
            }
            if stage.pending_bytes > REBUILD_BYTES {
                stage.settle(&mut reader)?;
                let writes = stage.take_writes();
                index.apply(&writes, None)?;
            }
            Ok(())
        })?;
        stage.settle(&mut reader)?;
        let mut staged = stage.finish();
        // The mark comes with the last batch: an index without one was never completed.
        index.apply(&std::mem::take(&mut staged.writes), Some(journal.end()))?;
        progress(Progress { done: total, total });
        Ok(Pair { journal, index, number, how: IndexUse::Rebuilt { reason }, walked, staged, lost: 0 })
    }

    fn journal(
        &self,
        from: Mark,
        look_only: bool,
        visit: &mut segment::Visit<'_>,
    ) -> Result<(Journal, Walked), StoreError> {
        let options = OpenJournal { from, look_only };
        Journal::open(Arc::clone(&self.vfs), &self.journal_path(), &self.torn_path(), options, visit)
    }

    /// Says who is at work, and takes the mark of the clean close away, durably, before the index
    /// is touched: a mark that outlived a crash would vouch for an index that is not as it says.
    fn note_opening(&self, index: u64, count: u64, closed: bool) -> Result<(), StoreError> {
        let path = opened_path(self.home);
        let boot = self.boot.unwrap_or_default();
        let text = format!("outlet-opened 1\n{boot}\n{index} {count}\n");
        jot(self.vfs.as_ref(), &path, text.as_bytes()).map_err(StoreError::io("writing", &path))?;
        if closed {
            let path = closed_path(self.home);
            self.vfs.remove(&path).map_err(StoreError::io("removing", &path))?;
            self.vfs.sync_dir(self.home).map_err(StoreError::io("syncing", self.home))?;
        }
        Ok(())
    }

    /// Says which index is in use after a rebuild in an open store.
    pub(super) fn note_index(&self, index: u64) -> Result<(), StoreError> {
        let count = self.read_opened()?.map_or(1, |opened| opened.count);
        self.note_opening(index, count, false)
    }

    fn read_opened(&self) -> Result<Option<Opened>, StoreError> {
        let path = opened_path(self.home);
        let bytes = read_small(self.vfs.as_ref(), &path).map_err(StoreError::io("reading", &path))?;
        Ok(bytes.as_deref().and_then(Opened::parse))
    }

    fn read_closed(&self) -> Result<Option<Closed>, StoreError> {
        let path = closed_path(self.home);
        let bytes = read_small(self.vfs.as_ref(), &path).map_err(StoreError::io("reading", &path))?;
        // An unreadable mark must go too, so it counts as one that fits nothing.
        Ok(bytes.map(|bytes| Closed::parse(&bytes).unwrap_or(Closed { index: 0, mark: Mark::START })))
    }
}

fn opened_path(home: &Path) -> PathBuf {
    home.join("opened")
}

fn closed_path(home: &Path) -> PathBuf {
    home.join("closed")
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Opened {
    boot: String,
    index: u64,
    count: u64,
}

impl Opened {
    fn parse(bytes: &[u8]) -> Option<Self> {
        let mut lines = std::str::from_utf8(bytes).ok()?.lines();
        if lines.next()? != "outlet-opened 1" {
            return None;
        }
        let boot = lines.next()?.to_owned();
        let (index, count) = lines.next()?.split_once(' ')?;
        Some(Self { boot, index: index.parse().ok()?, count: count.parse().ok()? })
    }
}

/// The mark of a clean close.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Closed {
    index: u64,
    mark: Mark,
}

impl Closed {
    fn parse(bytes: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(bytes).ok()?;
        let (body, sum) = text.trim_end().rsplit_once('\n')?;
        if blake3::hash(body.as_bytes()).to_hex().as_str() != sum {
            return None;
        }
        let mut words = body.strip_prefix("outlet-closed 1\n")?.split(' ');
        let (index, segment) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
        let (offset, sequence) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
        let hash = data_encoding::HEXLOWER.decode(words.next()?.as_bytes()).ok()?.try_into().ok()?;
        Some(Self { index, mark: Mark { segment, offset, sequence, hash: FrameHash(hash) } })
    }

    fn text(&self) -> String {
        let Mark { segment, offset, sequence, hash } = self.mark;
        let body = format!("outlet-closed 1\n{} {segment} {offset} {sequence} {hash}", self.index);
        let sum = blake3::hash(body.as_bytes()).to_hex();
        format!("{body}\n{sum}\n")
    }
}

/// Closes the index, makes it durable, and only then leaves the mark that says so.
pub(super) fn close(vfs: &dyn Vfs, home: &Path, index: Index, number: u64, mark: Mark) -> Result<(), StoreError> {
    if index.mark()? != Some(mark) {
        return Err(StoreError::Index("it does not stand for the journal".to_owned()));
    }
    index.close()?;
    let path = closed_path(home);
    let text = Closed { index: number, mark }.text();
    replace(vfs, &path, text.as_bytes(), Privacy::Default).map_err(StoreError::io("writing", &path))
}

/// Makes the next opening check everything, as far as that can still be arranged.
pub(super) fn distrust(vfs: &dyn Vfs, home: &Path) {
    let _ = vfs.remove(&opened_path(home));
}

/// Removes the directories of indexes before `keep`. What cannot be removed is tried again.
pub(super) fn sweep(home: &Path, keep: u64) -> Result<(), StoreError> {
    for number in index::numbers(home)?.into_iter().filter(|number| *number < keep) {
        let _ = std::fs::remove_dir_all(index::directory(home, number));
    }
    Ok(())
}
