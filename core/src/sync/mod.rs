//! One session brings two replicas together and proves it: sans-IO, so that a simulation can cut it
//! at any step and the shells stay small.
//!
//! [`session`] is the way in: inputs go in, one ordered queue of outputs comes out. What it needs of
//! the store below is [`replica::Replica`], asked through [`calls::Call`]; what goes over the network
//! is [`wire::Frame`], described for others in `core/PROTOCOL.md`. [`memory`] and [`simnet`] are a
//! replica and a network without either, and [`sim`] lets them suffer.
//!
//! A shell is a loop around [`Session::handle`] and [`Session::poll_output`]. Here with both sides
//! in one place, a device and a server, until they have signed that they hold the same:
//!
//! ```
//! use std::collections::VecDeque;
//!
//! use outlet_core::identity::{Role, SecretKey, TicketRecord, TicketSecret};
//! use outlet_core::ids::{Collection, DocKey, DocKind, Epoch, OutletId, PersonId};
//! use outlet_core::sync::memory::MemoryReplica;
//! use outlet_core::sync::{Config, Input, Options, Output, Session, SyncOutcome};
//! use outlet_core::time::Timestamp;
//!
//! let now = Timestamp::from_millis(1_640_000_000_000);
//! let (root, secret) = (SecretKey::from_bytes([1; 32]), [7; 16]);
//! let county: Collection = "511902".parse().unwrap();
//! let mut server = MemoryReplica::server(SecretKey::from_bytes([2; 32]), &root, Epoch([1; 8]), now);
//! let mut device = MemoryReplica::device(SecretKey::from_bytes([3; 32]), [0; 4], root.public());
//! server.add_ticket(TicketRecord {
//!     secret_hash: TicketSecret::from_bytes(secret).hash(),
//!     role: Role::Inspector,
//!     level: None,
//!     collections: [county].into(),
//!     name: "an inspector".into(),
//!     person: PersonId([5; 16]),
//!     expires_at: now.plus_millis(60_000),
//!     used_by: None,
//! });
//! let doc = DocKey { kind: DocKind::Field, collection: county, id: OutletId::new(now, [9; 10]) };
//! let note = r#"{"type":"note","kind":"note","text":"a pipe below the bridge","at":1640000000000}"#;
//! device.edit(doc, now, &[note.to_owned()]).unwrap();
//!
//! // Both ends of one TLS connection export the same 32 bytes.
//! let exporter = [8; 32];
//! let options = Options { ticket_secret: Some(secret.to_vec()), ..Options::default() };
//! let mut sessions = [
//!     Session::initiator(Config::new(device.secret().clone(), server.public(), exporter), options),
//!     Session::acceptor(Config::new(server.secret().clone(), device.public(), exporter)),
//! ];
//! let mut inputs = VecDeque::from([(0, Input::Start), (1, Input::Start)]);
//! while let Some((side, input)) = inputs.pop_front() {
//!     sessions[side].handle(now, input);
//!     while let Some(output) = sessions[side].poll_output() {
//!         match output {
//!             // A real shell executes calls elsewhere, in order, and sends frames over the lane.
//!             Output::Call { id, call } => {
//!                 let result = match side {
//!                     0 => call.execute(&mut device, &server.public(), now),
//!                     _ => call.execute(&mut server, &device.public(), now),
//!                 };
//!                 inputs.push_back((side, Input::CallDone { id, result }));
//!             }
//!             Output::Send { lane, bytes } => {
//!                 inputs.push_back((side, Input::Written { lane, bytes: bytes.len() }));
//!                 inputs.push_back((1 - side, Input::Frame { lane, bytes }));
//!             }
//!             _ => {}
//!         }
//!     }
//! }
//!
//! assert_eq!(sessions[0].summary().outcome, SyncOutcome::Converged);
//! assert_eq!(sessions[0].summary().digests, sessions[1].summary().digests);
//! assert_eq!(server.document(&doc).unwrap().entries(), device.document(&doc).unwrap().entries());
//! assert!(server.last_statement().unwrap().verify().is_ok());
//! ```

mod acceptor;
mod answering;
pub mod calls;
mod catalogue;
mod compact;
mod comparing;
pub mod digest;
mod files;
mod initiator;
pub mod memory;
mod pace;
mod pack;
pub mod parts;
pub mod refusal;
pub mod replica;
pub mod session;
pub mod sim;
pub mod simnet;
pub mod summary;
pub mod wire;

pub use calls::{Answer, Call};
pub use replica::{Replica, ReplicaError};
pub use session::{CloseReason, Config, Event, Input, Options, Output, Session, Summary, SyncOutcome};
pub use wire::Lane;

#[cfg(test)]
mod hostile_tests;
#[cfg(test)]
mod session_tests;
