//! Files that somebody sent through the console and has not decided about yet: one folder each below
//! `uploads/` in the data folder, its owner beside it. Nothing of a sent name becomes a path but its
//! cleaned last part; an archive is unpacked flat, for its shapefile alone, within limits. What is a
//! day old is swept away.

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

use outlet_core::time::Timestamp;
use serde::{Deserialize, Serialize};

use crate::env::random;
use crate::error::{CommandError, IoContext};

/// Largest file that is taken.
pub const MOST_BYTES: u64 = 64 << 20;
/// Largest shapefile with its table, unpacked.
const MOST_UNPACKED: u64 = 256 << 20;
/// Files in an archive that are looked at.
const MOST_ENTRIES: usize = 200;
/// Uploads that wait at a time, of everybody.
const MOST_WAITING: usize = 40;
/// After so long an upload is gone.
const KEPT_MS: i64 = 24 * 3_600_000;
/// Longest name, in characters.
const LONGEST_NAME: usize = 80;

const FOLDER: &str = "uploads";
const META: &str = "upload.json";
/// Endings of files that can be read; an archive is one, what is in it another.
const KINDS: [&str; 8] = ["csv", "txt", "tsv", "xlsx", "xlsm", "geojson", "json", "zip"];
const SHAPE_PARTS: [&str; 5] = ["shp", "dbf", "shx", "prj", "cpg"];

/// Why a file is not taken.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UploadError {
    /// Nothing was chosen.
    #[error("no file was sent: choose one")]
    Nothing,
    /// An ending that no reader takes.
    #[error("{0:?} is of no kind that is read: .csv, .txt, .xlsx, .geojson, .json, or a shapefile as .zip")]
    Kind(String),
    /// Beyond the limit.
    #[error("the file is larger than {} MB", .0 >> 20)]
    TooLarge(u64),
    /// Too many wait.
    #[error("{MOST_WAITING} files wait for a decision already: finish or discard one first")]
    TooMany,
    /// Not an archive with one shapefile.
    #[error("the archive cannot be used: {0}")]
    Archive(String),
    /// No such upload, or another's.
    #[error("the file is no longer here: send it again")]
    Gone,
    /// Disk.
    #[error(transparent)]
    Io(#[from] CommandError),
}

/// A file that waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upload {
    /// Names it in addresses.
    pub id: String,
    /// Name as sent, cleaned.
    pub name: String,
    /// Where to read it: of an archive, the `.shp` file.
    pub path: PathBuf,
}

#[derive(Debug, Serialize, Deserialize)]
struct Meta {
    owner: String,
    name: String,
    file: String,
    at: i64,
}

/// A file that is being received.
#[derive(Debug)]
pub struct Receiving {
    folder: PathBuf,
    id: String,
    name: String,
    file: File,
    bytes: u64,
    done: bool,
}

impl Drop for Receiving {
    fn drop(&mut self) {
        if !self.done {
            let _ = fs::remove_dir_all(&self.folder);
        }
    }
}

/// The last part of a sent name, of letters, digits and a few signs; nothing of it leads elsewhere.
#[must_use]
pub fn clean_name(sent: &str) -> String {
    let last = sent.rsplit(['/', '\\']).next().unwrap_or_default();
    let plain = |c: char| c.is_alphanumeric() || " ._-()（）〔〕".contains(c);
    let kept: String = last.chars().filter(|c| plain(*c)).collect();
    let kept = kept.trim().trim_start_matches('.').trim();
    let length = kept.chars().count();
    // The end says what it is.
    kept.chars().skip(length.saturating_sub(LONGEST_NAME)).collect()
}

fn ending(name: &str) -> String {
    Path::new(name).extension().map(|ending| ending.to_string_lossy().to_lowercase()).unwrap_or_default()
}

/// Begins to receive a file of this name.
///
/// # Errors
/// [`UploadError`]: before a byte is written where the name says that it cannot be read.
pub fn begin(data: &Path, sent: &str, now: Timestamp) -> Result<Receiving, UploadError> {
    let name = clean_name(sent);
    if name.is_empty() {
        return Err(UploadError::Nothing);
    }
    if !KINDS.contains(&ending(&name).as_str()) {
        return Err(UploadError::Kind(name));
    }
    if sweep(data, now)? >= MOST_WAITING {
        return Err(UploadError::TooMany);
    }
    let id = data_encoding::HEXLOWER.encode(&random::<16>()?);
    let folder = data.join(FOLDER).join(&id);
    fs::create_dir_all(&folder).context(format_args!("making {}", folder.display()))?;
    let path = folder.join(&name);
    let file = File::create_new(&path).context(format_args!("making {}", path.display()))?;
    Ok(Receiving { folder, id, name, file, bytes: 0, done: false })
}

impl Receiving {
    /// Takes the next bytes.
    ///
    /// # Errors
    /// [`UploadError::TooLarge`] beyond the limit; then nothing stays.
    pub fn take(&mut self, bytes: &[u8]) -> Result<(), UploadError> {
        self.bytes += bytes.len() as u64;
        if self.bytes > MOST_BYTES {
            return Err(UploadError::TooLarge(MOST_BYTES));
        }
        self.file.write_all(bytes).context("writing the file that was sent")?;
        Ok(())
    }

    /// All bytes are here: unpacks an archive, and says whose it is.
    ///
    /// # Errors
    /// [`UploadError`]; then nothing stays.
    pub fn finish(mut self, owner: &str, now: Timestamp) -> Result<Upload, UploadError> {
        if self.bytes == 0 {
            return Err(UploadError::Nothing);
        }
        self.file.flush().context("writing the file that was sent")?;
        let packed = self.folder.join(&self.name);
        let file = if ending(&self.name) == "zip" {
            let file = unpack(&packed, &self.folder, &self.name)?;
            fs::remove_file(&packed).context("removing the unpacked archive")?;
            file
        } else {
            self.name.clone()
        };
        let meta = Meta { owner: owner.to_owned(), name: self.name.clone(), file, at: now.millis() };
        let text = serde_json::to_vec(&meta).map_err(|error| CommandError::internal(error.to_string()))?;
        fs::write(self.folder.join(META), text).context("writing whose file it is")?;
        self.done = true;
        Ok(Upload { id: self.id.clone(), name: meta.name, path: self.folder.join(meta.file) })
    }
}

/// Takes the one shapefile out of an archive; its parts are named after the archive. The name of its
/// `.shp` file.
///
/// # Errors
/// [`UploadError`]; what was unpacked until then stays in the folder, which is its caller's.
pub(crate) fn unpack(packed: &Path, folder: &Path, name: &str) -> Result<String, UploadError> {
    let wrong = |why: String| UploadError::Archive(why);
    let file = File::open(packed).context("opening the archive")?;
    let mut archive = zip::ZipArchive::new(file).map_err(|error| wrong(error.to_string()))?;
    if archive.len() > MOST_ENTRIES {
        return Err(wrong(format!("it has {} files, at most {MOST_ENTRIES} are looked at", archive.len())));
    }
    let stem = Path::new(name).file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    let mut left = MOST_UNPACKED;
    let mut seen: Vec<String> = Vec::new();
    for at in 0..archive.len() {
        let entry = archive.by_index(at).map_err(|error| wrong(error.to_string()))?;
        let part = match entry.name() {
            Ok(inside) => ending(&clean_name(&inside)),
            Err(_) => continue,
        };
        if entry.is_dir() || !SHAPE_PARTS.contains(&part.as_str()) {
            continue;
        }
        if seen.contains(&part) {
            return Err(wrong(format!("it has several .{part} files: one shapefile at a time")));
        }
        let path = folder.join(format!("{stem}.{part}"));
        let mut out = File::create_new(&path).context(format_args!("making {}", path.display()))?;
        // One byte more than is allowed says that there is more.
        let copied = std::io::copy(&mut entry.take(left + 1), &mut out).map_err(|error| wrong(error.to_string()))?;
        if copied > left {
            return Err(UploadError::TooLarge(MOST_UNPACKED));
        }
        left -= copied;
        seen.push(part);
    }
    for needed in ["shp", "dbf"] {
        if !seen.iter().any(|part| part == needed) {
            return Err(wrong(format!("it has no .{needed} file")));
        }
    }
    Ok(format!("{stem}.shp"))
}

/// An upload of this owner.
///
/// # Errors
/// [`UploadError::Gone`] when there is none, or it is another's.
pub fn get(data: &Path, id: &str, owner: &str) -> Result<Upload, UploadError> {
    let folder = folder_of(data, id).ok_or(UploadError::Gone)?;
    let meta = meta(&folder).filter(|meta| meta.owner == owner).ok_or(UploadError::Gone)?;
    Ok(Upload { id: id.to_owned(), name: meta.name, path: folder.join(meta.file) })
}

/// Takes an upload away; one that is gone is no error.
pub fn discard(data: &Path, upload: &Upload) {
    if let Some(folder) = folder_of(data, &upload.id) {
        let _ = fs::remove_dir_all(folder);
    }
}

fn folder_of(data: &Path, id: &str) -> Option<PathBuf> {
    let plain = id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
    plain.then(|| data.join(FOLDER).join(id))
}

fn meta(folder: &Path) -> Option<Meta> {
    serde_json::from_slice(&fs::read(folder.join(META)).ok()?).ok()
}

/// Removes what is old; how many wait.
fn sweep(data: &Path, now: Timestamp) -> Result<usize, UploadError> {
    let folder = data.join(FOLDER);
    fs::create_dir_all(&folder).context(format_args!("making {}", folder.display()))?;
    let mut waiting = 0;
    for entry in fs::read_dir(&folder).context(format_args!("reading {}", folder.display()))?.flatten() {
        let path = entry.path();
        // Without a mark it is being received, or was when the server stopped.
        let at = meta(&path).map(|meta| meta.at);
        let old = match at {
            Some(at) => now.millis() - at > KEPT_MS,
            None => entry
                .metadata()
                .and_then(|data| data.modified())
                .is_ok_and(|at| at.elapsed().is_ok_and(|age| age.as_millis() > KEPT_MS.unsigned_abs().into())),
        };
        if old {
            let _ = fs::remove_dir_all(&path);
        } else {
            waiting += 1;
        }
    }
    Ok(waiting)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    fn sent(data: &Path, name: &str, bytes: &[u8]) -> Result<Upload, UploadError> {
        let mut receiving = begin(data, name, at(0))?;
        receiving.take(bytes)?;
        receiving.finish("wang", at(0))
    }

    fn archive(files: &[(&str, &[u8])]) -> Vec<u8> {
        let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
        for (name, bytes) in files {
            writer.start_file(*name, zip::write::SimpleFileOptions::default()).unwrap();
            writer.write_all(bytes).unwrap();
        }
        writer.finish().unwrap().into_inner()
    }

    #[test]
    fn a_sent_name_never_leads_out_of_its_folder() {
        for (sent, clean) in [
            ("../../etc/passwd", "passwd"),
            ("C:\\temp\\点位 (1).csv", "点位 (1).csv"),
            ("..", ""),
            ("a\0b\n.csv", "ab.csv"),
            (".hidden.csv", "hidden.csv"),
            ("<b>.csv", "b.csv"),
        ] {
            assert_eq!(clean_name(sent), clean, "{sent:?}");
        }
        assert_eq!(clean_name(&format!("{}.csv", "长".repeat(300))).chars().count(), LONGEST_NAME);
        let data = tempfile::tempdir().unwrap();
        let upload = sent(data.path(), "../../x.csv", b"a").unwrap();
        assert!(upload.path.starts_with(data.path().join(FOLDER)), "{upload:?}");
        for id in ["..", "../..", "0", &"g".repeat(32)] {
            assert!(matches!(get(data.path(), id, "wang"), Err(UploadError::Gone)), "{id:?}");
        }
    }

    #[test]
    fn an_upload_is_its_owner_s_and_gone_after_a_day() {
        let data = tempfile::tempdir().unwrap();
        let upload = sent(data.path(), "点位.csv", b"a,b\n").unwrap();
        assert_eq!(get(data.path(), &upload.id, "wang").unwrap(), upload);
        assert!(matches!(get(data.path(), &upload.id, "li"), Err(UploadError::Gone)));
        assert_eq!(sweep(data.path(), at(KEPT_MS)).unwrap(), 1);
        assert_eq!(sweep(data.path(), at(KEPT_MS + 1)).unwrap(), 0);
        assert!(matches!(get(data.path(), &upload.id, "wang"), Err(UploadError::Gone)));
    }

    #[test]
    fn what_cannot_be_read_or_is_too_large_leaves_nothing_behind() {
        let data = tempfile::tempdir().unwrap();
        assert!(matches!(sent(data.path(), "virus.exe", b"a"), Err(UploadError::Kind(_))));
        assert!(matches!(sent(data.path(), "", b"a"), Err(UploadError::Nothing)));
        assert!(matches!(sent(data.path(), "a.csv", b""), Err(UploadError::Nothing)));
        let mut receiving = begin(data.path(), "a.csv", at(0)).unwrap();
        let block = vec![0; 8 << 20];
        let refused = (0..9).find_map(|_| receiving.take(&block).err());
        assert!(matches!(refused, Some(UploadError::TooLarge(MOST_BYTES))));
        drop(receiving);
        assert!(matches!(sent(data.path(), "a.zip", b"PK no archive"), Err(UploadError::Archive(_))));
        assert_eq!(sweep(data.path(), at(0)).unwrap(), 0);
    }

    #[test]
    fn an_archive_gives_its_one_shapefile_and_nothing_else() {
        let data = tempfile::tempdir().unwrap();
        let good = archive(&[("../../x/y.shp", b"s"), ("a/y.DBF", b"d"), ("readme.exe", b"r"), ("y.prj", b"p")]);
        let upload = sent(data.path(), "保护区.zip", &good).unwrap();
        assert_eq!(upload.path.file_name().unwrap().to_str(), Some("保护区.shp"));
        let mut names: Vec<String> = fs::read_dir(upload.path.parent().unwrap())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        assert_eq!(names, ["upload.json", "保护区.dbf", "保护区.prj", "保护区.shp"]);
        for bad in [archive(&[("a.shp", b"s")]), archive(&[("a.shp", b"s"), ("b.shp", b"s"), ("a.dbf", b"d")])] {
            assert!(matches!(sent(data.path(), "a.zip", &bad), Err(UploadError::Archive(_))));
        }
    }
}
