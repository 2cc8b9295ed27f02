//! Signatures checked ahead: while one batch of a session is being written, the next one's runs are
//! already looked at on the engine's threads. What was found counts only if the roster is still the
//! one it was found with.

use std::collections::VecDeque;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};

use outlet_core::identity::Roster;
use outlet_core::sync::replica::Batch;

use super::{Checked, Engine, EngineError};

/// Batches of a session looked at ahead; it reads no further than two.
const AT_ONCE: usize = 2;
/// Checks of all sessions together: the writer's transaction needs the same threads, and must not
/// stand behind a crowd. What is not begun is checked in its turn.
const OF_ALL: usize = 4;

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
        let Some(place) = Place::take(&self.engine) else { return };
        let (tell, found) = sync_channel(1);
        let items = Arc::clone(batch);
        self.engine.pool.spawn(move || {
            let engine = &place.0;
            // Without an answer the check is done when its turn comes, and its error told then.
            if let Ok(roster) = engine.current_roster() {
                let checked = engine.check(&items.items, &roster);
                // The session may have ended.
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

/// One of [`OF_ALL`], free again when this is dropped, by a panic too.
struct Place(Arc<Engine>);

impl Place {
    fn take(engine: &Arc<Engine>) -> Option<Self> {
        let taken = engine.checking_ahead.fetch_add(1, Ordering::Relaxed);
        let place = Self(Arc::clone(engine));
        (taken < OF_ALL).then_some(place)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.checking_ahead.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Engine {
    pub(super) fn current_roster(&self) -> Result<Arc<Roster>, EngineError> {
        self.database().read::<_, EngineError>(|tx| Ok(self.folder.roster(tx)?))
    }
}

#[cfg(test)]
mod tests {
    use outlet_core::identity::Role;
    use outlet_core::sync::replica::{FeedItem, Outcome};

    use super::*;
    use crate::testing::{Device, Kit, county, outlet, stored};

    fn batch(device: &mut Device, number: u8) -> Arc<Batch> {
        let items = vec![FeedItem::Run(device.fact(&outlet(number), "name", "甲"))];
        Arc::new(Batch { items, ..Batch::default() })
    }

    #[test]
    fn what_was_checked_ahead_is_found_once_and_admitted() {
        let kit = Kit::new();
        let mut device = kit.member(1, Role::Inspector, None);
        let (first, second) = (batch(&mut device, 1), batch(&mut device, 2));
        let ahead = Ahead::new(Arc::clone(&kit.engine));
        [&first, &second, &batch(&mut device, 3)].into_iter().for_each(|batch| ahead.begin(batch));
        assert_eq!(ahead.begun.lock().unwrap().len(), AT_ONCE, "no more than a session reads ahead");
        let (_, checked) = ahead.found(&second).unwrap();
        assert!(matches!(checked[..], [Checked::Run(_)]));
        assert!(ahead.found(&second).is_none());
        let admitted = kit.engine.admit_ahead(&device.public(), &first, Some(&ahead)).unwrap();
        assert_eq!((admitted.outcomes, admitted.new_changes), (vec![stored()], 1));
        assert!(ahead.begun.lock().unwrap().is_empty());
    }

    #[test]
    fn what_was_checked_with_another_roster_is_checked_again() {
        let kit = Kit::new();
        let carrier = kit.member(1, Role::Inspector, None);
        let mut stranger = Device::new(2);
        let batch = batch(&mut stranger, 1);
        let ahead = Ahead::new(Arc::clone(&kit.engine));
        ahead.begin(&batch);
        let (old, checked) = ahead.found(&batch).unwrap();
        assert!(matches!(checked[..], [Checked::Refused(_)]), "nobody knows its author yet");
        ahead.begun.lock().unwrap().push_back(Begun { batch: Arc::clone(&batch), found: told((old, checked)) });
        kit.enrol(&stranger, 2, Role::Inspector, None, &[county()]);
        let admitted = kit.engine.admit_ahead(&carrier.public(), &batch, Some(&ahead)).unwrap();
        assert_eq!(admitted.outcomes, [stored()]);
    }

    #[test]
    fn a_check_that_was_lost_is_made_in_its_turn() {
        let kit = Kit::new();
        let mut device = kit.member(1, Role::Inspector, None);
        let batch = batch(&mut device, 1);
        let ahead = Ahead::new(Arc::clone(&kit.engine));
        let (_, found) = sync_channel(1);
        ahead.begun.lock().unwrap().push_back(Begun { batch: Arc::clone(&batch), found });
        let admitted = kit.engine.admit_ahead(&device.public(), &batch, Some(&ahead)).unwrap();
        assert!(matches!(admitted.outcomes[..], [Outcome::Stored { .. }]));
    }

    #[test]
    fn a_check_ahead_that_panics_takes_nothing_with_it() {
        let kit = Kit::new();
        let mut device = kit.member(1, Role::Inspector, None);
        let batch = batch(&mut device, 1);
        let (tell, found) = sync_channel::<Found>(1);
        let place = Place::take(&kit.engine).unwrap();
        kit.engine.pool.spawn(move || {
            let _both = (&tell, &place);
            panic!("on purpose");
        });
        let ahead = Ahead::new(Arc::clone(&kit.engine));
        ahead.begun.lock().unwrap().push_back(Begun { batch: Arc::clone(&batch), found });
        let admitted = kit.engine.admit_ahead(&device.public(), &batch, Some(&ahead)).unwrap();
        assert_eq!(admitted.outcomes, [stored()]);
        assert_eq!(kit.engine.checking_ahead.load(Ordering::Relaxed), 0, "its place is free");
    }

    #[test]
    fn a_crowd_of_sessions_does_not_fill_the_threads() {
        let kit = Kit::new();
        let mut device = kit.member(1, Role::Inspector, None);
        let places: Vec<Place> = (0..OF_ALL).filter_map(|_| Place::take(&kit.engine)).collect();
        assert_eq!(places.len(), OF_ALL);
        let (ahead, batch) = (Ahead::new(Arc::clone(&kit.engine)), batch(&mut device, 1));
        ahead.begin(&batch);
        assert!(ahead.found(&batch).is_none(), "checked in its turn");
        assert_eq!(kit.engine.admit_ahead(&device.public(), &batch, Some(&ahead)).unwrap().outcomes, [stored()]);
        drop(places);
        ahead.begin(&batch);
        assert!(ahead.found(&batch).is_some());
    }

    fn told(found: Found) -> Receiver<Found> {
        let (tell, told) = sync_channel(1);
        tell.send(found).unwrap();
        told
    }
}
