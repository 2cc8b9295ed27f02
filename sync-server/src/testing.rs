//! What the tests of this crate share: a data folder with a clock that they turn, and devices that
//! write signed changes.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use outlet_core::doc::Document;
use outlet_core::identity::{Level, Role, SecretKey, SignedRun};
use outlet_core::ids::{Actor, Collection, DocKey, DocKind, OutletId, PersonId, PublicKey};
use outlet_core::sync::replica::{Admitted, FeedItem, Outcome};
use outlet_core::time::Timestamp;
use serde_json::{Value, json};

use crate::db::{DbError, devices};
use crate::engine::Engine;
use crate::folder::{Folder, issue};

/// 2022-03-01, 10:00 in Bazhong.
pub(crate) const START: i64 = 1_646_100_000_000;

/// A server without network.
pub(crate) struct Kit {
    pub place: tempfile::TempDir,
    pub clock: Arc<AtomicI64>,
    pub engine: Arc<Engine>,
}

impl Kit {
    pub(crate) fn new() -> Self {
        Self::with_config("")
    }

    pub(crate) fn with_config(text: &str) -> Self {
        let place = tempfile::tempdir().unwrap();
        Folder::init(place.path(), Timestamp::from_millis(START)).unwrap();
        // Whatever the disk of the machine that runs the tests looks like.
        let disk = if text.contains("[disk]") { "" } else { "[disk]\nwarn_percent = 0\nstop_percent = 0\n" };
        std::fs::write(place.path().join(crate::config::FILE), format!("{text}\n{disk}")).unwrap();
        let clock = Arc::new(AtomicI64::new(START + 1));
        let engine = Arc::new(open(place.path(), &clock));
        Self { place, clock, engine }
    }

    /// Moves the clock on.
    pub(crate) fn wait(&self, millis: i64) {
        self.clock.fetch_add(millis, Ordering::SeqCst);
    }

    pub(crate) fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.clock.load(Ordering::SeqCst))
    }

    /// A member with a device.
    pub(crate) fn member(&self, seed: u8, role: Role, level: Option<Level>) -> Device {
        let device = Device::new(seed);
        self.enrol(&device, seed, role, level, &[county()]);
        device
    }

    /// A certificate for a device.
    pub(crate) fn enrol(
        &self,
        device: &Device,
        person: u8,
        role: Role,
        level: Option<Level>,
        collections: &[Collection],
    ) {
        let grant = devices::Grant {
            role,
            level,
            collections: collections.to_vec(),
            name: format!("person {person}"),
            person: PersonId([person; 16]),
        };
        let folder = &self.engine.folder;
        let now = self.now();
        self.engine
            .database()
            .write::<_, DbError>(|tx| issue(tx, &folder.config, folder.key(), device.key.public(), &grant, None, now))
            .unwrap();
    }

    pub(crate) fn revoke(&self, device: &Device) {
        self.runs(&["device", "revoke", &device.key.public().to_string()]);
    }

    /// A command of the administrator, which must succeed.
    pub(crate) fn runs(&self, args: &[&str]) {
        let env = crate::Env {
            vars: BTreeMap::new(),
            stdin: Box::new(std::io::empty()),
            stdout: Box::new(std::io::sink()),
            stderr: Box::new(std::io::sink()),
            clock: self.engine.folder.clock.clone(),
            install_logs: false,
        };
        let data = self.place.path().display().to_string();
        let line = ["outlet-server", "--data", &data].into_iter().chain(args.iter().copied());
        assert_eq!(crate::run_code(line.map(Into::into), env), 0, "{args:?}");
    }

    pub(crate) fn push(&self, carrier: &Device, runs: &[SignedRun]) -> Admitted {
        let items: Vec<FeedItem> = runs.iter().cloned().map(FeedItem::Run).collect();
        self.engine.admit(&carrier.key.public(), &items).unwrap()
    }

    /// All ledger rows as stored.
    pub(crate) fn rows(&self) -> Vec<crate::db::ledger::Row> {
        self.engine.database().read::<_, DbError>(|tx| crate::db::ledger::page(tx, 0, 1_000_000)).unwrap()
    }
}

pub(crate) fn open(path: &Path, clock: &Arc<AtomicI64>) -> Engine {
    let clock = Arc::clone(clock);
    let (folder, _) =
        Folder::open(path, Arc::new(move || Timestamp::from_millis(clock.load(Ordering::SeqCst)))).unwrap();
    Engine::new(folder).unwrap()
}

pub(crate) fn county() -> Collection {
    Collection::from_code(511_902).unwrap()
}

pub(crate) fn outlet(number: u8) -> DocKey {
    let id = OutletId::new(Timestamp::from_millis(START), [number; 10]);
    DocKey { kind: DocKind::Field, collection: county(), id }
}

pub(crate) fn stored() -> Outcome {
    Outcome::Stored { in_ledger: true }
}

pub(crate) fn held(code: &str) -> Outcome {
    Outcome::Held { code: code.to_owned() }
}

/// A device with the documents it holds.
pub(crate) struct Device {
    pub key: SecretKey,
    pub docs: BTreeMap<DocKey, Document>,
    writes: i64,
}

impl Device {
    pub(crate) fn new(seed: u8) -> Self {
        Self { key: SecretKey::from_bytes([seed; 32]), docs: BTreeMap::new(), writes: 0 }
    }

    pub(crate) fn public(&self) -> PublicKey {
        self.key.public()
    }

    /// Takes over somebody else's copy of a document.
    pub(crate) fn copy(&mut self, other: &Self, key: &DocKey) {
        let saved = other.docs[key].save();
        self.docs.insert(*key, Document::load(key.kind, &saved).unwrap());
    }

    /// One act: one change, signed.
    pub(crate) fn write(&mut self, key: &DocKey, entry: Value) -> SignedRun {
        self.writes += 1;
        let mut entry = entry;
        entry["at"] = json!(START + self.writes);
        let document = self.docs.entry(*key).or_insert_with(|| Document::new(key.kind));
        let actor = Actor::new(self.key.public(), [0; 4]);
        let now = Timestamp::from_millis(START + self.writes * 1000);
        let change = document.write(&actor, now, &[entry.to_string()], &[]).unwrap();
        SignedRun::sign(&self.key, *key, vec![change.raw]).unwrap()
    }

    pub(crate) fn fact(&mut self, key: &DocKey, field: &str, value: &str) -> SignedRun {
        self.write(key, json!({ "type": "fact", "field": field, "value": value }))
    }
}
