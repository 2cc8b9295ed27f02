//! `make bench`: measures, prints a table, writes `target/bench.json`. Figures are ratios within
//! this run wherever a ratio says more than a time. A missed limit is printed, never a failure.
//!
//! `bench NAME…` measures only the parts of these names; a number among them is that of the outlets.

mod bulk;
mod decisions;
mod devices;
mod fairness;
mod imports;
mod inventory;
mod links;
mod network;
mod sync;

use std::path::PathBuf;
use std::time::Instant;

use outlet_core::admission::{CheckedRun, Context, apply, check_run, continue_line};
use outlet_core::doc::Chronicle;
use outlet_core::identity::{Role, SecretKey, SignedRun};
use outlet_core::ids::{Collection, DocKind};
use outlet_tests::authority::Authority;
use outlet_tests::figures::Figures;
use outlet_tests::workload::{CHANGES_PER_OUTLET, Writer};

/// As both programs have it: bare loops and what they are compared with allocate alike.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

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
    // One part of the whole, for whoever works on it: `bench links`, `bench links loopback`.
    if std::env::args().nth(1).as_deref() == Some("links") {
        links::measure(&mut figures, folder.path());
        return finish(&figures);
    }
    // A comparison that decides settings, never part of the whole.
    if std::env::args().nth(1).as_deref() == Some("network") {
        network::measure(&mut figures);
        return finish(&figures);
    }
    let runs = workload(collection);

    let own_cpu = || outlet_tests::figures::cpu_millis_of(std::process::id(), 0) / 1000.0;
    let cpu = own_cpu();
    let bare = outlet_tests::bare::upload(&runs, &folder.path().join("bare.sqlite"), THREADS).as_secs_f64();
    let bare_cpu = own_cpu() - cpu;
    figures.beside("bare loop, 10,000 outlets", bare, "s", "");
    figures.beside("bare loop", runs.len() as f64 / bare, "outlets/s", "");
    figures.beside("bare loop, CPU", bare_cpu, "s", "");
    let lines = admission(&runs, collection, &|run| line(&run));
    figures.at_most("admission in memory, 10,000 outlets", lines / bare, "ratio", 1.5, "bare loop");
    let trials = admission(&runs, collection, &|run| trial(&run));
    figures.beside("the same with a trial on a copy for each", trials / bare, "ratio", "bare loop");

    let folder = folder.path();
    part(&mut figures, "devices", |all| devices::measure(all, folder, (bare, bare_cpu), outlets(OUTLETS), collection));
    part(&mut figures, "imports", |all| imports::measure(all, folder));
    part(&mut figures, "bulk", |all| bulk::measure(all, folder, collection));
    part(&mut figures, "decisions", |all| decisions::measure(all, folder, collection));
    part(&mut figures, "sync", |all| sync::measure(all, folder, collection));
    part(&mut figures, "fairness", |all| fairness::measure(all, folder, collection));
    part(&mut figures, "links", |all| links::measure(all, folder));
    part(&mut figures, "inventory", |all| inventory::measure(all, folder));
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

/// Measures a part if it was asked for, and keeps the figures so far: a long run may be ended early.
fn part(figures: &mut Figures, name: &str, measure: impl FnOnce(&mut Figures)) {
    if wanted(name) {
        measure(figures);
        // What cannot be written is said at the end.
        let _ = figures.write(&target_folder().join("bench.json"));
    }
}

/// Was this part asked for? All are without names.
fn wanted(part: &str) -> bool {
    let mut names = std::env::args().skip(1).filter(|name| name.parse::<usize>().is_err()).peekable();
    names.peek().is_none() || names.any(|name| name == part)
}

/// Was this part of a part asked for? All of `known` are when none of them is named.
fn sub_part(known: &[&str], part: &str) -> bool {
    let mut named = std::env::args().skip(2).filter(|name| known.contains(&name.as_str())).peekable();
    named.peek().is_none() || named.any(|name| name == part)
}

/// As many outlets as were asked for.
fn outlets(usual: usize) -> usize {
    std::env::args().skip(1).find_map(|number| number.parse().ok()).unwrap_or(usual)
}

fn workload(collection: Collection) -> Vec<SignedRun> {
    let mut writer = Writer::new(SecretKey::from_bytes([3; 32]), [0; 4], 1);
    let started = Instant::now();
    let runs: Vec<_> = (0..outlets(OUTLETS)).map(|_| writer.run(collection)).collect();
    let bytes: usize = runs.iter().map(SignedRun::size).sum();
    print(&format!(
        "workload: {} outlets, {} changes, {bytes} bytes, made in {:.1} s\n",
        runs.len(),
        runs.len() * CHANGES_PER_OUTLET,
        started.elapsed().as_secs_f64()
    ));
    runs
}

/// Check and admission of every run, on the server's threads, without any storage.
fn admission(runs: &[SignedRun], collection: Collection, admit: &(dyn Fn(CheckedRun) -> usize + Sync)) -> f64 {
    let authority = Authority::default();
    let member = authority.member(&SecretKey::from_bytes([3; 32]), Role::Inspector, None, &[collection]);
    let roster = authority.roster(&[member]);
    let started = Instant::now();
    std::thread::scope(|scope| {
        for part in runs.chunks(runs.len().div_ceil(THREADS)) {
            let roster = &roster;
            scope.spawn(move || {
                for run in part {
                    let new = admit(check_run(run, roster).expect("a good run"));
                    assert_eq!(new, CHANGES_PER_OUTLET + 1, "with the genesis constant");
                }
            });
        }
    });
    started.elapsed().as_secs_f64()
}

/// As the server admits a new record.
fn line(run: &CheckedRun) -> usize {
    let (new, context) = (Chronicle::new(DocKind::Field), Context::default());
    let continued = continue_line(&new, std::slice::from_ref(run), &context).expect("a new record is a line");
    continued.new_changes.len()
}

/// As the server admits what is no line.
fn trial(run: &CheckedRun) -> usize {
    apply(None, DocKind::Field, std::slice::from_ref(run)).expect("applies").new_changes.len()
}

fn target_folder() -> PathBuf {
    let me = std::env::current_exe().expect("a running program has a path");
    me.ancestors().nth(2).map_or_else(|| PathBuf::from("target"), PathBuf::from)
}

#[expect(clippy::print_stdout, reason = "the table is what this program is for")]
fn print(text: &str) {
    print!("{text}");
}
