//! A replica in memory, as a device or as a server: for simulations and for the tests of whatever
//! speaks the protocol. It does real admission with real signatures; it keeps nothing.
//!
//! A clone is a backup: [`MemoryReplica::restored`] turns it into what a restore would give.

mod blobs;
mod device;
mod ledger;
mod server;

use std::collections::{BTreeMap, BTreeSet};

use super::digest::CollectionDigest;
use super::replica::{
    Admitted, Batch, BlobFinish, BlobList, BlobOffer, BlobQuery, BlobWant, CollectionState, Cursor, DocHeads,
    Introduction, Local, Missing, Outgoing, Replica, ReplicaError, Sealed, SendPlan, SignedStatement, Verdict, Welcome,
};
use crate::doc::{Document, Entry};
use crate::identity::{
    Certificate, Membership, Roster, SecretKey, ServerCert, ServerGrant, ServerStanding, SignedRun, change_hash,
};
use crate::ids::{Actor, BlobHash, ChainHash, ChangeHash, Collection, DocKey, Epoch, PublicKey};
use crate::time::Timestamp;

use blobs::Blobs;
use server::Server;

/// A document with what the replica knows of its changes.
#[derive(Debug, Clone)]
struct Stored {
    document: Document,
    /// Runs whose changes are in `document`, in the order they came.
    runs: Vec<SignedRun>,
    /// Changes in `document` that a server holds or refused: not counted in heads and digest.
    excluded: BTreeSet<ChangeHash>,
    /// Runs that are not in `document`: held, or waiting for others. By last change.
    parked: BTreeMap<ChangeHash, Parked>,
    /// Admitted heads, as counted in the digest; empty when nothing is.
    heads: Vec<ChangeHash>,
}

#[derive(Debug, Clone)]
struct Parked {
    run: SignedRun,
    /// Why it is held; none when it waits for changes or a certificate.
    held: Option<String>,
    carried_by: PublicKey,
}

/// A run, mostly of one own change, that no server has confirmed.
#[derive(Debug, Clone)]
struct Unsent {
    run: SignedRun,
    /// Its last change.
    hash: ChangeHash,
    actor: Actor,
    /// What its first change builds on.
    deps: Vec<ChangeHash>,
}

/// A replica in memory.
#[derive(Debug, Clone)]
pub struct MemoryReplica {
    key: SecretKey,
    actor: Actor,
    roster: Roster,
    docs: BTreeMap<DocKey, Stored>,
    digests: BTreeMap<Collection, CollectionDigest>,
    /// Device: what it follows. Server: what it has a feed of.
    cursors: BTreeMap<Collection, Option<Cursor>>,
    unsent: BTreeMap<u64, Unsent>,
    next_order: u64,
    certificate: Option<Sealed>,
    server: Option<Server>,
    blobs: Blobs,
    /// Hashes of changes a server has confirmed as stored, to check that none is ever lost.
    confirmed: BTreeSet<(DocKey, ChangeHash)>,
    statement: Option<SignedStatement>,
    skews: BTreeMap<PublicKey, i64>,
}

impl MemoryReplica {
    /// A device that has not enrolled. It trusts what `root` vouches for.
    #[must_use]
    pub fn device(key: SecretKey, incarnation: [u8; 4], root: PublicKey) -> Self {
        Self::bare(key, incarnation, root)
    }

    /// A server with its certificate, signed by the root key.
    #[must_use]
    pub fn server(key: SecretKey, root: &SecretKey, epoch: Epoch, now: Timestamp) -> Self {
        let grant = ServerGrant {
            key: key.public(),
            name: "memory".into(),
            issued_at: now,
            serial: 1,
            standing: ServerStanding::Active,
        };
        let certificate = ServerCert::sign(root, grant);
        let mut replica = Self::bare(key, [0; 4], root.public());
        replica.roster.add_server(&certificate).expect("the root has just signed it");
        replica.certificate = Some(Sealed(certificate.to_bytes()));
        replica.server = Some(Server::new(epoch, Sealed(certificate.to_bytes())));
        replica
    }

    fn bare(key: SecretKey, incarnation: [u8; 4], root: PublicKey) -> Self {
        Self {
            actor: Actor::new(key.public(), incarnation),
            key,
            roster: Roster::new(root),
            docs: BTreeMap::new(),
            digests: BTreeMap::new(),
            cursors: BTreeMap::new(),
            unsent: BTreeMap::new(),
            next_order: 1,
            certificate: None,
            server: None,
            blobs: Blobs::default(),
            confirmed: BTreeSet::new(),
            statement: None,
            skews: BTreeMap::new(),
        }
    }

    /// This state as after a restore from a backup: a server's database starts a new epoch, a
    /// device's store a new incarnation.
    #[must_use]
    pub fn restored(mut self, epoch: Epoch, incarnation: [u8; 4]) -> Self {
        if let Some(server) = &mut self.server {
            server.restart(epoch);
        }
        self.actor = Actor::new(self.key.public(), incarnation);
        self
    }

    /// The key it signs with.
    #[must_use]
    pub fn secret(&self) -> &SecretKey {
        &self.key
    }

    /// The key others know it by.
    #[must_use]
    pub fn public(&self) -> PublicKey {
        self.key.public()
    }

    /// A document as this side shows it: with own changes that are not sent or held.
    #[must_use]
    pub fn document(&self, doc: &DocKey) -> Option<&Document> {
        self.docs.get(doc).map(|stored| &stored.document)
    }

    /// What of a document counts: without what a server holds or refused, which a device goes on
    /// showing.
    #[must_use]
    pub fn admitted_entries(&self, doc: &DocKey) -> Vec<Entry> {
        let Some(stored) = self.docs.get(doc) else { return Vec::new() };
        let out = stored.left_out();
        stored.document.entries().into_iter().filter(|entry| !out.contains(&entry.origin.change)).collect()
    }

    /// All documents of a collection that have something in them.
    pub fn documents(&self, collection: Collection) -> impl Iterator<Item = (&DocKey, &Document)> {
        let inside = self.docs.iter().filter(move |(doc, stored)| {
            doc.collection == collection && (!stored.runs.is_empty() || self.server.is_none())
        });
        inside.map(|(doc, stored)| (doc, &stored.document))
    }

    /// Whether an admitted change is here.
    #[must_use]
    pub fn has(&self, doc: &DocKey, change: &ChangeHash) -> bool {
        self.docs.get(doc).is_some_and(|stored| stored.document.has(change))
    }

    /// Whether a change is here, admitted or set aside: held is not lost.
    #[must_use]
    pub fn keeps(&self, doc: &DocKey, change: &ChangeHash) -> bool {
        self.docs.get(doc).is_some_and(|stored| {
            let mut aside = stored.parked.values().flat_map(|parked| &parked.run.changes);
            stored.document.has(change) || aside.any(|raw| change_hash(raw).as_ref() == Some(change))
        })
    }

    /// Changes a server has confirmed to this device.
    #[must_use]
    pub fn confirmed(&self) -> &BTreeSet<(DocKey, ChangeHash)> {
        &self.confirmed
    }

    /// The statement of the last session that converged.
    #[must_use]
    pub fn last_statement(&self) -> Option<&SignedStatement> {
        self.statement.as_ref()
    }

    /// A peer's clock minus ours when it last said hello, in milliseconds.
    #[must_use]
    pub fn skew_of(&self, peer: &PublicKey) -> Option<i64> {
        self.skews.get(peer).copied()
    }

    /// Whether this side knows that a key was revoked.
    #[must_use]
    pub fn is_revoked(&self, key: &PublicKey) -> bool {
        self.roster.revocation(key).is_some()
    }

    /// How far a device has read a feed.
    #[must_use]
    pub fn cursor(&self, collection: Collection) -> Option<Cursor> {
        self.cursors.get(&collection).copied().flatten()
    }

    /// Writes one act of the user: one change, signed.
    ///
    /// # Errors
    /// What the document says.
    pub fn edit(
        &mut self,
        doc: DocKey,
        now: Timestamp,
        entries: &[String],
    ) -> Result<ChangeHash, crate::doc::DocError> {
        let stored = self.docs.entry(doc).or_insert_with(|| Stored::new(doc));
        let change = stored.document.write(&self.actor, now, entries, &[])?;
        let signature = self.key.sign_change(&doc, &change.hash);
        let run = SignedRun { doc, changes: vec![change.raw], signature };
        stored.runs.push(run.clone());
        let order = self.next_order;
        self.next_order += 1;
        let (hash, actor) = (change.hash, self.actor);
        let unsent = Unsent { run, hash, actor, deps: change.deps };
        self.unsent.insert(order, unsent);
        self.recount(doc);
        Ok(change.hash)
    }

    /// Forgets how far a device has read, as a lost index would.
    pub fn forget_cursors(&mut self) {
        self.cursors.values_mut().for_each(|cursor| *cursor = None);
    }

    /// Loses a document while everything else says that it is here, as a bug would.
    pub fn lose_document(&mut self, doc: &DocKey) {
        let Some(stored) = self.docs.remove(doc) else { return };
        self.digests.entry(doc.collection).or_default().replace(doc, &stored.heads, &[]);
    }

    /// Moves a document's place in its collection's digest.
    fn recount(&mut self, doc: DocKey) {
        let Some(stored) = self.docs.get_mut(&doc) else { return };
        let heads = stored.admitted_heads();
        let digest = self.digests.entry(doc.collection).or_default();
        digest.replace(&doc, &stored.heads, &heads);
        stored.heads = heads;
    }

    fn state(&self, collection: Collection) -> CollectionState {
        let (digest, count) = self
            .digests
            .get(&collection)
            .map_or_else(|| (CollectionDigest::new().digest(), 0), |digest| (digest.digest(), digest.count()));
        let cursor = match &self.server {
            Some(server) => Some(server.head(collection)),
            None => self.cursor(collection),
        };
        let inside = self.docs.iter().filter(|(doc, _)| doc.collection == collection);
        let held = inside.map(|(_, stored)| stored.held()).sum();
        CollectionState { collection, digest, count, held, cursor }
    }

    /// Own membership, once enrolled.
    #[must_use]
    pub fn membership(&self) -> Option<&Membership> {
        self.roster.membership(&self.key.public())
    }
}

impl Stored {
    fn new(doc: DocKey) -> Self {
        Self {
            document: Document::new(doc.kind),
            runs: Vec::new(),
            excluded: BTreeSet::new(),
            parked: BTreeMap::new(),
            heads: Vec::new(),
        }
    }

    /// Heads of what is neither excluded nor built on it. A document of constants alone is not
    /// there.
    fn admitted_heads(&self) -> Vec<ChangeHash> {
        if self.runs.is_empty() {
            return Vec::new();
        }
        if self.excluded.is_empty() {
            return self.document.heads();
        }
        let (out, mut heads, mut own) = (self.left_out(), BTreeSet::new(), false);
        for change in self.document.changes().filter(|change| !out.contains(&change.hash)) {
            own |= change.actor != crate::doc::RESERVED;
            change.deps.iter().for_each(|dep| {
                heads.remove(dep);
            });
            heads.insert(change.hash);
        }
        if own { heads.into_iter().collect() } else { Vec::new() }
    }

    /// What is excluded, and what builds on it.
    fn left_out(&self) -> BTreeSet<ChangeHash> {
        let mut out = self.excluded.clone();
        for change in self.document.changes() {
            if change.deps.iter().any(|dep| out.contains(dep)) {
                out.insert(change.hash);
            }
        }
        out
    }

    fn held(&self) -> u64 {
        let parked = self.parked.values().filter(|parked| parked.held.is_some());
        let parked = parked.map(|parked| parked.run.changes.len()).sum::<usize>();
        u64::try_from(parked + self.excluded.len()).unwrap_or(u64::MAX)
    }
}

impl Replica for MemoryReplica {
    fn local(&mut self) -> Result<Local, ReplicaError> {
        Ok(self.device_local())
    }

    fn begin(
        &mut self,
        peer: &PublicKey,
        introduction: &Introduction,
        now: Timestamp,
    ) -> Result<Verdict, ReplicaError> {
        self.judge(peer, introduction, now)
    }

    fn welcome(&mut self, _: &PublicKey, welcome: &Welcome, _: Timestamp) -> Result<(), ReplicaError> {
        if let Some(Sealed(bytes)) = &welcome.server_certificate {
            let certificate = ServerCert::from_bytes(bytes).map_err(peer_error)?;
            self.roster.add_server(&certificate).map_err(peer_error)?;
        }
        if let Some(sealed) = &welcome.certificate {
            let certificate = Certificate::from_bytes(&sealed.0).map_err(peer_error)?;
            self.roster.add(&certificate).map_err(peer_error)?;
            self.certificate = Some(sealed.clone());
            for collection in &welcome.collections {
                self.cursors.entry(*collection).or_default();
            }
        }
        self.unhold(&welcome.void);
        Ok(())
    }

    fn outgoing(&mut self, peer: &PublicKey, plan: &SendPlan, max_bytes: usize) -> Result<Outgoing, ReplicaError> {
        Ok(match &self.server {
            Some(server) => server.outgoing(peer, plan, max_bytes),
            // After a restore of the server the session asks for what is not a run.
            None if plan.feeds.contains_key(&Collection::REFERENCE) => self.statements(plan),
            None => self.unacknowledged(plan, max_bytes),
        })
    }

    fn admit(&mut self, peer: &PublicKey, batch: &Batch, now: Timestamp) -> Result<Admitted, ReplicaError> {
        self.take(peer, batch, now)
    }

    fn acknowledge(
        &mut self,
        _: &PublicKey,
        batch: &Batch,
        admitted: &Admitted,
        _: Timestamp,
    ) -> Result<(), ReplicaError> {
        self.settle(batch, admitted)
    }

    fn adopt_cursors(&mut self, _: &PublicKey, cursors: &[(Collection, Cursor)]) -> Result<(), ReplicaError> {
        self.cursors.extend(cursors.iter().map(|(collection, cursor)| (*collection, Some(*cursor))));
        Ok(())
    }

    fn states(&mut self, collections: &[Collection]) -> Result<Vec<CollectionState>, ReplicaError> {
        Ok(collections.iter().map(|collection| self.state(*collection)).collect())
    }

    fn heads(
        &mut self,
        collection: Collection,
        after: Option<&DocKey>,
        upto: Option<&DocKey>,
        max: usize,
    ) -> Result<Vec<DocHeads>, ReplicaError> {
        let mut all: Vec<_> = self
            .docs
            .iter()
            .filter(|(doc, stored)| doc.collection == collection && !stored.heads.is_empty())
            .map(|(doc, stored)| DocHeads { doc: *doc, heads: stored.heads.clone() })
            .filter(|entry| after.is_none_or(|after| entry.doc.to_bytes() > after.to_bytes()))
            .filter(|entry| upto.is_none_or(|upto| entry.doc.to_bytes() <= upto.to_bytes()))
            .collect();
        all.sort_by_key(|entry| entry.doc.to_bytes());
        all.truncate(max);
        Ok(all)
    }

    fn runs_for(&mut self, doc: &DocKey, have: &[ChangeHash]) -> Result<Missing, ReplicaError> {
        let Some(stored) = self.docs.get(doc) else {
            return Ok(Missing { unknown: have.to_vec(), ..Missing::default() });
        };
        Ok(stored.missing(have))
    }

    fn keep_statement(&mut self, statement: &SignedStatement, _: Timestamp) -> Result<(), ReplicaError> {
        statement.verify().map_err(peer_error)?;
        self.statement = Some(statement.clone());
        Ok(())
    }

    fn blobs_to_send(&mut self, peer: &PublicKey, query: &BlobQuery) -> Result<BlobList, ReplicaError> {
        Ok(self.blobs.to_send(peer, query))
    }

    fn blob_read(&mut self, hash: &BlobHash, offset: u64, len: usize) -> Result<Vec<u8>, ReplicaError> {
        self.blobs.read(hash, offset, len)
    }

    fn blob_begin(&mut self, _: &PublicKey, offer: &BlobOffer, _: Timestamp) -> Result<BlobWant, ReplicaError> {
        Ok(self.blobs.begin(offer))
    }

    fn blob_write(&mut self, hash: &BlobHash, offset: u64, bytes: &[u8]) -> Result<(), ReplicaError> {
        self.blobs.write(hash, offset, bytes)
    }

    fn blob_finish(&mut self, peer: &PublicKey, hash: &BlobHash, now: Timestamp) -> Result<BlobFinish, ReplicaError> {
        let signer = self.server.as_ref().map(|_| &self.key);
        self.blobs.finish(peer, hash, signer, now)
    }

    fn blob_stored(
        &mut self,
        peer: &PublicKey,
        hash: &BlobHash,
        receipt: Option<&Sealed>,
        _: Timestamp,
    ) -> Result<(), ReplicaError> {
        self.blobs.stored(peer, hash, receipt, &self.roster)
    }
}

fn peer_error(error: crate::identity::IdentityError) -> ReplicaError {
    ReplicaError::Peer(error.to_string())
}

/// A link of a feed's chain: over the link before and the item.
fn link(before: ChainHash, item: &[u8]) -> ChainHash {
    let mut hasher = blake3::Hasher::new_derive_key("outlet 2026 feed chain v1");
    let hash = hasher.update(&before.0).update(item).finalize();
    let mut chain = [0; 16];
    chain.copy_from_slice(&hash.as_bytes()[..16]);
    ChainHash(chain)
}
