//! A device as a library: store and sessions without a process, so that many can wait at once.

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use outlet_core::identity::{ServerAddress, Ticket};
use outlet_core::ids::{BlobHash, Collection, DocKey, DocKind, OutletId};
use outlet_core::store::{EdgeStore, Enrolment, Entropy, OpenStore, Store as _};
use outlet_core::sync::session::{Config, Options, Session};
use outlet_core::time::Timestamp;
use outlet_transport::{Congestion, Driven, Hooks, TransportError, dial, drive};

/// A store and who it is.
#[derive(Debug, Clone)]
pub struct Device {
    /// The store, shared with a running session.
    pub store: Arc<Mutex<EdgeStore>>,
    collection: Collection,
}

/// The wall clock.
#[must_use]
pub fn now() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap_or(0))
}

impl Device {
    /// A new store at `home`, enrolled with the ticket at `server`.
    ///
    /// # Panics
    /// When any of it fails.
    pub async fn enrol(home: &Path, seed: u8, ticket: &str, server: &ServerAddress) -> Self {
        let ticket: Ticket = ticket.parse().expect("a ticket");
        let options = OpenStore {
            home: home.to_owned(),
            who: "a test".to_owned(),
            now: now(),
            entropy: Entropy { key: [seed; 32], incarnation: [seed; 4] },
            boot: None,
            create: true,
            accept_weak_storage: false,
        };
        let mut store = EdgeStore::open(&options, &mut |_| {}).expect("a store");
        let enrolment = Enrolment {
            root: ticket.root,
            servers: vec![ticket.server],
            addresses: Vec::new(),
            collections: ticket.collections.iter().copied().collect(),
            certificate: None,
            server_certificate: None,
            name: None,
        };
        store.enrol(&enrolment, now()).expect("enrolled");
        let collection = *ticket.collections.first().expect("a county");
        let device = Self { store: Arc::new(Mutex::new(store)), collection };
        let options = Options { ticket_secret: Some(ticket.secret.expose().to_vec()), ..Options::default() };
        let driven = device.sync(std::slice::from_ref(server), Congestion::default(), options).await;
        let driven = driven.expect("the server answers");
        assert!(driven.summary.why.is_none(), "{driven:?}");
        device
    }

    /// The store.
    pub fn store(&self) -> MutexGuard<'_, EdgeStore> {
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Saves a record, with a photo if there are bytes.
    ///
    /// # Panics
    /// When the store refuses.
    pub fn record(&self, number: u8, photo: Option<&[u8]>) -> Option<BlobHash> {
        let doc = DocKey { kind: DocKind::Field, collection: self.collection, id: OutletId::new(now(), [number; 10]) };
        let at = now().millis();
        let mut entries = vec![format!(r#"{{"type":"fact","field":"name","value":"outlet {number}","at":{at}}}"#)];
        let mut store = self.store();
        let kept = photo.map(|mut bytes| store.add_blob_from("photo", None, &mut bytes).expect("kept"));
        if let Some(kept) = &kept {
            let (hash, bytes) = (kept.hash, kept.bytes);
            entries.push(format!(
                r#"{{"type":"photo","sha256":"{hash}","bytes":{bytes},"mime":"image/jpeg","slot":"near","at":{at}}}"#
            ));
        }
        store.write(&doc, &entries, &[], now()).expect("saved");
        kept.map(|kept| kept.hash)
    }

    /// One session with the first address that answers.
    ///
    /// # Errors
    /// When none does.
    pub async fn sync(
        &self,
        servers: &[ServerAddress],
        congestion: Congestion,
        options: Options,
    ) -> Result<Driven, TransportError> {
        let (key, pins) = {
            let mut store = self.store();
            let known = store.roster().ok().flatten().map(|roster| roster.active_servers()).unwrap_or_default();
            let ticket = store.enrolment().ok().flatten().map(|row| row.servers).unwrap_or_default();
            let pins = if known.is_empty() { ticket.into_iter().collect() } else { known };
            (store.identity().key().clone(), pins)
        };
        let (_, link) = dial(servers, &key, &pins, congestion).await?;
        let session = Session::initiator(Config::new(key, link.peer, link.binding), options);
        Ok(drive(link, session, Arc::clone(&self.store), Hooks::new(now(), |_| {})).await)
    }
}
