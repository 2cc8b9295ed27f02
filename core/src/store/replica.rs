//! The edge store below a sync session.

use std::collections::BTreeSet;

use super::api::Store as _;
use super::edge::EdgeStore;
use super::error::StoreError;
use super::record::{Acknowledged, BlobStored, CursorAt, Enrolment, Fate, Record, RunFate};
use super::rows::{self, DocRow};
use crate::identity::{Certificate, IdentityError, Roster, ServerCert, SignedBlobReceipt, SignedReceipt};
use crate::ids::{BlobHash, ChangeHash, Collection, DocKey, DocKind, PublicKey};
use crate::sync::parts::Parts;
use crate::sync::replica::{
    Admitted, Batch, BlobFinish, BlobList, BlobOffer, BlobQuery, BlobWant, CollectionState, Cursor, DocHeads, FeedItem,
    Introduction, Local, Missing, Outcome, Outgoing, Refusal, RefusalCode, Replica, ReplicaError, Sealed, SendPlan,
    SignedStatement, Verdict, Welcome,
};
use crate::time::Timestamp;

impl From<StoreError> for ReplicaError {
    fn from(error: StoreError) -> Self {
        if error.is_disk_full() {
            return Self::Full { operation: "saving what came" };
        }
        let permanent = matches!(
            error,
            StoreError::ReadOnly | StoreError::Poisoned | StoreError::Damaged { .. } | StoreError::NewerVersion { .. }
        );
        Self::Storage { operation: "using the store of this device", permanent, source: Box::new(error) }
    }
}

fn disbelieved(what: &str, error: &IdentityError) -> ReplicaError {
    ReplicaError::Peer(format!("{what}: {error}"))
}

impl Replica for EdgeStore {
    fn local(&mut self) -> Result<Local, ReplicaError> {
        let enrolment = self.enrolment_row()?;
        let certificate = enrolment.as_ref().and_then(|row| row.certificate.clone());
        let subscriptions = if certificate.is_some() { self.collections()? } else { Vec::new() };
        let wants_server_certificate = enrolment.is_none_or(|row| row.server_certificate.is_none());
        Ok(Local { subscriptions, certificate, wants_server_certificate, pending: self.pending()? })
    }

    fn begin(&mut self, _: &PublicKey, _: &Introduction, _: Timestamp) -> Result<Verdict, ReplicaError> {
        let text = "this device does not take sessions; sync both devices with the server".to_owned();
        Ok(Verdict::Refused(Refusal { code: RefusalCode::NotAllowed, text }))
    }

    fn welcome(&mut self, peer: &PublicKey, welcome: &Welcome, now: Timestamp) -> Result<(), ReplicaError> {
        let known = self.enrolment_row()?.ok_or_else(|| ReplicaError::NotFound("an enrolment".to_owned()))?;
        let mut roster = self.believe()?.cloned().unwrap_or_else(|| Roster::new(known.root));
        let mut next = known.clone();
        if let Some(sealed) = &welcome.server_certificate {
            self.check_server(&mut roster, peer, sealed)?;
            next.server_certificate = Some(sealed.clone());
        }
        if let Some(sealed) = &welcome.certificate {
            self.check_own(&mut roster, sealed, &mut next)?;
            next.certificate = Some(sealed.clone());
        }
        let served: BTreeSet<Collection> = welcome.collections.iter().copied().collect();
        if !served.is_empty() {
            next.collections = served.into_iter().filter(|code| *code != Collection::REFERENCE).collect();
        }
        if next != known {
            self.enrol(&next, now)?;
        }
        Ok(())
    }

    fn outgoing(&mut self, _: &PublicKey, plan: &SendPlan, max_bytes: usize) -> Result<Outgoing, ReplicaError> {
        // After a restore of the server the session asks for what is not a run.
        if let Some(since) = plan.feeds.get(&Collection::REFERENCE) {
            return Ok(self.next_statements(plan, *since, max_bytes)?);
        }
        Ok(self.next_runs(plan, max_bytes)?)
    }

    fn admit(&mut self, peer: &PublicKey, batch: &Batch, now: Timestamp) -> Result<Admitted, ReplicaError> {
        self.admit_batch(peer, batch, now)
    }

    fn acknowledge(
        &mut self,
        peer: &PublicKey,
        batch: &Batch,
        admitted: &Admitted,
        now: Timestamp,
    ) -> Result<(), ReplicaError> {
        let roster = self.believe()?.cloned().ok_or_else(|| ReplicaError::NotFound("an enrolment".to_owned()))?;
        for sealed in &admitted.receipts {
            SignedReceipt::from_bytes(&sealed.0)
                .and_then(|receipt| roster.check_signer(&receipt).map(|_| ()))
                .map_err(|error| disbelieved("a receipt that does not hold", &error))?;
        }
        if admitted.outcomes.len() != batch.items.len() {
            return Err(ReplicaError::Peer("another number of outcomes than of items".to_owned()));
        }
        let fates = batch.items.iter().zip(&admitted.outcomes).filter_map(|(item, outcome)| match item {
            FeedItem::Run(run) => Some(fate_of(run.doc, run.last()?, run.changes.len(), outcome)),
            _ => None,
        });
        let runs: Vec<RunFate> = fates.collect();
        for refused in runs.iter().filter(|fate| fate.fate == Fate::Refused) {
            if self.is_own_change(&refused.doc, &refused.last)? {
                // Its numbers are used up for ever, and the document goes on without it.
                self.part(&refused.last)?;
                break;
            }
        }
        let acknowledged = Acknowledged { peer: *peer, runs, receipts: admitted.receipts.clone() };
        let record = Record { acknowledged: Some(acknowledged), ..Record::new(now) };
        self.commit_record(&record, &[])?;
        Ok(())
    }

    fn adopt_cursors(&mut self, _: &PublicKey, cursors: &[(Collection, Cursor)]) -> Result<(), ReplicaError> {
        let cursors = cursors.iter().map(|(collection, cursor)| CursorAt { collection: *collection, cursor: *cursor });
        // No clock is at hand and none is needed: a cursor says nothing about time.
        let record = Record { cursors: Some(cursors.collect()), ..Record::new(Timestamp::default()) };
        self.commit_record(&record, &[])?;
        Ok(())
    }

    fn states(&mut self, collections: &[Collection]) -> Result<Vec<CollectionState>, ReplicaError> {
        Ok(collections.iter().map(|collection| self.state_of(*collection)).collect::<Result<_, _>>()?)
    }

    fn heads(
        &mut self,
        collection: Collection,
        after: Option<&DocKey>,
        upto: Option<&DocKey>,
        max: usize,
    ) -> Result<Vec<DocHeads>, ReplicaError> {
        let mut found = Vec::new();
        for kind in DocKind::ALL {
            self.index()?.scan(&rows::docs_of(collection, kind), &mut |key, value| {
                let (Some(doc), Ok(row)) = (DocKey::from_bytes(&key[1..]), rows::decode::<DocRow>(value)) else {
                    return true;
                };
                let inside = after.is_none_or(|after| doc > *after) && upto.is_none_or(|upto| doc <= *upto);
                if inside && !row.admitted.is_empty() && found.len() < max {
                    found.push(DocHeads { doc, heads: row.admitted });
                }
                found.len() < max
            })?;
        }
        Ok(found)
    }

    fn runs_for(&mut self, doc: &DocKey, have: &[ChangeHash]) -> Result<Missing, ReplicaError> {
        Ok(self.runs_beyond(doc, have)?)
    }

    fn keep_statement(&mut self, statement: &SignedStatement, now: Timestamp) -> Result<(), ReplicaError> {
        statement.verify().map_err(|error| disbelieved("a statement that does not hold", &error))?;
        if statement.statement.initiator != self.identity.public() {
            return Err(ReplicaError::Peer("a statement about another device".to_owned()));
        }
        let record = Record { statement: Some(Sealed(statement.to_bytes())), ..Record::new(now) };
        self.commit_record(&record, &[])?;
        Ok(())
    }

    fn blobs_to_send(&mut self, _: &PublicKey, query: &BlobQuery) -> Result<BlobList, ReplicaError> {
        Ok(self.next_files(query)?)
    }

    fn blob_read(&mut self, hash: &BlobHash, offset: u64, len: usize) -> Result<Vec<u8>, ReplicaError> {
        Ok(self.blobs.read(hash, offset, len)?)
    }

    fn blob_begin(&mut self, _: &PublicKey, offer: &BlobOffer, _: Timestamp) -> Result<BlobWant, ReplicaError> {
        let refuse = |code: &str| Ok(BlobWant::Refused(code.to_owned()));
        let Some(row) = self.blob_row(&offer.hash)? else { return refuse("unknown_document") };
        if row.withdrawn {
            return refuse("withdrawn");
        }
        if row.bytes != offer.bytes || offer.bytes > super::blobs::MAX_BLOB {
            return refuse("too_large");
        }
        if self.blobs.size(&offer.hash)?.is_some() {
            return Ok(BlobWant::Have(None));
        }
        let mut here = self.blobs.partial(&offer.hash)?;
        if here.end().unwrap_or(0) > offer.bytes {
            self.blobs.partial_drop(&offer.hash)?;
            here = Parts::default();
        }
        let missing = here.missing(offer.bytes);
        match self.space.require(missing.bytes()) {
            Err(StoreError::DiskFull { .. }) => refuse("disk_full"),
            other => {
                other?;
                Ok(BlobWant::Parts(missing.to_list()))
            }
        }
    }

    fn blob_write(&mut self, hash: &BlobHash, offset: u64, bytes: &[u8]) -> Result<(), ReplicaError> {
        let limit = self.blob_row(hash)?.map_or(0, |row| row.bytes);
        if offset.saturating_add(bytes.len() as u64) > limit {
            return Err(ReplicaError::Peer(format!("more bytes of file {hash} than it has")));
        }
        Ok(self.blobs.partial_write(hash, offset, bytes)?)
    }

    fn blob_finish(&mut self, _: &PublicKey, hash: &BlobHash, _: Timestamp) -> Result<BlobFinish, ReplicaError> {
        self.here = None;
        match self.blobs.partial_finish(hash) {
            Ok(_) => Ok(BlobFinish::Stored(None)),
            Err(StoreError::BlobMismatch { .. }) => Ok(BlobFinish::HashMismatch),
            Err(error) => Err(error.into()),
        }
    }

    fn blob_stored(
        &mut self,
        peer: &PublicKey,
        hash: &BlobHash,
        receipt: Option<&Sealed>,
        now: Timestamp,
    ) -> Result<(), ReplicaError> {
        self.blobs_stored(peer, &[(*hash, receipt.cloned())], now)
    }

    fn blobs_stored(
        &mut self,
        peer: &PublicKey,
        files: &[(BlobHash, Option<Sealed>)],
        now: Timestamp,
    ) -> Result<(), ReplicaError> {
        let mut stored = Vec::new();
        let mut pending = self.pending_files()?;
        for (hash, receipt) in files {
            // Only a server's word, and signed, makes a photo safe.
            let Some(sealed) = receipt else { continue };
            let roster = self.believe()?.ok_or_else(|| ReplicaError::NotFound("an enrolment".to_owned()))?;
            let receipt = SignedBlobReceipt::from_bytes(&sealed.0)
                .and_then(|receipt| roster.check_signer(&receipt).cloned())
                .map_err(|error| disbelieved("a receipt that does not hold", &error))?;
            if receipt.sha256 != *hash {
                return Err(ReplicaError::Peer("a receipt for another file".to_owned()));
            }
            if let Some(row) = self.blob_row(hash)?.filter(|row| row.own && !row.stored) {
                pending = pending.without(&row);
            }
            stored.push(BlobStored { peer: *peer, hash: *hash, receipt: Some(sealed.clone()) });
        }
        if !stored.is_empty() {
            let record = Record { blobs_stored: Some(stored), ..Record::new(now) };
            self.commit_record(&record, &[])?;
            self.files = Some(pending);
        }
        Ok(())
    }
}

impl EdgeStore {
    fn check_server(&self, roster: &mut Roster, peer: &PublicKey, sealed: &Sealed) -> Result<(), ReplicaError> {
        let disbelieved = |error| disbelieved("a server certificate that does not hold", &error);
        let cert = ServerCert::from_bytes(&sealed.0).map_err(disbelieved)?;
        roster.add_server(&cert).map_err(disbelieved)?;
        if cert.value().key != *peer {
            return Err(ReplicaError::Peer("the certificate of another server".to_owned()));
        }
        Ok(())
    }

    fn check_own(&self, roster: &mut Roster, sealed: &Sealed, next: &mut Enrolment) -> Result<(), ReplicaError> {
        let disbelieved = |error| disbelieved("a membership certificate that does not hold", &error);
        let cert = Certificate::from_bytes(&sealed.0).map_err(disbelieved)?;
        roster.add(&cert).map_err(disbelieved)?;
        if cert.value().key != self.identity.public() {
            return Err(ReplicaError::Peer("the membership certificate of another device".to_owned()));
        }
        next.name = Some(cert.value().name.clone());
        Ok(())
    }
}

fn fate_of(doc: DocKey, last: ChangeHash, changes: usize, outcome: &Outcome) -> RunFate {
    let (fate, code) = match outcome {
        Outcome::Stored { in_ledger: true } => (Fate::InLedger, None),
        Outcome::Stored { in_ledger: false } => (Fate::Stored, None),
        Outcome::Held { code } => (Fate::Held, Some(code.clone())),
        Outcome::Waiting => (Fate::Waiting, None),
        Outcome::Refused { code, .. } => (Fate::Refused, Some(code.clone())),
    };
    RunFate { doc, last, fate, code, changes: u32::try_from(changes).unwrap_or(u32::MAX) }
}
