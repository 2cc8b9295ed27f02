//! Backup of a device in one tar file, and its way back.
//!
//! The file holds `outlet-backup-1` (a line of text), `journal/…`, `blobs/…` and, last, `key`: the
//! secret key, so the file is as secret as the device. The index is not in it, and neither is the
//! incarnation: a restored store takes a new one, because the device it is a copy of may still be
//! in use.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use super::blobs::{Blobs, MAX_BLOB};
use super::edge::EdgeStore;
use super::error::StoreError;
use super::frame::MAX_SEGMENT;
use super::home;
use super::journal::create_durably;
use super::segment;
use super::vfs::{Privacy, RealVfs, Vfs, write_all_at};
use crate::ids::BlobHash;

const MARKER: &str = "outlet-backup-1";

/// What was put into a backup or taken out of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct BackupReport {
    /// Segments of the journal.
    pub segments: u64,
    /// Photos and other files.
    pub files: u64,
    /// Bytes of both.
    pub bytes: u64,
}

impl EdgeStore {
    /// Writes everything that cannot be derived into one file, readable by its owner alone. It has
    /// its name only when it is complete and on the medium.
    ///
    /// # Errors
    /// File errors.
    pub fn backup(&self, file: &Path) -> Result<BackupReport, StoreError> {
        let temporary = file.with_extension("part");
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600);
        let out = options.open(&temporary).map_err(StoreError::io("creating", &temporary))?;
        let written = self.write_backup(out, &temporary);
        if written.is_err() {
            let _ = std::fs::remove_file(&temporary);
            return written;
        }
        std::fs::rename(&temporary, file).map_err(StoreError::io("renaming", &temporary))?;
        let parent = file.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        self.vfs().sync_dir(parent).map_err(StoreError::io("syncing", parent))?;
        written
    }

    fn write_backup(&self, out: File, path: &Path) -> Result<BackupReport, StoreError> {
        let failed = || StoreError::io("writing", path);
        let mut report = BackupReport::default();
        let mut tar = tar::Builder::new(std::io::BufWriter::new(out));
        append_bytes(&mut tar, MARKER, format!("{MARKER}\n").as_bytes()).map_err(failed())?;
        for number in segment::numbers(self.vfs(), self.journal.directory())? {
            let source = segment::path_of(self.journal.directory(), number);
            report.bytes += append_file(&mut tar, &format!("journal/{number:08}.seg"), &source).map_err(failed())?;
            report.segments += 1;
        }
        for hash in self.blobs().list()? {
            let (source, name) = (self.blobs().path_of(&hash), hash.to_string());
            report.bytes += append_file(&mut tar, &format!("blobs/{name}"), &source).map_err(failed())?;
            report.files += 1;
        }
        let key = self.home.join("key");
        append_file(&mut tar, "key", &key).map_err(failed())?;
        let mut out = tar.into_inner().map_err(failed())?;
        out.flush().map_err(failed())?;
        out.get_ref().sync_all().map_err(failed())?;
        Ok(report)
    }
}

fn append_bytes(tar: &mut tar::Builder<impl Write>, name: &str, bytes: &[u8]) -> std::io::Result<()> {
    let mut header = tar::Header::new_gnu();
    header.set_size(bytes.len() as u64);
    header.set_mode(0o600);
    tar.append_data(&mut header, name, bytes)
}

fn append_file(tar: &mut tar::Builder<impl Write>, name: &str, source: &Path) -> std::io::Result<u64> {
    let file = File::open(source)?;
    let length = file.metadata()?.len();
    let mut header = tar::Header::new_gnu();
    header.set_size(length);
    header.set_mode(0o600);
    tar.append_data(&mut header, name, file.take(length))?;
    Ok(length)
}

/// Puts a backup into a directory that holds no store yet. The key comes last, so an interrupted
/// restore leaves no store.
///
/// # Errors
/// [`StoreError::StoreExists`], [`StoreError::NotABackup`], file errors.
pub fn restore(file: &Path, home: &Path) -> Result<BackupReport, StoreError> {
    let vfs: Arc<dyn Vfs> = Arc::new(RealVfs::default());
    if home::exists(vfs.as_ref(), home)? || home.join("journal").exists() {
        return Err(StoreError::StoreExists(home.to_owned()));
    }
    let archive = File::open(file).map_err(StoreError::io("opening", file))?;
    let mut archive = tar::Archive::new(archive);
    let mut restoring = Restoring { vfs, home, file, report: BackupReport::default(), blobs: None, key: None };
    let mut first = true;
    for entry in archive.entries().map_err(|error| restoring.bad(error.to_string()))? {
        let mut entry = entry.map_err(|error| restoring.bad(error.to_string()))?;
        let name = plain_name(&entry.path().map_err(|error| restoring.bad(error.to_string()))?)
            .ok_or_else(|| restoring.bad("it holds a name that no backup has".to_owned()))?;
        if first && name != MARKER {
            return Err(restoring.bad("it does not begin as one".to_owned()));
        }
        first = false;
        let size = entry.size();
        restoring.entry(&name, size, &mut entry)?;
    }
    restoring.finish()
}

struct Restoring<'a> {
    vfs: Arc<dyn Vfs>,
    home: &'a Path,
    file: &'a Path,
    report: BackupReport,
    blobs: Option<Blobs>,
    key: Option<Vec<u8>>,
}

impl Restoring<'_> {
    fn bad(&self, reason: String) -> StoreError {
        StoreError::NotABackup { path: self.file.to_owned(), reason }
    }

    fn entry(&mut self, name: &str, size: u64, bytes: &mut dyn Read) -> Result<(), StoreError> {
        if name == MARKER {
            return create_durably(self.vfs.as_ref(), self.home);
        }
        if name == "key" {
            let mut key = Vec::new();
            bytes.take(4096).read_to_end(&mut key).map_err(StoreError::io("reading", self.file))?;
            self.key = Some(key);
            return Ok(());
        }
        if let Some(segment) = name.strip_prefix("journal/") {
            return self.segment(segment, size, bytes);
        }
        if let Some(hash) = name.strip_prefix("blobs/").and_then(|name| name.parse::<BlobHash>().ok()) {
            return self.blob(hash, size, bytes);
        }
        Err(self.bad(format!("it holds {name:?}, which no backup has")))
    }

    fn segment(&mut self, name: &str, size: u64, bytes: &mut dyn Read) -> Result<(), StoreError> {
        let stem = name.strip_suffix(".seg").filter(|stem| stem.len() == 8);
        if size > MAX_SEGMENT as u64 || stem.and_then(|stem| stem.parse::<u32>().ok()).is_none() {
            return Err(self.bad(format!("{name:?} is not a segment")));
        }
        let directory = self.home.join("journal");
        create_durably(self.vfs.as_ref(), &directory)?;
        let mut content = Vec::new();
        bytes.take(size).read_to_end(&mut content).map_err(StoreError::io("reading", self.file))?;
        if content.len() as u64 != size {
            return Err(self.bad("it is cut short".to_owned()));
        }
        let path = directory.join(name);
        let out = self.vfs.create(&path, Privacy::Default).map_err(StoreError::io("creating", &path))?;
        write_all_at(out.as_ref(), 0, &content).map_err(StoreError::io("writing", &path))?;
        out.sync_data().map_err(StoreError::io("syncing", &path))?;
        self.vfs.sync_dir(&directory).map_err(StoreError::io("syncing", &directory))?;
        self.report.segments += 1;
        self.report.bytes += size;
        Ok(())
    }

    fn blob(&mut self, hash: BlobHash, size: u64, bytes: &mut dyn Read) -> Result<(), StoreError> {
        if size > MAX_BLOB {
            return Err(StoreError::BlobTooLarge { name: hash.to_string(), limit: MAX_BLOB });
        }
        let mut blobs = match self.blobs.take() {
            Some(blobs) => blobs,
            None => Blobs::open(Arc::clone(&self.vfs), &self.home.join("blobs"))?,
        };
        let stored = blobs.add(&format!("blobs/{hash}"), Some(size), bytes)?;
        self.blobs = Some(blobs);
        if stored.hash != hash {
            return Err(StoreError::BlobMismatch { expected: hash, got: stored.hash });
        }
        self.report.files += 1;
        self.report.bytes += size;
        Ok(())
    }

    fn finish(self) -> Result<BackupReport, StoreError> {
        let Some(key) = &self.key else { return Err(self.bad("it is cut short: the key is missing".to_owned())) };
        let path = self.home.join("key");
        super::vfs::replace(self.vfs.as_ref(), &path, key, Privacy::Owner).map_err(StoreError::io("writing", &path))?;
        Ok(self.report)
    }
}

/// A relative name without any way out of the directory.
fn plain_name(path: &Path) -> Option<String> {
    let plain = path.components().all(|part| matches!(part, Component::Normal(_)));
    let name: PathBuf = path.to_owned();
    name.to_str().filter(|_| plain).map(str::to_owned)
}
