//! Why a connection did not come about, or ended.

use std::io;
use std::time::Duration;

use outlet_core::identity::fingerprint;
use outlet_core::ids::PublicKey;

/// Why a connection did not come about, or ended.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TransportError {
    /// The TLS library refused the key or the configuration.
    #[error("cannot set up TLS with this key")]
    Tls(#[from] rustls::Error),
    /// A socket could not be opened, or a name not be resolved.
    #[error("{operation} failed")]
    Io {
        /// What was being done, with the address.
        operation: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Another server answers at this address.
    #[error(
        "the server at this address has the key {}, not one this device was told to trust ({}): \
         check the address; if the server's key was replaced, get its new certificate or a new ticket from the administrator",
        fingerprint(.got), list(.expected)
    )]
    WrongServerKey {
        /// Pinned keys.
        expected: Vec<PublicKey>,
        /// Key presented.
        got: PublicKey,
    },
    /// The connection could not be started.
    #[error("cannot start a connection")]
    Connect(#[from] quinn::ConnectError),
    /// The connection was lost, or the peer closed it.
    #[error("the connection ended: {0}")]
    Connection(#[from] quinn::ConnectionError),
    /// The peer speaks something else.
    #[error("the peer speaks no protocol version this program knows: update the older of the two")]
    OtherProtocol,
    /// The peer has no usable key.
    #[error("the peer did not present one Ed25519 key")]
    NoPeerKey,
    /// Nothing came for too long.
    #[error("no answer from {address} within {} s: check the network, or try the next address", .after.as_secs())]
    Timeout {
        /// Whom.
        address: String,
        /// For how long.
        after: Duration,
    },
    /// No address could be reached.
    #[error("no server address could be reached: {}", .0.join("; "))]
    Unreachable(Vec<String>),
    /// Reading or writing a lane failed.
    #[error(transparent)]
    Frame(#[from] FrameError),
}

/// Why a frame was not read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FrameError {
    /// Refused before anything was allocated.
    #[error("a frame has at most {max} bytes, the peer announced {announced}")]
    TooLarge {
        /// The limit.
        max: usize,
        /// The length announced (or about to be sent).
        announced: usize,
    },
    /// The lane ended inside a frame.
    #[error("the connection was cut inside a frame")]
    Cut,
    /// The peer opened a lane that does not exist, or one twice.
    #[error("the peer opened its lanes in a way no released version does")]
    Lanes,
    /// The stream failed.
    #[error("the connection failed")]
    Io(#[source] io::Error),
}

fn list(keys: &[PublicKey]) -> String {
    keys.iter().map(fingerprint).collect::<Vec<_>>().join(", ")
}
