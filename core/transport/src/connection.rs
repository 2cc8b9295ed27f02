//! A connection whose peer's key is known, and its two lanes.
//!
//! The side that called opens both lanes, each with one byte that names it; records go before
//! files whenever both have something to send.

use std::net::SocketAddr;

use outlet_core::ids::PublicKey;
use quinn::{Endpoint, RecvStream, SendStream, VarInt};
use tokio::io::AsyncReadExt;

use crate::{FrameError, TransportError};

/// Label of the exporter that binds hello and statements to the connection (RFC 8446, 7.5).
pub(crate) const EXPORTER_LABEL: &[u8] = b"EXPORTER outlet/1 session";

/// A lane's two directions.
#[derive(Debug)]
pub struct LaneStreams {
    /// To the peer.
    pub send: SendStream,
    /// From the peer.
    pub receive: RecvStream,
}

/// Both lanes.
#[derive(Debug)]
pub struct Lanes {
    /// Hello, records, receipts, proof: goes first.
    pub records: LaneStreams,
    /// Photos and attachments: what is left of the link.
    pub files: LaneStreams,
}

/// Bytes on the wire in UDP payloads: handshake, acknowledgements and repetitions included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct WireBytes {
    /// To the peer.
    pub sent: u64,
    /// From the peer.
    pub received: u64,
}

/// A QUIC connection with a peer whose key TLS has verified. Who the key belongs to, and what it
/// may do, is the session's question.
#[derive(Debug, Clone)]
pub struct Connection {
    quic: quinn::Connection,
    /// The calling side's own socket: closed with the connection.
    endpoint: Option<Endpoint>,
    peer: PublicKey,
    binding: [u8; 32],
}

/// Number of the lane for hello, records, receipts, proof.
pub(crate) const RECORDS: u8 = 0;
/// Number of the lane for photos and attachments.
pub(crate) const FILES: u8 = 1;

impl Connection {
    pub(crate) fn new(
        quic: quinn::Connection,
        endpoint: Option<Endpoint>,
        peer: PublicKey,
    ) -> Result<Self, TransportError> {
        let mut binding = [0; 32];
        quic.export_keying_material(&mut binding, EXPORTER_LABEL, &[])
            .map_err(|_| rustls::Error::General("the TLS exporter failed".to_owned()))?;
        Ok(Self { quic, endpoint, peer, binding })
    }

    /// The peer's key.
    #[must_use]
    pub fn peer(&self) -> PublicKey {
        self.peer
    }

    /// The same 32 bytes on both sides of this connection and of no other.
    #[must_use]
    pub fn binding(&self) -> [u8; 32] {
        self.binding
    }

    /// Where the peer is now; it may move.
    #[must_use]
    pub fn remote(&self) -> SocketAddr {
        self.quic.remote_address()
    }

    /// Bytes so far.
    #[must_use]
    pub fn wire_bytes(&self) -> WireBytes {
        let stats = self.quic.stats();
        WireBytes { sent: stats.udp_tx.bytes, received: stats.udp_rx.bytes }
    }

    /// The measured round-trip time.
    #[must_use]
    pub fn round_trip(&self) -> std::time::Duration {
        self.quic.rtt()
    }

    /// Calling side: opens both lanes.
    ///
    /// # Errors
    /// When the connection is lost.
    pub async fn open_lanes(&self) -> Result<Lanes, TransportError> {
        Ok(Lanes { records: self.open(RECORDS).await?, files: self.open(FILES).await? })
    }

    /// Accepting side: waits for both lanes.
    ///
    /// # Errors
    /// When the connection is lost, or [`FrameError::Lanes`].
    pub async fn accept_lanes(&self) -> Result<Lanes, TransportError> {
        match (self.accept().await?, self.accept().await?) {
            ((RECORDS, records), (FILES, files)) | ((FILES, files), (RECORDS, records)) => Ok(Lanes { records, files }),
            _ => Err(FrameError::Lanes.into()),
        }
    }

    pub(crate) async fn open_data(&self) -> Result<SendStream, FrameError> {
        self.quic.open_uni().await.map_err(|error| FrameError::Io(error.into()))
    }

    pub(crate) async fn accept_data(&self) -> Result<RecvStream, quinn::ConnectionError> {
        self.quic.accept_uni().await
    }

    /// Ends the connection with a reason the peer can read. Returns when the peer was told, or it
    /// is clear that it cannot be.
    pub async fn close(&self, code: u32, reason: &str) {
        if self.quic.close_reason().is_some() {
            // The other side was first: it needs no word of ours, and nobody waits for nothing.
            return;
        }
        self.close_now(code, reason);
        if let Some(endpoint) = &self.endpoint {
            endpoint.wait_idle().await;
        }
    }

    /// Ends the connection at once; frames under way are lost.
    pub fn close_now(&self, code: u32, reason: &str) {
        self.quic.close(VarInt::from_u32(code), reason.as_bytes());
    }

    /// Resolves when the connection ended, whoever ended it.
    pub async fn closed(&self) -> quinn::ConnectionError {
        self.quic.closed().await
    }

    #[cfg(test)]
    pub(crate) async fn open_records_twice(&self) -> (LaneStreams, LaneStreams) {
        (self.open(RECORDS).await.expect("a test"), self.open(RECORDS).await.expect("a test"))
    }

    async fn open(&self, lane: u8) -> Result<LaneStreams, TransportError> {
        let (mut send, receive) = self.quic.open_bi().await?;
        prioritise(&send, lane);
        send.write_all(&[lane]).await.map_err(|error| FrameError::Io(error.into()))?;
        Ok(LaneStreams { send, receive })
    }

    async fn accept(&self) -> Result<(u8, LaneStreams), TransportError> {
        let (send, mut receive) = self.quic.accept_bi().await?;
        let lane = receive.read_u8().await.map_err(FrameError::Io)?;
        prioritise(&send, lane);
        Ok((lane, LaneStreams { send, receive }))
    }
}

fn prioritise(send: &SendStream, lane: u8) {
    // Fails on a closed stream only; writing to it will say so.
    let _closed = send.set_priority(if lane == RECORDS { 10 } else { 0 });
}
