//! One session between two replicas in this process: no network, every byte counted by the session
//! itself.

use std::collections::VecDeque;

use outlet_core::identity::SecretKey;
use outlet_core::ids::PublicKey;
use outlet_core::sync::calls::Call;
use outlet_core::sync::replica::Replica;
use outlet_core::sync::session::{Config, Input, Options, Output, Session, Summary};
use outlet_core::time::Timestamp;

/// A replica and the key of its side.
pub struct Side<'a> {
    /// What is asked.
    pub replica: &'a mut (dyn Replica + 'a),
    /// Its key.
    pub key: SecretKey,
}

impl std::fmt::Debug for Side<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Side").field("key", &self.key.public()).finish_non_exhaustive()
    }
}

/// Runs the session to its end and answers what the initiator says of it.
#[must_use]
pub fn sync<'a>(initiator: Side<'a>, acceptor: Side<'a>, options: Options, now: Timestamp, number: u64) -> Summary {
    let mut exporter = [0; 32];
    exporter[..8].copy_from_slice(&number.to_be_bytes());
    let config = |own: &SecretKey, other: PublicKey| Config::new(own.clone(), other, exporter);
    let peers = [acceptor.key.public(), initiator.key.public()];
    let mut sessions = [
        Session::initiator(config(&initiator.key, peers[0]), options),
        Session::acceptor(config(&acceptor.key, peers[1])),
    ];
    let mut replicas = [initiator.replica, acceptor.replica];
    let mut inputs = [VecDeque::from([Input::Start]), VecDeque::from([Input::Start])];
    let mut calls: [VecDeque<(u64, Call)>; 2] = Default::default();
    loop {
        let mut idle = true;
        for end in 0..2 {
            let next = inputs[end].pop_front().or_else(|| {
                let (id, call) = calls[end].pop_front()?;
                Some(Input::CallDone { id, result: call.execute(&mut *replicas[end], &peers[end], now) })
            });
            let Some(next) = next.filter(|_| !sessions[end].is_closed()) else { continue };
            idle = false;
            sessions[end].handle(now, next);
            while let Some(output) = sessions[end].poll_output() {
                match output {
                    Output::Call { id, call } => calls[end].push_back((id, call)),
                    Output::Send { lane, bytes } => {
                        let length = bytes.len();
                        inputs[1 - end].push_back(Input::Frame { lane, bytes });
                        sessions[end].handle(now, Input::Written { lane, bytes: length });
                    }
                    _ => {}
                }
            }
        }
        if idle {
            return sessions[0].summary().clone();
        }
    }
}
