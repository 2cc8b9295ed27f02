//! `make soak [SEEDS=10000]`: the simulation of devices and server over many seeds, small and large.
//! `soak SEEDS FIRST` begins with seed FIRST, to go on where another run ended. Prints the seeds it
//! ran; a failing seed is named and ends the run with 1. Keep it then: add it to the seeds that the
//! simulation's tests replay.

use std::io::Write;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use outlet_core::sync::sim::{Size, Tally, soak};

/// Seeds of the small size; one in twenty runs at the large size as well.
const SEEDS: u64 = 10_000;
/// Seeds between two lines of progress.
const STEP: u64 = 100;

fn main() -> ExitCode {
    let number = |place: usize, usual: u64| std::env::args().nth(place).map_or(Ok(usual), |text| text.parse());
    let (Ok(seeds), Ok(first)) = (number(1, SEEDS), number(2, 0)) else {
        say("usage: soak [SEEDS [FIRST]], such as: soak 10000");
        return ExitCode::from(2);
    };
    let (next, end, started) = (AtomicU64::new(first), first.saturating_add(seeds), Instant::now());
    let workers = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let all_held = std::thread::scope(|scope| {
        let run = || scope.spawn(|| stretches(&next, end, started));
        let running: Vec<_> = (0..workers).map(|_| run()).collect();
        running.into_iter().all(|worker| worker.join().unwrap_or(false))
    });
    if all_held {
        say("no divergence, nothing lost");
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// Takes stretches of seeds until none is left, or until one of these seeds fails.
fn stretches(next: &AtomicU64, end: u64, started: Instant) -> bool {
    loop {
        let first = next.fetch_add(STEP, Ordering::Relaxed);
        if first >= end {
            return true;
        }
        let runs = STEP.min(end - first);
        let both =
            soak(first, runs, Size::SMALL).and_then(|small| Ok((small, soak(first, (runs / 20).max(1), Size::LARGE)?)));
        match both {
            Ok((small, large)) => {
                let mut all = Tally::default();
                all += small;
                all += large;
                say(&format!("seeds {first}..{}: {all:?}, {:.0} s", first + runs, started.elapsed().as_secs_f64()));
            }
            Err(failure) => {
                say(&format!("FAILED {failure}"));
                next.store(end, Ordering::Relaxed);
                return false;
            }
        }
    }
}

fn say(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}
