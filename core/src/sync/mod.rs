//! One session brings two replicas together and proves it: sans-IO, so that a simulation can cut it
//! at any step and the shells stay small.

mod acceptor;
pub mod calls;
pub mod digest;
mod files;
mod initiator;
pub mod replica;
pub mod session;
pub mod wire;

pub use calls::{Answer, Call};
pub use replica::{Replica, ReplicaError};
pub use session::{CloseReason, Config, Event, Input, Options, Output, Session, Summary, SyncOutcome};
pub use wire::Lane;
