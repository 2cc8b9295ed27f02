//! Signatures checked ahead: while one batch of a session is being written, the next one's runs are
//! already looked at on the engine's threads. What was found counts only if the roster is still the
//! one it was found with.

use std::collections::VecDeque;
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};

use outlet_core::identity::Roster;
use outlet_core::sync::replica::Batch;

use super::{Checked, Engine, EngineError};

/// Batches looked at ahead; a session reads no further than two.
const AT_ONCE: usize = 2;

/// What was found, and with which roster.
pub(super) type Found = (Arc<Roster>, Vec<Checked>);

/// The checks of one session that were begun before their turn.
#[derive(Clone)]
pub(crate) struct Ahead {
    engine: Arc<Engine>,
    begun: Arc<Mutex<VecDeque<Begun>>>,
}

struct Begun {
    /// Kept alive, so that its place in memory names it.
    batch: Arc<Batch>,
    found: Receiver<Found>,
}

impl Ahead {
    pub(crate) fn new(engine: Arc<Engine>) -> Self {
        Self { engine, begun: Arc::default() }
    }

    /// Begins with a batch. Returns at once.
    pub(crate) fn begin(&self, batch: &Arc<Batch>) {
        let mut begun = self.begun.lock().unwrap_or_else(PoisonError::into_inner);
        if begun.len() >= AT_ONCE {
            return;
        }
        let (tell, found) = sync_channel(1);
        let (engine, items) = (Arc::clone(&self.engine), Arc::clone(batch));
        self.engine.pool.spawn(move || {
            // Without an answer the check is done when its turn comes, and its error told then.
            if let Ok(roster) = engine.current_roster() {
                let checked = engine.check(&items.items, &roster);
                _ = tell.send((roster, checked));
            }
        });
        begun.push_back(Begun { batch: Arc::clone(batch), found });
    }

    /// What was found of this batch, if it was begun; waits for the end of its check.
    pub(super) fn found(&self, batch: &Batch) -> Option<Found> {
        let begun = {
            let mut begun = self.begun.lock().unwrap_or_else(PoisonError::into_inner);
            let place = begun.iter().position(|begun| std::ptr::eq(Arc::as_ptr(&begun.batch), batch))?;
            begun.remove(place)?
        };
        begun.found.recv().ok()
    }
}

impl Engine {
    pub(super) fn current_roster(&self) -> Result<Arc<Roster>, EngineError> {
        self.database().read::<_, EngineError>(|tx| Ok(self.folder.roster(tx)?))
    }
}
