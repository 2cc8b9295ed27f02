//! `make soak [SEEDS=10000]`: the simulation of devices and server over many seeds, small and large.
//! Prints the seeds it ran; a failing seed is named and ends the run with 1. Keep it then: add it to
//! the seeds that the simulation's tests replay.

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
    let seeds = match std::env::args().nth(1).map(|text| text.parse()) {
        None => SEEDS,
        Some(Ok(seeds)) => seeds,
        Some(Err(_)) => {
            say("usage: soak [SEEDS], such as: soak 10000");
            return ExitCode::from(2);
        }
    };
    let (next, started) = (AtomicU64::new(0), Instant::now());
    let workers = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let all_held = std::thread::scope(|scope| {
        let run = || scope.spawn(|| stretches(&next, seeds, started));
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
fn stretches(next: &AtomicU64, seeds: u64, started: Instant) -> bool {
    loop {
        let first = next.fetch_add(STEP, Ordering::Relaxed);
        if first >= seeds {
            return true;
        }
        let runs = STEP.min(seeds - first);
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
                next.store(seeds, Ordering::Relaxed);
                return false;
            }
        }
    }
}

fn say(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}
