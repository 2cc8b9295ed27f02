//! One target of `outlet-fuzz` under libFuzzer; `TARGET=name` chooses it.

#![no_main]

use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;
use outlet_fuzz::{Tally, Target, check};

static TARGET: OnceLock<Target> = OnceLock::new();

fuzz_target!(|input: &[u8]| {
    let target = TARGET.get_or_init(|| {
        let name = std::env::var("TARGET").expect("TARGET names a decoder");
        let target = outlet_fuzz::target(&name).expect("a decoder of that name");
        // Panics that the code itself catches are no findings: the hook that aborts goes.
        std::panic::set_hook(Box::new(|_| {}));
        // Seeds become libFuzzer's corpus when SEEDS names a folder.
        if let Ok(folder) = std::env::var("SEEDS") {
            for (number, seed) in (target.seeds)().iter().enumerate() {
                std::fs::write(format!("{folder}/seed-{number}"), seed).expect("a seed is written");
            }
        }
        target
    });
    if let Err(failure) = check(target, input, &mut Tally::default()) {
        eprintln!("{failure}");
        std::process::abort();
    }
});
