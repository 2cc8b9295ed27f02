//! The edge store below a session with another device: no server, no receipts, no cursors.
//!
//! Both sides check the other's membership against the root they pinned, and give only what both
//! may read. What travels is what a server would send, too: certificates, revocations, rulings and
//! signed runs, held ones with the ruling that holds them. What differs: a device's word never makes
//! anything *stored*; a ruling that is known here outweighs what a device brings; and files whose
//! bytes no server is known to have are taken along and passed on.
//!
//! A device has no feed. To the session each collection is *void*: statements are sent from the
//! beginning, runs are found by comparison.

use std::collections::{BTreeMap, BTreeSet};

use super::edge::EdgeStore;
use super::error::StoreError;
use super::record::Record;
use super::rows::{self, Believed, RunState};
use super::stage::read_run;
use crate::identity::{Certificate, IdentityError, Role, Roster, ServerCert, SignedRuling, Verdict as Ruled};
use crate::ids::{BlobHash, ChainHash, ChangeHash, Collection, DocKey, Epoch, PublicKey};
use crate::sync::replica::{
    Admitted, Batch, BlobClass, BlobFinish, BlobList, BlobOffer, BlobQuery, BlobWant, CollectionState, Cursor,
    DocHeads, FeedItem, Introduction, Limits, Local, Missing, Outgoing, PeerPlan, Pending, Refusal, RefusalCode,
    Replica, ReplicaError, Sealed, SendPlan, SignedStatement, Since, Verdict, Welcome,
};
use crate::time::Timestamp;

/// Gives the store for one call of a session: `peer listen` has several sessions over one store,
/// and how they share it is the program's affair.
pub trait Lend {
    /// Calls `work` with the store.
    fn with<T>(&mut self, work: impl FnOnce(&mut EdgeStore) -> T) -> T;
}

/// One session with another device, from either side.
#[derive(Debug)]
pub struct PeerReplica<L: Lend> {
    store: L,
    /// Collections that both may read; empty until the peer was judged.
    shared: BTreeSet<Collection>,
    /// Statements and held runs, listed once, and how many were sent.
    statements: Option<Vec<FeedItem>>,
    sent: usize,
    /// Only the side that called pushes its unsent runs by itself.
    calls: bool,
    /// Files the peer has confirmed or offered in this session.
    given: BTreeSet<BlobHash>,
    /// The last frame of the journal when the digests were last read.
    stated: u64,
    /// Files that this session receives: no other one does until it is over.
    receiving: BTreeSet<BlobHash>,
}

impl<L: Lend> Drop for PeerReplica<L> {
    fn drop(&mut self) {
        let own = std::mem::take(&mut self.receiving);
        if !own.is_empty() {
            self.store.with(|store| store.receiving.retain(|hash| !own.contains(hash)));
        }
    }
}

impl<L: Lend> PeerReplica<L> {
    /// For one session.
    #[must_use]
    pub fn new(store: L) -> Self {
        Self {
            store,
            shared: BTreeSet::new(),
            statements: None,
            sent: 0,
            calls: false,
            given: BTreeSet::new(),
            stated: 0,
            receiving: BTreeSet::new(),
        }
    }

    /// For a bundle whose maker was judged ([`EdgeStore::judge_bundle`]).
    #[must_use]
    pub fn for_bundle(store: L, shared: BTreeSet<Collection>) -> Self {
        let mut replica = Self::new(store);
        replica.shared = shared;
        replica
    }

    /// Takes what the peer shows of itself and decides whether to speak to it.
    fn judge(
        &mut self,
        peer: &PublicKey,
        certificate: Option<&Sealed>,
        server: Option<&Sealed>,
        now: Timestamp,
    ) -> Result<Judged, ReplicaError> {
        let judged = self.store.with(|store| store.judge_peer(peer, certificate, server, now))?;
        if let Judged::Member(shared) = &judged {
            self.shared.clone_from(shared);
        }
        Ok(judged)
    }

    fn allowed(&self, collection: Collection) -> Result<(), ReplicaError> {
        if collection == Collection::REFERENCE || self.shared.contains(&collection) {
            return Ok(());
        }
        Err(ReplicaError::Peer(format!("collection {collection} is not one that both sides may read")))
    }

    /// The next statements, about so many bytes; None when all were sent.
    fn next_statements(&mut self, max_bytes: usize) -> Result<Option<Vec<FeedItem>>, ReplicaError> {
        if self.statements.is_none() {
            let shared = self.shared.clone();
            self.statements = Some(self.store.with(|store| store.statements_for(&shared))?);
        }
        let all = self.statements.as_deref().unwrap_or_default();
        let (mut page, mut bytes) = (Vec::new(), 0_usize);
        for item in all.iter().skip(self.sent) {
            let size = item_bytes(item);
            if !page.is_empty() && bytes.saturating_add(size) > max_bytes {
                break;
            }
            bytes = bytes.saturating_add(size);
            page.push(item.clone());
        }
        self.sent += page.len();
        Ok((!page.is_empty()).then_some(page))
    }

    fn statements_left(&self) -> bool {
        self.statements.as_ref().is_none_or(|all| self.sent < all.len())
    }
}

/// What a device thinks of another one.
#[derive(Debug)]
pub(super) enum Judged {
    /// A member; the collections that both may read.
    Member(BTreeSet<Collection>),
    /// Not known here, or known with a membership that ended: it may show a newer one.
    Unknown,
    /// No session, and why.
    Refused(Refusal),
}

fn item_bytes(item: &FeedItem) -> usize {
    match item {
        FeedItem::Run(run) => run.size(),
        FeedItem::Certificate(sealed)
        | FeedItem::ServerCert(sealed)
        | FeedItem::Revocation(sealed)
        | FeedItem::Ruling(sealed)
        | FeedItem::FileReceipt(sealed) => sealed.0.len(),
        FeedItem::Receipt(shown) => shown.size(),
    }
}

/// A device's place in its own feed, which it does not have.
const NOWHERE: Cursor = Cursor { epoch: Epoch([0; 8]), seq: 0, chain: ChainHash([0; 16]) };

impl EdgeStore {
    /// Judges a device by what is known here and by what it shows; keeps what it shows when it is
    /// believed.
    pub(super) fn judge_peer(
        &mut self,
        peer: &PublicKey,
        certificate: Option<&Sealed>,
        server: Option<&Sealed>,
        now: Timestamp,
    ) -> Result<Judged, ReplicaError> {
        let refuse = |code, text: String| Ok(Judged::Refused(Refusal { code, text }));
        let Some(mut roster) = self.believe()?.cloned() else {
            return refuse(RefusalCode::NotAllowed, "the other device is not enrolled yet".to_owned());
        };
        let mut shown = Vec::new();
        if let Some(sealed) = server
            && let Ok(cert) = ServerCert::from_bytes(&sealed.0)
            && matches!(roster.add_server(&cert), Ok(true))
        {
            shown.push(FeedItem::ServerCert(sealed.clone()));
        }
        if let Some(sealed) = certificate {
            let told = Certificate::from_bytes(&sealed.0)
                .map_err(|error| error.to_string())
                .and_then(|cert| take_certificate(&mut roster, &cert, peer));
            match told {
                Ok(true) => shown.push(FeedItem::Certificate(sealed.clone())),
                Ok(false) => {}
                Err(why) => {
                    let text = format!("the membership that was shown is not believed: {why}");
                    return refuse(RefusalCode::UnknownMember, text);
                }
            }
        }
        if !shown.is_empty() {
            self.admit_batch(peer, &Batch { items: shown, cursors: Vec::new() }, now)?;
        }
        let collections = match roster.may_connect(peer, now) {
            Ok(membership) => membership.collections.clone(),
            Err(IdentityError::Revoked { .. }) => {
                return refuse(RefusalCode::Revoked, "this device's membership was revoked".to_owned());
            }
            Err(error) if certificate.is_some() => {
                let code = match error {
                    IdentityError::OutsideValidity { .. } => RefusalCode::Expired,
                    _ => RefusalCode::UnknownMember,
                };
                return refuse(code, error.to_string());
            }
            Err(_) => return Ok(Judged::Unknown),
        };
        let own = self.identity.public();
        let mine = roster.membership(&own).map(|membership| membership.collections.clone()).unwrap_or_default();
        let followed = self.followed()?;
        let shared: BTreeSet<Collection> = collections
            .intersection(&mine)
            .copied()
            .filter(|collection| followed.contains(collection) && *collection != Collection::REFERENCE)
            .collect();
        if shared.is_empty() {
            return refuse(RefusalCode::NotAllowed, "there is no collection that both devices may read".to_owned());
        }
        Ok(Judged::Member(shared))
    }

    /// What is not a run, from the beginning, and the runs that a ruling holds: with it, and after it.
    pub(super) fn statements_for(&mut self, shared: &BTreeSet<Collection>) -> Result<Vec<FeedItem>, StoreError> {
        let mut items = Vec::new();
        items.extend(self.sealed(Believed::Server)?.into_iter().map(|bytes| FeedItem::ServerCert(Sealed(bytes))));
        items.extend(self.certificates_for(shared)?.into_iter().map(|bytes| FeedItem::Certificate(Sealed(bytes))));
        // All of them, whoever they are about: a revocation that did not arrive is a hole.
        items.extend(self.sealed(Believed::Revocation)?.into_iter().map(|bytes| FeedItem::Revocation(Sealed(bytes))));
        let mut held: BTreeSet<DocKey> = BTreeSet::new();
        self.index()?.scan(b"q", &mut |_, value| {
            let Ok(ruling) = SignedRuling::from_bytes(value) else { return true };
            let doc = ruling.value().doc;
            if shared.contains(&doc.collection) || doc.collection == Collection::REFERENCE {
                items.push(FeedItem::Ruling(Sealed(value.to_vec())));
                if ruling.value().verdict == Ruled::Held {
                    held.insert(doc);
                }
            }
            true
        })?;
        for doc in held {
            for (sequence, row) in self.runs(&doc)?.into_iter().filter(|(_, row)| row.state == RunState::Held) {
                items.push(FeedItem::Run(read_run(&mut self.journal, sequence, &row)?));
            }
        }
        Ok(items)
    }

    /// Certificates of those whose work may be met there: members of a shared collection, and who
    /// writes the reference documents that everybody reads. Who else is a member is not the peer's
    /// affair. Of a key all or none: an older, wider one alone would mislead.
    fn certificates_for(&self, shared: &BTreeSet<Collection>) -> Result<Vec<Vec<u8>>, StoreError> {
        let mut all: Vec<(PublicKey, Vec<u8>)> = Vec::new();
        let mut wanted: BTreeSet<PublicKey> = BTreeSet::new();
        for bytes in self.sealed(Believed::Member)? {
            let Ok(cert) = Certificate::from_bytes(&bytes) else { continue };
            let member = cert.value();
            if member.role == Role::Admin || !member.collections.is_disjoint(shared) {
                wanted.insert(member.key);
            }
            all.push((member.key, bytes));
        }
        all.retain(|(key, _)| wanted.contains(key));
        Ok(all.into_iter().map(|(_, bytes)| bytes).collect())
    }

    /// Remembers that a file is to be passed on to a server, unless one has it.
    pub(super) fn carry(&mut self, hash: &BlobHash, now: Timestamp) -> Result<(), StoreError> {
        let known = self.blob_row(hash)?.is_some_and(|row| row.own || row.stored);
        if !known && self.index()?.get(&rows::confirmed(hash))?.is_none() {
            let record = Record { carried: Some(*hash), ..Record::new(now) };
            self.commit_record(&record, &[])?;
        }
        Ok(())
    }

    /// Files that no server is known to have, in these collections, that are here.
    pub(super) fn files_to_pass(&mut self, shared: &BTreeSet<Collection>) -> Result<Vec<BlobOffer>, StoreError> {
        let query = BlobQuery { max: usize::MAX, originals: true, exclude: BTreeSet::new() };
        let mut offers = self.next_files(&query)?.offers;
        offers.retain(|offer| shared.contains(&offer.doc.collection));
        Ok(offers)
    }
}

fn take_certificate(roster: &mut Roster, cert: &Certificate, peer: &PublicKey) -> Result<bool, String> {
    if cert.value().key != *peer {
        return Err("it is of another device".to_owned());
    }
    roster.add(cert).map_err(|error| error.to_string())
}

impl<L: Lend> Replica for PeerReplica<L> {
    fn local(&mut self) -> Result<Local, ReplicaError> {
        self.calls = true;
        let mut local = self.store.with(EdgeStore::local)?;
        local.wants_server_certificate = true;
        for state in &mut local.subscriptions {
            state.cursor = None;
        }
        Ok(local)
    }

    fn begin(
        &mut self,
        peer: &PublicKey,
        introduction: &Introduction,
        now: Timestamp,
    ) -> Result<Verdict, ReplicaError> {
        let refuse = |code, text: &str| Ok(Verdict::Refused(Refusal { code, text: text.to_owned() }));
        if introduction.ticket_secret.is_some() {
            return refuse(RefusalCode::TicketUnknown, "a device takes no tickets: enrol with the server");
        }
        match self.judge(peer, introduction.certificate.as_ref(), None, now)? {
            Judged::Refused(refusal) => return Ok(Verdict::Refused(refusal)),
            Judged::Unknown if introduction.certificate.is_none() => return Ok(Verdict::NeedCertificate),
            Judged::Unknown => return refuse(RefusalCode::UnknownMember, "this device is no member here"),
            Judged::Member(_) => {}
        }
        let asked: BTreeSet<Collection> = introduction.subscriptions.iter().map(|line| line.collection).collect();
        self.shared.retain(|collection| asked.contains(collection));
        let (certificate, server_certificate) = self.store.with(|store| {
            let row = store.enrolment_row()?;
            Ok::<_, StoreError>(row.map(|row| (row.certificate, row.server_certificate)).unwrap_or_default())
        })?;
        let feeds: BTreeMap<Collection, Since> =
            self.shared.iter().chain([&Collection::REFERENCE]).map(|code| (*code, Since::WithoutRuns)).collect();
        Ok(Verdict::Welcome(PeerPlan {
            certificate,
            server_certificate: server_certificate.filter(|_| introduction.wants_server_certificate),
            feeds,
            limits: Limits::default(),
            pending: Pending::default(),
        }))
    }

    fn welcome(&mut self, peer: &PublicKey, welcome: &Welcome, now: Timestamp) -> Result<(), ReplicaError> {
        let shown = welcome.certificate.as_ref();
        match self.judge(peer, shown, welcome.server_certificate.as_ref(), now)? {
            Judged::Member(_) => {}
            Judged::Refused(refusal) => return Err(ReplicaError::Refused(refusal)),
            Judged::Unknown => {
                let text = "the other device has shown no membership".to_owned();
                return Err(ReplicaError::Refused(Refusal { code: RefusalCode::UnknownMember, text }));
            }
        }
        self.shared.retain(|collection| welcome.collections.contains(collection));
        Ok(())
    }

    fn outgoing(&mut self, _: &PublicKey, plan: &SendPlan, max_bytes: usize) -> Result<Outgoing, ReplicaError> {
        if let Some(items) = self.next_statements(max_bytes)? {
            let more = self.calls || self.statements_left();
            return Ok(Outgoing { batch: Batch { items, cursors: Vec::new() }, next: plan.clone(), more });
        }
        // During a comparison the session asks for statements only.
        if !self.calls || plan.feeds.contains_key(&Collection::REFERENCE) {
            return Ok(Outgoing { next: plan.clone(), ..Outgoing::default() });
        }
        let shared = &self.shared;
        self.store.with(|store| {
            let outgoing = store.next_runs_of(plan, max_bytes, &|collection| shared.contains(&collection))?;
            store.note_with_peer(shared, outgoing.next.after)?;
            Ok(outgoing)
        })
    }

    fn admit(&mut self, peer: &PublicKey, batch: &Batch, now: Timestamp) -> Result<Admitted, ReplicaError> {
        for item in &batch.items {
            if let FeedItem::Run(run) = item {
                self.allowed(run.doc.collection)?;
            }
        }
        let without = Batch { items: batch.items.clone(), cursors: Vec::new() };
        self.store.with(|store| store.admit_batch(peer, &without, now))
    }

    /// A device's word makes nothing safe: the runs stay to be sent to a server.
    fn acknowledge(
        &mut self,
        _: &PublicKey,
        batch: &Batch,
        admitted: &Admitted,
        _: Timestamp,
    ) -> Result<(), ReplicaError> {
        if admitted.outcomes.len() == batch.items.len() {
            return Ok(());
        }
        Err(ReplicaError::Peer("another number of outcomes than of items".to_owned()))
    }

    fn adopt_cursors(&mut self, _: &PublicKey, _: &[(Collection, Cursor)]) -> Result<(), ReplicaError> {
        Ok(())
    }

    fn states(&mut self, collections: &[Collection]) -> Result<Vec<CollectionState>, ReplicaError> {
        let (states, stated) = self.store.with(|store| (store.states(collections), store.journal.end().sequence));
        let states = states?;
        self.stated = stated;
        Ok(states.into_iter().map(|state| CollectionState { cursor: Some(NOWHERE), ..state }).collect())
    }

    fn heads(
        &mut self,
        collection: Collection,
        after: Option<&DocKey>,
        upto: Option<&DocKey>,
        max: usize,
    ) -> Result<Vec<DocHeads>, ReplicaError> {
        self.allowed(collection)?;
        self.store.with(|store| store.heads(collection, after, upto, max))
    }

    fn runs_for(&mut self, doc: &DocKey, have: &[ChangeHash]) -> Result<Missing, ReplicaError> {
        self.allowed(doc.collection)?;
        self.store.with(|store| store.runs_for(doc, have))
    }

    /// Verified and not kept: `outlet status` speaks of proofs with a server. That both hold the same
    /// means that own work is with the peer, whichever side called: it counts as sent.
    fn keep_statement(&mut self, statement: &SignedStatement, _: Timestamp) -> Result<(), ReplicaError> {
        if let Err(error) = statement.verify() {
            return Err(ReplicaError::Peer(format!("a statement that does not hold: {error}")));
        }
        let (shared, stated) = (&self.shared, self.stated);
        Ok(self.store.with(|store| store.note_with_peer(shared, stated))?)
    }

    fn blobs_to_send(&mut self, _: &PublicKey, query: &BlobQuery) -> Result<BlobList, ReplicaError> {
        let shared = self.shared.clone();
        let mut all = self.store.with(|store| store.files_to_pass(&shared))?;
        all.retain(|offer| !self.given.contains(&offer.hash));
        let photos = all.iter().filter(|offer| offer.class != BlobClass::Preview);
        let (pending, pending_bytes) = (photos.count() as u64, all.iter().map(|offer| offer.bytes).sum());
        all.retain(|offer| query.originals || offer.class == BlobClass::Preview);
        all.retain(|offer| !query.exclude.contains(&offer.hash));
        all.truncate(query.max);
        Ok(BlobList { offers: all, pending, pending_bytes })
    }

    fn blob_read(&mut self, hash: &BlobHash, offset: u64, len: usize) -> Result<Vec<u8>, ReplicaError> {
        self.store.with(|store| store.blob_read(hash, offset, len))
    }

    fn blob_begin(&mut self, peer: &PublicKey, offer: &BlobOffer, now: Timestamp) -> Result<BlobWant, ReplicaError> {
        // What the peer offers it has: it is not offered back.
        self.given.insert(offer.hash);
        let receiving = &mut self.receiving;
        self.store.with(|store| {
            if store.receiving.contains(&offer.hash) && !receiving.contains(&offer.hash) {
                return Ok(BlobWant::Refused("busy".to_owned()));
            }
            let want = store.blob_begin(peer, offer, now)?;
            if matches!(want, BlobWant::Parts(_)) {
                receiving.insert(offer.hash);
                store.receiving.insert(offer.hash);
            }
            if matches!(want, BlobWant::Have(_)) {
                // Complete since before a crash, or fetched: the peer says no server is known to have it.
                store.carry(&offer.hash, now)?;
            }
            Ok(want)
        })
    }

    fn blob_write(&mut self, hash: &BlobHash, offset: u64, bytes: &[u8]) -> Result<(), ReplicaError> {
        self.store.with(|store| store.blob_write(hash, offset, bytes))
    }

    fn blob_finish(&mut self, peer: &PublicKey, hash: &BlobHash, now: Timestamp) -> Result<BlobFinish, ReplicaError> {
        self.receiving.remove(hash);
        self.store.with(|store| {
            store.receiving.remove(hash);
            let finish = store.blob_finish(peer, hash, now)?;
            if matches!(finish, BlobFinish::Stored(_)) {
                store.carry(hash, now)?;
            }
            Ok(finish)
        })
    }

    fn blob_stored(
        &mut self,
        _: &PublicKey,
        hash: &BlobHash,
        _: Option<&Sealed>,
        _: Timestamp,
    ) -> Result<(), ReplicaError> {
        self.given.insert(*hash);
        Ok(self.store.with(|store| store.note_file_with_peer(hash))?)
    }
}

#[cfg(test)]
#[path = "peer_tests.rs"]
mod tests;
