//! What the server does with changes: admission, quarantine, and the ledger rows that follow.
//!
//! One batch is one transaction: runs, documents, digest, feed, receipts, ledger rows. Signatures
//! are checked before it begins, on two threads; inside it documents are loaded, extended and
//! projected on the same threads, so that nobody else's batch can come between reading a document
//! and writing it.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use outlet_core::admission::{CheckedRun, Refusal, check_run};
use outlet_core::identity::{Certificate, Roster, SignedRevocation, SignedRun};
use outlet_core::ids::PublicKey;
use outlet_core::ledger::Reference;
use outlet_core::sync::replica::{Admitted, Batch, FeedItem, Outcome, Sealed};
use outlet_core::time::Timestamp;
use rayon::prelude::*;
use rusqlite::Transaction;

use crate::db::{self, Database, DbError, feed, meta};
use crate::error::CommandError;
use crate::folder::Folder;
use crate::metrics::Metrics;
use crate::photos::Photos;

mod ahead;
mod authored;
mod bulk;
mod decide;
#[cfg(test)]
mod decide_tests;
mod names;
mod policy;
pub(crate) mod projector;
mod quarantine;
mod reference;
mod shown;
#[cfg(test)]
mod tests;
mod work;
mod write;

pub(crate) use ahead::Ahead;
pub(crate) use write::load_digest;

pub use decide::{Acting, DecideError, Proposal, Seen, Since, Stale, Via, Witnessed};
pub(crate) use decide::{name_of, receipt_times};
pub use reference::reference_key;

pub use bulk::{NewRecord, PreparedRecords};
pub use names::Names;
pub use quarantine::{Decided, HeldRun, Hold};

/// Threads for signatures, documents and projection. The machine of a county has two cores.
const THREADS: usize = 2;

/// A clock that is being disciplined steps back by so much at times; a clock that is wrong, by more.
pub(crate) const CLOCK_JITTER_MS: i64 = 2_000;

/// Files of any size that are written at the same time for whoever asks; more are refused.
pub(crate) const DOWNLOADS: usize = 4;

/// Everything that is open while changes are taken.
pub struct Engine {
    /// The data folder.
    pub folder: Folder,
    /// Photos and attachments.
    pub photos: Arc<Photos>,
    /// What a monitoring system reads.
    pub metrics: Metrics,
    pool: rayon::ThreadPool,
    /// Checks ahead that are on the pool, of all sessions.
    checking_ahead: AtomicUsize,
    projector: projector::Projector,
    /// What the desk remembers between questions.
    pub(crate) desk: crate::desk::Memory,
    /// What milestone tables remember between questions.
    pub(crate) milestones: crate::milestones::Memory,
    /// Places for files that are written while they are sent.
    pub(crate) downloads: Arc<tokio::sync::Semaphore>,
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine").field("folder", &self.folder).finish_non_exhaustive()
    }
}

/// Why the engine stopped. Nothing of the batch is kept then.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EngineError {
    /// The database.
    #[error(transparent)]
    Database(#[from] DbError),
    /// The server's clock went back: a receipt would lie about the time.
    #[error(
        "the server's clock shows {now}, before its last receipt of {last}: it takes nothing until the clock is right"
    )]
    Clock {
        /// What the clock shows.
        now: Timestamp,
        /// The newest receipt.
        last: Timestamp,
    },
    /// A document that cannot be loaded.
    #[error("document {0} cannot be loaded; rebuild it with `outlet-server ledger rebuild`")]
    Document(outlet_core::ids::DocKey, #[source] outlet_core::doc::DocError),
    /// A photo could not be removed.
    #[error(transparent)]
    Photo(#[from] crate::photos::PhotoError),
    /// The peer sent what it may not send.
    #[error("{0}")]
    Peer(String),
    /// The disk is nearly full.
    #[error("the disk is nearly full: nothing new is taken until space is freed")]
    Full,
}

impl From<rusqlite::Error> for EngineError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Database(error.into())
    }
}

impl From<EngineError> for CommandError {
    fn from(error: EngineError) -> Self {
        match error {
            EngineError::Database(error) => error.into(),
            EngineError::Clock { .. } => Self::user(error.to_string()).hint(
                "set the clock of this machine; if it is right now and was wrong before: `outlet-server clock accept`",
            ),
            EngineError::Full => Self::user(error.to_string()).hint("free space on the data folder's file system"),
            EngineError::Document(..) | EngineError::Photo(_) => Self::internal(error.to_string()),
            EngineError::Peer(_) => Self::user(error.to_string()),
        }
    }
}

impl Engine {
    /// For an open folder.
    ///
    /// # Errors
    /// When the photo folder cannot be used.
    pub fn new(folder: Folder) -> Result<Self, CommandError> {
        let photos = Arc::new(Photos::open(&folder.photos(), &folder.incoming())?);
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(THREADS)
            .thread_name(|index| format!("admission-{index}"))
            // What nobody waits for (a check ahead) must not take the program with it; whoever does is told.
            .panic_handler(|_| tracing::error!("a check ahead of its turn panicked; it is made again in its turn"))
            .build()
            .map_err(|error| CommandError::internal(format!("no threads: {error}")))?;
        let engine = Self {
            folder,
            photos,
            metrics: Metrics::default(),
            pool,
            checking_ahead: AtomicUsize::new(0),
            projector: projector::Projector::default(),
            desk: crate::desk::Memory::default(),
            milestones: crate::milestones::Memory::default(),
            downloads: Arc::new(tokio::sync::Semaphore::new(DOWNLOADS)),
        };
        engine.renew_ledger()?;
        engine.remove_withdrawn()?;
        Ok(engine)
    }

    /// The database.
    pub fn database(&self) -> &Database {
        &self.folder.database
    }

    /// Reference data of a snapshot.
    ///
    /// # Errors
    /// When a reference document cannot be loaded.
    pub fn reference(&self, connection: &rusqlite::Connection) -> Result<Arc<Reference>, EngineError> {
        self.projector.reference(connection)
    }

    /// Admits what a member brings, in one transaction that is durable when this returns.
    ///
    /// # Errors
    /// [`EngineError`]; then nothing of the batch is kept.
    pub fn admit(&self, carrier: &PublicKey, items: &[FeedItem]) -> Result<Admitted, EngineError> {
        self.admit_found(carrier, items, None)
    }

    /// The same for a batch of a session, whose signatures may have been checked ahead.
    pub(crate) fn admit_ahead(
        &self,
        carrier: &PublicKey,
        batch: &Batch,
        ahead: Option<&Ahead>,
    ) -> Result<Admitted, EngineError> {
        self.admit_found(carrier, &batch.items, ahead.and_then(|ahead| ahead.found(batch)))
    }

    fn admit_found(
        &self,
        carrier: &PublicKey,
        items: &[FeedItem],
        found: Option<ahead::Found>,
    ) -> Result<Admitted, EngineError> {
        if self.is_full() {
            return Err(EngineError::Full);
        }
        self.keep_known_statements(items)?;
        let roster = self.current_roster()?;
        let checked = match found {
            Some((known, checked)) if Arc::ptr_eq(&known, &roster) => checked,
            // A certificate or a revocation came in between.
            _ => self.check(items, &roster),
        };
        self.admit_checked(carrier, checked, policy::Rules::Ordinary, |_, _| Ok(()))
    }

    /// Admits what was checked. `beside` writes what belongs into the same transaction; it is told
    /// how many changes are new.
    fn admit_checked(
        &self,
        carrier: &PublicKey,
        checked: Vec<Checked>,
        rules: policy::Rules,
        beside: impl FnOnce(&Transaction<'_>, u64) -> Result<(), DbError>,
    ) -> Result<Admitted, EngineError> {
        let began = std::time::Instant::now();
        let (admitted, withdrawn) = self.database().write::<_, EngineError>(|tx| {
            let now = self.receipt_time(tx)?;
            // Again, inside: another process may have revoked the author in between.
            let roster = self.folder.roster(tx)?;
            let mut batch = work::Batch::new(self, tx, &roster, *carrier, now);
            let mut shown = shown::Shown::default();
            let mut outcomes = Vec::with_capacity(checked.len());
            for (index, result) in checked.into_iter().enumerate() {
                outcomes.push(match result {
                    Checked::Run(run) => {
                        batch.take(index, run);
                        None
                    }
                    Checked::Made(run) if db::records::exists(tx, &run.doc())? => {
                        Some(Outcome::Stored { in_ledger: true })
                    }
                    Checked::Made(run) => {
                        batch.take(index, run);
                        None
                    }
                    Checked::Refused(refusal) => Some(not_kept(&refusal)),
                    Checked::Shown(Ok(receipt)) => {
                        shown.take(receipt);
                        Some(Outcome::Stored { in_ledger: false })
                    }
                    Checked::Shown(Err(text)) => Some(Outcome::Refused { code: "not_believed".to_owned(), text }),
                    Checked::Other => Some(Outcome::Stored { in_ledger: false }),
                });
            }
            shown.keep(&mut batch)?;
            batch.run(rules)?;
            let written = write::write(&mut batch, &mut outcomes)?;
            beside(tx, written.new_changes)?;
            let outcomes = outcomes.into_iter().map(|outcome| outcome.unwrap_or(Outcome::Waiting)).collect();
            let receipts = written.receipts.into_iter().map(Sealed).collect();
            Ok((Admitted { outcomes, receipts, new_changes: written.new_changes }, written.withdrawn))
        })?;
        // The rows say so durably; should this fail, the next start removes the bytes.
        self.remove_files(&withdrawn);
        self.metrics.admitted(&admitted, began.elapsed());
        Ok(admitted)
    }

    fn check(&self, items: &[FeedItem], roster: &Roster) -> Vec<Checked> {
        let check = |item: &FeedItem| match item {
            FeedItem::Run(run) => check_one(run, roster),
            FeedItem::Receipt(shown) => Checked::Shown(shown::check(shown, roster)),
            _ => Checked::Other,
        };
        self.pool.install(|| items.par_iter().map(check).collect())
    }

    /// A device of a server that was restored from an old backup may carry certificates and
    /// revocations that the backup does not have. They are this server's own signature.
    fn keep_known_statements(&self, items: &[FeedItem]) -> Result<(), EngineError> {
        for item in items {
            match item {
                FeedItem::Certificate(sealed) => {
                    if let Ok(certificate) = Certificate::from_bytes(&sealed.0) {
                        self.recognise(&certificate, self.folder.now())?;
                    }
                }
                FeedItem::Revocation(sealed) => {
                    if let Ok(revocation) = SignedRevocation::from_bytes(&sealed.0) {
                        self.revoke_again(&revocation)?;
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Takes back a revocation that this server signed and lost.
    fn revoke_again(&self, revocation: &SignedRevocation) -> Result<(), EngineError> {
        let key = revocation.value().key;
        let new = |tx: &Transaction<'_>| -> Result<bool, EngineError> {
            let roster = self.folder.roster(tx)?;
            Ok(roster.revocation(&key).is_none() && roster.check_signer(revocation).is_ok())
        };
        if !self.database().read::<_, EngineError>(&new)? {
            return Ok(());
        }
        self.database().write::<_, EngineError>(|tx| {
            if new(tx)? {
                crate::folder::take_back_revocation(tx, revocation)?;
            }
            Ok(())
        })?;
        tracing::warn!(key = %key.short(), "took back a revocation that a device carried here");
        Ok(())
    }

    /// Takes back a membership that this server signed and lost. True when the key is a member now.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn recognise(&self, certificate: &Certificate, now: Timestamp) -> Result<bool, EngineError> {
        let key = certificate.value().key;
        let known = self.database().read::<_, EngineError>(|tx| {
            let roster = self.folder.roster(tx)?;
            Ok(roster.membership(&key).is_some() || roster.check_signer(certificate).is_err())
        })?;
        if known {
            return self.database().read::<_, EngineError>(|tx| Ok(self.folder.roster(tx)?.membership(&key).is_some()));
        }
        self.database().write::<_, EngineError>(|tx| {
            crate::folder::take_back(tx, certificate, now)?;
            Ok(())
        })?;
        tracing::info!(key = %key.short(), "recognised a member by the certificate it carries");
        Ok(true)
    }

    /// The moment of receipt: the clock as it is once the database is ours, for a session may have
    /// waited behind another one's batch. Never before a receipt already given.
    pub(crate) fn receipt_time(&self, tx: &Transaction<'_>) -> Result<Timestamp, EngineError> {
        let now = self.folder.now();
        match meta::last_receipt(tx)? {
            Some(last) if last > now.plus_millis(CLOCK_JITTER_MS) => Err(EngineError::Clock { now, last }),
            Some(last) => Ok(now.max(last)),
            None => Ok(now),
        }
    }

    /// Free space of the data folder's file system, in percent of its size.
    #[must_use]
    pub fn free_percent(&self) -> Option<u64> {
        let (free, total) = crate::space::of(self.folder.path())?;
        (total > 0).then(|| free.saturating_mul(100) / total)
    }

    /// Is so little left that nothing new is taken?
    fn is_full(&self) -> bool {
        let stop = u64::from(self.folder.config.disk.stop_percent);
        self.free_percent().is_some_and(|percent| percent < stop)
    }

    /// Removes the bytes of files that were withdrawn, should a crash have come between.
    fn remove_withdrawn(&self) -> Result<(), EngineError> {
        let hashes = self.database().read::<_, EngineError>(|tx| Ok(db::files::withdrawn(tx)?))?;
        self.remove_files(&hashes);
        Ok(())
    }

    fn remove_files(&self, hashes: &[outlet_core::ids::BlobHash]) {
        for hash in hashes {
            if let Err(error) = self.photos.remove(hash) {
                tracing::error!(hash = %hash.short(), %error, "withdrawn bytes could not be removed; the next start tries again");
            }
        }
    }
}

/// What the checks before the transaction said of an item.
enum Checked {
    Run(CheckedRun),
    /// A record that the server makes, unless there is one of its key.
    Made(CheckedRun),
    Refused(Refusal),
    /// A receipt of an earlier life of the database, or why it is not believed.
    Shown(Result<shown::Receipted, String>),
    /// Certificates and the like: nothing to admit.
    Other,
}

fn check_one(run: &SignedRun, roster: &Roster) -> Checked {
    match check_run(run, roster) {
        Ok(run) => Checked::Run(run),
        Err(refusal) => Checked::Refused(refusal),
    }
}

/// Not kept here. Refused only for a reason that every replica has for ever; what may be admitted
/// some day (its author's certificate comes, this program is updated) stays with its device, to be
/// sent again.
fn not_kept(refusal: &Refusal) -> Outcome {
    if !refusal.is_timeless() {
        return Outcome::Waiting;
    }
    Outcome::Refused { code: refusal.code().to_owned(), text: refusal.to_string() }
}

/// Number of the next ruling or certificate.
fn serial(tx: &Transaction<'_>) -> Result<u64, DbError> {
    meta::next(tx, crate::folder::SERIAL)
}

/// An item of a collection's feed, kept until the batch appends them together.
struct Pending {
    kind: feed::ItemKind,
    reference: i64,
    hash: [u8; 32],
    carrier: Option<PublicKey>,
}
