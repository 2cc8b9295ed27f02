//! One session a device. A link that was cut leaves a session that hears of it only when the link's
//! patience is over, half a minute later, with files half received in its hands. When the device has
//! said hello again, the older session ends first, and what it has goes over to the new one.
//!
//! Servers and devices that listen share this; [`Hooks::in_turn`](crate::Hooks::in_turn) makes a session
//! take its turn as soon as the replica has let the device in.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use outlet_core::ids::PublicKey;
use tokio::sync::{Notify, oneshot};

/// A session that is busy with its store ends when that is done. Waited for so long; after that the new
/// session begins all the same, and files of the older one count as busy.
const PATIENCE: Duration = Duration::from_secs(10);

/// Who has a session now. Bounded by the connections that are let in.
#[derive(Debug, Default)]
pub struct Turns {
    now: Mutex<HashMap<PublicKey, Current>>,
}

#[derive(Debug)]
struct Current {
    replaced: Arc<Notify>,
    /// Its other end is gone when the turn is over.
    over: oneshot::Receiver<()>,
}

/// A device's turn, once taken, as long as this lives: until its session's replica is at rest.
#[derive(Debug)]
pub struct Turn {
    turns: Arc<Turns>,
    device: PublicKey,
    replaced: Arc<Notify>,
    over: Mutex<Option<oneshot::Sender<()>>>,
}

impl Turns {
    /// For a session that may become a device's turn.
    #[must_use]
    pub fn of(self: &Arc<Self>, device: PublicKey) -> Turn {
        Turn { turns: Arc::clone(self), device, replaced: Arc::default(), over: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<PublicKey, Current>> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Turn {
    /// Resolves when the device has said hello in another session: this one should end.
    pub fn replaced(&self) -> impl Future<Output = ()> + Send + use<> {
        let replaced = Arc::clone(&self.replaced);
        async move { replaced.notified().await }
    }

    /// The device is who it says it is: ends the turn it had, if any, and waits for that, but not for
    /// ever and not on a thread.
    pub async fn take(&self) {
        let Some(before) = self.insert() else { return };
        before.replaced.notify_one();
        let in_time = tokio::time::timeout(PATIENCE, before.over).await.is_ok();
        tracing::info!(device = %self.device.short(), in_time, "a device called again; its older session ends");
    }

    /// The turn before this one; None also when this one has been taken already.
    fn insert(&self) -> Option<Current> {
        let mut own = self.over.lock().unwrap_or_else(PoisonError::into_inner);
        if own.is_some() {
            return None;
        }
        let (sender, over) = oneshot::channel();
        *own = Some(sender);
        self.turns.lock().insert(self.device, Current { replaced: Arc::clone(&self.replaced), over })
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
    use tokio::time::Instant;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_older_turn_is_told_and_the_newer_one_waits_for_its_end() {
        let turns = Arc::new(Turns::default());
        let (device, other) = (PublicKey([1; 32]), PublicKey([2; 32]));
        let [first, beside] = [device, other].map(|device| turns.of(device));
        first.take().await;
        first.take().await;
        beside.take().await;
        // Nothing happens to others, nor before the hello.
        let second = turns.of(device);
        assert_eq!(turns.lock().len(), 2);
        let told = first.replaced();
        let ending = tokio::spawn(async move {
            told.await;
            tokio::time::sleep(Duration::from_secs(3)).await;
            drop(first);
        });
        let began = Instant::now();
        second.take().await;
        assert_eq!(began.elapsed().as_secs(), 3, "as long as the older one needs");
        ending.await.unwrap();
        assert_eq!(turns.lock().len(), 2, "the end of the older one does not end the newer one's turn");
        drop(second);
        assert_eq!(turns.lock().len(), 1, "what has ended is forgotten");
    }

    #[tokio::test(start_paused = true)]
    async fn a_session_that_never_ends_is_not_waited_for_for_ever() {
        let turns = Arc::new(Turns::default());
        let stuck = turns.of(PublicKey([1; 32]));
        stuck.take().await;
        let began = Instant::now();
        let next = turns.of(PublicKey([1; 32]));
        next.take().await;
        assert_eq!(began.elapsed(), PATIENCE);
        drop(stuck);
        assert_eq!(turns.lock().len(), 1, "the newer one has the turn");
    }
}
