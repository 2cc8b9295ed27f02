//! What every command works with: the open store, who is using it, the dictionaries in force, and
//! the way an act is saved and reported.

use std::cell::Cell;
use std::path::PathBuf;
use std::rc::Rc;

use outlet_core::doc::{CurrentFact, Document, Entry, facts, to_json};
use outlet_core::domain::case::CaseEntry;
use outlet_core::domain::field::{Fact, FieldEntry, fact};
use outlet_core::domain::witness::Witnessed;
use outlet_core::geo::GeoPoint;
use outlet_core::identity::Membership;
use outlet_core::ids::{ChangeHash, Collection, DocKey, DocKind, EntryId, OutletId, PersonId, PublicKey};
use outlet_core::time::Timestamp;
use serde::Serialize;

use crate::commands::Outcome;
use crate::commands::facts::{Assertion, FactArgs};
use crate::error::{CommandError, Result};
use crate::input::choice::Dictionaries;
use crate::near::Near;
use crate::ui::{Ui, Warning};
use crate::workspace::{Row, Workspace};

/// The surroundings of a command.
pub(crate) struct Context<'e> {
    pub(crate) ui: Ui<'e>,
    home: Option<PathBuf>,
    accept_weak_storage: bool,
    workspace: Option<Workspace>,
    dictionaries: Option<Rc<Dictionaries>>,
    last_now: Cell<i64>,
    /// Where the last session went.
    pub(crate) via: Option<String>,
    watches: bool,
}

/// A saved act.
#[derive(Debug, Serialize)]
pub(crate) struct Saved {
    #[serde(skip)]
    pub(crate) key: DocKey,
    pub(crate) id: OutletId,
    pub(crate) change: ChangeHash,
    pub(crate) entries: Vec<EntryId>,
    pub(crate) state: &'static str,
    pub(crate) warnings: Vec<Warning>,
}

impl<'e> Context<'e> {
    pub(crate) fn new(ui: Ui<'e>, home: Option<PathBuf>, accept_weak_storage: bool) -> Self {
        Self {
            ui,
            home,
            accept_weak_storage,
            workspace: None,
            dictionaries: None,
            last_now: Cell::new(i64::MIN),
            via: None,
            watches: false,
        }
    }

    /// The device's clock, never twice the same: two equal assertions in one millisecond would be
    /// one entry.
    pub(crate) fn now(&self) -> Timestamp {
        let now = self.ui.env.now().millis().max(self.last_now.get().saturating_add(1));
        self.last_now.set(now);
        Timestamp::from_millis(now)
    }

    /// From now on the store is opened as a watcher's, who steps aside for others.
    pub(crate) fn watches(&mut self, watches: bool) {
        self.watches = watches;
    }

    /// The directory of the store.
    pub(crate) fn home(&self) -> Result<PathBuf> {
        self.home.clone().or_else(|| self.ui.env.default_home()).ok_or_else(|| {
            CommandError::user("no home directory is known").hint("say where the store is: --home DIR, or OUTLET_HOME")
        })
    }

    /// The open store; opened at the first use.
    pub(crate) fn workspace(&mut self) -> Result<&mut Workspace> {
        if self.workspace.is_none() {
            let home = self.home()?;
            let opened = Workspace::open(&mut self.ui, &home, self.accept_weak_storage, false, self.watches)?;
            self.workspace = Some(opened);
        }
        // Set just above.
        self.workspace.as_mut().ok_or_else(|| CommandError::internal("the store is not open"))
    }

    /// The store, made if there is none yet: for enrolment.
    pub(crate) fn new_workspace(&mut self) -> Result<&mut Workspace> {
        if self.workspace.is_none() {
            let home = self.home()?;
            self.workspace = Some(Workspace::open(&mut self.ui, &home, self.accept_weak_storage, true, false)?);
        }
        self.workspace()
    }

    /// After a sync: lists and dictionaries are read again.
    pub(crate) fn forget_lists(&mut self) {
        self.dictionaries = None;
        if let Some(workspace) = &mut self.workspace {
            workspace.forget_lists();
        }
    }

    /// Closes the store, so that the next opening is quick.
    pub(crate) fn close(&mut self) -> Result<()> {
        self.workspace.take().map_or(Ok(()), Workspace::close)
    }

    /// Dictionaries, townships and rivers in force on this device.
    pub(crate) fn dictionaries(&mut self) -> Result<Rc<Dictionaries>> {
        if let Some(dictionaries) = &self.dictionaries {
            return Ok(Rc::clone(dictionaries));
        }
        let loaded = Rc::new(self.workspace()?.dictionaries()?);
        self.dictionaries = Some(Rc::clone(&loaded));
        Ok(loaded)
    }

    /// The membership of this device.
    pub(crate) fn member(&mut self) -> Result<Membership> {
        self.workspace()?.member().ok_or_else(|| {
            CommandError::user("this device is not enrolled yet")
                .hint("ask the administrator for a ticket, then run: outlet enroll TICKET")
        })
    }

    /// The person behind a key, as far as its certificate is known here.
    pub(crate) fn person(&self, key: &PublicKey) -> Option<PersonId> {
        self.workspace.as_ref()?.membership_of(key).map(|member| member.person)
    }

    /// The name behind a key; the key itself when its certificate is not here yet.
    pub(crate) fn author(&self, key: &PublicKey) -> String {
        let member = self.workspace.as_ref().and_then(|workspace| workspace.membership_of(key));
        member.map_or_else(|| format!("key {}", key.short()), |member| member.name)
    }

    /// Who decided or wrote an entry: for a decision that a server witnessed, the person it names.
    pub(crate) fn author_of(&self, entry: &Entry) -> String {
        match Witnessed::read(&entry.json) {
            Witnessed::By(witness) => format!("{} (witnessed by server)", witness.name),
            _ => self.author(&entry.origin.actor.key()),
        }
    }

    /// The person behind an entry.
    pub(crate) fn person_of(&self, entry: &Entry) -> Option<PersonId> {
        match Witnessed::read(&entry.json) {
            Witnessed::By(witness) => Some(witness.person),
            _ => self.person(&entry.origin.actor.key()),
        }
    }

    /// Who brought a change to this device: the server, or a colleague's device.
    pub(crate) fn carrier(&self, key: &PublicKey) -> String {
        let server = |workspace: &Workspace| workspace.roster().is_some_and(|roster| roster.is_server(key));
        if self.workspace.as_ref().is_some_and(server) { "server".to_owned() } else { self.author(key) }
    }

    /// The document that an outlet's field record is.
    pub(crate) fn outlet(&mut self, text: &str) -> Result<DocKey> {
        self.workspace()?.find(text)
    }

    /// A document, if this device has it.
    pub(crate) fn document(&mut self, key: &DocKey) -> Result<Option<Document>> {
        self.workspace()?.document(key)
    }

    /// Heads of the field record as this device sees it.
    pub(crate) fn field_heads(&mut self, key: &DocKey) -> Result<Vec<ChangeHash>> {
        let document = self.document(&key.with_kind(DocKind::Field))?;
        Ok(document.map(|document| document.heads()).unwrap_or_default())
    }

    /// All rows of the list, by id.
    pub(crate) fn rows(&mut self) -> Result<Vec<Row>> {
        self.workspace()?.rows()
    }

    /// Known outlets around a point.
    pub(crate) fn near(&mut self, point: GeoPoint, within_m: f64) -> Result<Vec<Near>> {
        self.workspace()?.near(point, within_m)
    }

    /// The temporary number of a record.
    pub(crate) fn temporary_number(&mut self, key: &DocKey) -> Result<Option<String>> {
        self.workspace()?.number_of(key)
    }

    /// For a sentence: the number, or the id.
    pub(crate) fn short_name(&mut self, key: &DocKey) -> Result<String> {
        Ok(self.temporary_number(key)?.unwrap_or_else(|| key.id.to_string()))
    }

    /// How far a record has come: `on_device`, `sent`, `stored`, `in_ledger` or `held`.
    pub(crate) fn record_state(&mut self, key: &DocKey) -> Result<&'static str> {
        Ok(self.workspace()?.row(key)?.map_or("on_device", |row| row.state))
    }

    /// The collection of a new record: the one that was asked for, or the only one there is.
    pub(crate) fn collection(&mut self, wanted: Option<Collection>, facts: &FactArgs) -> Result<Collection> {
        if let Some(collection) = wanted {
            return self.writable(collection);
        }
        if let Some(county) = facts.township_county(&*self.dictionaries()?)? {
            return self.writable(county);
        }
        let member = self.member()?;
        let mut own = member.collections.iter().copied();
        match (own.next(), own.next()) {
            (Some(only), None) => Ok(only),
            (None, _) => Err(CommandError::user("your membership covers no county to write in")
                .hint("ask the administrator for a ticket with --collection")),
            _ => {
                let all: Vec<String> = member.collections.iter().map(Collection::to_string).collect();
                Err(CommandError::user("you may write in several counties, so the record's county must be said")
                    .hint(format!("add --collection with one of {}, or --township", all.join(", "))))
            }
        }
    }

    /// A key for a new record.
    pub(crate) fn new_key(&mut self, collection: Collection) -> Result<DocKey> {
        let mut random = [0; 10];
        self.ui.env.random(&mut random).map_err(|error| CommandError::because("no randomness for a new id", error))?;
        Ok(DocKey { kind: DocKind::Field, collection, id: OutletId::new(self.now(), random) })
    }

    /// The temporary number of a new record: as given, or the next of this device.
    pub(crate) fn new_temporary_number(&mut self, wanted: Option<&str>) -> Result<String> {
        let today = self.now().day_in_shanghai();
        let workspace = self.workspace()?;
        let Some(wanted) = wanted.map(str::trim) else { return workspace.next_number(today) };
        if wanted.is_empty() || wanted.len() > 60 || wanted.contains(char::is_control) {
            return Err(CommandError::user(format!("{wanted:?} cannot be a temporary number"))
                .hint("use up to 60 characters, such as BZ-0412"));
        }
        if let Some(other) = workspace.by_number(wanted)? {
            return Err(CommandError::user(format!("the temporary number {wanted} is taken by {}", other.id))
                .hint("choose another one, or leave --number out"));
        }
        Ok(wanted.to_owned())
    }

    /// Assertions as entries that replace what this device sees now.
    pub(crate) fn facts(
        &mut self,
        key: &DocKey,
        assertions: Vec<Assertion>,
        warnings: &mut Vec<Warning>,
    ) -> Result<Vec<FieldEntry>> {
        let document = self.document(key)?;
        let current = document.map(|document| facts(&document.entries())).unwrap_or_default();
        let mut entries = Vec::new();
        for Assertion { field, value, basis } in assertions {
            let seen: &[CurrentFact] = current.get(field).map_or(&[], Vec::as_slice);
            let conflict = fact::GATED.contains(&field) && seen.iter().any(|other| other.value != seen[0].value);
            if conflict {
                warnings.push(Warning::new(
                    "still_in_conflict",
                    format!(
                        "{field} is in conflict, and this adds one more candidate: a supervisor decides with \
                         `outlet case settle ID {field} VALUE`."
                    ),
                ));
            }
            let replaces = seen.iter().map(|fact| fact.entry).collect();
            let at = self.now();
            let field = field.to_owned();
            entries.push(FieldEntry::Fact(Fact { field, value, basis, reason: None, on: None, replaces, at }));
        }
        Ok(entries)
    }

    /// Saves an act in a field record: one signed change, durable when this returns.
    pub(crate) fn save_field(
        &mut self,
        key: &DocKey,
        entries: &[FieldEntry],
        remark: Option<&str>,
        warnings: Vec<Warning>,
    ) -> Result<Saved> {
        self.may_write_field(key)?;
        let texts = entries.iter().map(to_json).collect::<Result<Vec<_>, _>>().map_err(CommandError::internal)?;
        let registers: Vec<(String, String)> =
            remark.map(|text| (fact::REMARK.to_owned(), text.to_owned())).into_iter().collect();
        self.save(key, &texts, &registers, warnings)
    }

    /// Saves decisions in a case file: one signed change.
    pub(crate) fn save_case(&mut self, key: &DocKey, entries: &[CaseEntry], warnings: Vec<Warning>) -> Result<Saved> {
        let texts = entries.iter().map(to_json).collect::<Result<Vec<_>, _>>().map_err(CommandError::internal)?;
        self.save(&key.with_kind(DocKind::Case), &texts, &[], warnings)
    }

    fn save(
        &mut self,
        key: &DocKey,
        entries: &[String],
        registers: &[(String, String)],
        warnings: Vec<Warning>,
    ) -> Result<Saved> {
        let now = self.now();
        let change = self.workspace()?.write(key, now, entries, registers)?;
        Ok(Saved {
            key: *key,
            id: key.id,
            change: change.change,
            entries: change.entries,
            state: "on_device",
            warnings,
        })
    }

    /// Reports a saved act: as JSON, or in words on stderr.
    pub(crate) fn report(&mut self, saved: &Saved, what: &str) -> Result<Outcome> {
        if self.ui.json {
            self.ui.data(saved)?;
            return Ok(Outcome::Done);
        }
        for warning in &saved.warnings {
            self.ui.warn(warning);
        }
        let name = self.workspace()?.number_of(&saved.key)?.unwrap_or_else(|| saved.id.to_string());
        self.ui.status(format!("Saved on this device: {name}: {what}."));
        Ok(Outcome::Done)
    }
}
