//! One session a device. A link that was cut leaves a session that hears of it only when the link's
//! patience is over, half a minute later, with files half received in its hands. When the device calls
//! again, the older session ends first, and what it has goes over to the new one.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use outlet_core::ids::PublicKey;
use tokio::sync::{Notify, watch};

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
    /// Closed when the turn is over.
    over: watch::Receiver<()>,
}

/// A device's turn, as long as this lives: it goes with the session's replica.
#[derive(Debug)]
pub(crate) struct Turn {
    turns: Arc<Turns>,
    device: PublicKey,
    replaced: Arc<Notify>,
    _over: watch::Sender<()>,
}

impl Turns {
    /// Begins a device's turn and ends the one it had, if any.
    pub(crate) async fn begin(self: &Arc<Self>, device: PublicKey) -> Turn {
        let (sender, over) = watch::channel(());
        let replaced = Arc::new(Notify::new());
        let before = self.lock().insert(device, Current { replaced: Arc::clone(&replaced), over });
        let turn = Turn { turns: Arc::clone(self), device, replaced, _over: sender };
        if let Some(mut before) = before {
            before.replaced.notify_one();
            // An error is what is waited for: the other turn has let go.
            let ended = tokio::time::timeout(PATIENCE, before.over.changed()).await;
            tracing::info!(device = %device.short(), in_time = ended.is_ok(), "a device called again; its older session ends");
        }
        turn
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<PublicKey, Current>> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Turn {
    /// Resolves when the device has called again: this session should end.
    pub(crate) fn replaced(&self) -> impl Future<Output = ()> + Send + use<> {
        let replaced = Arc::clone(&self.replaced);
        async move { replaced.notified().await }
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

    #[tokio::test]
    async fn the_older_turn_is_told_and_the_newer_one_waits_for_its_end() {
        let turns = Arc::new(Turns::default());
        let (device, other) = (PublicKey([1; 32]), PublicKey([2; 32]));
        let first = turns.begin(device).await;
        let _beside = turns.begin(other).await;
        let ending = async {
            first.replaced().await;
            drop(first);
        };
        let (second, ()) = tokio::join!(turns.begin(device), ending);
        assert_eq!(turns.lock().len(), 2);
        drop(second);
        assert_eq!(turns.lock().len(), 1, "what has ended is forgotten");
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_does_not_end_is_not_waited_for_for_ever() {
        let turns = Arc::new(Turns::default());
        let device = PublicKey([1; 32]);
        let first = turns.begin(device).await;
        let second = turns.begin(device).await;
        drop(first);
        assert_eq!(turns.lock().len(), 1, "the end of the older one does not end the newer one's turn");
        drop(second);
        assert!(turns.lock().is_empty());
    }
}
