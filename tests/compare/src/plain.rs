//! Automerge's own sync protocol, one state per document, in one process: no network, no disk, no
//! signatures. What it costs at the least.

use std::time::Instant;

use automerge::Automerge;
use automerge::sync::{Message, State, SyncDoc as _};

use crate::Measured;
use crate::documents::Made;

/// A document of one side, and what it knows of the other's.
struct Side {
    document: Automerge,
    state: State,
}

pub(crate) fn measure(documents: &[Made]) -> Measured {
    let mut pairs: Vec<[Side; 2]> = documents
        .iter()
        .map(|made| {
            [made.document.clone(), Automerge::new()].map(|document| Side { document, state: State::new() })
        })
        .collect();
    let started = Instant::now();
    let first_bytes: usize = pairs.iter_mut().map(|pair| exchange(pair)).sum();
    let first = started.elapsed();
    for [ours, theirs] in &mut pairs {
        assert_eq!(ours.document.get_heads(), theirs.document.get_heads());
        // As after a restart with the states kept: what is in flight is forgotten.
        for side in [ours, theirs] {
            side.state = State::decode(&side.state.encode()).expect("a state of our own");
        }
    }
    let started = Instant::now();
    let idle_bytes: usize = pairs.iter_mut().map(|pair| exchange(pair)).sum();
    Measured { first, first_bytes: first_bytes as f64, idle: started.elapsed(), idle_bytes: idle_bytes as f64 }
}

/// Messages back and forth until neither side has one; their bytes.
fn exchange([ours, theirs]: &mut [Side; 2]) -> usize {
    let mut bytes = 0;
    loop {
        let (there, back) = (step(ours, theirs), step(theirs, ours));
        bytes += there.unwrap_or(0) + back.unwrap_or(0);
        if there.is_none() && back.is_none() {
            return bytes;
        }
    }
}

fn step(from: &mut Side, to: &mut Side) -> Option<usize> {
    let message = from.document.generate_sync_message(&mut from.state)?.encode();
    let read = Message::decode(&message).expect("a message of our own");
    to.document.receive_sync_message(&mut to.state, read).expect("a message of our own");
    Some(message.len())
}
