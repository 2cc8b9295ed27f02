//! What only a server does: feeds, tickets, certificates.

use std::collections::{BTreeMap, BTreeSet};

use super::{MemoryReplica, link};
use crate::identity::{
    Certificate, IdentityError, Membership, RedeemError, Revocation, ServerCert, SignedRevocation, TicketRecord,
    TicketSecret,
};
use crate::ids::{ChainHash, Collection, Epoch, PublicKey};
use crate::sync::digest::CollectionDigest;
use crate::sync::replica::{
    Batch, Cursor, FeedItem, Introduction, Limits, Outgoing, PeerPlan, Pending, Refusal, RefusalCode, ReplicaError,
    Sealed, SendPlan, Since, Verdict,
};
use crate::sync::wire::MAX_BATCH_ITEMS;
use crate::time::Timestamp;

/// A server's feeds and tickets.
#[derive(Debug, Clone)]
pub(super) struct Server {
    epoch: Epoch,
    feeds: BTreeMap<Collection, Vec<Item>>,
    tickets: Vec<TicketRecord>,
    limits: Limits,
    /// The latest moment it has seen: it never receives, issues or revokes before.
    latest: Timestamp,
}

#[derive(Debug, Clone)]
struct Item {
    item: FeedItem,
    carried_by: Option<PublicKey>,
    chain: ChainHash,
}

/// How long a certificate lasts that a memory server issues.
const YEAR_MS: i64 = 365 * 86_400_000;

impl Server {
    pub(super) fn new(epoch: Epoch, certificate: Sealed) -> Self {
        let mut server = Self {
            epoch,
            feeds: BTreeMap::new(),
            tickets: Vec::new(),
            limits: Limits::default(),
            latest: Timestamp::default(),
        };
        server.append(Collection::REFERENCE, FeedItem::ServerCert(certificate), None);
        server
    }

    pub(super) fn epoch(&self) -> Epoch {
        self.epoch
    }

    pub(super) fn restart(&mut self, epoch: Epoch) {
        self.epoch = epoch;
    }

    pub(super) fn head(&self, collection: Collection) -> Cursor {
        let feed = self.feeds.get(&collection).map_or(&[][..], Vec::as_slice);
        self.cursor(feed, feed.len())
    }

    pub(super) fn ends(&self) -> BTreeMap<Collection, u64> {
        self.feeds.keys().map(|collection| (*collection, self.head(*collection).seq)).collect()
    }

    fn cursor(&self, feed: &[Item], length: usize) -> Cursor {
        let chain = length.checked_sub(1).and_then(|last| feed.get(last)).map_or(ChainHash([0; 16]), |item| item.chain);
        Cursor { epoch: self.epoch, seq: u64::try_from(length).unwrap_or(u64::MAX), chain }
    }

    pub(super) fn append(&mut self, collection: Collection, item: FeedItem, carried_by: Option<PublicKey>) {
        let before = self.head(collection).chain;
        let name = match &item {
            FeedItem::Run(run) => run.signature.0.to_vec(),
            FeedItem::Certificate(sealed)
            | FeedItem::ServerCert(sealed)
            | FeedItem::Revocation(sealed)
            | FeedItem::Ruling(sealed)
            | FeedItem::FileReceipt(sealed) => sealed.0.clone(),
            FeedItem::Receipt(shown) => shown.receipt.0.clone(),
        };
        let chain = link(before, &name);
        self.feeds.entry(collection).or_default().push(Item { item, carried_by, chain });
    }

    fn is_valid(&self, collection: Collection, cursor: &Cursor) -> bool {
        let feed = self.feeds.get(&collection).map_or(&[][..], Vec::as_slice);
        usize::try_from(cursor.seq).is_ok_and(|seq| seq <= feed.len() && self.cursor(feed, seq) == *cursor)
    }

    /// Feed items after the plan's places, reference documents first. What the peer itself carried
    /// here is left out.
    pub(super) fn outgoing(&self, peer: &PublicKey, plan: &SendPlan, max_bytes: usize) -> Outgoing {
        let mut next = plan.clone();
        let (mut batch, mut bytes, mut more) = (Batch::default(), 0_usize, false);
        for (collection, since) in &plan.feeds {
            let feed = self.feeds.get(collection).map_or(&[][..], Vec::as_slice);
            let (start, runs) = match since {
                Since::Start => (0, true),
                Since::After(cursor) => (usize::try_from(cursor.seq).unwrap_or(usize::MAX), true),
                Since::WithoutRuns => (0, false),
            };
            let mut end = start.min(feed.len());
            for item in feed.iter().skip(start) {
                if runs && (bytes >= max_bytes || batch.items.len() >= MAX_BATCH_ITEMS / 2) {
                    more = true;
                    break;
                }
                end += 1;
                let is_run = matches!(item.item, FeedItem::Run(_));
                if (is_run && !runs) || item.carried_by == Some(*peer) {
                    continue;
                }
                bytes += if let FeedItem::Run(run) = &item.item { run.size() } else { 256 };
                batch.items.push(item.item.clone());
            }
            let cursor = self.cursor(feed, end);
            // A void cursor is replaced by the device when it has compared, not before.
            if runs && *since != Since::After(cursor) {
                batch.cursors.push((*collection, cursor));
            }
            next.feeds.insert(*collection, Since::After(cursor));
        }
        Outgoing { batch, next, more }
    }
}

impl MemoryReplica {
    /// Server: a ticket that somebody may enrol with.
    pub fn add_ticket(&mut self, ticket: TicketRecord) {
        if let Some(server) = &mut self.server {
            server.tickets.push(ticket);
        }
    }

    /// Server: what it takes from now on.
    pub fn set_limits(&mut self, limits: Limits) {
        if let Some(server) = &mut self.server {
            server.limits = limits;
        }
    }

    /// The moment a server works with. A real one takes nothing while its clock shows less than its
    /// last receipt; here it goes on with that.
    pub(super) fn moment(&mut self, now: Timestamp) -> Timestamp {
        let Some(server) = &mut self.server else { return now };
        server.latest = server.latest.max(now);
        server.latest
    }

    /// Server: the latest moment it has seen, which a restore does not take from the clock on its wall.
    pub fn latest(&self) -> Timestamp {
        self.server.as_ref().map_or_else(Timestamp::default, |server| server.latest)
    }

    /// Server: goes on from this moment.
    #[must_use]
    pub fn not_before(mut self, moment: Timestamp) -> Self {
        self.moment(moment);
        self
    }

    /// Server: a device may no longer write.
    pub fn revoke(&mut self, key: PublicKey, now: Timestamp) {
        let at = self.moment(now);
        let revocation = Revocation { key, at, reason: "test".into(), who: "memory".into() };
        self.take_revocation(&SignedRevocation::sign(&self.key, revocation));
    }

    pub(super) fn take_revocation(&mut self, signed: &SignedRevocation) {
        let sealed = Sealed(signed.to_bytes());
        if let (Some(server), Ok(true)) = (&mut self.server, self.roster.revoke(signed)) {
            server.append(Collection::REFERENCE, FeedItem::Revocation(sealed), None);
        }
    }

    /// Server: forgets a member, as an old backup would.
    pub fn forget_members(&mut self) {
        let mut roster = crate::identity::Roster::new(self.roster.root());
        let certificate = self.certificate.as_ref().and_then(|sealed| ServerCert::from_bytes(&sealed.0).ok());
        if let Some(certificate) = certificate {
            roster.add_server(&certificate).expect("it was added before");
        }
        self.roster = roster;
    }

    pub(super) fn judge(
        &mut self,
        peer: &PublicKey,
        introduction: &Introduction,
        now: Timestamp,
    ) -> Result<Verdict, ReplicaError> {
        if self.server.is_none() {
            return Ok(refused(RefusalCode::NotAllowed, "this device lets nobody in"));
        }
        self.skews.insert(*peer, introduction.claimed_time.millis().saturating_sub(now.millis()));
        let now = self.moment(now);
        let mut issued = None;
        if let Some(secret) = &introduction.ticket_secret {
            match self.redeem(secret, *peer, now) {
                Ok(certificate) => issued = Some(certificate),
                Err((code, text)) => return Ok(refused(code, &text)),
            }
        }
        if let Some(sealed) = &introduction.certificate {
            let added = Certificate::from_bytes(&sealed.0).and_then(|certificate| self.admit_member(&certificate));
            if let Err(error) = added {
                return Ok(refused(RefusalCode::UnknownMember, &error.to_string()));
            }
        }
        let membership = match self.roster.may_connect(peer, now) {
            Ok(membership) => membership.clone(),
            Err(IdentityError::NotAMember(_)) => return Ok(Verdict::NeedCertificate),
            Err(error @ IdentityError::Revoked { .. }) => return Ok(refused(RefusalCode::Revoked, &error.to_string())),
            Err(error) => return Ok(refused(RefusalCode::Expired, &error.to_string())),
        };
        Ok(Verdict::Welcome(self.plan(peer, introduction, &membership, issued)))
    }

    fn plan(
        &self,
        peer: &PublicKey,
        introduction: &Introduction,
        membership: &Membership,
        issued: Option<Sealed>,
    ) -> PeerPlan {
        let server = self.server.as_ref().expect("only a server judges");
        let mut feeds = BTreeMap::new();
        if issued.is_some() {
            feeds.insert(Collection::REFERENCE, Since::Start);
            feeds.extend(membership.collections.iter().map(|collection| (*collection, Since::Start)));
        }
        for line in introduction.subscriptions.iter().filter(|line| membership.reads(line.collection)) {
            let here = self.digests.get(&line.collection).map_or(0, CollectionDigest::count);
            let since = match line.cursor {
                None if here > 0 && line.count.saturating_mul(2) >= here => Since::WithoutRuns,
                None => Since::Start,
                Some(cursor) if server.is_valid(line.collection, &cursor) => Since::After(cursor),
                Some(_) => Since::WithoutRuns,
            };
            feeds.insert(line.collection, since);
        }
        let plan = SendPlan { after: 0, feeds: feeds.clone() };
        let batch = server.outgoing(peer, &plan, usize::MAX).batch;
        let runs = batch.items.iter().filter_map(|item| if let FeedItem::Run(run) = item { Some(run) } else { None });
        let count = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
        let pending = Pending {
            documents: count(runs.clone().map(|run| run.doc).collect::<BTreeSet<_>>().len()),
            changes: count(runs.clone().map(|run| run.changes.len()).sum()),
            bytes: count(runs.map(crate::identity::SignedRun::size).sum()),
            ..Pending::default()
        };
        PeerPlan {
            certificate: issued,
            server_certificate: self.certificate.clone().filter(|_| introduction.wants_server_certificate),
            feeds,
            limits: server.limits,
            pending,
        }
    }

    fn redeem(&mut self, secret: &[u8], peer: PublicKey, now: Timestamp) -> Result<Sealed, (RefusalCode, String)> {
        let unknown = || (RefusalCode::TicketUnknown, RedeemError::WrongSecret.to_string());
        let secret = TicketSecret::from_slice(secret).ok_or_else(unknown)?;
        let server = self.server.as_mut().ok_or_else(unknown)?;
        let ticket =
            server.tickets.iter_mut().find(|ticket| ticket.secret_hash == secret.hash()).ok_or_else(unknown)?;
        let first = ticket.redeem(&secret, peer, now).map_err(|error| {
            let code = match error {
                RedeemError::UsedByAnother(_) => RefusalCode::TicketUsed,
                RedeemError::Expired(_) => RefusalCode::TicketExpired,
                _ => RefusalCode::TicketUnknown,
            };
            (code, error.to_string())
        })?;
        let known = self.roster.certificate(&peer).map(|certificate| Sealed(certificate.to_bytes()));
        if let Some(sealed) = known.filter(|_| !first) {
            return Ok(sealed);
        }
        let membership = Membership {
            key: peer,
            person: ticket.person,
            name: ticket.name.clone(),
            role: ticket.role,
            level: ticket.level,
            collections: ticket.collections.clone(),
            not_before: now.plus_millis(-YEAR_MS),
            not_after: now.plus_millis(YEAR_MS),
            serial: self.roster.membership(&peer).map_or(1, |membership| membership.serial + 1),
        };
        let certificate = Certificate::sign(&self.key, membership);
        self.admit_member(&certificate).map_err(|error| (RefusalCode::Internal, error.to_string()))?;
        Ok(Sealed(certificate.to_bytes()))
    }

    pub(super) fn admit_member(&mut self, certificate: &Certificate) -> Result<(), IdentityError> {
        if self.roster.add(certificate)? {
            let sealed = Sealed(certificate.to_bytes());
            if let Some(server) = &mut self.server {
                server.append(Collection::REFERENCE, FeedItem::Certificate(sealed), None);
            }
        }
        Ok(())
    }
}

fn refused(code: RefusalCode, text: &str) -> Verdict {
    Verdict::Refused(Refusal { code, text: text.to_owned() })
}
