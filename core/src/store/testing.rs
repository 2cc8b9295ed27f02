//! A file system that fails on purpose, over real files: short writes, a full disk, a sync that
//! fails, a power cut. For the tests of this crate and of those above it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::vfs::{DirectoryId, Privacy, RealVfs, Vfs, VfsFile};

/// Pages of this size survive or vanish as a whole.
pub const PAGE: u64 = 4096;

/// What goes wrong from now on.
#[derive(Debug, Clone, Default)]
pub struct Faults {
    /// Each write takes at most so many bytes.
    pub short_writes: Option<usize>,
    /// So many bytes fit, then the disk is full; a write across the limit is partly done.
    pub full_after: Option<u64>,
    /// So many syncs of files succeed, then each fails.
    pub sync_fails_after: Option<u64>,
    /// So many syncs of directories succeed, then each fails.
    pub dir_sync_fails_after: Option<u64>,
    /// Syncs answer that there is no such thing, as some network and FUSE file systems do.
    pub sync_unsupported: bool,
    /// The free space that is claimed.
    pub free_space: Option<u64>,
}

/// What a power cut leaves of bytes that were written and not synced.
#[derive(Debug, Clone, Copy)]
pub enum Cut {
    /// Nothing.
    Lost,
    /// Only so many bytes.
    Bytes(u64),
    /// The length, but zeros in it.
    Zeros,
    /// The length, and the pages whose bit is set; zeros elsewhere.
    Pages(u64),
    /// Everything.
    Kept,
}

#[derive(Debug, Default)]
struct State {
    faults: Faults,
    /// Length that is on the medium, per file that was written.
    durable: BTreeMap<PathBuf, u64>,
    /// Names created since their directory was synced.
    fresh: BTreeSet<PathBuf>,
    /// Renames since the directory was synced: new name to old name.
    renamed: BTreeMap<PathBuf, PathBuf>,
    writes: u64,
    syncs: u64,
}

/// The failing file system. Clones share their state.
#[derive(Debug, Clone, Default)]
pub struct FaultVfs {
    inner: RealVfs,
    state: Arc<Mutex<State>>,
}

impl FaultVfs {
    /// One that does not fail yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// From now on.
    pub fn set(&self, faults: Faults) {
        self.state().faults = faults;
    }

    /// Syncs of files so far.
    #[must_use]
    pub fn syncs(&self) -> u64 {
        self.state().syncs
    }

    /// Writes so far.
    #[must_use]
    pub fn writes(&self) -> u64 {
        self.state().writes
    }

    /// Cuts the power: names that no directory sync covered vanish, unsynced bytes become what
    /// `cut` says. Files opened before must not be used any more.
    ///
    /// # Errors
    /// What the real file system says.
    pub fn power_cut(&self, cut: Cut) -> io::Result<()> {
        let mut state = self.state();
        for (to, from) in std::mem::take(&mut state.renamed) {
            fs::rename(to, from)?;
        }
        for path in std::mem::take(&mut state.fresh) {
            if path.exists() {
                fs::remove_file(&path)?;
            }
            state.durable.remove(&path);
        }
        for (path, durable) in &state.durable {
            if path.exists() {
                cut_tail(path, *durable, cut)?;
            }
        }
        *state = State::default();
        Ok(())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn track(&self, path: &Path, file: Box<dyn VfsFile>) -> io::Result<Box<dyn VfsFile>> {
        let length = file.len()?;
        self.state().durable.entry(path.to_owned()).or_insert(length);
        Ok(Box::new(FaultFile { vfs: self.clone(), path: path.to_owned(), file }))
    }
}

fn cut_tail(path: &Path, durable: u64, cut: Cut) -> io::Result<()> {
    let mut bytes = fs::read(path)?;
    let kept = usize::try_from(durable).unwrap_or(usize::MAX).min(bytes.len());
    match cut {
        Cut::Kept => {}
        Cut::Lost => bytes.truncate(kept),
        Cut::Bytes(more) => bytes.truncate(kept.saturating_add(usize::try_from(more).unwrap_or(usize::MAX))),
        Cut::Zeros => bytes[kept..].fill(0),
        Cut::Pages(mask) => {
            let first = durable / PAGE;
            for (at, byte) in bytes.iter_mut().enumerate().skip(kept) {
                let page = at as u64 / PAGE - first;
                if mask >> page.min(63) & 1 == 0 {
                    *byte = 0;
                }
            }
        }
    }
    fs::write(path, bytes)
}

fn spend(left: &mut Option<u64>) -> bool {
    match left {
        Some(0) => false,
        Some(count) => {
            *count -= 1;
            true
        }
        None => true,
    }
}

impl Vfs for FaultVfs {
    fn create(&self, path: &Path, privacy: Privacy) -> io::Result<Box<dyn VfsFile>> {
        if self.state().faults.full_after == Some(0) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let file = self.inner.create(path, privacy)?;
        self.state().fresh.insert(path.to_owned());
        self.track(path, file)
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn VfsFile>> {
        self.inner.open(path)
    }

    fn open_for_writing(&self, path: &Path) -> io::Result<Box<dyn VfsFile>> {
        let file = self.inner.open_for_writing(path)?;
        self.track(path, file)
    }

    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        self.inner.create_dir_all(path)
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<String>> {
        self.inner.list(directory)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let replaced = to.exists();
        self.inner.rename(from, to)?;
        let mut state = self.state();
        if let Some(length) = state.durable.remove(from) {
            state.durable.insert(to.to_owned(), length);
        }
        state.fresh.remove(from);
        if !replaced {
            state.renamed.insert(to.to_owned(), from.to_owned());
        }
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.inner.remove(path)?;
        let mut state = self.state();
        state.durable.remove(path);
        state.fresh.remove(path);
        Ok(())
    }

    fn sync_dir(&self, directory: &Path) -> io::Result<()> {
        let mut state = self.state();
        if state.faults.sync_unsupported {
            return Err(io::ErrorKind::Unsupported.into());
        }
        if !spend(&mut state.faults.dir_sync_fails_after) {
            return Err(io::Error::other("injected: directory sync"));
        }
        state.fresh.retain(|path| path.parent() != Some(directory));
        state.renamed.retain(|path, _| path.parent() != Some(directory));
        Ok(())
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        self.inner.exists(path)
    }

    fn free_space(&self, directory: &Path) -> io::Result<u64> {
        let claimed = self.state().faults.free_space;
        claimed.map_or_else(|| self.inner.free_space(directory), Ok)
    }

    fn directory_id(&self, directory: &Path) -> io::Result<DirectoryId> {
        self.inner.directory_id(directory)
    }
}

#[derive(Debug)]
struct FaultFile {
    vfs: FaultVfs,
    path: PathBuf,
    file: Box<dyn VfsFile>,
}

impl VfsFile for FaultFile {
    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        self.file.read_at(offset, buffer)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<usize> {
        let mut state = self.vfs.state();
        state.writes += 1;
        let mut length = bytes.len().min(state.faults.short_writes.unwrap_or(usize::MAX));
        if let Some(left) = &mut state.faults.full_after {
            length = length.min(usize::try_from(*left).unwrap_or(usize::MAX));
            if length == 0 && !bytes.is_empty() {
                return Err(io::ErrorKind::StorageFull.into());
            }
            *left -= length as u64;
        }
        self.file.write_at(offset, &bytes[..length])
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        self.file.set_len(length)?;
        let mut state = self.vfs.state();
        if let Some(durable) = state.durable.get_mut(&self.path) {
            *durable = length.min(*durable);
        }
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        let length = self.file.len()?;
        let mut state = self.vfs.state();
        state.syncs += 1;
        if state.faults.sync_unsupported {
            return Err(io::ErrorKind::Unsupported.into());
        }
        if !spend(&mut state.faults.sync_fails_after) {
            return Err(io::Error::other("injected: sync"));
        }
        state.durable.insert(self.path.clone(), length);
        Ok(())
    }
}
