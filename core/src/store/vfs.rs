//! The few file operations the store is built on, behind a trait, so that tests can inject what
//! real disks do: short writes, a full disk, a failed sync, a power cut.
//!
//! [`RealVfs`] is `std::fs`. Nothing here retries or interprets: callers decide what a failure
//! means for what they promised.

use std::fmt;
use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

/// An open file, read and written at given offsets.
#[expect(clippy::len_without_is_empty, reason = "a length on disk is fallible; emptiness is nobody's question")]
pub trait VfsFile: Send + Sync + fmt::Debug {
    /// Its length in bytes.
    ///
    /// # Errors
    /// What the file system says.
    fn len(&self) -> io::Result<u64>;

    /// Reads up to `buffer.len()` bytes; fewer at the end of the file.
    ///
    /// # Errors
    /// What the file system says.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize>;

    /// Writes a prefix of `bytes` and says how long it was.
    ///
    /// # Errors
    /// What the file system says.
    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<usize>;

    /// Cuts or extends (with zeros) to the given length.
    ///
    /// # Errors
    /// What the file system says.
    fn set_len(&self, length: u64) -> io::Result<()>;

    /// `fdatasync`: bytes and length are on the medium when it returns.
    ///
    /// # Errors
    /// What the file system says. After an error nothing is known about what reached the medium.
    fn sync_data(&self) -> io::Result<()>;
}

/// Which directory this is: a copied store has another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DirectoryId {
    /// Number of the device that holds it.
    pub device: u64,
    /// Its inode.
    pub inode: u64,
}

/// Who may read a file that is created.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Privacy {
    /// Its owner alone (0600): keys.
    Owner,
    /// As the user's mask says.
    Default,
}

/// A file system.
pub trait Vfs: Send + Sync + fmt::Debug {
    /// Creates a file that must not exist yet, for reading and writing.
    ///
    /// # Errors
    /// What the file system says.
    fn create(&self, path: &Path, privacy: Privacy) -> io::Result<Box<dyn VfsFile>>;

    /// Opens a file for reading.
    ///
    /// # Errors
    /// What the file system says.
    fn open(&self, path: &Path) -> io::Result<Box<dyn VfsFile>>;

    /// Opens an existing file for reading and writing.
    ///
    /// # Errors
    /// What the file system says.
    fn open_for_writing(&self, path: &Path) -> io::Result<Box<dyn VfsFile>>;

    /// Creates a directory, readable by its owner alone, and its parents; an existing one is fine.
    ///
    /// # Errors
    /// What the file system says.
    fn create_dir_all(&self, path: &Path) -> io::Result<()>;

    /// Names in a directory, sorted.
    ///
    /// # Errors
    /// What the file system says.
    fn list(&self, directory: &Path) -> io::Result<Vec<String>>;

    /// Renames, replacing.
    ///
    /// # Errors
    /// What the file system says.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes a file.
    ///
    /// # Errors
    /// What the file system says.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// Makes creations, renames and removals in a directory durable.
    ///
    /// # Errors
    /// What the file system says.
    fn sync_dir(&self, directory: &Path) -> io::Result<()>;

    /// Does something of this name exist?
    ///
    /// # Errors
    /// What the file system says.
    fn exists(&self, path: &Path) -> io::Result<bool>;

    /// Bytes that this user may still write.
    ///
    /// # Errors
    /// What the file system says.
    fn free_space(&self, directory: &Path) -> io::Result<u64>;

    /// Device and inode of a directory.
    ///
    /// # Errors
    /// What the file system says.
    fn directory_id(&self, directory: &Path) -> io::Result<DirectoryId>;
}

/// The operating system's files.
#[derive(Debug, Clone, Copy, Default)]
pub struct RealVfs {
    /// Take "this file system cannot sync" for success: the user accepted it.
    pub accept_weak_storage: bool,
}

#[derive(Debug)]
struct RealFile {
    file: fs::File,
    weak: bool,
}

impl VfsFile for RealFile {
    fn len(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        FileExt::read_at(&self.file, buffer, offset)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<usize> {
        FileExt::write_at(&self.file, bytes, offset)
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        self.file.set_len(length)
    }

    fn sync_data(&self) -> io::Result<()> {
        tolerate(self.weak, self.file.sync_data())
    }
}

impl RealVfs {
    fn wrap(self, file: fs::File) -> Box<dyn VfsFile> {
        Box::new(RealFile { file, weak: self.accept_weak_storage })
    }
}

impl Vfs for RealVfs {
    fn create(&self, path: &Path, privacy: Privacy) -> io::Result<Box<dyn VfsFile>> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create_new(true);
        if privacy == Privacy::Owner {
            options.mode(0o600);
        }
        Ok(self.wrap(options.open(path)?))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn VfsFile>> {
        Ok(self.wrap(fs::File::open(path)?))
    }

    fn open_for_writing(&self, path: &Path) -> io::Result<Box<dyn VfsFile>> {
        Ok(self.wrap(OpenOptions::new().read(true).write(true).open(path)?))
    }

    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<String>> {
        let mut names = fs::read_dir(directory)?
            .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
            .collect::<io::Result<Vec<_>>>()?;
        names.sort();
        Ok(names)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn sync_dir(&self, directory: &Path) -> io::Result<()> {
        tolerate(self.accept_weak_storage, fs::File::open(directory)?.sync_all())
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        path.try_exists()
    }

    fn free_space(&self, directory: &Path) -> io::Result<u64> {
        let status = rustix::fs::statvfs(directory)?;
        Ok(status.f_bavail.saturating_mul(status.f_frsize))
    }

    fn directory_id(&self, directory: &Path) -> io::Result<DirectoryId> {
        let metadata = fs::metadata(directory)?;
        Ok(DirectoryId { device: metadata.dev(), inode: metadata.ino() })
    }
}

/// A file system that has no sync at all answers one of these; it is not a failure of the medium.
pub(super) fn is_unsupported(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::Unsupported | io::ErrorKind::InvalidInput)
}

pub(super) fn tolerate(weak: bool, result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if weak && is_unsupported(&error) => Ok(()),
        other => other,
    }
}

/// Writes all of `bytes`; a short write is continued, one of nothing is an error.
pub(super) fn write_all_at(file: &dyn VfsFile, mut offset: u64, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match file.write_at(offset, bytes) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => {
                bytes = bytes.get(written..).unwrap_or_default();
                offset += written as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Reads up to `length` bytes from `offset`; fewer when the file ends before.
pub(super) fn read_up_to(file: &dyn VfsFile, mut offset: u64, length: usize) -> io::Result<Vec<u8>> {
    let held = file.len()?.saturating_sub(offset);
    // Never more than the file has, whatever a length field said.
    let mut bytes = vec![0; usize::try_from(held).unwrap_or(usize::MAX).min(length)];
    let mut filled = 0;
    while filled < bytes.len() {
        match file.read_at(offset, &mut bytes[filled..]) {
            Ok(0) => break,
            Ok(read) => {
                filled += read;
                offset += read as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    bytes.truncate(filled);
    Ok(bytes)
}

/// Replaces a small file: temporary name, sync, rename, sync of the directory.
pub(super) fn replace(vfs: &dyn Vfs, path: &Path, bytes: &[u8], privacy: Privacy) -> io::Result<()> {
    let directory = path.parent().unwrap_or(Path::new("."));
    let temporary = path.with_extension("new");
    if vfs.exists(&temporary)? {
        vfs.remove(&temporary)?;
    }
    let file = vfs.create(&temporary, privacy)?;
    write_all_at(file.as_ref(), 0, bytes)?;
    file.sync_data()?;
    vfs.rename(&temporary, path)?;
    vfs.sync_dir(directory)
}

/// Writes a small file whose loss costs nothing but time: no sync.
pub(super) fn jot(vfs: &dyn Vfs, path: &Path, bytes: &[u8]) -> io::Result<()> {
    if vfs.exists(path)? {
        vfs.remove(path)?;
    }
    write_all_at(vfs.create(path, Privacy::Default)?.as_ref(), 0, bytes)
}

/// A small file in whole, or nothing when it is not there.
pub(super) fn read_small(vfs: &dyn Vfs, path: &Path) -> io::Result<Option<Vec<u8>>> {
    const LIMIT: usize = 4 << 20;
    match vfs.open(path) {
        Ok(file) => read_up_to(file.as_ref(), 0, LIMIT).map(Some),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
