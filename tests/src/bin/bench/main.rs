//! `make bench`: measures, prints a table, writes `target/bench.json`. Figures are ratios within
//! this run wherever a ratio says more than a time. A missed limit is printed, never a failure.
//!
//! `bench NAME…` measures only the parts of these names.

mod bulk;
mod decisions;
mod devices;
mod inventory;
mod links;

use std::path::PathBuf;
use std::time::Instant;

use outlet_core::admission::{CheckedRun, apply, check_run};
use outlet_core::identity::{Role, SecretKey, SignedRun};
use outlet_core::ids::{Collection, DocKind};
use outlet_tests::authority::Authority;
use outlet_tests::figures::Figures;
use outlet_tests::workload::{CHANGES_PER_OUTLET, Writer};

/// Outlets of the upload.
const OUTLETS: usize = 10_000;
/// Threads that the server admits on.
const THREADS: usize = 2;

fn main() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut figures = Figures::default();
    if std::env::args().nth(1).as_deref() == Some("inventory") {
        inventory::measure(&mut figures, folder.path());
        return finish(&figures);
    }
    let collection: Collection = "511902".parse().expect("a county code");
    // One part of the whole, for whoever works on it: `bench links`.
    if std::env::args().nth(1).as_deref() == Some("links") {
        links::measure(&mut figures, folder.path());
        return finish(&figures);
    }
    let runs = workload(collection);

    let bare = outlet_tests::bare::upload(&runs, &folder.path().join("bare.sqlite"), THREADS).as_secs_f64();
    figures.beside("bare loop, 10,000 outlets", bare, "s", "");
    figures.beside("bare loop", OUTLETS as f64 / bare, "outlets/s", "");
    figures.at_most(
        "admission in memory, 10,000 outlets",
        admission(&runs, collection) / bare,
        "ratio",
        1.5,
        "bare loop",
    );

    if wanted("devices") {
        devices::measure(&mut figures, folder.path(), bare, OUTLETS, collection);
    }
    if wanted("bulk") {
        bulk::measure(&mut figures, folder.path(), collection);
    }
    if wanted("decisions") {
        decisions::measure(&mut figures, folder.path(), collection);
    }
    if wanted("links") {
        links::measure(&mut figures, folder.path());
    }
    if wanted("inventory") {
        inventory::measure(&mut figures, folder.path());
    }
    finish(&figures);
}

fn finish(figures: &Figures) {
    print(&figures.table());
    let path = target_folder().join("bench.json");
    match figures.write(&path) {
        Ok(()) => print(&format!("written to {}\n", path.display())),
        Err(error) => print(&format!("could not write {}: {error}\n", path.display())),
    }
}

/// Was this part asked for? All are without names.
fn wanted(part: &str) -> bool {
    let mut names = std::env::args().skip(1).peekable();
    names.peek().is_none() || names.any(|name| name == part)
}

fn workload(collection: Collection) -> Vec<SignedRun> {
    let mut writer = Writer::new(SecretKey::from_bytes([3; 32]), [0; 4], 1);
    let started = Instant::now();
    let runs: Vec<_> = (0..OUTLETS).map(|_| writer.run(collection)).collect();
    let bytes: usize = runs.iter().map(SignedRun::size).sum();
    print(&format!(
        "workload: {OUTLETS} outlets, {} changes, {bytes} bytes, made in {:.1} s\n",
        OUTLETS * CHANGES_PER_OUTLET,
        started.elapsed().as_secs_f64()
    ));
    runs
}

/// Check and trial of every run, on the server's threads, without any storage.
fn admission(runs: &[SignedRun], collection: Collection) -> f64 {
    let authority = Authority::default();
    let member = authority.member(&SecretKey::from_bytes([3; 32]), Role::Inspector, None, &[collection]);
    let roster = authority.roster(&[member]);
    let started = Instant::now();
    std::thread::scope(|scope| {
        for part in runs.chunks(runs.len().div_ceil(THREADS)) {
            let roster = &roster;
            scope.spawn(move || {
                for run in part {
                    let checked: CheckedRun = check_run(run, roster).expect("a good run");
                    let applied = apply(None, DocKind::Field, &[checked]).expect("applies");
                    assert_eq!(applied.new_changes.len(), CHANGES_PER_OUTLET + 1, "with the genesis constant");
                }
            });
        }
    });
    started.elapsed().as_secs_f64()
}

fn target_folder() -> PathBuf {
    let me = std::env::current_exe().expect("a running program has a path");
    me.ancestors().nth(2).map_or_else(|| PathBuf::from("target"), PathBuf::from)
}

#[expect(clippy::print_stdout, reason = "the table is what this program is for")]
fn print(text: &str) {
    print!("{text}");
}
