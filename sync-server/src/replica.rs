//! The server's side of a session: [`Replica`] over the engine.

use std::collections::BTreeMap;
use std::sync::Arc;

use outlet_core::identity::{BlobReceipt, Certificate, Membership, Role, Signed, SignedBlobReceipt, SignedRun};
use outlet_core::ids::{BlobHash, ChainHash, ChangeHash, Collection, DocKey, Epoch, PublicKey};
use outlet_core::sync::replica::{
    Admitted, Batch, BlobClass, BlobFinish, BlobList, BlobOffer, BlobQuery, BlobWant, CollectionState, Cursor,
    DocHeads, FeedItem, Fetch, Introduction, Limits, Local, Missing, Outgoing, PeerPlan, Pending, Refusal, RefusalCode,
    Replica, ReplicaError, Sealed, SendPlan, SignedStatement, Since, Verdict,
};
use outlet_core::time::Timestamp;
use rusqlite::{Connection, Transaction};

use crate::db::feed::{self, ItemKind};
use crate::db::files::{self, StoredFile};
use crate::db::{DbError, devices, meta, records};
use crate::engine::{Ahead, Engine, EngineError, load_digest, projector};
use crate::enrol;
use crate::photos::{Incoming, PhotoError};

/// Feed items read at a time.
const PAGE: usize = 512;

/// One session's view of the server.
pub struct ServerReplica {
    engine: Arc<Engine>,
    /// How far the items other than runs of a void cursor's feed were sent.
    without_runs: BTreeMap<Collection, Cursor>,
    /// Files being received.
    incoming: BTreeMap<BlobHash, (BlobOffer, Incoming)>,
    /// Texts of the document that named the last file offered.
    named: Option<(DocKey, String)>,
    /// Files the peer lacks, listed once per session.
    lacking: Option<Vec<BlobOffer>>,
    /// Collections served in this session.
    served: Vec<Collection>,
    /// Files the device asked for by name.
    asked: Vec<BlobHash>,
    /// It wants files of others in general.
    fetches: bool,
    /// Checks of signatures that began before their turn.
    ahead: Option<Ahead>,
}

impl std::fmt::Debug for ServerReplica {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ServerReplica").field("served", &self.served).finish_non_exhaustive()
    }
}

fn failed(operation: &'static str) -> impl FnOnce(EngineError) -> ReplicaError {
    move |error| match error {
        EngineError::Full => ReplicaError::Full { operation },
        EngineError::Peer(text) => ReplicaError::Peer(text),
        other => ReplicaError::storage(operation, other),
    }
}

impl ServerReplica {
    /// For one session.
    #[must_use]
    pub fn new(engine: Arc<Engine>) -> Self {
        Self {
            engine,
            without_runs: BTreeMap::new(),
            incoming: BTreeMap::new(),
            named: None,
            lacking: None,
            served: Vec::new(),
            asked: Vec::new(),
            fetches: false,
            ahead: None,
        }
    }

    /// For a session; `ahead` has begun with batches that are still to come.
    pub(crate) fn foreseen(engine: Arc<Engine>, ahead: Ahead) -> Self {
        Self { ahead: Some(ahead), ..Self::new(engine) }
    }

    /// For a bundle whose maker was judged.
    #[must_use]
    pub fn for_bundle(engine: Arc<Engine>, served: Vec<Collection>) -> Self {
        Self { served, ..Self::new(engine) }
    }

    fn read<T>(
        &self,
        operation: &'static str,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, EngineError>,
    ) -> Result<T, ReplicaError> {
        self.engine.database().read(work).map_err(failed(operation))
    }

    fn write<T>(
        &self,
        operation: &'static str,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, EngineError>,
    ) -> Result<T, ReplicaError> {
        self.engine.database().write(work).map_err(failed(operation))
    }

    fn limits(&self) -> Limits {
        let disk = self.engine.folder.config.disk;
        let free = self.engine.free_percent().unwrap_or(100);
        let records = free >= u64::from(disk.stop_percent);
        Limits { records, photos: records && free >= u64::from(disk.warn_percent), ..Limits::default() }
    }

    fn membership(&self, connection: &Connection, peer: &PublicKey) -> Result<Option<Membership>, EngineError> {
        Ok(self.engine.folder.roster(connection)?.membership(peer).cloned())
    }

    /// Who the peer is: by ticket, by what is known, by the certificate it carries.
    fn recognise(
        &self,
        peer: &PublicKey,
        introduction: &Introduction,
        now: Timestamp,
    ) -> Result<Recognised, EngineError> {
        if let Some(secret) = &introduction.ticket_secret {
            let redeemed = self
                .engine
                .database()
                .write::<_, EngineError>(|tx| Ok(enrol::redeem(tx, &self.engine.folder, secret, *peer, now)?))?;
            return Ok(match redeemed {
                Ok(certificate) => Recognised::Enrolled(certificate),
                Err(refusal) => Recognised::Refused(refusal),
            });
        }
        if let Some(certificate) =
            introduction.certificate.as_ref().and_then(|sealed| Certificate::from_bytes(&sealed.0).ok())
            && certificate.value().key == *peer
        {
            self.engine.recognise(&certificate, now)?;
        }
        let known = self.engine.database().read(|tx| self.membership(tx, peer))?;
        Ok(match known {
            Some(membership) => Recognised::Member(membership),
            None if introduction.certificate.is_none() => Recognised::Unknown,
            None => Recognised::Refused(enrol::refusal(
                RefusalCode::UnknownMember,
                "this device is no member here: enrol it with a ticket of this server",
            )),
        })
    }

    /// A certificate whose validity is nearly over is renewed on the way.
    fn renewed(&self, membership: &Membership, now: Timestamp) -> Result<Option<Certificate>, EngineError> {
        let validity = self.engine.folder.config.membership.validity.as_millis() / 4;
        let left = membership.not_after.millis().saturating_sub(now.millis());
        if i128::from(left) > i128::try_from(validity).unwrap_or(i128::MAX) {
            return Ok(None);
        }
        let grant = devices::Grant {
            role: membership.role,
            level: membership.level,
            collections: membership.collections.iter().copied().collect(),
            name: membership.name.clone(),
            person: membership.person,
        };
        self.engine.database().write(|tx| {
            let folder = &self.engine.folder;
            Ok(Some(crate::folder::issue(tx, &folder.config, folder.key(), membership.key, &grant, None, now)?))
        })
    }

    fn plan(
        &mut self,
        peer: &PublicKey,
        introduction: &Introduction,
        membership: &Membership,
        certificate: Option<Certificate>,
        enrolled: bool,
    ) -> Result<PeerPlan, EngineError> {
        let limits = self.limits();
        let engine = Arc::clone(&self.engine);
        let plan = engine.database().read::<_, EngineError>(|tx| {
            let roster = engine.folder.roster(tx)?;
            let revoked = roster.revocation(peer).is_some();
            let epoch = meta::epoch(tx)?;
            // A revoked device may hand in its work, which is held; it learns of its revocation
            // and reads nothing else.
            let may = |collection: Collection| {
                collection == Collection::REFERENCE || (!revoked && membership.reads(collection))
            };
            let mut feeds = BTreeMap::new();
            if enrolled {
                feeds.insert(Collection::REFERENCE, Since::Start);
                feeds.extend(membership.collections.iter().map(|collection| (*collection, Since::Start)));
            }
            for line in introduction.subscriptions.iter().filter(|line| may(line.collection)) {
                feeds.insert(line.collection, since(tx, line, epoch)?);
            }
            let own = roster.server_certs().filter(|cert| cert.value().key == engine.folder.key().public()).last();
            let server_certificate =
                own.filter(|_| introduction.wants_server_certificate).map(|cert| Sealed(cert.to_bytes()));
            let mut pending = Pending::default();
            for (collection, since) in feeds.iter().filter(|_| introduction.plan_only) {
                let seq = if let Since::After(cursor) = since { cursor.seq } else { 0 };
                let (documents, changes, bytes) = feed::pending(tx, *collection, seq, peer)?;
                pending.documents += documents;
                pending.changes += changes;
                pending.bytes += bytes;
                let files = files::lacking(tx, *collection, peer)?;
                for offer in files.iter().filter(|offer| wants(introduction, offer)) {
                    pending.photos += u64::from(offer.class != BlobClass::Preview);
                    pending.photo_bytes += offer.bytes;
                }
            }
            let limits = Limits { photos: limits.photos && !revoked, ..limits };
            Ok(PeerPlan {
                certificate: certificate.map(|cert| Sealed(cert.to_bytes())),
                server_certificate,
                feeds,
                limits,
                pending,
            })
        })?;
        self.served = plan.feeds.keys().copied().collect();
        Ok(plan)
    }

    /// Why an offered file is not taken, if so.
    fn objection(
        &mut self,
        peer: &PublicKey,
        offer: &BlobOffer,
        now: Timestamp,
    ) -> Result<Option<&'static str>, EngineError> {
        let limits = self.limits();
        if offer.bytes > limits.max_blob_bytes {
            return Ok(Some("too_large"));
        }
        if !limits.photos {
            return Ok(Some("disk_full"));
        }
        let engine = Arc::clone(&self.engine);
        engine.database().read(|tx| {
            let roster = engine.folder.roster(tx)?;
            let allowed = roster.revocation(peer).is_none()
                && roster
                    .membership(peer)
                    .is_some_and(|member| member.role >= Role::Inspector && member.reads(offer.doc.collection));
            if !allowed {
                return Ok(Some("not_allowed"));
            }
            let used = meta::usage(tx, &peer.0, now.day_in_shanghai().epoch_days())?.photo_bytes;
            if used.saturating_add(offer.bytes) > engine.folder.config.quota.photo_bytes {
                return Ok(Some("quota"));
            }
            Ok((!self.is_named(tx, offer)?).then_some("unknown_document"))
        })
    }

    /// Does a document that was admitted name this file? Nobody fills the disk with bytes that no
    /// record is about.
    fn is_named(&mut self, connection: &Connection, offer: &BlobOffer) -> Result<bool, EngineError> {
        let name = offer.hash.to_string();
        if let Some((doc, texts)) = &self.named
            && *doc == offer.doc
            && texts.contains(&name)
        {
            return Ok(true);
        }
        let Some(document) = projector::load(connection, &offer.doc)? else { return Ok(false) };
        let texts: String = document.entries().iter().map(|entry| entry.json.as_ref()).collect();
        let named = texts.contains(&name);
        self.named = Some((offer.doc, texts));
        Ok(named)
    }

    /// Items of one feed after a number, until the budget is used up.
    fn page(
        &self,
        connection: &Connection,
        from: &mut u64,
        page: &mut Page<'_>,
    ) -> Result<Option<ChainHash>, EngineError> {
        let mut chain = None;
        loop {
            let items = feed::after(connection, page.collection, *from, PAGE)?;
            if items.is_empty() {
                return Ok(chain);
            }
            for stored in items {
                let own = stored.carrier.as_deref() == Some(&page.peer.0[..]);
                let skip = own || (page.without_runs && stored.kind == ItemKind::Run);
                if !skip {
                    let (item, bytes) = item(connection, &stored)?;
                    // An item larger than the budget goes alone: a batch must fit into a frame.
                    if !page.items.is_empty() && page.bytes.saturating_add(bytes) > page.budget {
                        *page.more = true;
                        return Ok(chain);
                    }
                    page.bytes += bytes;
                    page.items.push(item);
                }
                *from = stored.seq;
                chain = Some(ChainHash(stored.chain));
            }
        }
    }
}

/// A full disk passes; the device is told so, and keeps the file.
fn storage(operation: &'static str, error: PhotoError) -> ReplicaError {
    if error.is_full() { ReplicaError::Full { operation } } else { ReplicaError::storage(operation, error) }
}

impl ServerReplica {
    /// Rows and receipts of files whose bytes are durable, in one transaction.
    fn note_files(
        &self,
        peer: &PublicKey,
        placed: &[BlobOffer],
    ) -> Result<Vec<(BlobHash, Option<StoredFile>)>, ReplicaError> {
        if placed.is_empty() {
            return Ok(Vec::new());
        }
        let kept = self.write("noting files", |tx| {
            let now = self.engine.receipt_time(tx)?;
            let mut kept = Vec::new();
            for offer in placed {
                let receipt = BlobReceipt { sha256: offer.hash, bytes: offer.bytes, at: now };
                let receipt: SignedBlobReceipt = Signed::sign(self.engine.folder.key(), receipt);
                files::insert(tx, offer, peer, now, &receipt.to_bytes())?;
                let add = meta::Usage { photo_bytes: offer.bytes, ..meta::Usage::default() };
                meta::add_usage(tx, &peer.0, now.day_in_shanghai().epoch_days(), add)?;
                kept.push((offer.hash, files::get(tx, &offer.hash)?));
            }
            meta::set(tx, meta::LAST_RECEIPT, now.millis())?;
            Ok(kept)
        })?;
        placed.iter().for_each(|offer| self.engine.metrics.photo(offer.bytes));
        Ok(kept)
    }
}

/// Whether a device that says hello asks for such a file.
fn wants(introduction: &Introduction, offer: &BlobOffer) -> bool {
    match introduction.fetch {
        Fetch::Everything => true,
        Fetch::Previews if offer.class == BlobClass::Preview => true,
        Fetch::Previews | Fetch::Nothing => introduction.files.contains(&offer.hash),
    }
}

/// Who a peer is.
enum Recognised {
    Enrolled(Certificate),
    Member(Membership),
    Unknown,
    Refused(Refusal),
}

/// A page of a feed being filled.
struct Page<'a> {
    collection: Collection,
    peer: &'a PublicKey,
    without_runs: bool,
    items: &'a mut Vec<FeedItem>,
    bytes: usize,
    budget: usize,
    more: &'a mut bool,
}

fn since(connection: &Connection, line: &CollectionState, epoch: Epoch) -> Result<Since, DbError> {
    let Some(cursor) = line.cursor else {
        // A cursor may be lost while the documents are not: comparing costs less than all of them.
        let here = records::digest(connection, line.collection)?.map_or(0, |(_, count)| count);
        let mostly_there = here > 0 && line.count.saturating_mul(2) >= here;
        return Ok(if mostly_there { Since::WithoutRuns } else { Since::Start });
    };
    let holds = cursor.epoch == epoch && feed::cursor_holds(connection, line.collection, cursor.seq, &cursor.chain.0)?;
    Ok(if holds { Since::After(cursor) } else { Since::WithoutRuns })
}

/// A feed item as it travels, and its size.
pub(crate) fn item(connection: &Connection, stored: &feed::Stored) -> Result<(FeedItem, usize), EngineError> {
    let gone = || DbError::Damaged(format!("feed item {} points nowhere", stored.seq));
    if stored.kind == ItemKind::Run {
        let bytes = records::run(connection, stored.reference)?.ok_or_else(gone)?.run;
        let run = SignedRun::from_bytes(&bytes).map_err(|error| DbError::Damaged(error.to_string()))?;
        return Ok((FeedItem::Run(run), bytes.len()));
    }
    let sealed = Sealed(feed::sealed(connection, stored.reference)?.ok_or_else(gone)?);
    let bytes = sealed.0.len();
    Ok((
        match stored.kind {
            ItemKind::Certificate => FeedItem::Certificate(sealed),
            ItemKind::Revocation => FeedItem::Revocation(sealed),
            ItemKind::ServerCert => FeedItem::ServerCert(sealed),
            ItemKind::Ruling | ItemKind::Run => FeedItem::Ruling(sealed),
        },
        bytes,
    ))
}

fn state(connection: &Connection, collection: Collection) -> Result<CollectionState, EngineError> {
    let digest = load_digest(connection, collection)?;
    let head = feed::head(connection, collection)?;
    Ok(CollectionState {
        collection,
        digest: digest.digest(),
        count: digest.count(),
        held: records::held_changes(connection, collection)?,
        cursor: Some(Cursor { epoch: meta::epoch(connection)?, seq: head.seq, chain: ChainHash(head.chain) }),
    })
}

impl Replica for ServerReplica {
    fn local(&mut self) -> Result<Local, ReplicaError> {
        self.read("reading its own state", |tx| {
            let mut subscriptions = Vec::new();
            for collection in feed::collections(tx)? {
                subscriptions.push(state(tx, collection)?);
            }
            let roster = self.engine.folder.roster(tx)?;
            let key = self.engine.folder.key().public();
            let own = roster.server_certs().filter(|cert| cert.value().key == key).last();
            Ok(Local { subscriptions, certificate: own.map(|cert| Sealed(cert.to_bytes())), ..Local::default() })
        })
    }

    fn begin(
        &mut self,
        peer: &PublicKey,
        introduction: &Introduction,
        now: Timestamp,
    ) -> Result<Verdict, ReplicaError> {
        let operation = "judging a peer";
        let (membership, certificate, enrolled) =
            match self.recognise(peer, introduction, now).map_err(failed(operation))? {
                Recognised::Refused(refusal) => return Ok(Verdict::Refused(refusal)),
                Recognised::Unknown => return Ok(Verdict::NeedCertificate),
                Recognised::Enrolled(certificate) => (certificate.value().clone(), Some(certificate), true),
                Recognised::Member(membership) => {
                    let renewed = self.renewed(&membership, now).map_err(failed(operation))?;
                    (membership, renewed, false)
                }
            };
        let skew = now.millis().saturating_sub(introduction.claimed_time.millis());
        self.write(operation, |tx| Ok(devices::seen(tx, peer, now, skew)?))?;
        self.asked.clone_from(&introduction.files);
        self.fetches = introduction.fetch != Fetch::Nothing;
        let plan = self.plan(peer, introduction, &membership, certificate, enrolled).map_err(failed(operation))?;
        Ok(Verdict::Welcome(plan))
    }

    fn outgoing(&mut self, peer: &PublicKey, plan: &SendPlan, max_bytes: usize) -> Result<Outgoing, ReplicaError> {
        let (mut items, mut cursors, mut more, mut bytes) = (Vec::new(), Vec::new(), false, 0);
        let mut next = plan.clone();
        let mut sent_without_runs = self.without_runs.clone();
        // Sorted: the reference feed, which has everybody's certificates, comes first.
        self.read("reading the feed", |tx| {
            let epoch = meta::epoch(tx)?;
            for (collection, since) in &plan.feeds {
                let mut from = match since {
                    Since::Start => 0,
                    Since::After(cursor) => cursor.seq,
                    Since::WithoutRuns => sent_without_runs.get(collection).map_or(0, |cursor| cursor.seq),
                };
                let without_runs = *since == Since::WithoutRuns;
                let mut page = Page {
                    collection: *collection,
                    peer,
                    without_runs,
                    items: &mut items,
                    bytes,
                    budget: max_bytes,
                    more: &mut more,
                };
                let moved = self.page(tx, &mut from, &mut page)?;
                bytes = page.bytes;
                let cursor = moved.map(|chain| Cursor { epoch, seq: from, chain });
                if without_runs {
                    let start = Cursor { epoch, seq: 0, chain: ChainHash([0; 16]) };
                    let sent = sent_without_runs.entry(*collection).or_insert(start);
                    *sent = cursor.unwrap_or(*sent);
                } else if let Some(cursor) = cursor {
                    cursors.push((*collection, cursor));
                    next.feeds.insert(*collection, Since::After(cursor));
                }
                if more {
                    break;
                }
            }
            Ok(())
        })?;
        self.without_runs = sent_without_runs;
        Ok(Outgoing { batch: Batch { items, cursors }, next, more })
    }

    fn admit(&mut self, peer: &PublicKey, batch: &Batch, _now: Timestamp) -> Result<Admitted, ReplicaError> {
        let admitted =
            self.engine.admit_ahead(peer, batch, self.ahead.as_ref()).map_err(failed("admitting a batch"))?;
        tracing::debug!(device = %peer.short(), items = batch.items.len(), changes = admitted.new_changes, "admitted a batch");
        Ok(admitted)
    }

    fn states(&mut self, collections: &[Collection]) -> Result<Vec<CollectionState>, ReplicaError> {
        self.read("reading the state of collections", |tx| {
            let at = |collection: &Collection| {
                let state = state(tx, *collection)?;
                // A device adopts this cursor: it must not lie beyond what it was sent.
                Ok(CollectionState { cursor: self.without_runs.get(collection).copied().or(state.cursor), ..state })
            };
            collections.iter().map(at).collect()
        })
    }

    fn heads(
        &mut self,
        collection: Collection,
        after: Option<&DocKey>,
        upto: Option<&DocKey>,
        max: usize,
    ) -> Result<Vec<DocHeads>, ReplicaError> {
        self.read("listing heads", |tx| {
            let heads = records::heads(tx, collection, after, upto, max)?;
            Ok(heads.into_iter().map(|(doc, heads)| DocHeads { doc, heads }).collect())
        })
    }

    fn runs_for(&mut self, doc: &DocKey, have: &[ChangeHash]) -> Result<Missing, ReplicaError> {
        if !self.served.contains(&doc.collection) {
            return Err(ReplicaError::Peer(format!("{doc} is in a collection that is not served to it")));
        }
        self.read("collecting runs", |tx| {
            let rows = records::runs_of(tx, doc)?;
            let Some(document) = projector::load(tx, doc)? else {
                return Ok(Missing { unknown: have.to_vec(), ..Missing::default() });
            };
            let (known, strange): (Vec<ChangeHash>, Vec<ChangeHash>) = have.iter().partition(|hash| document.has(hash));
            let covered = document.ancestors(&known);
            let order: BTreeMap<ChangeHash, usize> =
                document.history().iter().enumerate().map(|(place, change)| (change.hash, place)).collect();
            let mut missing: Vec<(usize, SignedRun)> = Vec::new();
            for row in rows.iter().filter(|row| row.state == records::RunState::Admitted) {
                if row.hashes.iter().all(|hash| covered.contains(hash)) {
                    continue;
                }
                let run = SignedRun::from_bytes(&row.run).map_err(|error| DbError::Damaged(error.to_string()))?;
                let place = row.last().and_then(|last| order.get(last)).copied().unwrap_or(usize::MAX);
                missing.push((place, run));
            }
            missing.sort_by_key(|(place, _)| *place);
            // Also what waits, is held or was rejected here: what it waits for must come, and a
            // device that counts what is held has not heard of the ruling. The answer tells it.
            let runs = missing.into_iter().map(|(_, run)| run).collect();
            Ok(Missing { runs, unknown: strange, heads: document.heads() })
        })
    }

    fn keep_statement(&mut self, statement: &SignedStatement, now: Timestamp) -> Result<(), ReplicaError> {
        let device = statement.statement.initiator;
        self.write("keeping a statement", |tx| Ok(devices::keep_statement(tx, &device, now, &statement.to_bytes())?))
    }

    fn blobs_to_send(&mut self, peer: &PublicKey, query: &BlobQuery) -> Result<BlobList, ReplicaError> {
        if self.lacking.is_none() {
            let served = self.served.clone();
            let list = self.read("listing files", |tx| {
                let mut list = Vec::new();
                for hash in &self.asked {
                    // Also one that was sent before: the device may have lost it.
                    let offer = files::offer(tx, hash)?;
                    list.extend(offer.filter(|offer| served.contains(&offer.doc.collection)));
                }
                if !self.fetches {
                    return Ok(list);
                }
                for collection in served.iter().filter(|collection| **collection != Collection::REFERENCE) {
                    list.extend(files::lacking(tx, *collection, peer)?);
                }
                list.sort_by_key(|offer| offer.class);
                let mut seen = std::collections::BTreeSet::new();
                list.retain(|offer| seen.insert(offer.hash));
                Ok(list)
            })?;
            self.lacking = Some(list);
        }
        let preview = |offer: &BlobOffer| offer.class == BlobClass::Preview;
        let lacking = self.lacking.as_deref().unwrap_or_default();
        let wanted = || lacking.iter().filter(|offer| query.originals || preview(offer));
        Ok(BlobList {
            offers: wanted().filter(|offer| !query.exclude.contains(&offer.hash)).take(query.max).cloned().collect(),
            pending: wanted().filter(|offer| !preview(offer)).count() as u64,
            pending_bytes: wanted().map(|offer| offer.bytes).sum(),
        })
    }

    fn blob_read(&mut self, hash: &BlobHash, offset: u64, len: usize) -> Result<Vec<u8>, ReplicaError> {
        match self.engine.photos.read(hash, offset, len) {
            Ok(bytes) => Ok(bytes.into()),
            // Withdrawn since it was listed, or lost: the session goes on without it.
            Err(error) if error.is_not_found() => Ok(Vec::new()),
            Err(error) => Err(ReplicaError::storage("reading a file", error)),
        }
    }

    fn blob_begin(&mut self, peer: &PublicKey, offer: &BlobOffer, now: Timestamp) -> Result<BlobWant, ReplicaError> {
        match self.read("looking for a file", |tx| Ok(files::get(tx, &offer.hash)?))? {
            Some(StoredFile::Here(receipt)) => return Ok(BlobWant::Have(Some(Sealed(receipt)))),
            Some(StoredFile::Withdrawn) => return Ok(BlobWant::Refused("withdrawn".into())),
            None => {}
        }
        if let Some(code) = self.objection(peer, offer, now).map_err(failed("judging a file"))? {
            return Ok(BlobWant::Refused(code.into()));
        }
        let failed = |error| storage("opening a partial file", error);
        let Some(mut incoming) = self.engine.photos.receive(offer.hash).map_err(failed)? else {
            return Ok(BlobWant::Refused("busy".into()));
        };
        if incoming.here().end().unwrap_or(0) > offer.bytes {
            incoming.discard().map_err(failed)?;
        }
        let missing = incoming.here().missing(offer.bytes);
        self.incoming.insert(offer.hash, (offer.clone(), incoming));
        Ok(BlobWant::Parts(missing.to_list()))
    }

    fn blob_write(&mut self, hash: &BlobHash, offset: u64, bytes: &[u8]) -> Result<(), ReplicaError> {
        let unknown = || ReplicaError::Peer("bytes of a file that was not asked for".into());
        let (offer, incoming) = self.incoming.get_mut(hash).ok_or_else(unknown)?;
        if offset.saturating_add(bytes.len() as u64) > offer.bytes {
            return Err(ReplicaError::Peer("more bytes than the file was said to have".into()));
        }
        incoming.write(offset, bytes).map_err(|error| storage("writing a file", error))
    }

    fn blob_finish(&mut self, peer: &PublicKey, hash: &BlobHash, now: Timestamp) -> Result<BlobFinish, ReplicaError> {
        let mut finished = self.blobs_finish(peer, &[*hash], now)?;
        finished.pop().ok_or_else(|| ReplicaError::NotFound(format!("file {hash}")))
    }

    fn blobs_finish(
        &mut self,
        peer: &PublicKey,
        hashes: &[BlobHash],
        _now: Timestamp,
    ) -> Result<Vec<BlobFinish>, ReplicaError> {
        let mut placed: Vec<BlobOffer> = Vec::new();
        // Theirs until their rows are there: another session would take a file without a row for unfinished.
        let mut at_rest = Vec::new();
        let mut folders = std::collections::BTreeSet::new();
        for hash in hashes {
            let unknown = || ReplicaError::Peer("the end of a file that was not asked for".into());
            let (offer, mut incoming) = self.incoming.remove(hash).ok_or_else(unknown)?;
            if incoming.is_complete(offer.bytes)
                && let Some(folder) = incoming.finish().map_err(|error| storage("storing a file", error))?
            {
                folders.insert(folder);
                placed.push(offer);
            }
            at_rest.push(incoming);
        }
        // Durable before their rows, and the rows before their receipts.
        for folder in folders {
            crate::folder::sync_folder(&folder)
                .map_err(|error| ReplicaError::storage("storing a file", error.message))?;
        }
        let kept = self.note_files(peer, &placed)?;
        drop(at_rest);
        let mut finished = Vec::new();
        for hash in hashes {
            finished.push(match kept.iter().find(|(known, _)| known == hash) {
                None => BlobFinish::HashMismatch,
                Some((_, Some(StoredFile::Here(receipt)))) => BlobFinish::Stored(Some(Sealed(receipt.clone()))),
                // Withdrawn while it was on its way: the bytes must not stay.
                Some(_) => {
                    let removed = self.engine.photos.remove(hash);
                    removed.map_err(|error| ReplicaError::storage("removing a file", error))?;
                    BlobFinish::Stored(None)
                }
            });
        }
        Ok(finished)
    }

    fn blob_stored(
        &mut self,
        peer: &PublicKey,
        hash: &BlobHash,
        _receipt: Option<&Sealed>,
        _now: Timestamp,
    ) -> Result<(), ReplicaError> {
        if let Some(lacking) = &mut self.lacking {
            lacking.retain(|offer| offer.hash != *hash);
        }
        self.write("noting a file sent", |tx| Ok(files::sent(tx, peer, hash)?))
    }
}

#[cfg(test)]
#[path = "replica_tests.rs"]
mod tests;
