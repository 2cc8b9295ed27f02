//! The loop: an input, the decoder, and what is checked of it.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use cpu_time::ProcessTime;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use sha2::{Digest, Sha256};

use crate::mutate::mutate;
use crate::{MEMORY, Target};

/// No input of these sizes takes so much of a processor but by a loop without a bound. Time on the wall
/// says nothing: a long run gives way to everybody else.
const PATIENCE: Duration = Duration::from_secs(10);

/// Inputs grow to this at most: the largest frame, and a little more to cross its limit.
pub(crate) const MAX_INPUT: usize = (1 << 20) + 64;

/// An input that must not be.
#[derive(Debug, Clone)]
pub struct Failure {
    /// Of which target.
    pub target: &'static str,
    /// What happened.
    pub what: String,
    /// The bytes.
    pub input: Vec<u8>,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} ({} bytes)", self.target, self.what, self.input.len())
    }
}

/// What a run looked at.
#[derive(Debug, Clone, Copy, Default)]
pub struct Tally {
    /// Inputs.
    pub inputs: u64,
    /// Most memory that one input took.
    pub most_memory: usize,
    /// Most processor time that one input took.
    pub longest: Duration,
}

/// One input.
///
/// # Errors
/// A panic, too much memory, or too much time.
pub fn check(target: &Target, input: &[u8], tally: &mut Tally) -> Result<(), Failure> {
    let fail = |what: String| Failure { target: target.name, what, input: input.to_vec() };
    let before = MEMORY.current_usage();
    MEMORY.reset_peak_usage();
    let started = ProcessTime::now();
    let ended = catch_unwind(AssertUnwindSafe(|| (target.decode)(input)));
    let took = started.elapsed();
    let memory = MEMORY.peak_usage().saturating_sub(before);
    *tally = Tally {
        inputs: tally.inputs + 1,
        most_memory: tally.most_memory.max(memory),
        longest: tally.longest.max(took),
    };
    if let Err(panic) = ended {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("a panic");
        return Err(fail(format!("panicked: {text}")));
    }
    let granted = target.grant.fixed.saturating_add(target.grant.per_byte.saturating_mul(input.len()));
    if memory > granted {
        return Err(fail(format!("took {memory} bytes of memory, {granted} are granted")));
    }
    if took > PATIENCE {
        return Err(fail(format!("took {took:?}")));
    }
    Ok(())
}

/// Seeds and kept crashers first, then mutations, until the time is over. The same seed makes the
/// same inputs in the same order.
///
/// # Errors
/// The first input that fails.
pub fn run(target: &Target, seed: u64, time: Duration) -> Result<Tally, Failure> {
    let (started, mut tally) = (Instant::now(), Tally::default());
    let corpus: Vec<Vec<u8>> = (target.seeds)().into_iter().chain(crashers(target.name)).collect();
    assert!(!corpus.is_empty(), "{} has seeds", target.name);
    for input in &corpus {
        check(target, input, &mut tally)?;
    }
    let mut dice = ChaCha8Rng::seed_from_u64(seed);
    while started.elapsed() < time {
        let mut input = corpus[dice.random_range(0..corpus.len())].clone();
        let other = &corpus[dice.random_range(0..corpus.len())];
        for _ in 0..dice.random_range(1..=4) {
            mutate(&mut input, other, &mut dice);
        }
        input.truncate(MAX_INPUT);
        check(target, &input, &mut tally)?;
    }
    Ok(tally)
}

fn folder(target: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/hostile/decoders").join(target)
}

/// Inputs that failed once, by name.
///
/// # Panics
/// When a kept file cannot be read.
#[must_use]
pub fn crashers(target: &str) -> Vec<Vec<u8>> {
    let Ok(listed) = std::fs::read_dir(folder(target)) else { return Vec::new() };
    let mut files: Vec<PathBuf> = listed.map(|entry| entry.expect("a folder that lists").path()).collect();
    files.sort();
    files.iter().map(|file| std::fs::read(file).expect("a kept input can be read")).collect()
}

/// Keeps an input that failed, for good.
///
/// # Errors
/// When the file cannot be written.
pub fn keep(failure: &Failure) -> std::io::Result<PathBuf> {
    let hash = Sha256::digest(&failure.input);
    let name: String = hash.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    let folder = folder(failure.target);
    std::fs::create_dir_all(&folder)?;
    let file = folder.join(format!("{name}.bin"));
    std::fs::write(&file, &failure.input)?;
    Ok(file)
}
