//! The store of a device: journal, index and files as one.

use std::collections::BTreeSet;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::blobs::{Blobs, StoredBlob};
use super::error::StoreError;
use super::home::{self, Entropy, Identity, Renewed};
use super::index::Index;
use super::journal::{Journal, create_durably};
use super::lock::{StoreLock, unwritable};
use super::open::{self, OnProgress, OpenReport, Opening};
use super::record::{Enrolment, OwnAct, Record};
use super::rows::{self, Believed, BlobRow, RunRow};
use super::space::Space;
use super::stage::{DigestRow, Place, Stage, Staged};
use super::vfs::{RealVfs, Vfs, is_unsupported};
use crate::admission::check_run;
use crate::doc::{Document, NewChange};
use crate::identity::{Certificate, Roster, ServerCert, SignedRevocation, SignedRun};
use crate::ids::{BlobHash, ChangeHash, Collection, DocKey, Signature};
use crate::time::Timestamp;

/// How to open a store.
#[derive(Debug, Clone)]
pub struct OpenStore {
    /// Its directory.
    pub home: PathBuf,
    /// Who opens it, for the next process that asks: `outlet sync (process 4711)`.
    pub who: String,
    /// The device's clock, for the lock file.
    pub now: Timestamp,
    /// For a store that is new or was copied.
    pub entropy: Entropy,
    /// Identifies this run of the machine ([`boot_id`]); `None` where there is no such thing.
    pub boot: Option<String>,
    /// Make a new store when there is none.
    pub create: bool,
    /// Take a file system without locks or sync all the same.
    pub accept_weak_storage: bool,
}

/// The identifier of this run of the machine, where the system has one (Linux).
#[must_use]
pub fn boot_id() -> Option<String> {
    let text = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    Some(text.trim().to_owned()).filter(|id| !id.is_empty())
}

/// An open store. One process at a time has it.
#[derive(Debug)]
pub struct EdgeStore {
    pub(super) vfs: Arc<dyn Vfs>,
    pub(super) home: PathBuf,
    pub(super) identity: Identity,
    pub(super) journal: Journal,
    /// `None` only while it is being closed or after it could not be rebuilt.
    pub(super) index: Option<Index>,
    pub(super) number: u64,
    pub(super) blobs: Blobs,
    pub(super) space: Space,
    pub(super) report: OpenReport,
    boot: Option<String>,
    roster: Option<Roster>,
    /// Own files still to be sent, once counted.
    pub(super) files: Option<super::send::PendingFiles>,
    /// Names of the files that are here, once listed; a name that is not in it has no bytes.
    pub(super) here: Option<BTreeSet<BlobHash>>,
    /// Files that a session with another device is receiving: of several at once only one does.
    pub(super) receiving: BTreeSet<BlobHash>,
    /// Released last.
    _lock: StoreLock,
}

impl EdgeStore {
    /// Opens a store on the operating system's files.
    ///
    /// # Errors
    /// [`StoreError::NoStore`], [`StoreError::Locked`], [`StoreError::ReadOnlyHome`],
    /// [`StoreError::WeakStorage`], [`StoreError::Identity`], [`StoreError::NewerVersion`], file
    /// errors. A damaged journal is not an error: the store is open for reading and
    /// [`EdgeStore::report`] says where.
    pub fn open(options: &OpenStore, progress: OnProgress<'_>) -> Result<Self, StoreError> {
        let vfs = RealVfs { accept_weak_storage: options.accept_weak_storage };
        Self::open_on(Arc::new(vfs), options, progress)
    }

    /// Opens a store on other files: for tests that let them fail.
    ///
    /// # Errors
    /// As [`EdgeStore::open`].
    pub fn open_on(vfs: Arc<dyn Vfs>, options: &OpenStore, progress: OnProgress<'_>) -> Result<Self, StoreError> {
        let home = options.home.as_path();
        if !home::exists(vfs.as_ref(), home)? && !options.create {
            return Err(StoreError::NoStore(home.to_owned()));
        }
        create_durably(vfs.as_ref(), home).map_err(|error| refine(home, error))?;
        let lock = StoreLock::acquire(home, &options.who, options.now, options.accept_weak_storage)?;
        let space = Space::new(Arc::clone(&vfs), home);
        space.release_if_low()?;
        let journal = home.join("journal");
        create_durably(vfs.as_ref(), &journal).map_err(|error| refine(home, error))?;
        let (identity, renewed) = home::open(vfs.as_ref(), home, &journal, &options.entropy)?;
        let opening = Opening { vfs: Arc::clone(&vfs), home, own: identity.public(), boot: options.boot.as_deref() };
        let pair = opening.open(progress)?;
        open::sweep(home, pair.number)?;
        let blobs = Blobs::open(Arc::clone(&vfs), &home.join("blobs"))?;
        let Staged { withdrawn, unreadable, .. } = pair.staged;
        let report = OpenReport {
            index: pair.how,
            torn: pair.walked.torn,
            damage: pair.walked.damage,
            renewed,
            lost: pair.lost,
            unreadable: unreadable.into_iter().collect(),
        };
        let (journal, index, number) = (pair.journal, Some(pair.index), pair.number);
        let (home, boot) = (home.to_owned(), options.boot.clone());
        let mut store = Self {
            vfs,
            home,
            identity,
            journal,
            index,
            number,
            blobs,
            space,
            report,
            boot,
            roster: None,
            files: None,
            here: None,
            receiving: BTreeSet::new(),
            _lock: lock,
        };
        store.remove_withdrawn(&withdrawn)?;
        if store.report.lost > 0 && renewed.is_none() && !store.is_read_only() {
            store.renew(options.entropy.incarnation, Renewed::Shortened)?;
        }
        store.space.replenish()?;
        Ok(store)
    }

    /// What opening found and did.
    #[must_use]
    pub fn report(&self) -> &OpenReport {
        &self.report
    }

    /// Where the store is.
    #[must_use]
    pub fn home(&self) -> &Path {
        &self.home
    }

    /// Key and incarnation.
    #[must_use]
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Nothing can be written: the journal is damaged in the middle.
    #[must_use]
    pub fn is_read_only(&self) -> bool {
        self.journal.is_read_only()
    }

    /// Closes the store: the next opening then need not look at the journal.
    ///
    /// # Errors
    /// When the index cannot be made durable; nothing is lost then, the next opening rebuilds it.
    pub fn close(mut self) -> Result<(), StoreError> {
        self.close_index()
    }

    fn close_index(&mut self) -> Result<(), StoreError> {
        let Some(index) = self.index.take() else { return Ok(()) };
        if index.has_failed() {
            // Whatever it still says, the next opening must not build on it.
            let mut index = index;
            index.leak();
            open::distrust(self.vfs.as_ref(), &self.home);
            return Ok(());
        }
        if self.journal.is_poisoned() || self.journal.is_read_only() {
            open::distrust(self.vfs.as_ref(), &self.home);
            return Ok(());
        }
        open::close(self.vfs.as_ref(), &self.home, index, self.number, self.journal.end())
    }

    /// Whether the bytes of a file here still have the hash they are named after. False when there
    /// are none.
    ///
    /// # Errors
    /// File errors.
    pub fn blob_intact(&self, hash: &BlobHash) -> Result<bool, StoreError> {
        match self.blobs.verify(hash) {
            Ok(_) => Ok(true),
            Err(StoreError::NoBlob(_) | StoreError::BlobMismatch { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    pub(super) fn index(&self) -> Result<&Index, StoreError> {
        self.index.as_ref().ok_or_else(|| StoreError::Index("it could not be rebuilt".to_owned()))
    }

    /// Writes a record to the journal, durably, and only then to the index. `ready` are documents
    /// that already contain what the record brings.
    pub(super) fn commit_record(
        &mut self,
        record: &Record,
        ready: &[(DocKey, &Document)],
    ) -> Result<Place, StoreError> {
        self.files = None;
        let payload = record.to_bytes();
        self.space.require(payload.len() as u64)?;
        let appended = self.journal.append(&payload);
        if self.journal.is_poisoned() {
            open::distrust(self.vfs.as_ref(), &self.home);
        }
        let place = Place { position: appended?, sequence: self.journal.end().sequence };
        match self.follow(place, record, ready) {
            Ok(withdrawn) => self.remove_withdrawn(&withdrawn)?,
            // The record is safe. Whatever ails the index, a new one can be had.
            Err(error) => self
                .rebuild_index(&error.to_string(), &mut |_| {})
                .map_err(|_| StoreError::SavedButIndexFailed(error.to_string()))?,
        }
        Ok(place)
    }

    fn follow(
        &mut self,
        place: Place,
        record: &Record,
        ready: &[(DocKey, &Document)],
    ) -> Result<BTreeSet<BlobHash>, StoreError> {
        let end = self.journal.end();
        let Some(index) = &self.index else { return Err(StoreError::Index("it is not open".to_owned())) };
        let mut stage = Stage::new(index, self.identity.public());
        for (doc, document) in ready {
            stage.ready(doc, document);
        }
        stage.record(place, record)?;
        stage.settle(&mut self.journal)?;
        let staged = stage.finish();
        index.apply(&staged.writes, Some(end))?;
        Ok(staged.withdrawn)
    }

    /// Builds a new index from the journal and goes on with it. An engine that failed is given up
    /// without running any of its code; the old directory is removed at the next opening.
    pub(super) fn rebuild_index(&mut self, reason: &str, progress: OnProgress<'_>) -> Result<(), StoreError> {
        if let Some(mut old) = self.index.take()
            && old.has_failed()
        {
            old.leak();
        }
        let opening = Opening {
            vfs: Arc::clone(&self.vfs),
            home: &self.home,
            own: self.identity.public(),
            boot: self.boot.as_deref(),
        };
        let pair = opening.rebuild(reason.to_owned(), progress)?;
        opening.note_index(pair.number)?;
        self.journal = pair.journal;
        self.index = Some(pair.index);
        self.number = pair.number;
        self.report.index = pair.how;
        self.report.damage = pair.walked.damage;
        self.report.unreadable = pair.staged.unreadable.into_iter().collect();
        if pair.walked.torn.is_some() {
            self.report.torn = pair.walked.torn;
        }
        if !self.report.damage.is_empty() {
            open::distrust(self.vfs.as_ref(), &self.home);
        }
        self.remove_withdrawn(&pair.staged.withdrawn)
    }

    fn remove_withdrawn(&mut self, withdrawn: &BTreeSet<BlobHash>) -> Result<(), StoreError> {
        withdrawn.iter().try_for_each(|hash| self.blobs.withdraw(hash))
    }

    /// Writes under another incarnation from now on.
    pub(super) fn renew(&mut self, incarnation: [u8; 4], why: Renewed) -> Result<(), StoreError> {
        let journal = self.journal.directory().to_owned();
        home::renew(self.vfs.as_ref(), &self.home, &journal, &mut self.identity, incarnation)?;
        self.report.renewed = Some(why);
        Ok(())
    }

    pub(super) fn row<T: for<'b> minicbor::Decode<'b, ()>>(&self, key: &[u8]) -> Result<Option<T>, StoreError> {
        self.index()?.get(key)?.map(|bytes| rows::decode(&bytes)).transpose()
    }

    /// Rows under a prefix, decoded, with their keys.
    pub(super) fn rows<T: for<'b> minicbor::Decode<'b, ()>>(
        &self,
        prefix: &[u8],
    ) -> Result<Vec<(Vec<u8>, T)>, StoreError> {
        let mut found = Vec::new();
        let mut bad = None;
        self.index()?.scan(prefix, &mut |key, value| match rows::decode(value) {
            Ok(row) => {
                found.push((key.to_vec(), row));
                true
            }
            Err(error) => {
                bad = Some(error);
                false
            }
        })?;
        bad.map_or(Ok(found), Err)
    }

    pub(super) fn runs(&self, doc: &DocKey) -> Result<Vec<(u64, RunRow)>, StoreError> {
        let rows = self.rows::<RunRow>(&rows::runs_of(doc))?;
        Ok(rows.into_iter().map(|(key, row)| (rows::run_sequence(&key), row)).collect())
    }

    pub(super) fn blob_row(&self, hash: &BlobHash) -> Result<Option<BlobRow>, StoreError> {
        self.row(&rows::blob(hash))
    }

    pub(super) fn digest_row(&self, collection: Collection) -> Result<DigestRow, StoreError> {
        Ok(self.row(&rows::digest(collection))?.unwrap_or_default())
    }

    pub(super) fn load(&self, doc: &DocKey) -> Result<Option<Document>, StoreError> {
        let Some(saved) = self.index()?.get(&rows::saved(doc))? else { return Ok(None) };
        let loaded = Document::load(doc.kind, &saved);
        loaded.map(Some).map_err(|source| StoreError::Document { doc: *doc, source })
    }

    pub(super) fn save_own(
        &mut self,
        doc: &DocKey,
        document: &Document,
        change: &NewChange,
        signature: Signature,
        reissue_of: Option<ChangeHash>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let run = SignedRun { doc: *doc, changes: vec![change.raw.clone()], signature };
        self.check_own_right(&run)?;
        let record = Record { own: Some(OwnAct { run, reissue_of }), ..Record::new(now) };
        self.commit_record(&record, &[(*doc, document)]).map(|_| ())
    }

    /// An act that every replica would refuse is better refused before it is saved. Two signatures
    /// are verified for it, whatever the number of members. Nothing is checked before enrolment.
    fn check_own_right(&self, run: &SignedRun) -> Result<(), StoreError> {
        let Some(enrolment) = self.enrolment_row()? else { return Ok(()) };
        let (Some(server), Some(own)) = (&enrolment.server_certificate, &enrolment.certificate) else { return Ok(()) };
        let mut roster = Roster::new(enrolment.root);
        let known = ServerCert::from_bytes(&server.0)
            .and_then(|cert| roster.add_server(&cert))
            .and_then(|_| Certificate::from_bytes(&own.0))
            .and_then(|cert| roster.add(&cert));
        match known.ok().map(|_| check_run(run, &roster)) {
            Some(Err(refusal)) if refusal.is_timeless() => Err(StoreError::NotPermitted(refusal)),
            _ => Ok(()),
        }
    }

    pub(super) fn enrolment_row(&self) -> Result<Option<Enrolment>, StoreError> {
        self.row(rows::ENROLMENT)
    }

    /// Whom this device believes: built from the certificates and revocations in the index when it
    /// is first asked for, because every one of them is verified.
    pub(super) fn believe(&mut self) -> Result<Option<&Roster>, StoreError> {
        if self.roster.is_none() {
            self.roster = self.build_roster()?;
        }
        Ok(self.roster.as_ref())
    }

    pub(super) fn forget_roster(&mut self) {
        self.roster = None;
    }

    pub(super) fn build_roster(&self) -> Result<Option<Roster>, StoreError> {
        let Some(enrolment) = self.enrolment_row()? else { return Ok(None) };
        let mut roster = Roster::new(enrolment.root);
        // What does not verify here did not verify when it came, or its server lost its trust: the
        // roster is told in the order it needs and keeps what it believes.
        for cert in self.sealed(Believed::Server)? {
            if let Ok(cert) = ServerCert::from_bytes(&cert) {
                let _ = roster.add_server(&cert);
            }
        }
        for cert in self.sealed(Believed::Member)? {
            if let Ok(cert) = Certificate::from_bytes(&cert) {
                let _ = roster.add(&cert);
            }
        }
        for revocation in self.sealed(Believed::Revocation)? {
            if let Ok(revocation) = SignedRevocation::from_bytes(&revocation) {
                let _ = roster.revoke(&revocation);
            }
        }
        Ok(Some(roster))
    }

    pub(super) fn sealed(&self, kind: Believed) -> Result<Vec<Vec<u8>>, StoreError> {
        let mut found = Vec::new();
        self.index()?.scan(&rows::believed_prefix(kind), &mut |_, value| {
            found.push(value.to_vec());
            true
        })?;
        Ok(found)
    }

    pub(super) fn add_file(&mut self, source: Source<'_>) -> Result<StoredBlob, StoreError> {
        if self.is_read_only() {
            return Err(StoreError::ReadOnly);
        }
        self.here = None;
        let mut stored = match source {
            Source::Path(path) => {
                let bytes = std::fs::metadata(path).map_or(0, |metadata| metadata.len());
                self.space.require(bytes)?;
                self.blobs.add_path(path)?
            }
            Source::Reader { name, expected, reader } => {
                self.space.require(expected.unwrap_or(0))?;
                self.blobs.add(name, expected, reader)?
            }
        };
        // A colleague's photo is named here long before, and often without, its bytes.
        stored.known |= self.blob_row(&stored.hash)?.is_some();
        Ok(stored)
    }
}

/// Where the bytes of a file come from.
pub(super) enum Source<'a> {
    Path(&'a Path),
    Reader { name: &'a str, expected: Option<u64>, reader: &'a mut dyn Read },
}

impl Drop for EdgeStore {
    /// A store that goes out of scope on an error path is closed all the same; if that fails, the
    /// next opening replays or rebuilds.
    fn drop(&mut self) {
        if !std::thread::panicking() {
            let _ = self.close_index();
        }
    }
}

/// Tells the two frequent reasons why a home cannot be used apart from the rest.
fn refine(home: &Path, error: StoreError) -> StoreError {
    match error {
        StoreError::Io { doing: "syncing", source, .. } if is_unsupported(&source) => {
            StoreError::WeakStorage { path: home.to_owned(), lacks: "sync files" }
        }
        StoreError::Io { doing: "creating", source, .. } => unwritable(home, source),
        other => other,
    }
}
