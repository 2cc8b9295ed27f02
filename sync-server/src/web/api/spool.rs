//! Uploads that are too large for memory: into a file of the data folder while they arrive, removed
//! when they were read.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use axum::body::{Body, Bytes};
use futures_util::StreamExt as _;
use outlet_core::ids::BlobHash;
use sha2::{Digest as _, Sha256};
use tempfile::{Builder, TempDir};
use tokio::sync::mpsc;

use super::{Api, Problem};
use crate::uploads::{self, UploadError};

/// Parts that wait for the disk.
const WAITING: usize = 4;

/// Names of such folders begin with it.
const PREFIX: &str = "upload-";

/// Longest name that is kept, in characters.
const LONGEST_NAME: usize = 80;

/// A file that arrived; it goes with this value.
pub(super) struct Spooled {
    folder: TempDir,
    /// Where it is; its last part is the name as sent, cleaned.
    pub path: PathBuf,
}

impl Spooled {
    /// The file to be read: of an archive the `.shp` file in it, which is unpacked now.
    ///
    /// # Errors
    /// 413 or 422 for an archive that is too large or has no shapefile in it.
    pub(super) fn readable(&self) -> Result<PathBuf, Problem> {
        if self.path.extension().is_none_or(|end| !end.eq_ignore_ascii_case("zip")) {
            return Ok(self.path.clone());
        }
        let (folder, name) = (self.folder.path(), self.path.file_name().unwrap_or_default().to_string_lossy());
        match uploads::unpack(&self.path, folder, &name) {
            Ok(shape) => Ok(folder.join(shape)),
            Err(UploadError::TooLarge(most)) => Err(Problem::too_large(usize::try_from(most).unwrap_or(usize::MAX))),
            Err(UploadError::Io(error)) => Err(Problem::internal(&error)),
            Err(error) => Err(Problem::unprocessable(error.to_string())),
        }
    }
}

/// Letters, digits, dots and lines of the last part of a name: nothing of it leads elsewhere.
fn clean(name: &str) -> String {
    let last = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let kept: String = last.chars().filter(|c| c.is_alphanumeric() || "._-".contains(*c)).collect();
    let length = kept.chars().count();
    // The end says what it is.
    let end: String = kept.chars().skip(length.saturating_sub(LONGEST_NAME)).collect();
    if end.starts_with('.') { format!("file{end}") } else { end }
}

/// Writes a body into a file of this name.
///
/// # Errors
/// 413 above `most` bytes, 400 when the client breaks off; then the file is gone.
pub(super) async fn spool(api: &Api, body: Body, name: &str, most: usize) -> Result<Spooled, Problem> {
    let (sender, mut receiver) = mpsc::channel::<Bytes>(WAITING);
    let (incoming, name) = (api.engine.folder.incoming(), clean(name));
    let writer = tokio::task::spawn_blocking(move || {
        let folder = Builder::new().prefix(PREFIX).tempdir_in(incoming)?;
        let path = folder.path().join(name);
        let mut file = File::create_new(&path)?;
        while let Some(part) = receiver.blocking_recv() {
            file.write_all(&part)?;
        }
        Ok::<Spooled, std::io::Error>(Spooled { folder, path })
    });
    let mut parts = body.into_data_stream();
    let mut size = 0;
    while let Some(part) = parts.next().await {
        let part = part.map_err(|_| Problem::bad_request("the upload broke off; nothing of it was used"))?;
        size += part.len();
        if size > most {
            return Err(Problem::too_large(most));
        }
        if sender.send(part).await.is_err() {
            // The writer has failed; it says why below.
            break;
        }
    }
    drop(sender);
    match writer.await {
        Ok(written) => written.map_err(|error| Problem::internal(&error)),
        Err(error) => Err(Problem::internal(&error)),
    }
}

/// SHA-256 of a body while it arrives: of what is only compared nothing is kept.
///
/// # Errors
/// 413 above `most` bytes, 400 when the client breaks off.
pub(super) async fn digest(body: Body, most: u64) -> Result<BlobHash, Problem> {
    let (mut parts, mut digest, mut size) = (body.into_data_stream(), Sha256::new(), 0);
    while let Some(part) = parts.next().await {
        let part = part.map_err(|_| Problem::bad_request("the upload broke off; nothing of it was used"))?;
        size += part.len() as u64;
        if size > most {
            return Err(Problem::too_large(usize::try_from(most).unwrap_or(usize::MAX)));
        }
        digest.update(&part);
    }
    Ok(BlobHash(digest.finalize().into()))
}

/// Removes what a crash left behind. For the one process that serves.
pub(super) fn sweep(folder: &Path) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        if entry.file_name().to_string_lossy().starts_with(PREFIX)
            && let Err(error) = std::fs::remove_dir_all(entry.path())
        {
            tracing::warn!(%error, "the rest of an upload cannot be removed");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sent_name_leads_nowhere() {
        assert_eq!(clean("../../keys/root.csv"), "root.csv");
        assert_eq!(clean("C:\\data\\外来 台账.csv"), "外来台账.csv");
        assert_eq!(clean(".csv"), "file.csv");
        assert!(clean(&format!("{}.csv", "长".repeat(500))).ends_with("长.csv"));
    }
}
