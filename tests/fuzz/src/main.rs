//! `fuzz [--seconds N] [--seed N] [TARGET…]`: mutates inputs of each decoder for a time. A failing
//! input is kept in `fixtures/hostile/decoders/` before anything else happens; commit it with its
//! mend, and it is replayed for ever.

use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use outlet_fuzz::{Target, keep, run, targets};

struct Wanted {
    time: Duration,
    seed: u64,
    targets: Vec<Target>,
}

fn main() -> ExitCode {
    let wanted = match wanted(std::env::args().skip(1)) {
        Ok(wanted) => wanted,
        Err(what) => {
            let names: Vec<&str> = targets().iter().map(|target| target.name).collect();
            say(&format!("{what}\nusage: fuzz [--seconds N] [--seed N] [TARGET…]\ntargets: {}", names.join(" ")));
            return ExitCode::from(2);
        }
    };
    // A caught panic is told once, by us.
    std::panic::set_hook(Box::new(|_| {}));
    let mut failed = false;
    for target in &wanted.targets {
        match run(target, wanted.seed, wanted.time) {
            Ok(tally) => say(&format!(
                "{:<16} seed {}  {:>9} inputs  at most {:>9} bytes, {:>6.0} ms",
                target.name,
                wanted.seed,
                tally.inputs,
                tally.most_memory,
                tally.longest.as_secs_f64() * 1000.0
            )),
            Err(failure) => {
                failed = true;
                let kept =
                    keep(&failure).map_or_else(|error| format!("not kept: {error}"), |file| file.display().to_string());
                say(&format!("FAILED {failure}, seed {}: {kept}", wanted.seed));
            }
        }
    }
    if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn wanted(mut args: impl Iterator<Item = String>) -> Result<Wanted, String> {
    let mut wanted = Wanted { time: Duration::from_secs(10), seed: 1, targets: Vec::new() };
    while let Some(arg) = args.next() {
        let mut number = || args.next().and_then(|text| text.parse().ok()).ok_or(format!("{arg} needs a number"));
        match arg.as_str() {
            "--seconds" => wanted.time = Duration::from_secs(number()?),
            "--seed" => wanted.seed = number()?,
            name => wanted.targets.push(outlet_fuzz::target(name).ok_or(format!("there is no target {name}"))?),
        }
    }
    if wanted.targets.is_empty() {
        wanted.targets = targets();
    }
    Ok(wanted)
}

fn say(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}
