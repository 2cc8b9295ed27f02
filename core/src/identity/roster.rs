//! The roster: which keys a replica believes, from a pinned root and nothing else. Works offline.
//!
//! The order in which certificates and revocations arrive does not matter, except that a server's
//! certificate must come before what that server signed.
//!
//! Two questions are kept apart. *Was this key ever given the right* ([`Roster::grants`]) is
//! timeless: it decides admission and is the same on each replica for ever, so a demotion or a
//! revocation never makes an admitted change inadmissible. *May it now* ([`Roster::membership`],
//! [`Roster::may_connect`], [`Roster::check_receipt`]) decides sessions and what the server holds.

use std::collections::{BTreeMap, BTreeSet};

use super::IdentityError;
use super::member::{Certificate, Membership, Revocation, ServerCert, ServerStanding, SignedRevocation};
use super::signed::{Signable, Signed};
use crate::ids::PublicKey;
use crate::time::Timestamp;

/// The keys a replica believes.
#[derive(Debug, Clone)]
pub struct Roster {
    root: PublicKey,
    servers: BTreeMap<PublicKey, ServerCert>,
    /// Per key: every membership that gave a right no later one gives; the current one is last.
    members: BTreeMap<PublicKey, Vec<Certificate>>,
    revocations: BTreeMap<PublicKey, SignedRevocation>,
}

impl Roster {
    /// Believes nobody but the root.
    #[must_use]
    pub fn new(root: PublicKey) -> Self {
        Self { root, servers: BTreeMap::new(), members: BTreeMap::new(), revocations: BTreeMap::new() }
    }

    /// The pinned root key.
    #[must_use]
    pub fn root(&self) -> PublicKey {
        self.root
    }

    /// Takes a server's certificate. True when it told something new.
    ///
    /// # Errors
    /// [`IdentityError::NotTheRoot`], [`IdentityError::BadSignature`].
    pub fn add_server(&mut self, cert: &ServerCert) -> Result<bool, IdentityError> {
        if cert.signer() != self.root {
            return Err(IdentityError::NotTheRoot { root: self.root, got: cert.signer() });
        }
        let key = cert.value().key;
        if self.servers.get(&key).is_some_and(|known| rank_server(known) >= rank_server(cert)) {
            return Ok(false);
        }
        cert.verify()?;
        self.servers.insert(key, cert.clone());
        Ok(true)
    }

    /// Takes a membership. True when it told something new.
    ///
    /// # Errors
    /// [`IdentityError::UnknownServer`], [`IdentityError::DistrustedServer`],
    /// [`IdentityError::BadSignature`].
    pub fn add(&mut self, cert: &Certificate) -> Result<bool, IdentityError> {
        self.trusted(&cert.signer())?;
        let known = self.members.get(&cert.value().key).map_or(&[][..], Vec::as_slice);
        if known.iter().any(|known| known.body() == cert.body() && known.signer() == cert.signer()) {
            return Ok(false);
        }
        cert.verify()?;
        let mut all = known.to_vec();
        all.push(cert.clone());
        all.sort_by(|a, b| rank(a).cmp(&rank(b)));
        self.members.insert(cert.value().key, without_covered(all));
        Ok(true)
    }

    /// Takes a revocation. Of several for a key the earliest moment holds. True when it told
    /// something new.
    ///
    /// # Errors
    /// As [`Roster::add`].
    pub fn revoke(&mut self, revocation: &SignedRevocation) -> Result<bool, IdentityError> {
        self.check_signer(revocation)?;
        let order = |signed: &SignedRevocation| (signed.value().at, signed.body().to_vec());
        let key = revocation.value().key;
        if self.revocations.get(&key).is_some_and(|known| order(known) <= order(revocation)) {
            return Ok(false);
        }
        self.revocations.insert(key, revocation.clone());
        Ok(true)
    }

    /// The content of a ruling, receipt, revocation or certificate, if a server the root vouches
    /// for has signed it.
    ///
    /// # Errors
    /// As [`Roster::add`].
    pub fn check_signer<'a, T: Signable>(&self, signed: &'a Signed<T>) -> Result<&'a T, IdentityError> {
        self.trusted(&signed.signer())?;
        signed.verify()?;
        Ok(signed.value())
    }

    /// Whether the root vouches for the key as a server's: active or retired.
    #[must_use]
    pub fn is_server(&self, key: &PublicKey) -> bool {
        self.trusted(key).is_ok()
    }

    /// The server keys a device may connect to.
    #[must_use]
    pub fn active_servers(&self) -> BTreeSet<PublicKey> {
        let active = |cert: &&ServerCert| cert.value().standing == ServerStanding::Active;
        self.servers.values().filter(active).map(|cert| cert.value().key).collect()
    }

    /// The key's current membership, whether or not it is still valid or revoked.
    #[must_use]
    pub fn membership(&self, key: &PublicKey) -> Option<&Membership> {
        self.certificate(key).map(Signed::value)
    }

    /// The membership that held at a moment of the past: the newest one given by then. Those that a later
    /// one covers are not kept, so before the first that is, that one counts.
    #[must_use]
    pub fn membership_at(&self, key: &PublicKey, at: Timestamp) -> Option<&Membership> {
        let mut grants: Vec<&Membership> = self.grants(key).collect();
        grants.sort_by_key(|grant| grant.serial);
        let given = grants.iter().rfind(|grant| grant.given_at() <= at);
        given.or(grants.first()).copied()
    }

    /// The key's current certificate.
    #[must_use]
    pub fn certificate(&self, key: &PublicKey) -> Option<&Certificate> {
        self.believed(key).max_by(|a, b| rank(a).cmp(&rank(b)))
    }

    /// Every membership the key ever had, save those a later one covers: the timeless rights.
    pub fn grants(&self, key: &PublicKey) -> impl Iterator<Item = &Membership> {
        self.believed(key).map(Signed::value)
    }

    /// The revocation of the key, if any.
    #[must_use]
    pub fn revocation(&self, key: &PublicKey) -> Option<&Revocation> {
        self.revocations.get(key).filter(|signed| self.is_server(&signed.signer())).map(Signed::value)
    }

    /// Whether the key may have a session now.
    ///
    /// # Errors
    /// [`IdentityError::NotAMember`], [`IdentityError::OutsideValidity`], [`IdentityError::Revoked`].
    pub fn may_connect(&self, key: &PublicKey, now: Timestamp) -> Result<&Membership, IdentityError> {
        let membership = self.membership(key).ok_or(IdentityError::NotAMember(*key))?;
        if let Some(revocation) = self.revocation(key) {
            return Err(IdentityError::Revoked { key: *key, since: revocation.at });
        }
        if !membership.is_valid_at(now) {
            let Membership { not_before, not_after, .. } = *membership;
            return Err(IdentityError::OutsideValidity { key: *key, not_before, not_after });
        }
        Ok(membership)
    }

    /// Whether work by the key that the server received at this moment stands. An error means
    /// *held*, never lost.
    ///
    /// # Errors
    /// [`IdentityError::NotAMember`], [`IdentityError::Revoked`].
    pub fn check_receipt(&self, key: &PublicKey, received_at: Timestamp) -> Result<(), IdentityError> {
        if self.membership(key).is_none() {
            return Err(IdentityError::NotAMember(*key));
        }
        match self.revocation(key) {
            Some(revocation) if received_at >= revocation.at => {
                Err(IdentityError::Revoked { key: *key, since: revocation.at })
            }
            _ => Ok(()),
        }
    }

    /// All server certificates, by key.
    pub fn server_certs(&self) -> impl Iterator<Item = &ServerCert> {
        self.servers.values()
    }

    /// All believed certificates, by key.
    pub fn certificates(&self) -> impl Iterator<Item = &Certificate> {
        self.members.keys().flat_map(|key| self.believed(key))
    }

    /// All revocations, by key.
    pub fn revocations(&self) -> impl Iterator<Item = &SignedRevocation> {
        self.revocations.values()
    }

    fn trusted(&self, server: &PublicKey) -> Result<(), IdentityError> {
        match self.servers.get(server).map(|cert| cert.value().standing) {
            None => Err(IdentityError::UnknownServer(*server)),
            Some(ServerStanding::Distrusted) => Err(IdentityError::DistrustedServer(*server)),
            Some(ServerStanding::Active | ServerStanding::Retired) => Ok(()),
        }
    }

    /// Certificates whose signer is still trusted: a server key may lose trust after it signed.
    fn believed(&self, key: &PublicKey) -> impl Iterator<Item = &Certificate> {
        self.members.get(key).into_iter().flatten().filter(|cert| self.is_server(&cert.signer()))
    }
}

/// The larger number holds; bytes only so that two with one number do not depend on who came first.
fn rank(cert: &Certificate) -> (u64, &[u8]) {
    (cert.value().serial, cert.body())
}

fn rank_server(cert: &ServerCert) -> (u64, &[u8]) {
    (cert.value().serial, cert.body())
}

/// Drops what a later certificate *by the same server* covers: by another one it may be all that
/// is left when that one loses trust. Keeps the roster bounded by distinct rights.
fn without_covered(sorted: Vec<Certificate>) -> Vec<Certificate> {
    let covered = |index: usize| {
        sorted[index + 1..]
            .iter()
            .any(|later| later.signer() == sorted[index].signer() && later.value().covers(sorted[index].value()))
    };
    let keep: Vec<bool> = (0..sorted.len()).map(|index| !covered(index)).collect();
    sorted.into_iter().zip(keep).filter_map(|(cert, keep)| keep.then_some(cert)).collect()
}
