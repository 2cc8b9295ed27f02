//! The open store of a device with what the commands ask of it.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use outlet_core::doc::{Document, Entry};
use outlet_core::domain::code::TemporaryNumber;
use outlet_core::domain::field::FieldEntry;
use outlet_core::geo::GeoPoint;
use outlet_core::identity::{Membership, Roster, SecretKey, ServerAddress, Ticket};
use outlet_core::ids::{BlobHash, Collection, DocKey, DocKind, OutletId, PublicKey};
use outlet_core::store::{
    BlobState, EdgeStore, Enrolment, Entropy, Filter, IndexUse, OpenReport, OpenStore, OutletSummary, Renewed,
    Returned, Saved, Store, StoreError, StoreStatus, StoredBlob, Waiting, boot_id,
};
use outlet_core::time::{Day, Timestamp};
use serde::Serialize;

use crate::error::{CommandError, Result};
use crate::input::choice::Dictionaries;
use crate::near::Near;
use crate::ui::{Ui, Warning};

/// One outlet of the list.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Row {
    pub(crate) id: OutletId,
    pub(crate) temporary_number: Option<String>,
    pub(crate) name: Option<String>,
    pub(crate) lon: Option<f64>,
    pub(crate) lat: Option<f64>,
    pub(crate) collection: Collection,
    pub(crate) classification: Option<String>,
    pub(crate) township: Option<String>,
    pub(crate) waterbody: Option<String>,
    pub(crate) outlet_state: Option<String>,
    pub(crate) state: &'static str,
    pub(crate) photos: u64,
    /// Returned by a supervisor, and why; until it is handed in again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) returned: Option<Returned>,
    #[serde(skip)]
    pub(crate) conflicts: bool,
}

impl From<OutletSummary> for Row {
    fn from(summary: OutletSummary) -> Self {
        Self {
            id: summary.key.id,
            temporary_number: summary.temporary_number,
            name: summary.name,
            lon: summary.lon,
            lat: summary.lat,
            collection: summary.collection,
            classification: summary.decided_classification.or(summary.classification),
            township: summary.township,
            waterbody: summary.waterbody,
            outlet_state: summary.subject,
            state: summary.state.as_str(),
            photos: u64::from(summary.photos),
            returned: summary.returned,
            conflicts: !summary.conflicts.is_empty(),
        }
    }
}

impl Row {
    pub(crate) fn key(&self) -> DocKey {
        DocKey { kind: DocKind::Field, collection: self.collection, id: self.id }
    }

    pub(crate) fn point(&self) -> Option<GeoPoint> {
        GeoPoint::new(self.lon?, self.lat?).ok()
    }

    pub(crate) fn mentions(&self, lower: &str) -> bool {
        let texts = [self.name.as_deref(), self.temporary_number.as_deref()];
        texts.into_iter().flatten().any(|text| text.to_lowercase().contains(lower))
            || self.id.to_string().contains(lower)
    }

    pub(crate) fn line(&self) -> String {
        fn or_dash(text: Option<&String>) -> &str {
            text.map_or("-", String::as_str)
        }
        format!(
            "{}  {}  {}  {}  {}  {}  {} photos",
            self.id,
            or_dash(self.temporary_number.as_ref()),
            or_dash(self.name.as_ref()),
            or_dash(self.classification.as_ref()),
            or_dash(self.township.as_ref()),
            self.state,
            self.photos
        )
    }

    fn label(&self) -> String {
        format!("{} {}", self.id, self.temporary_number.as_deref().unwrap_or("-"))
    }
}

/// The open store.
pub(crate) struct Workspace {
    store: Arc<Mutex<EdgeStore>>,
    roster: Option<Roster>,
    member: Option<Membership>,
    last_number: Option<TemporaryNumber>,
}

/// In the name of a process that watches for the server.
const WATCHER: &str = " sync --watch";
/// A watcher steps aside in less than a second, unless it is writing a large batch.
const TURN: Duration = Duration::from_secs(20);

/// Waits for the store, and lets the watcher know.
fn after_the_watcher(home: &Path, options: &OpenStore) -> Result<EdgeStore, StoreError> {
    let waiting = Waiting::show(home);
    let mut left = TURN.as_millis() / LOOK.as_millis();
    loop {
        let opened = EdgeStore::open(options, &mut |_| {});
        let locked = matches!(opened, Err(StoreError::Locked { .. }));
        if !locked || waiting.is_none() || left == 0 {
            return opened;
        }
        left -= 1;
        std::thread::sleep(LOOK);
    }
}

/// How often it is tried.
const LOOK: Duration = Duration::from_millis(50);

impl Workspace {
    /// Opens the store and tells what opening found.
    pub(crate) fn open(
        ui: &mut Ui<'_>,
        home: &Path,
        accept_weak_storage: bool,
        create: bool,
        watches: bool,
    ) -> Result<Self> {
        let mut entropy = Entropy { key: [0; 32], incarnation: [0; 4] };
        let random = |error| CommandError::because("no randomness for a key", error);
        ui.env.random(&mut entropy.key).map_err(random)?;
        ui.env.random(&mut entropy.incarnation).map_err(random)?;
        let options = OpenStore {
            home: home.to_owned(),
            who: format!("outlet{} (process {})", if watches { WATCHER } else { "" }, std::process::id()),
            now: ui.env.now(),
            entropy,
            boot: boot_id(),
            create,
            accept_weak_storage,
        };
        let new = !home.join("journal").exists();
        let mut bar = ui.progress("reading the journal (bytes)");
        let mut lines = Vec::new();
        let mut opened = EdgeStore::open(&options, &mut |progress| lines.extend(bar.at(progress.done, progress.total)));
        if let Err(StoreError::Locked { holder }) = &opened
            // Between taking the lock and writing its name, a watcher is nobody yet.
            && (holder.contains(WATCHER) || holder == "another process")
        {
            opened = after_the_watcher(home, &options);
        }
        bar.finish();
        lines.iter().for_each(|line| ui.status(line));
        let store = opened?;
        // A store that was just made has nothing to tell.
        for warning in notes(store.report()).iter().filter(|_| !new) {
            ui.warn(warning);
        }
        Self::over(store)
    }

    fn over(mut store: EdgeStore) -> Result<Self> {
        let roster = Store::roster(&mut store)?;
        let own = store.identity().public();
        let member = roster.as_ref().and_then(|roster| roster.membership(&own)).cloned();
        Ok(Self { store: Arc::new(Mutex::new(store)), roster, member, last_number: None })
    }

    /// Closes the store.
    pub(crate) fn close(self) -> Result<()> {
        match Arc::try_unwrap(self.store) {
            // A poisoned lock means that a sync panicked: the store itself closes as well as it can.
            Ok(store) => Ok(store.into_inner().unwrap_or_else(PoisonError::into_inner).close()?),
            Err(_) => Ok(()),
        }
    }

    /// The store. A panic of a session leaves it usable: what is durable is in the journal.
    pub(crate) fn store(&self) -> MutexGuard<'_, EdgeStore> {
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The store as a session uses it.
    pub(crate) fn replica(&self) -> Arc<Mutex<EdgeStore>> {
        Arc::clone(&self.store)
    }

    /// The secret key, for the handshake.
    pub(crate) fn secret_key(&self) -> SecretKey {
        self.store().identity().key().clone()
    }

    /// The device's public key.
    pub(crate) fn device(&self) -> PublicKey {
        self.store().identity().public()
    }

    /// Keys of servers to trust: those of the ticket, and those the root vouches for.
    pub(crate) fn pins(&self) -> Result<BTreeSet<PublicKey>> {
        let mut pins: BTreeSet<PublicKey> = self.roster.iter().flat_map(Roster::active_servers).collect();
        // The ticket's key counts until a certificate of the root says which keys do.
        if pins.is_empty() {
            pins.extend(self.store().enrolment()?.into_iter().flat_map(|enrolment| enrolment.servers));
        }
        Ok(pins)
    }

    /// Members, servers and revocations known here.
    pub(crate) fn roster(&self) -> Option<Roster> {
        self.roster.clone()
    }

    /// Addresses of the ticket.
    pub(crate) fn addresses(&self) -> Result<Vec<ServerAddress>> {
        let enrolment = self.store().enrolment()?;
        let texts = enrolment.map(|enrolment| enrolment.addresses).unwrap_or_default();
        Ok(texts.iter().filter_map(|text| text.parse().ok()).collect())
    }

    /// Keeps what a ticket says, so that an enrolment that breaks off goes on with the same key.
    pub(crate) fn prepare(&mut self, ticket: &Ticket, now: Timestamp) -> Result<()> {
        let old = self.store().enrolment()?;
        if let Some(old) = old.as_ref().filter(|old| old.root != ticket.root) {
            return Err(CommandError::user(format!(
                "this store belongs to another system (root {}), and the ticket is of root {}",
                outlet_core::identity::fingerprint(&old.root),
                outlet_core::identity::fingerprint(&ticket.root)
            ))
            .hint("enrol in a directory of its own: outlet --home DIR enroll TICKET"));
        }
        let mut collections: BTreeSet<Collection> = old.iter().flat_map(|old| old.collections.clone()).collect();
        collections.extend(ticket.collections.iter().copied());
        let enrolment = Enrolment {
            root: ticket.root,
            servers: vec![ticket.server],
            addresses: ticket.addresses.iter().map(ToString::to_string).collect(),
            collections: collections.into_iter().collect(),
            certificate: old.as_ref().and_then(|old| old.certificate.clone()),
            server_certificate: old.as_ref().and_then(|old| old.server_certificate.clone()),
            name: Some(ticket.name.clone()),
        };
        if old.as_ref() != Some(&enrolment) {
            self.store().enrol(&enrolment, now)?;
        }
        self.forget_lists();
        Ok(())
    }

    /// Reads lists and memberships again.
    pub(crate) fn forget_lists(&mut self) {
        let roster = Store::roster(&mut *self.store());
        if let Ok(roster) = roster {
            let own = self.device();
            self.member = roster.as_ref().and_then(|roster| roster.membership(&own)).cloned();
            self.roster = roster;
        }
    }

    /// Dictionaries, townships and rivers: those of the program, under those of the administrator.
    pub(crate) fn dictionaries(&self) -> Result<Dictionaries> {
        let store = self.store();
        let mut texts = Vec::new();
        for key in store.keys(DocKind::Reference)? {
            let entries = store.document(&key)?.map(|document| document.entries()).unwrap_or_default();
            texts.extend(entries.iter().filter_map(|entry| entry.parse().ok()));
        }
        Ok(Dictionaries::with(&texts))
    }

    /// The membership of this device.
    pub(crate) fn member(&self) -> Option<Membership> {
        self.member.clone()
    }

    /// The membership of a key.
    pub(crate) fn membership_of(&self, key: &PublicKey) -> Option<Membership> {
        self.roster.as_ref()?.membership(key).cloned()
    }

    /// A document.
    pub(crate) fn document(&self, key: &DocKey) -> Result<Option<Document>> {
        Ok(self.store().document(key)?)
    }

    /// Issues again what fell out of its document only because something below it was rejected:
    /// the act itself was never judged (design: `reissue_of`). How many acts.
    pub(crate) fn reissue_orphans(&self, now: Timestamp) -> Result<usize> {
        let mut store = self.store();
        let orphans: Vec<_> =
            store.rejected()?.into_iter().filter(|act| act.code == "builds_on_rejected" && !act.reissued).collect();
        for act in &orphans {
            store.reissue(&act.doc, &act.change, now)?;
        }
        Ok(orphans.len())
    }

    /// Writes one act: durable when this returns.
    pub(crate) fn write(
        &mut self,
        key: &DocKey,
        now: Timestamp,
        entries: &[String],
        registers: &[(String, String)],
    ) -> Result<Saved> {
        Ok(self.store().write(key, entries, registers, now)?)
    }

    /// The list, sorted by id.
    pub(crate) fn rows(&self) -> Result<Vec<Row>> {
        let mut rows: Vec<Row> = self.store().summaries(&Filter::default())?.into_iter().map(Row::from).collect();
        rows.sort_unstable_by_key(|row| row.id);
        Ok(rows)
    }

    /// One line of the list.
    pub(crate) fn row(&self, key: &DocKey) -> Result<Option<Row>> {
        Ok(self.store().summary(key)?.map(Row::from))
    }

    /// Known outlets around a point, nearest first.
    pub(crate) fn near(&self, point: GeoPoint, within_m: f64) -> Result<Vec<Near>> {
        // Distances are shown, and compared, to the decimetre.
        let found = self.store().near(point.lon(), point.lat(), within_m + 0.1)?;
        let mut near: Vec<Near> =
            found.into_iter().filter_map(|(distance, outlet)| Near::new(distance, outlet)).collect();
        near.retain(|near| near.distance_m <= within_m);
        near.sort_by(|a, b| a.distance_m.total_cmp(&b.distance_m).then(a.id.cmp(&b.id)));
        Ok(near)
    }

    /// The record that a UUID, a prefix of it, or a temporary number means.
    pub(crate) fn find(&self, text: &str) -> Result<DocKey> {
        let text = text.trim();
        if let Some(key) = self.by_uuid(text)? {
            return Ok(key);
        }
        let mut found: Vec<Row> = self.store().find(text)?.into_iter().map(Row::from).collect();
        found.sort_unstable_by_key(|row| row.id);
        match found.as_slice() {
            [row] => Ok(row.key()),
            [] => Err(CommandError::user(format!("no outlet on this device is {text:?}")).hint(
                "give the UUID, at least 4 characters of its beginning, or the temporary number; `outlet list` shows all",
            )),
            several => {
                let shown: Vec<String> = several.iter().take(5).map(Row::label).collect();
                Err(CommandError::user(format!("{text:?} means {} outlets", several.len()))
                    .hint(format!("give more of the id: {}", shown.join("; "))))
            }
        }
    }

    /// A whole UUID needs no list: the document is there, in one of the counties followed.
    fn by_uuid(&self, text: &str) -> Result<Option<DocKey>> {
        let Ok(id) = text.parse::<OutletId>() else { return Ok(None) };
        let collections = self.store().enrolment()?.map(|enrolment| enrolment.collections).unwrap_or_default();
        for collection in collections {
            let key = DocKey { kind: DocKind::Field, collection, id };
            if self.store().summary(&key)?.is_some() {
                return Ok(Some(key));
            }
        }
        Ok(None)
    }

    /// The record with a temporary number.
    pub(crate) fn by_number(&self, number: &str) -> Result<Option<DocKey>> {
        let found = self.store().by_number(number)?;
        Ok(found.into_iter().map(|outlet| outlet.key).min_by_key(|key| key.id))
    }

    /// The temporary number of a record.
    pub(crate) fn number_of(&self, key: &DocKey) -> Result<Option<String>> {
        Ok(self.store().summary(key)?.and_then(|outlet| outlet.temporary_number))
    }

    /// The next temporary number of this device on a day.
    pub(crate) fn next_number(&mut self, today: Day) -> Result<String> {
        let actor = self.store().identity().actor();
        let own = |number: &TemporaryNumber| number.is_from(&actor) && number.day() == today;
        let last = match self.last_number.clone().filter(own) {
            Some(last) => Some(last),
            None => {
                let of_today = TemporaryNumber::beginning(&actor, today);
                let numbers = self.store().numbers_beginning(&of_today)?;
                let numbers = numbers.iter().filter_map(|text| text.parse::<TemporaryNumber>().ok());
                numbers.filter(own).max_by_key(TemporaryNumber::serial)
            }
        };
        let next = match last {
            Some(last) => last.next(),
            None => TemporaryNumber::new(&actor, today, 1),
        };
        let next = next.ok_or_else(|| {
            CommandError::user("this device has given all its temporary numbers of today")
                .hint("give one yourself with --number; if the date is wrong, check the device's clock")
        })?;
        self.last_number = Some(next.clone());
        Ok(next.to_string())
    }

    /// Records with gated facts in conflict.
    pub(crate) fn conflicted(&self) -> Result<Vec<DocKey>> {
        Ok(self.rows()?.iter().filter(|row| row.conflicts).map(Row::key).collect())
    }

    /// Copies a file into the store.
    pub(crate) fn add_file(&mut self, path: &Path) -> Result<StoredBlob> {
        Ok(self.store().add_blob(path)?)
    }

    /// Keeps bytes as a file of the store.
    pub(crate) fn add_bytes(&mut self, name: &str, mut bytes: &[u8]) -> Result<StoredBlob> {
        let length = bytes.len() as u64;
        Ok(self.store().add_blob_from(name, Some(length), &mut bytes)?)
    }

    /// Where the bytes of a file are.
    pub(crate) fn blob(&self, hash: &BlobHash) -> Result<Option<BlobState>> {
        Ok(self.store().blob(hash)?)
    }

    /// Other outlets of this device whose record names the same file.
    pub(crate) fn other_uses(&mut self, hash: &BlobHash, but: &DocKey) -> Result<Vec<OutletId>> {
        let keys: Vec<DocKey> = self.rows()?.iter().filter(|row| row.photos > 0).map(Row::key).collect();
        let mut uses = Vec::new();
        for key in keys.iter().filter(|key| key.id != but.id) {
            let entries = self.document(key)?.map(|document| document.entries()).unwrap_or_default();
            let names = |entry: &Entry| matches!(entry.parse(), Ok(FieldEntry::Photo(photo)) if photo.sha256 == *hash);
            if entries.iter().any(names) {
                uses.push(key.id);
            }
        }
        Ok(uses)
    }

    /// Counts for `outlet status`.
    pub(crate) fn status(&self) -> Result<StoreStatus> {
        Ok(self.store().status()?)
    }
}

/// What opening found, for people.
fn notes(report: &OpenReport) -> Vec<Warning> {
    let mut notes = Vec::new();
    if let IndexUse::Rebuilt { reason } = &report.index {
        // What the journal itself lacks is named below: nobody is told that nothing is lost then.
        let whole = report.damage.is_empty() && report.lost == 0;
        let lost = if whole { "; nothing is lost" } else { "" };
        notes.push(Warning::new("index_rebuilt", format!("the index was rebuilt from the journal ({reason}){lost}.")));
    }
    if report.torn.is_some() {
        notes.push(Warning::new(
            "torn_tail",
            "the last write was interrupted and had not been confirmed: it was set aside under `torn` and cut off.",
        ));
    }
    if !report.damage.is_empty() {
        notes.push(Warning::new(
            "journal_damaged",
            "the journal is damaged in the middle, so the store is read-only: `outlet doctor` says where; \
             what is readable can be exported with `outlet doctor --export FILE`.",
        ));
    }
    if report.lost > 0 {
        notes.push(Warning::new(
            "frames_lost",
            format!("{} commits that the index had seen are missing from the journal: sync soon.", report.lost),
        ));
    }
    match report.renewed {
        Some(Renewed::Copied) => notes.push(Warning::new(
            "store_copied",
            "this store was copied or restored: it writes under a new incarnation. Use one of the copies only.",
        )),
        Some(_) => notes.push(Warning::new("incarnation_renewed", "the store writes under a new incarnation.")),
        None => {}
    }
    notes
}
