//! How a device gets to know a server key that replaced the one it pinned.
//!
//! After `key rotate` a server answers with a key that a device in the field has never seen. The
//! device then asks it, on a connection of its own protocol name, for the certificate by the root.
//! Nothing of the device's is sent there; only when the root it pinned has signed the very key that
//! TLS has proven does it call again, with that key as its only pin.

use std::net::SocketAddr;

use outlet_core::identity::{Roster, SecretKey, ServerCert, TransportKind};
use outlet_core::ids::PublicKey;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};

use crate::frame::{read_frame, write_frame};
use crate::quic::{HANDSHAKE_TIMEOUT, within};
use crate::{FrameError, TransportError, quic, tcp};

/// Names the introduction: the server sends its certificate and nothing else happens.
pub const CERT_ALPN: &[u8] = b"outlet-cert/1";

/// Asks for the certificate of the server that has just shown the key `got`. None when it has
/// none, or none that the roster's root signed for this key as active.
///
/// # Errors
/// When the connection fails.
pub async fn introduce(
    transport: TransportKind,
    address: SocketAddr,
    key: &SecretKey,
    got: PublicKey,
    roster: &Roster,
) -> Result<Option<ServerCert>, TransportError> {
    let bytes = within(address, HANDSHAKE_TIMEOUT, async {
        match transport {
            TransportKind::Quic => quic::fetch_certificate(address, key, got).await,
            TransportKind::Tls => tcp::fetch_certificate(address, key, got).await,
        }
    });
    let Ok(cert) = ServerCert::from_bytes(&bytes.await?) else { return Ok(None) };
    Ok(vouched(&cert, got, roster).then_some(cert))
}

/// A later word of the root that the device already has outweighs an earlier certificate: whoever
/// stole a retired key cannot come back with its old one.
fn vouched(cert: &ServerCert, got: PublicKey, roster: &Roster) -> bool {
    let mut roster = roster.clone();
    roster.add_server(cert).is_ok() && roster.active_servers().contains(&got)
}

pub(crate) async fn read_certificate(stream: &mut (impl AsyncRead + Unpin)) -> Result<Vec<u8>, TransportError> {
    Ok(read_frame(stream).await?.ok_or(FrameError::Cut)?)
}

pub(crate) async fn send_certificate(
    stream: &mut (impl AsyncWrite + Unpin),
    certificate: &[u8],
) -> Result<(), FrameError> {
    write_frame(stream, certificate).await?;
    stream.shutdown().await.map_err(FrameError::Io)
}
