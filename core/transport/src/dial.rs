//! Calling a server by the addresses of a ticket, in their order.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use outlet_core::identity::{Roster, SecretKey, ServerAddress, TransportKind};
use outlet_core::ids::PublicKey;

use crate::introduce::introduce;
use crate::quic::{Congestion, HANDSHAKE_TIMEOUT, io_error};
use crate::{Link, TransportError, quic, tcp};

/// Tries each address in order, with each IP address of a name, until a server with a pinned key
/// answers. A server with another key ends the search: that is somebody else's server, or a
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

async fn search(
    addresses: &[ServerAddress],
    key: &SecretKey,
    pins: &BTreeSet<PublicKey>,
    roster: Option<&Roster>,
    congestion: Congestion,
) -> Result<(ServerAddress, Link), TransportError> {
    let mut failures = Vec::new();
    for address in addresses {
        let resolved = match resolve(address).await {
            Ok(resolved) => resolved,
            Err(error) => {
                failures.push(describe(address, &error));
                continue;
            }
        };
        for socket in resolved {
            let called = call(address.transport, socket, key, pins, congestion).await;
            let called = match (called, roster) {
                (Err(TransportError::WrongServerKey { expected, got }), Some(roster)) => {
                    let cert = introduce(address.transport, socket, key, got, roster).await;
                    // Failed or not vouched for: what a person needs to know is the strange key.
                    let Ok(Some(cert)) = cert else { return Err(TransportError::WrongServerKey { expected, got }) };
                    let link = call(address.transport, socket, key, &BTreeSet::from([got]), congestion).await;
                    link.map(|mut link| {
                        link.introduced = Some(cert);
                        link
                    })
                }
                (called, _) => called,
            };
            match called {
                Ok(link) => return Ok((address.clone(), link)),
                Err(error @ TransportError::WrongServerKey { .. }) => return Err(error),
                Err(error) => failures.push(describe(address, &error)),
            }
        }
    }
    Err(TransportError::Unreachable(failures))
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
