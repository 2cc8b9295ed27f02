//! How much work that waits for the database, the disk or a core is done at the same time for those
//! who ask over HTTP. Some more wait, for a while; everybody beyond is told at once to come again, so
//! that a crowd costs neither threads nor memory.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinError;

/// How long somebody waits for a place.
const PATIENCE: Duration = Duration::from_secs(10);

/// Seconds after which to come again.
pub(crate) const RETRY_SECONDS: u32 = 5;

/// Places for work, and seats for those who wait for one.
pub(crate) struct Gate {
    places: Arc<Semaphore>,
    seats: Semaphore,
    patience: Duration,
}

/// Why work was not done.
#[derive(Debug)]
pub(crate) enum NotDone {
    /// Too many are there before.
    Busy,
    /// It panicked.
    Failed(JoinError),
}

impl Gate {
    /// `places` work at the same time, `seats` more wait.
    pub(crate) fn new(places: usize, seats: usize) -> Self {
        Self { places: Arc::new(Semaphore::new(places)), seats: Semaphore::new(seats), patience: PATIENCE }
    }

    /// A place, which is free again when the permit goes; nothing when there is none for too long.
    pub(crate) async fn enter(&self) -> Option<OwnedSemaphorePermit> {
        if let Ok(place) = Arc::clone(&self.places).try_acquire_owned() {
            return Some(place);
        }
        let _seat = self.seats.try_acquire().ok()?;
        let place = Arc::clone(&self.places).acquire_owned();
        tokio::time::timeout(self.patience, place).await.ok()?.ok()
    }

    /// Runs work on a thread that may wait. The place is the work's: whoever asked and went away frees
    /// nothing that is still being worked on.
    ///
    /// # Errors
    /// [`NotDone`].
    pub(crate) async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, NotDone> {
        let place = self.enter().await.ok_or(NotDone::Busy)?;
        let task = tokio::task::spawn_blocking(move || {
            let done = work();
            drop(place);
            done
        });
        task.await.map_err(NotDone::Failed)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    fn gate(seats: usize, patience: Duration) -> Gate {
        Gate { patience, ..Gate::new(1, seats) }
    }

    #[tokio::test]
    async fn beyond_places_and_seats_everybody_is_told_at_once() {
        let full = gate(0, Duration::from_secs(3600));
        let place = full.enter().await.unwrap();
        assert!(full.enter().await.is_none(), "no seat: nobody waits an hour");
        assert!(matches!(full.run(|| ()).await, Err(NotDone::Busy)));
        drop(place);
        assert_eq!(full.run(|| 7).await.unwrap(), 7);
    }

    #[tokio::test]
    async fn who_has_a_seat_waits_for_a_place_and_not_for_ever() {
        let patient = gate(1, Duration::from_secs(3600));
        let place = patient.enter().await.unwrap();
        let (came, ()) = tokio::join!(patient.enter(), async { drop(place) });
        assert!(came.is_some());
        let hasty = gate(1, Duration::ZERO);
        let _place = hasty.enter().await.unwrap();
        assert!(hasty.enter().await.is_none());
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn work_keeps_its_place_when_whoever_asked_has_gone() {
        let gate = Arc::new(gate(1, Duration::from_secs(3600)));
        let (started, has_started) = mpsc::channel();
        let (go, may_go) = mpsc::channel::<()>();
        let asker = tokio::spawn({
            let gate = Arc::clone(&gate);
            async move {
                gate.run(move || {
                    started.send(()).unwrap();
                    may_go.recv().unwrap();
                })
                .await
            }
        });
        has_started.recv().unwrap();
        asker.abort();
        assert!(asker.await.unwrap_err().is_cancelled());
        assert!(Arc::clone(&gate.places).try_acquire_owned().is_err(), "the work goes on");
        go.send(()).unwrap();
        assert!(gate.enter().await.is_some(), "and gives its place back");
    }
}
