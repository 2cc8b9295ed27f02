//! `outlet doctor`: reads every frame, builds the index anew and compares, checks every file
//! against its name, and exports what is readable of a damaged journal.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use super::blobs::Blobs;
use super::edge::EdgeStore;
use super::error::StoreError;
use super::frame::{self, FrameKind};
use super::journal::{Journal, OpenJournal};
use super::open::OnProgress;
use super::rows::{self, BlobRow};
use super::segment::{Damage, Mark, Torn};
use super::vfs::{Privacy, Vfs, write_all_at};
use crate::ids::{BlobHash, DocKey};

/// What a check found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Checkup {
    /// Commits that are readable.
    pub commits: u64,
    /// Damage in the middle of the journal.
    pub damage: Vec<Damage>,
    /// A torn tail that was found and cut, at opening or now.
    pub torn: Option<Torn>,
    /// Rows of the index that were missing, superfluous or other than the journal says. The index
    /// in use now is the new one.
    pub wrong_rows: u64,
    /// Documents that cannot be built.
    pub unreadable: Vec<(DocKey, String)>,
    /// Files whose bytes were compared with their name.
    pub files: u64,
    /// Own files that no server has confirmed and whose bytes are not here.
    pub missing_files: Vec<BlobHash>,
    /// Files whose bytes are not those of their name.
    pub bad_files: Vec<BlobHash>,
    /// Files that no document names: added by an act that was never saved.
    pub unnamed_files: Vec<BlobHash>,
}

impl Checkup {
    /// Nothing is wrong. Unnamed files and a wrong index are not: they cost nothing.
    #[must_use]
    pub fn is_healthy(&self) -> bool {
        self.damage.is_empty()
            && self.unreadable.is_empty()
            && self.missing_files.is_empty()
            && self.bad_files.is_empty()
    }
}

impl EdgeStore {
    /// Checks the store in whole and goes on with a new index.
    ///
    /// # Errors
    /// File errors. What is wrong with the store is in the [`Checkup`].
    pub fn doctor(&mut self, progress: OnProgress<'_>) -> Result<Checkup, StoreError> {
        // An index that cannot even be read counts as all wrong.
        let before = self.fingerprints().unwrap_or_default();
        self.rebuild_index("doctor", progress)?;
        let after = self.fingerprints()?;
        let differing = after.iter().filter(|(key, hash)| before.get(*key) != Some(hash)).count();
        let superfluous = before.keys().filter(|key| !after.contains_key(*key)).count();
        let mut checkup = Checkup {
            commits: self.count_commits()?,
            damage: self.report.damage.clone(),
            torn: self.report.torn.clone(),
            wrong_rows: (differing + superfluous) as u64,
            unreadable: self.report.unreadable.clone(),
            ..Checkup::default()
        };
        self.check_files(&mut checkup)?;
        Ok(checkup)
    }

    fn fingerprints(&self) -> Result<BTreeMap<Vec<u8>, [u8; 32]>, StoreError> {
        let mut found = BTreeMap::new();
        self.index()?.scan(b"", &mut |key, value| {
            if !rows::is_hint(key) {
                found.insert(key.to_vec(), *blake3::hash(value).as_bytes());
            }
            true
        })?;
        Ok(found)
    }

    fn count_commits(&self) -> Result<u64, StoreError> {
        let mut commits = 0;
        self.look(&mut |_, _| {
            commits += 1;
            Ok(())
        })?;
        Ok(commits)
    }

    fn look(&self, visit: &mut super::segment::Visit<'_>) -> Result<(), StoreError> {
        let options = OpenJournal { from: Mark::START, look_only: true };
        let vfs = Arc::clone(&self.vfs);
        Journal::open(vfs, self.journal.directory(), &self.home.join("torn"), options, visit).map(|_| ())
    }

    fn check_files(&self, checkup: &mut Checkup) -> Result<(), StoreError> {
        for hash in self.blobs.list()? {
            checkup.files += 1;
            match self.blobs.verify(&hash) {
                Ok(_) => {}
                Err(StoreError::BlobMismatch { .. }) => checkup.bad_files.push(hash),
                Err(error) => return Err(error),
            }
            if self.blob_row(&hash)?.is_none() {
                checkup.unnamed_files.push(hash);
            }
        }
        for (key, row) in self.rows::<BlobRow>(b"b")? {
            let Some(hash) = BlobHash::from_slice(&key[1..]) else { continue };
            let needed = row.own && !row.stored && !row.withdrawn;
            if needed && self.blobs.size(&hash)?.is_none() {
                checkup.missing_files.push(hash);
            }
        }
        Ok(())
    }

    /// Copies every readable frame, as it is, into a new file: each can be checked alone. Answers
    /// how many.
    ///
    /// # Errors
    /// File errors; an existing file is not overwritten.
    pub fn export_frames(&self, file: &Path) -> Result<u64, StoreError> {
        let out = self.vfs.create(file, Privacy::Owner).map_err(StoreError::io("creating", file))?;
        let (mut offset, mut count) = (0, 0);
        self.look(&mut |_, frame| {
            let (bytes, _) = frame::encode(FrameKind::Commit, frame.sequence, frame.previous, frame.payload);
            write_all_at(out.as_ref(), offset, &bytes).map_err(StoreError::io("writing", file))?;
            offset += bytes.len() as u64;
            count += 1;
            Ok(())
        })?;
        out.sync_data().map_err(StoreError::io("syncing", file))?;
        Ok(count)
    }

    /// The folder of files, for whoever shows or exports them.
    #[must_use]
    pub fn blobs(&self) -> &Blobs {
        &self.blobs
    }

    pub(super) fn vfs(&self) -> &dyn Vfs {
        self.vfs.as_ref()
    }
}
