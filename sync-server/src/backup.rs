//! Backup and restore: database, photos, settings and keys in one tar, sealed by a passphrase in
//! the age format.
//!
//! The database is copied first (SQLite's online backup, while `serve` runs), photos after it: a
//! row never stands without its bytes. A restored folder starts a new epoch, so that every device
//! compares everything once instead of trusting a cursor of the lost database.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use age::secrecy::SecretString;
use outlet_core::ids::Epoch;
use outlet_core::time::Timestamp;
use serde::{Deserialize, Serialize};

use crate::db::{self, Database, meta};
use crate::env::random;
use crate::error::{CommandError, IoContext};
use crate::folder::{self, Folder, KEYS, SERIAL};
use crate::{config, tar};

const MANIFEST: &str = "manifest.json";
const PHOTOS: &str = "photos";

/// First file of a backup.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Manifest {
    format: u32,
    made_at: String,
    epoch: Epoch,
}

/// What was written or restored.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Totals {
    /// Files, manifest not counted.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Photos and attachments among them.
    pub photos: u64,
}

/// Writes a backup to a new file.
///
/// # Errors
/// When the file exists, or anything cannot be read or written; a partial file is removed.
pub fn backup(folder: &Folder, file: &Path, passphrase: SecretString) -> Result<Totals, CommandError> {
    if file.exists() {
        return Err(
            CommandError::user(format!("{} exists; nothing was written", file.display())).hint("name a new file")
        );
    }
    let mut part = file.as_os_str().to_owned();
    part.push(".part");
    let part = Removed(PathBuf::from(part));
    let copy = Removed(folder.path().join(format!("backup-{}.sqlite", std::process::id())));
    let _ = std::fs::remove_file(&copy.0);
    folder.database.copy_to(&copy.0)?;
    let what = format!("writing {}", part.0.display());
    let totals = seal(folder, &copy.0, &part.0, passphrase).context(&what)?;
    std::fs::rename(&part.0, file).context(&what)?;
    file.parent().filter(|parent| !parent.as_os_str().is_empty()).map_or(Ok(()), folder::sync_folder)?;
    Ok(totals)
}

/// A temporary file, removed when this is dropped.
struct Removed(PathBuf);

impl Drop for Removed {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

fn seal(folder: &Folder, database: &Path, part: &Path, passphrase: SecretString) -> io::Result<Totals> {
    let mut options = File::options();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(part)?;
    let encryptor = age::Encryptor::with_user_passphrase(passphrase);
    let mut out = encryptor.wrap_output(BufWriter::new(file))?;
    let epoch = folder.epoch().map_err(io::Error::other)?;
    let manifest = Manifest { format: 1, made_at: folder.now().to_string(), epoch };
    let manifest = serde_json::to_vec_pretty(&manifest)?;
    tar::append(&mut out, MANIFEST, manifest.len() as u64, 0o600, &mut &manifest[..])?;
    let mut totals = Totals::default();
    add(&mut out, db::FILE, database, &mut totals)?;
    let settings = folder.path().join(config::FILE);
    if settings.exists() {
        add(&mut out, config::FILE, &settings, &mut totals)?;
    }
    for (name, path) in list(&folder.path().join(KEYS))? {
        add(&mut out, &format!("{KEYS}/{name}"), &path, &mut totals)?;
    }
    for (shard, path) in list(&folder.photos())? {
        for (name, path) in list(&path)? {
            // A photo may be withdrawn, or be half written, while the backup runs.
            let ready = name.len() == 64 && name.starts_with(&shard) && path.exists();
            if ready {
                add(&mut out, &format!("{PHOTOS}/{shard}/{name}"), &path, &mut totals)?;
                totals.photos += 1;
            }
        }
    }
    tar::finish(&mut out)?;
    let file = out.finish()?.into_inner().map_err(|error| error.into_error())?;
    file.sync_all()?;
    Ok(totals)
}

fn add(out: &mut impl Write, name: &str, path: &Path, totals: &mut Totals) -> io::Result<()> {
    let mut file = File::open(path)?;
    let size = file.metadata()?.len();
    tar::append(out, name, size, 0o600, &mut file)?;
    totals.files += 1;
    totals.bytes += size;
    Ok(())
}

/// Names and paths in a folder, sorted; empty when there is none.
fn list(folder: &Path) -> io::Result<Vec<(String, PathBuf)>> {
    let entries = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other?,
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry?;
        if let Ok(name) = entry.file_name().into_string() {
            found.push((name, entry.path()));
        }
    }
    found.sort();
    Ok(found)
}

/// Makes a data folder from a backup and starts a new epoch.
///
/// # Errors
/// When there is a database in the folder, the passphrase is wrong, or the backup is damaged. An
/// incomplete restore leaves no database, so that it cannot be taken for a complete one.
pub fn restore(data: &Path, file: &Path, passphrase: SecretString, now: Timestamp) -> Result<Totals, CommandError> {
    let place = data.join(db::FILE);
    if place.exists() {
        let message = format!("{} holds a database; nothing was changed", data.display());
        return Err(CommandError::user(message).hint("restore into a new folder"));
    }
    std::fs::create_dir_all(data).context(format_args!("making {}", data.display()))?;
    let reading = format!("reading {}", file.display());
    let input = BufReader::new(File::open(file).context(&reading)?);
    let decryptor = age::Decryptor::new(input)
        .map_err(|error| CommandError::user(format!("{} is no backup: {error}", file.display())))?;
    let identity = age::scrypt::Identity::new(passphrase);
    let mut input = decryptor.decrypt(std::iter::once(&identity as &dyn age::Identity)).map_err(|error| {
        CommandError::user(format!("the backup does not open: {error}")).hint("check the passphrase")
    })?;
    let restored = Removed(data.join("restored.sqlite"));
    let totals = unpack(&mut input, data, &restored.0).map_err(|error| {
        CommandError::user(format!("{reading} failed: {error}"))
            .hint("the file is damaged or cut short: use another backup")
    })?;
    begin_epoch(&restored.0, now)?;
    std::fs::rename(&restored.0, &place).context(format_args!("writing {}", place.display()))?;
    folder::sync_folder(data)?;
    Ok(totals)
}

fn unpack(input: &mut impl Read, data: &Path, database: &Path) -> io::Result<Totals> {
    let mut totals = Totals::default();
    let mut manifest: Option<Manifest> = None;
    let mut has_database = false;
    tar::read(input, |name, bytes| {
        if name == MANIFEST {
            let mut text = String::new();
            bytes.take(1 << 20).read_to_string(&mut text)?;
            manifest = Some(serde_json::from_str(&text)?);
            return Ok(());
        }
        match manifest.as_ref().map(|manifest| manifest.format) {
            Some(1) => {}
            Some(_) => return Err(io::Error::other("it was made by a newer outlet-server")),
            None => return Err(io::Error::other("it does not begin with a manifest")),
        }
        let path = match name.split_once('/') {
            None if name == db::FILE => {
                has_database = true;
                database.to_owned()
            }
            None if name == config::FILE => data.join(name),
            Some((KEYS, file)) if !file.contains('/') => data.join(KEYS).join(file),
            Some((PHOTOS, rest)) => {
                totals.photos += 1;
                data.join(PHOTOS).join(rest)
            }
            _ => return Err(io::Error::other(format!("{name} does not belong into a backup"))),
        };
        totals.files += 1;
        totals.bytes += write(&path, bytes)?;
        Ok(())
    })?;
    if has_database { Ok(totals) } else { Err(io::Error::other("it holds no database")) }
}

fn write(path: &Path, bytes: &mut dyn Read) -> io::Result<u64> {
    let folder = path.parent().ok_or_else(|| io::Error::other("a file without a folder"))?;
    std::fs::create_dir_all(folder)?;
    let mut options = File::options();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    let copied = io::copy(bytes, &mut file)?;
    file.sync_all()?;
    File::open(folder)?.sync_all()?;
    Ok(copied)
}

/// More rulings and certificates than one life of a database gives.
const EPOCH_STEP: i64 = 1 << 32;

fn begin_epoch(database: &Path, now: Timestamp) -> Result<(), CommandError> {
    let database = Database::open(database)?;
    database.write::<_, CommandError>(|tx| {
        meta::set(tx, meta::EPOCH, &random::<8>()?[..])?;
        // Numbers given after the backup are known to devices: rulings of this life count above them.
        let serial = meta::get::<i64>(tx, SERIAL)?.unwrap_or(0);
        meta::set(tx, SERIAL, serial.saturating_add(EPOCH_STEP))?;
        meta::audit(tx, now, "command line", "restore", "")?;
        tx.execute("DELETE FROM meta WHERE key = ?1", [meta::LISTENING])?;
        Ok(())
    })?;
    // Into the one file that is renamed: the log beside it stays behind.
    database.checkpoint()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn open(path: &Path) -> Folder {
        Folder::open(path, Arc::new(|| Timestamp::from_millis(5))).unwrap().0
    }

    fn secret(text: &str) -> SecretString {
        SecretString::from(text.to_owned())
    }

    #[test]
    fn a_restore_has_everything_and_another_epoch() {
        let place = tempfile::tempdir().unwrap();
        let (data, copy, file) = (place.path().join("data"), place.path().join("copy"), place.path().join("b.age"));
        Folder::init(&data, Timestamp::from_millis(0)).unwrap();
        let folder = open(&data);
        let name = "ab".repeat(32);
        std::fs::create_dir_all(folder.photos().join("ab")).unwrap();
        std::fs::write(folder.photos().join("ab").join(&name), b"photo").unwrap();
        let totals = backup(&folder, &file, secret("correct horse")).unwrap();
        assert_eq!(totals.photos, 1);
        assert!(backup(&folder, &file, secret("correct horse")).is_err(), "never overwrites");
        assert!(restore(&copy, &file, secret("wrong"), Timestamp::from_millis(9)).is_err());
        assert!(!copy.join(db::FILE).exists());
        assert_eq!(restore(&copy, &file, secret("correct horse"), Timestamp::from_millis(9)).unwrap(), totals);
        let restored = open(&copy);
        assert_eq!(restored.key().public(), folder.key().public());
        assert_ne!(restored.epoch().unwrap(), folder.epoch().unwrap());
        let serial =
            |folder: &Folder| folder.database.read::<_, db::DbError>(|tx| meta::get::<i64>(tx, SERIAL)).unwrap();
        assert!(
            serial(&restored) > serial(&folder).map(|serial| serial + 1_000_000),
            "a later ruling has a larger number"
        );
        assert_eq!(std::fs::read(restored.photos().join("ab").join(&name)).unwrap(), b"photo");
        assert!(restore(&copy, &file, secret("correct horse"), Timestamp::from_millis(9)).is_err());
        let sealed = std::fs::read(&file).unwrap();
        std::fs::write(&file, &sealed[..sealed.len() - 2000]).unwrap();
        let third = place.path().join("third");
        assert!(restore(&third, &file, secret("correct horse"), Timestamp::from_millis(9)).is_err());
        assert!(!third.join(db::FILE).exists());
    }
}
