//! `make soak [SEEDS=10000]`: the simulation of devices and server over many seeds, small and large.
//! Prints the seeds it ran; a failing seed is named and ends the run with 1. Keep it then: add it to
//! the seeds that the simulation's tests replay.

use std::io::Write;
use std::process::ExitCode;
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
    let started = Instant::now();
    let mut all = Tally::default();
    for first in (0..seeds).step_by(STEP as usize) {
        let runs = STEP.min(seeds - first);
        let small = soak(first, runs, Size::SMALL);
        let large = soak(first, (runs / 20).max(1), Size::LARGE);
        for part in [small, large] {
            match part {
                Ok(tally) => all += tally,
                Err(failure) => {
                    say(&format!("FAILED {failure}"));
                    return ExitCode::FAILURE;
                }
            }
        }
        say(&format!("seeds {first}..{}: {all:?}, {:.0} s", first + runs, started.elapsed().as_secs_f64()));
    }
    say("no divergence, nothing lost");
    ExitCode::SUCCESS
}

fn say(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}
