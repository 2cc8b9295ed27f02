//! Every decoder for a bounded time, in one test: what is measured is the memory of the process.

#![expect(clippy::print_stdout, reason = "the tally is what the test has to say")]

use std::time::Duration;

use outlet_fuzz::{Failure, Tally, check, crashers, run, target, targets};

/// Of all targets together.
const TIME: Duration = Duration::from_secs(60);

/// The same inputs in each run, so that a failure is there again; `fuzz --seed N` goes elsewhere.
const SEED: u64 = 20_261_126;

#[test]
fn no_bytes_from_outside_panic_or_take_more_memory_than_they_justify() {
    kept_inputs();
    let targets = targets();
    let each = TIME / u32::try_from(targets.len()).expect("a few targets");
    for target in &targets {
        match run(target, SEED, each) {
            Ok(tally) => println!("{:<16} {tally:?}", target.name),
            Err(failure) => {
                let hex: String = failure.input.iter().take(2_000).map(|byte| format!("{byte:02x}")).collect();
                panic!("{failure}, seed {SEED}\nkeep it in fixtures/hostile/decoders/{}:\n{hex}", failure.target);
            }
        }
    }
}

/// Inputs that failed once fail no more, and each still has its target.
fn kept_inputs() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/hostile/decoders");
    for entry in std::fs::read_dir(folder).expect("the folder of kept inputs") {
        let name = entry.expect("an entry").file_name().to_string_lossy().into_owned();
        if name.ends_with(".md") {
            continue;
        }
        let target = target(&name).unwrap_or_else(|| panic!("{name} is no target: was it renamed?"));
        let replayed: Result<Vec<()>, Failure> =
            crashers(&name).iter().map(|input| check(&target, input, &mut Tally::default())).collect();
        replayed.unwrap_or_else(|failure| panic!("{failure}"));
    }
}
