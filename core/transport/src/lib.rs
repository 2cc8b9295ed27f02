//! The quinn shell around the sans-IO session, shared by both binaries: TLS with raw public keys,
//! endpoints with bounded buffers, two lanes of frames, and the loop that drives a session against
//! a replica.
//!
//! It decides nothing: who a key belongs to, what is admitted and in which order things are said
//! is `outlet-core`'s.

#![cfg_attr(not(test), deny(clippy::unwrap_used))]

mod connection;
pub mod dial;
mod drive;
mod error;
pub mod frame;
pub mod introduce;
mod link;
mod pieces;
pub mod quic;
pub mod seal;
pub mod tcp;
pub mod tls;
pub mod tuning;
mod turns;

#[cfg(test)]
mod drive_tests;
#[cfg(test)]
mod end_to_end_tests;
#[cfg(test)]
mod tests;

pub use connection::{Connection, LaneStreams, Lanes, WireBytes};
pub use dial::{dial, dial_by_roster};
pub use drive::{Driven, Hooks, drive};
pub use error::{FrameError, TransportError};
pub use link::{LaneEnds, Link, Meter};
pub use quic::QuicServer;
pub use tcp::{Https, HttpsStream, TcpServer};
pub use tuning::{Congestion, Tuning};
pub use turns::{Turn, Turns};
