//! `make bench-compare`: the same documents through our own binaries, samod, plain Automerge sync, and
//! CouchDB-style replication, in one run. Prints a table and writes `target/bench-compare.json`.
//!
//! Two phases each: the first sync of all documents, and a sync with nothing to do. Ours are whole
//! commands over QUIC on loopback, signed, checked, and durable on both sides; the others keep
//! everything in memory, which favours them.

mod couch;
mod documents;
mod ours;
mod plain;
mod samod_pair;

use std::path::PathBuf;
use std::time::Duration;

use outlet_tests::figures::Figures;

/// What a system needed for the two phases.
#[derive(Debug, Clone, Copy)]
struct Measured {
    first: Duration,
    first_bytes: f64,
    idle: Duration,
    idle_bytes: f64,
}

fn main() {
    let count = std::env::args().nth(1).map_or(1_000, |text| text.parse().expect("usage: outlet-compare [DOCUMENTS]"));
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut figures = Figures::default();
    let documents = documents::make(count);

    let ours = ours::measure(folder.path(), count);
    report(&mut figures, "ours", &ours, count);
    let plain = plain::measure(&documents);
    report(&mut figures, "plain Automerge sync", &plain, count);
    let samod = samod_pair::measure(&documents);
    report(&mut figures, "samod", &samod, count);
    against(&mut figures, "samod", &ours, &samod);
    // At most a tenth of the time, and a hundredth of the idle bytes.
    let ratio = |ours: Duration, theirs: Duration| ours.as_secs_f64() / theirs.as_secs_f64();
    figures.at_most("first sync, ours over samod's", ratio(ours.first, samod.first), "ratio", 0.1, "wall time");
    figures.at_most("idle bytes, ours over samod's", ours.idle_bytes / samod.idle_bytes, "ratio", 0.01, "both ways");
    match couch::measure(folder.path(), &documents) {
        Ok(couch) => {
            report(&mut figures, "PouchDB", &couch, count);
            against(&mut figures, "PouchDB", &ours, &couch);
        }
        Err(why) => print(&format!("PouchDB was not measured: {why}\n")),
    }

    print(&figures.table());
    let path = target_folder().join("bench-compare.json");
    match figures.write(&path) {
        Ok(()) => print(&format!("written to {}\n", path.display())),
        Err(error) => print(&format!("could not write {}: {error}\n", path.display())),
    }
}

fn report(figures: &mut Figures, name: &str, measured: &Measured, count: usize) {
    let seconds = measured.first.as_secs_f64();
    figures.beside(&format!("{name}: first sync of {count}"), seconds, "s", "");
    figures.beside(&format!("{name}: first sync"), count as f64 / seconds, "documents/s", "");
    figures.beside(&format!("{name}: first sync"), measured.first_bytes / count as f64, "B/document", "both ways");
    figures.beside(&format!("{name}: nothing to do"), measured.idle.as_secs_f64() * 1000.0, "ms", "");
    figures.beside(&format!("{name}: nothing to do"), measured.idle_bytes, "B", "both ways");
}

fn against(figures: &mut Figures, name: &str, ours: &Measured, theirs: &Measured) {
    let times = |theirs: f64, ours: f64| theirs / ours;
    figures.beside(
        &format!("first sync: {name}'s time over ours"),
        times(theirs.first.as_secs_f64(), ours.first.as_secs_f64()),
        "times",
        "",
    );
    figures.beside(
        &format!("nothing to do: {name}'s time over ours"),
        times(theirs.idle.as_secs_f64(), ours.idle.as_secs_f64()),
        "times",
        "",
    );
    figures.beside(
        &format!("nothing to do: {name}'s bytes over ours"),
        times(theirs.idle_bytes, ours.idle_bytes),
        "times",
        "",
    );
}

fn target_folder() -> PathBuf {
    let me = std::env::current_exe().expect("a running program has a path");
    me.ancestors().nth(2).map_or_else(|| PathBuf::from("target"), std::path::Path::to_path_buf)
}

fn print(text: &str) {
    use std::io::Write as _;
    let _ = write!(std::io::stdout(), "{text}");
}
