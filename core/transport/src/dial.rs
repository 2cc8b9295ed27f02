//! Calling a server by the addresses of a ticket: in their order, but none waits long for another.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use outlet_core::identity::{Roster, SecretKey, ServerAddress, TransportKind};
use outlet_core::ids::PublicKey;
use tokio::task::JoinSet;

use crate::introduce::introduce;
use crate::quic::{HANDSHAKE_TIMEOUT, io_error};
use crate::{Congestion, Link, TransportError, quic, tcp};

/// Tries the addresses in order, with each IP address of a name, until a server with a pinned key
/// answers; one that is silent for [`HEAD_START`] gets company from the next. A server with another key ends the search: that is somebody else's server, or a
/// replaced key, and a person should know.
///
/// # Errors
/// [`TransportError::WrongServerKey`]; [`TransportError::Unreachable`] lists every attempt.
pub async fn dial(
    addresses: &[ServerAddress],
    key: &SecretKey,
    pins: &BTreeSet<PublicKey>,
    congestion: Congestion,
) -> Result<(ServerAddress, Link), TransportError> {
    search(addresses, key, pins, None, congestion).await
}

/// As [`dial`], for a device that has pinned a root: a server whose key has been replaced is asked
/// for its certificate by that root, and called again when it has one. The link then carries the
/// certificate, for the device to keep.
///
/// # Errors
/// As [`dial`].
pub async fn dial_by_roster(
    addresses: &[ServerAddress],
    key: &SecretKey,
    pins: &BTreeSet<PublicKey>,
    roster: &Roster,
    congestion: Congestion,
) -> Result<(ServerAddress, Link), TransportError> {
    search(addresses, key, pins, Some(roster), congestion).await
}

/// How long an address may be silent before the next one is tried beside it.
pub const HEAD_START: Duration = Duration::from_secs(2);

/// One address with its sockets, and how that ended.
type Attempt = Result<(ServerAddress, Link), Failure>;

enum Failure {
    /// Nobody, or nobody who speaks this: per socket what happened.
    Silent(Vec<String>),
    /// Somebody else: the search ends.
    Stranger(TransportError),
}

/// Addresses start in their order, each two seconds after the one before or as soon as that one has
/// failed; the first link that stands wins, the others are dropped.
async fn search(
    addresses: &[ServerAddress],
    key: &SecretKey,
    pins: &BTreeSet<PublicKey>,
    roster: Option<&Roster>,
    congestion: Congestion,
) -> Result<(ServerAddress, Link), TransportError> {
    let caller = Arc::new(Caller { key: key.clone(), pins: pins.clone(), roster: roster.cloned(), congestion });
    let mut left = addresses.iter().cloned().enumerate();
    let mut attempts: JoinSet<(usize, Attempt)> = JoinSet::new();
    let mut failures: BTreeMap<usize, Vec<String>> = BTreeMap::new();
    let mut start = |attempts: &mut JoinSet<(usize, Attempt)>| {
        let Some((number, address)) = left.next() else { return false };
        let caller = Arc::clone(&caller);
        attempts.spawn(async move { (number, caller.try_address(address).await) });
        true
    };
    let mut more = start(&mut attempts);
    loop {
        let ended = tokio::select! {
            ended = attempts.join_next() => ended,
            () = tokio::time::sleep(HEAD_START), if more => {
                more = start(&mut attempts);
                continue;
            }
        };
        match ended {
            Some(Ok((_, Ok(found)))) => return Ok(found),
            Some(Ok((_, Err(Failure::Stranger(error))))) => return Err(error),
            Some(Ok((number, Err(Failure::Silent(texts))))) => _ = failures.insert(number, texts),
            // A panic of one attempt; the others go on.
            Some(Err(_)) => {}
            None if !more => return Err(TransportError::Unreachable(failures.into_values().flatten().collect())),
            None => {}
        }
        if more {
            more = start(&mut attempts);
        }
    }
}

/// Who calls, and whom it believes.
struct Caller {
    key: SecretKey,
    pins: BTreeSet<PublicKey>,
    roster: Option<Roster>,
    congestion: Congestion,
}

impl Caller {
    async fn try_address(&self, address: ServerAddress) -> Attempt {
        let mut failures = Vec::new();
        let resolved = match resolve(&address).await {
            Ok(resolved) => resolved,
            Err(error) => return Err(Failure::Silent(vec![describe(&address, &error)])),
        };
        for socket in resolved {
            let called = call(address.transport, socket, &self.key, &self.pins, self.congestion).await;
            let called = match (called, &self.roster) {
                (Err(TransportError::WrongServerKey { expected, got }), Some(roster)) => {
                    let cert = introduce(address.transport, socket, &self.key, got, roster).await;
                    // Failed or not vouched for: what a person needs to know is the strange key.
                    let Ok(Some(cert)) = cert else {
                        return Err(Failure::Stranger(TransportError::WrongServerKey { expected, got }));
                    };
                    let pins = BTreeSet::from([got]);
                    let link = call(address.transport, socket, &self.key, &pins, self.congestion).await;
                    link.map(|mut link| {
                        link.introduced = Some(cert);
                        link
                    })
                }
                (called, _) => called,
            };
            match called {
                Ok(link) => return Ok((address, link)),
                Err(error @ TransportError::WrongServerKey { .. }) => return Err(Failure::Stranger(error)),
                Err(error) => failures.push(describe(&address, &error)),
            }
        }
        Err(Failure::Silent(failures))
    }
}

/// IP addresses of a server address; at most four, so that a name cannot keep a device busy.
///
/// # Errors
/// [`TransportError::Io`], [`TransportError::Timeout`].
pub async fn resolve(address: &ServerAddress) -> Result<Vec<SocketAddr>, TransportError> {
    let lookup = tokio::net::lookup_host((address.host.as_str(), address.port));
    let after = HANDSHAKE_TIMEOUT;
    let late = || TransportError::Timeout { address: address.to_string(), after };
    let found = tokio::time::timeout(after, lookup).await.map_err(|_| late())?;
    let found = found.map_err(|source| io_error(format!("looking up {}", address.host), source))?;
    Ok(found.take(4).collect())
}

async fn call(
    transport: TransportKind,
    socket: SocketAddr,
    key: &SecretKey,
    pins: &BTreeSet<PublicKey>,
    congestion: Congestion,
) -> Result<Link, TransportError> {
    match transport {
        TransportKind::Quic => Link::open(quic::connect(socket, key, pins, congestion).await?).await,
        TransportKind::Tls => tcp::connect(socket, key, pins).await,
    }
}

fn describe(address: &ServerAddress, error: &TransportError) -> String {
    let mut text = format!("{address}: {error}");
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
