//! One session a device. A link that was cut leaves a session that hears of it only when the link's
//! patience is over, half a minute later, with files half received in its hands. When the device has
//! said hello again, the older session ends first, and what it has goes over to the new one.

use std::collections::HashMap;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use outlet_core::ids::PublicKey;
use tokio::sync::Notify;

/// A session that is busy with its store ends when that is done. Waited for so long; after that the new
/// session begins all the same, and files of the older one count as busy.
const PATIENCE: Duration = Duration::from_secs(10);

/// Who has a session now. Bounded by the connections that are let in.
#[derive(Debug, Default)]
pub(crate) struct Turns {
    now: Mutex<HashMap<PublicKey, Current>>,
}

#[derive(Debug)]
struct Current {
    replaced: Arc<Notify>,
    /// Its other end is gone when the turn is over.
    over: Receiver<()>,
}

/// A device's turn, once taken, as long as this lives: it goes with the session's replica.
#[derive(Debug)]
pub(crate) struct Turn {
    turns: Arc<Turns>,
    device: PublicKey,
    replaced: Arc<Notify>,
    over: Option<SyncSender<()>>,
}

impl Turns {
    /// For a session that may become a device's turn.
    pub(crate) fn of(self: &Arc<Self>, device: PublicKey) -> Turn {
        Turn { turns: Arc::clone(self), device, replaced: Arc::default(), over: None }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<PublicKey, Current>> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Turn {
    /// Resolves when the device has said hello in another session: this one should end.
    pub(crate) fn replaced(&self) -> impl Future<Output = ()> + Send + use<> {
        let replaced = Arc::clone(&self.replaced);
        async move { replaced.notified().await }
    }

    /// The device is who it says it is: ends the turn it had, if any. On a thread that may wait.
    pub(crate) fn take(&mut self) {
        if self.over.is_some() {
            return;
        }
        let (sender, over) = sync_channel(0);
        self.over = Some(sender);
        let before = self.turns.lock().insert(self.device, Current { replaced: Arc::clone(&self.replaced), over });
        if let Some(before) = before {
            before.replaced.notify_one();
            let in_time = before.over.recv_timeout(PATIENCE) == Err(RecvTimeoutError::Disconnected);
            tracing::info!(device = %self.device.short(), in_time, "a device called again; its older session ends");
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut now = self.turns.lock();
        if now.get(&self.device).is_some_and(|current| Arc::ptr_eq(&current.replaced, &self.replaced)) {
            now.remove(&self.device);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_older_turn_is_told_and_the_newer_one_waits_for_its_end() {
        let turns = Arc::new(Turns::default());
        let (device, other) = (PublicKey([1; 32]), PublicKey([2; 32]));
        let [mut first, mut beside] = [device, other].map(|device| turns.of(device));
        first.take();
        first.take();
        beside.take();
        let told = first.replaced();
        let ending = std::thread::spawn(move || {
            tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(told);
            drop(first);
        });
        // Nothing happens to others, nor before the hello.
        let mut second = turns.of(device);
        assert_eq!(turns.lock().len(), 2);
        second.take();
        ending.join().unwrap();
        assert_eq!(turns.lock().len(), 2, "the end of the older one does not end the newer one's turn");
        drop(second);
        assert_eq!(turns.lock().len(), 1, "what has ended is forgotten");
    }
}
