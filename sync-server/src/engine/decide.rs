//! Decisions of accounts: the only way in which console, API and command line write into case files.
//!
//! The server signs them as *witness*: each entry names account, person, role, level and the entry
//! witnessed before it. Everything that an enrolled device would be asked is asked here, inside the
//! transaction that writes: account, collection, role and level, own record, dictionaries; and
//! whether what the person had before their eyes is still what is there.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use outlet_core::admission::check_run;
use outlet_core::doc::{Document, Entry, to_json};
use outlet_core::domain::case::{CaseEntry, Decision};
use outlet_core::domain::witness::{Witness, link};
use outlet_core::identity::{Roster, SignedRun};
use outlet_core::ids::{ChangeHash, DocKey, DocKind, EntryId, PublicKey, WitnessLink};
use outlet_core::ledger::{Decider, Matter, Objection, Reference, ScaleClass, objection};
use outlet_core::time::Timestamp;
use rusqlite::Transaction;
use serde::Serialize;

use super::policy::Rules;
use super::work::{Batch, Fate};
use super::{Engine, EngineError, projector, write};
use crate::accounts::{self, Account, AccountError};
use crate::db::accounts::{StoredLink, append, chain_tip};
use crate::db::{DbError, meta, records};
use crate::error::CommandError;

/// Through which door an account decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Via {
    /// Web pages.
    Console,
    /// REST.
    Api,
    /// Command line of the server.
    Cli,
}

impl Via {
    /// As the witness says it.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Console => "console",
            Self::Api => "api",
            Self::Cli => "cli",
        }
    }
}

/// Whoever acts. Role, level and collections are read when the decision is written: a session may
/// be older than a change of rights.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acting {
    /// Login of the account.
    pub login: String,
    /// The door.
    pub via: Via,
    /// Name of the session, without any secret.
    pub session: Option<String>,
}

/// Heads of both documents of an outlet, sorted: what somebody had before their eyes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, serde::Deserialize)]
pub struct Seen {
    /// Field record.
    pub field: Vec<ChangeHash>,
    /// Case file; empty while there is none.
    pub case: Vec<ChangeHash>,
}

/// `FIELD/CASE`, heads joined by dots: what people and forms hand back.
impl std::fmt::Display for Seen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let join = |heads: &[ChangeHash]| heads.iter().map(ChangeHash::to_string).collect::<Vec<_>>().join(".");
        write!(f, "{}/{}", join(&self.field), join(&self.case))
    }
}

impl std::str::FromStr for Seen {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = "what was seen is written as `review show` prints it: HEADS/HEADS";
        let (field, case) = text.split_once('/').ok_or(wrong)?;
        let heads = |text: &str| -> Result<Vec<ChangeHash>, Self::Err> {
            let all = text.split('.').filter(|head| !head.is_empty());
            // A document has a handful of heads; more is not something we wrote.
            all.take(256).map(|head| head.parse().map_err(|_| wrong)).collect()
        };
        Ok(Self { field: heads(field)?, case: heads(case)? })
    }
}

/// Decisions on one outlet, all or none of them.
#[derive(Debug, Clone)]
pub struct Proposal {
    /// Key of the field record.
    pub outlet: DocKey,
    /// What the person had before their eyes.
    pub seen: Seen,
    /// `at`, `field_heads` and `witness` are filled in here.
    pub entries: Vec<CaseEntry>,
}

/// What was written for one outlet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Witnessed {
    /// Key of the field record.
    pub outlet: DocKey,
    /// The change.
    pub change: ChangeHash,
    /// The entries, in the order given.
    pub entries: Vec<EntryId>,
    /// Receipt.
    pub at: Timestamp,
    /// Heads of both documents afterwards.
    pub seen: Seen,
}

/// An entry that came after what was seen.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Since {
    /// Which document.
    pub document: DocKind,
    /// The entry.
    pub entry: EntryId,
    /// Who wrote or decided it.
    pub by: String,
    /// The entry as it is stored.
    pub content: serde_json::Value,
}

/// What was seen and what is there now.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Stale {
    /// Key of the field record.
    pub outlet: DocKey,
    /// What the person had seen.
    pub seen: Seen,
    /// What is there now.
    pub now: Seen,
    /// What came in between, in document order.
    pub since: Vec<Since>,
}

/// Why nothing was decided.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DecideError {
    /// Database, clock, disk.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The account.
    #[error(transparent)]
    Account(#[from] AccountError),
    /// The account's collections do not hold this record.
    #[error("the account {login:?} has no right in collection {}", .outlet.collection)]
    Collection {
        /// Login.
        login: String,
        /// The record.
        outlet: DocKey,
    },
    /// There is no such record.
    #[error("there is no record {0}")]
    Missing(DocKey),
    /// The record moved on since it was looked at. Nothing was overwritten.
    #[error("the record {} has changed since it was looked at: {} new entries; look at both, then decide again", .0.outlet.id, .0.since.len())]
    Stale(Box<Stale>),
    /// Somebody else is at it.
    #[error("{by} has claimed the record {} until {until}", .outlet.id)]
    Claimed {
        /// The record.
        outlet: DocKey,
        /// Name of whoever claimed it.
        by: String,
        /// Until when.
        until: Timestamp,
    },
    /// The rules speak against it.
    #[error("{objection}")]
    Objection {
        /// The record.
        outlet: DocKey,
        /// What.
        objection: Objection,
    },
    /// Nothing to write, or one record twice in one batch.
    #[error("{0}")]
    Proposal(&'static str),
}

impl DecideError {
    /// A short stable name for `--json` and problem documents.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Engine(_) => "server",
            Self::Account(_) => "account",
            Self::Collection { .. } => "collection",
            Self::Missing(_) => "missing",
            Self::Stale(_) => "stale",
            Self::Claimed { .. } => "claimed",
            Self::Objection { objection, .. } => objection.code(),
            Self::Proposal(_) => "proposal",
        }
    }
}

impl From<DbError> for DecideError {
    fn from(error: DbError) -> Self {
        Self::Engine(error.into())
    }
}

impl From<DecideError> for CommandError {
    fn from(error: DecideError) -> Self {
        match error {
            DecideError::Engine(error) => error.into(),
            DecideError::Account(error) => error.into(),
            DecideError::Stale(stale) => {
                let line = |since: &Since| format!("since then, by {}: {}", since.by, since.content);
                let shown = stale.since.iter().take(10).map(line);
                let error = Self::user(DecideError::Stale(stale.clone()).to_string());
                shown.fold(error, Self::hint).hint("show the record again, and give the heads that it prints now")
            }
            DecideError::Collection { .. } => {
                Self::user(error.to_string()).hint("`outlet-server account show LOGIN` lists the collections")
            }
            error => Self::user(error.to_string()),
        }
    }
}

impl Engine {
    /// Heads of both documents of an outlet as they are; `None` when there is no such record.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn seen(&self, outlet: &DocKey) -> Result<Option<Seen>, EngineError> {
        self.database().read(|tx| {
            let heads = |kind| -> Result<Option<Vec<ChangeHash>>, EngineError> {
                let stored = records::document(tx, &outlet.with_kind(kind))?;
                Ok(stored.map(|stored| stored.heads))
            };
            let Some(field) = heads(DocKind::Field)? else { return Ok(None) };
            Ok(Some(Seen { field, case: heads(DocKind::Case)?.unwrap_or_default() }))
        })
    }

    /// Writes decisions on one outlet as one witnessed change.
    ///
    /// # Errors
    /// [`DecideError`]; then nothing is written.
    pub fn decide(
        &self,
        acting: &Acting,
        outlet: DocKey,
        seen: Seen,
        entries: Vec<CaseEntry>,
    ) -> Result<Witnessed, DecideError> {
        let mut written = self.decide_all(acting, vec![Proposal { outlet, seen, entries }])?;
        Ok(written.remove(0))
    }

    /// Writes decisions on many outlets in one transaction: all of them or none.
    ///
    /// # Errors
    /// [`DecideError`] of the first that cannot be; then nothing is written.
    pub fn decide_all(&self, acting: &Acting, proposals: Vec<Proposal>) -> Result<Vec<Witnessed>, DecideError> {
        self.decide_with(acting, proposals, |_, _, _| Ok(()))
    }

    /// As [`Engine::decide_all`], with something more to check and write in the same transaction.
    ///
    /// # Errors
    /// [`DecideError`], also by `also`; then nothing is written.
    pub(crate) fn decide_with(
        &self,
        acting: &Acting,
        proposals: Vec<Proposal>,
        also: impl FnOnce(&Transaction<'_>, &Account, &[Witnessed]) -> Result<(), DecideError>,
    ) -> Result<Vec<Witnessed>, DecideError> {
        let outlets: BTreeSet<DocKey> = proposals.iter().map(|proposal| proposal.outlet).collect();
        if outlets.len() < proposals.len() {
            return Err(DecideError::Proposal("one record is named twice; put its decisions together"));
        }
        if proposals.is_empty() || proposals.iter().any(|proposal| proposal.entries.is_empty()) {
            return Err(DecideError::Proposal("there is nothing to decide"));
        }
        self.database().write::<_, DecideError>(|tx| {
            let now = self.receipt_time(tx)?;
            let account = accounts::usable(tx, &acting.login)?;
            let roster = self.folder.roster(tx)?;
            let reference = self.reference(tx)?;
            let desk = Desk { engine: self, tx, now, account: &account, acting, roster: &roster, reference };
            let mut tip = chain_tip(tx, &self.folder.key().public())?;
            let mut written = Vec::with_capacity(proposals.len());
            let mut batch = Batch::new(self, tx, &roster, self.folder.key().public(), now);
            for (index, proposal) in proposals.into_iter().enumerate() {
                let (run, witnessed) = desk.write(proposal, &mut tip)?;
                batch.take(index, check_run(&run, &roster).map_err(|refusal| impossible(&refusal))?);
                written.push(witnessed);
            }
            batch.run(Rules::Released)?;
            finish(&mut batch, &mut written)?;
            also(tx, &account, &written)?;
            let detail = written.iter().map(|one| one.change.short()).take(20).collect::<Vec<_>>().join(" ");
            let detail = format!("{} records via {}: {detail}", written.len(), acting.via.code());
            meta::audit(tx, now, &account.login, "decide", &detail)?;
            Ok(written)
        })
    }
}

/// Puts the batch into the tables; nothing of it may have been kept aside.
fn finish(batch: &mut Batch<'_>, written: &mut [Witnessed]) -> Result<(), DecideError> {
    for witnessed in written.iter_mut() {
        let doc = batch.doc(&witnessed.outlet.with_kind(DocKind::Case));
        let admitted =
            doc.filter(|doc| doc.fates.iter().any(|fate| fate.index.is_some() && fate.fate == Fate::Admitted));
        let applied = admitted.and_then(|doc| doc.applied.as_ref());
        let applied = applied.ok_or_else(|| impossible(&"it builds on changes that are held"))?;
        witnessed.seen.case.clone_from(&applied.heads);
    }
    let mut outcomes = vec![None; written.len()];
    write::write(batch, &mut outcomes)?;
    Ok(())
}

fn impossible(why: &dyn std::fmt::Display) -> EngineError {
    EngineError::Peer(format!("the server's own change was not admitted: {why}"))
}

/// Where one account decides in one transaction.
struct Desk<'a> {
    engine: &'a Engine,
    tx: &'a Transaction<'a>,
    now: Timestamp,
    account: &'a Account,
    acting: &'a Acting,
    roster: &'a Roster,
    reference: Arc<Reference>,
}

impl Desk<'_> {
    /// One signed change with the entries, each witnessed and linked to the one before.
    fn write(&self, proposal: Proposal, tip: &mut Option<WitnessLink>) -> Result<(SignedRun, Witnessed), DecideError> {
        let Proposal { outlet, mut seen, entries } = proposal;
        let case_key = outlet.with_kind(DocKind::Case);
        if outlet.kind != DocKind::Field {
            return Err(DecideError::Missing(outlet));
        }
        if !self.account.covers(outlet.collection) {
            return Err(DecideError::Collection { login: self.account.login.clone(), outlet });
        }
        let field = projector::load(self.tx, &outlet)?.ok_or(DecideError::Missing(outlet))?;
        let case = projector::load(self.tx, &case_key)?;
        seen.field.sort();
        seen.case.sort();
        self.check_seen(outlet, &seen, &field, case.as_ref())?;
        self.check_rules(outlet, &field, case.as_ref(), &entries)?;
        let mut case = case.unwrap_or_else(|| Document::new(DocKind::Case));
        let wrong = |error| EngineError::Document(case_key, error);
        let mut texts = Vec::with_capacity(entries.len());
        let key = self.engine.folder.key();
        for mut entry in entries {
            entry.at = self.now;
            entry.field_heads.clone_from(&seen.field);
            entry.witness = Some(Box::new(self.witness(*tip)));
            let text = to_json(&entry).map_err(wrong)?;
            let next = link(&case_key, &text);
            *tip = Some(next);
            append(
                self.tx,
                &StoredLink {
                    server: key.public(),
                    doc: case_key,
                    entry: Entry::id_of(&text),
                    link: next,
                    account: self.account.login.clone(),
                    at: self.now,
                },
            )?;
            texts.push(text);
        }
        let change = case.write(&self.engine.folder.actor(), self.now, &texts, &[]).map_err(wrong)?;
        let witnessed = Witnessed { outlet, change: change.hash, entries: change.entries, at: self.now, seen };
        let run = SignedRun::sign(key, case_key, vec![change.raw]).ok_or_else(|| impossible(&"it is no change"))?;
        Ok((run, witnessed))
    }

    fn witness(&self, chain: Option<WitnessLink>) -> Witness {
        Witness {
            account: self.account.login.clone(),
            person: self.account.person,
            name: self.account.name.clone(),
            role: self.account.role,
            level: self.account.level,
            via: self.acting.via.code().to_owned(),
            session: self.acting.session.clone(),
            chain,
        }
    }

    fn check_rules(
        &self,
        outlet: DocKey,
        field: &Document,
        case: Option<&Document>,
        entries: &[CaseEntry],
    ) -> Result<(), DecideError> {
        let (field, case) = (field.entries(), case.map(Document::entries).unwrap_or_default());
        let persons = |key: &PublicKey| self.roster.membership(key).map(|membership| membership.person);
        let reference = &self.reference;
        let scale = self.scale(&outlet, entries)?;
        let matter = Matter { key: outlet, field: &field, case: &case, scale, persons: &persons, reference };
        let account = self.account;
        let decider = Decider { person: account.person, role: account.role, level: account.level };
        for entry in entries {
            objection(&matter, &decider, entry).map_err(|objection| DecideError::Objection { outlet, objection })?;
        }
        Ok(())
    }

    /// 规模 as the ledger has it, where a plan asks for it.
    fn scale(&self, outlet: &DocKey, entries: &[CaseEntry]) -> Result<ScaleClass, DecideError> {
        if !entries.iter().any(|entry| matches!(entry.decision, Decision::Plan(_))) {
            return Ok(ScaleClass::Undetermined);
        }
        let row = crate::db::ledger::get(self.tx, outlet)?;
        Ok(row
            .map(|(row, _)| crate::report::parse(&row))
            .transpose()?
            .map_or(ScaleClass::Undetermined, |row| row.scale))
    }

    fn check_seen(
        &self,
        outlet: DocKey,
        seen: &Seen,
        field: &Document,
        case: Option<&Document>,
    ) -> Result<(), DecideError> {
        let now = Seen { field: field.heads(), case: case.map(Document::heads).unwrap_or_default() };
        if *seen == now {
            return Ok(());
        }
        let mut since = self.since(DocKind::Field, field, &seen.field);
        since.extend(case.iter().flat_map(|case| self.since(DocKind::Case, case, &seen.case)));
        Err(DecideError::Stale(Box::new(Stale { outlet, seen: seen.clone(), now, since })))
    }

    fn since(&self, document: DocKind, now: &Document, seen: &[ChangeHash]) -> Vec<Since> {
        let known: BTreeSet<EntryId> = now.entries_at(seen).into_iter().map(|entry| entry.id).collect();
        let fresh = now.entries().into_iter().filter(|entry| !known.contains(&entry.id));
        let since = |entry: Entry| Since {
            document,
            entry: entry.id,
            by: name_of(self.roster, &entry),
            content: serde_json::from_str(&entry.json).unwrap_or_default(),
        };
        fresh.map(since).collect()
    }
}

/// Name of whoever wrote or decided an entry.
pub(crate) fn name_of(roster: &Roster, entry: &Entry) -> String {
    use outlet_core::domain::witness::Witnessed as Read;
    match Read::read(&entry.json) {
        Read::By(witness) => format!("{} (witnessed by server)", witness.name),
        _ => {
            let key = entry.origin.actor.key();
            roster.membership(&key).map_or_else(|| format!("{}…", key.short()), |membership| membership.name.clone())
        }
    }
}

/// When the server received each change of a document.
pub(crate) fn receipt_times(
    connection: &rusqlite::Connection,
    key: &DocKey,
) -> Result<HashMap<ChangeHash, Timestamp>, EngineError> {
    Ok(projector::Past::read(key, &records::admitted_runs(connection, key)?)?.times)
}
