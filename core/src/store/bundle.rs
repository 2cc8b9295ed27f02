//! What a device puts into a bundle, and whom it lets bring one.

use std::collections::BTreeSet;

use super::api::Store as _;
use super::edge::EdgeStore;
use super::error::StoreError;
use super::peer::Judged;
use super::rows::{BlobRow, RunState, UnsentRow};
use super::stage::read_run;
use crate::bundle::Header;
use crate::identity::IdentityError;
use crate::ids::{BlobHash, Collection, DocKey, DocKind, PublicKey};
use crate::sync::replica::{BlobClass, BlobOffer, FeedItem, RefusalCode, ReplicaError};
use crate::time::Timestamp;

/// What an export asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BundleQuery {
    /// Of these collections.
    pub collections: BTreeSet<Collection>,
    /// Everything, or only what no server is known to have.
    pub everything: bool,
    /// Files: all, previews only, or none.
    pub files: BundleFiles,
}

/// Which files go into a bundle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BundleFiles {
    /// None.
    None,
    /// Previews.
    Previews,
    /// All.
    All,
}

/// What goes into a bundle. Runs are read later, document by document: there may be many.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BundlePlan {
    /// Certificates, revocations, rulings.
    pub statements: Vec<FeedItem>,
    /// Documents, reference documents first.
    pub docs: Vec<DocKey>,
    /// Files whose bytes are here.
    pub files: Vec<BlobOffer>,
}

impl EdgeStore {
    /// What a bundle would hold.
    ///
    /// # Errors
    /// When the store fails.
    pub fn bundle_plan(&mut self, query: &BundleQuery) -> Result<BundlePlan, StoreError> {
        let statements = self.statements_for(&query.collections)?;
        let statements = statements.into_iter().filter(|item| !matches!(item, FeedItem::Run(_))).collect();
        let inside = |doc: &DocKey| query.collections.contains(&doc.collection);
        let mut docs: BTreeSet<DocKey> = BTreeSet::new();
        if query.everything {
            for kind in [DocKind::Reference, DocKind::Field, DocKind::Case] {
                docs.extend(self.keys(kind)?.into_iter().filter(|doc| inside(doc) || kind == DocKind::Reference));
            }
        } else {
            docs.extend(self.rows::<UnsentRow>(b"u")?.into_iter().map(|(_, row)| row.doc).filter(&inside));
            self.index()?.scan(b"y", &mut |key, _| {
                docs.extend(DocKey::from_bytes(&key[1..]).filter(&inside));
                true
            })?;
        }
        let mut files = if query.everything { self.files_here()? } else { self.files_to_pass(&query.collections)? };
        files.retain(|offer| match query.files {
            BundleFiles::None => false,
            BundleFiles::Previews => offer.class == BlobClass::Preview && inside(&offer.doc),
            BundleFiles::All => inside(&offer.doc),
        });
        files.sort_by_key(|offer| offer.class);
        let mut docs: Vec<DocKey> = docs.into_iter().collect();
        docs.sort_by_key(|doc| doc.kind != DocKind::Reference);
        Ok(BundlePlan { statements, docs, files })
    }

    /// All runs of a document that count here or are held, in an order in which each depends on
    /// earlier ones.
    ///
    /// # Errors
    /// When the store fails.
    pub fn bundle_runs(&mut self, doc: &DocKey) -> Result<Vec<FeedItem>, StoreError> {
        let mut items = Vec::new();
        for (sequence, row) in self.runs(doc)? {
            if row.state.was_admitted() && !row.orphan {
                items.push(FeedItem::Run(read_run(&mut self.journal, sequence, &row)?));
            }
        }
        Ok(items)
    }

    /// Who may bring a bundle: a server of the pinned root, or a member. Gives the collections that
    /// are taken here.
    ///
    /// # Errors
    /// [`ReplicaError::Refused`] says why not; when the store fails.
    pub fn judge_bundle(&mut self, header: &Header, now: Timestamp) -> Result<BTreeSet<Collection>, ReplicaError> {
        let (server, roster) = (header.server_certificate.as_ref(), self.believe()?.cloned());
        if roster.is_some_and(|roster| roster.is_server(&header.maker)) {
            let named: BTreeSet<Collection> = header.collections.iter().copied().collect();
            return Ok(self.followed()?.intersection(&named).copied().collect());
        }
        match self.judge_peer(&header.maker, header.certificate.as_ref(), server, now)? {
            Judged::Member(shared) => {
                Ok(shared.into_iter().filter(|collection| header.collections.contains(collection)).collect())
            }
            Judged::Refused(refusal) => Err(ReplicaError::Refused(refusal)),
            Judged::Unknown => Err(ReplicaError::Refused(crate::sync::replica::Refusal {
                code: RefusalCode::UnknownMember,
                text: IdentityError::NotAMember(header.maker).to_string(),
            })),
        }
    }

    /// Which device brought a change here, as far as it was a device and not a server or this one.
    ///
    /// # Errors
    /// When the store fails.
    pub fn brought_by(&mut self, doc: &DocKey) -> Result<Vec<(crate::ids::ChangeHash, Option<PublicKey>)>, StoreError> {
        let mut found = Vec::new();
        for (sequence, row) in self.runs(doc)?.into_iter().filter(|(_, row)| row.state != RunState::Parked) {
            let record = super::record::Record::from_bytes(sequence, &self.journal.read(row.position)?)?;
            let peer = record.received.map(|received| received.peer);
            found.extend(row.changes.iter().map(|change| (*change, peer)));
        }
        Ok(found)
    }

    /// Every named file whose bytes are here.
    fn files_here(&self) -> Result<Vec<BlobOffer>, StoreError> {
        let mut offers = Vec::new();
        for (key, row) in self.rows::<BlobRow>(b"b")? {
            let Some(hash) = BlobHash::from_slice(&key[1..]) else { continue };
            if !row.withdrawn && self.blobs.size(&hash)? == Some(row.bytes) {
                let (bytes, class, doc, original) = (row.bytes, row.class, row.doc, row.original);
                offers.push(BlobOffer { hash, bytes, class, doc, original });
            }
        }
        Ok(offers)
    }
}
