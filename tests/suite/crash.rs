//! `kill -9` at random points: what was acknowledged is there afterwards.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::process::Stdio;
use std::time::Duration;

use outlet_tests::process::{Edge, Server};
use outlet_tests::relay::{Relay, Weather};
use outlet_tests::story::{converged, sync};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Kills of the edge, at random points of opening, recording and closing.
const EDGE_KILLS: u64 = 200;
/// Kills of the server in the middle of syncs.
const SERVER_KILLS: u64 = 50;
const SEED: u64 = 20_211_231;

fn enrolled(server: &Server, folder: &std::path::Path, name: &str) -> Edge {
    let edge = Edge::new(folder.join(name));
    let ticket = server.ticket(&["--role", "inspector", "--name", name, "--collection", "511902"], None);
    let _ = edge.ok(&["enroll", &ticket]);
    edge
}

fn numbers(edge: &Edge) -> BTreeSet<String> {
    let listed = edge.json(&["list"]);
    let rows = listed.as_array().expect("a list");
    rows.iter().map(|row| row["temporary_number"].as_str().expect("a number").to_owned()).collect()
}

/// When to kill.
#[derive(Debug, Clone, Copy)]
enum Moment {
    /// So long after the start: in the middle of opening, mostly.
    After(Duration),
    /// As soon as so many records were acknowledged.
    Acknowledged(usize),
}

/// Starts a batch of `add`s, kills it at the moment, and answers the numbers it acknowledged.
fn killed_batch(edge: &Edge, run: u64, moment: Moment) -> BTreeSet<String> {
    let mut command = edge.command();
    command.args(["batch", "-", "--json"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().expect("outlet starts");
    let mut script = String::new();
    for line in 0..60 {
        script += &format!("add --number K{run}-{line} --lon 106.77{line:02} --lat 31.85{:02}\n", (run + line) % 100);
    }
    let mut stdin = child.stdin.take().expect("stdin is piped");
    let writer = std::thread::spawn(move || {
        let _ = stdin.write_all(script.as_bytes());
    });
    let mut lines = BufReader::new(child.stdout.take().expect("stdout is piped")).lines();
    let mut text = Vec::new();
    match moment {
        Moment::After(delay) => std::thread::sleep(delay),
        Moment::Acknowledged(count) => text.extend(lines.by_ref().take(count).map_while(Result::ok)),
    }
    let _ = child.kill();
    text.extend(lines.map_while(Result::ok));
    let _ = child.wait();
    let _ = writer.join();
    // A line cut short by the kill is no acknowledgement.
    let whole = text.iter().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    whole.filter_map(|answer| Some(answer["temporary_number"].as_str()?.to_owned())).collect()
}

#[test]
fn nothing_acknowledged_is_lost_when_the_edge_is_killed_at_random_points() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut server = Server::init(folder.path().join("server"));
    server.serve();
    let edge = enrolled(&server, folder.path(), "killed");
    let mut dice = ChaCha8Rng::seed_from_u64(SEED);
    eprintln!("seed {SEED}");
    let mut acknowledged = BTreeSet::new();
    for run in 0..EDGE_KILLS {
        let moment = match run % 2 {
            0 => Moment::After(Duration::from_micros(dice.random_range(0..100_000))),
            _ => Moment::Acknowledged(dice.random_range(0..8)),
        };
        acknowledged.extend(killed_batch(&edge, run, moment));
        if run % 20 == 19 {
            let there = numbers(&edge);
            let lost: Vec<_> = acknowledged.difference(&there).collect();
            assert!(lost.is_empty(), "seed {SEED}, run {run}, {moment:?}: lost {lost:?}");
        }
    }
    assert!(acknowledged.len() > 100, "the kills came too early to test anything: {}", acknowledged.len());
    let _ = converged(&sync(&edge));
    let status = edge.json(&["status"]);
    assert_eq!(status["records"]["in_ledger"].as_u64(), Some(numbers(&edge).len() as u64), "{status}");
}

#[test]
fn nothing_receipted_is_lost_when_the_server_is_killed_in_the_middle_of_syncs() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut server = Server::init(folder.path().join("server"));
    server.serve();
    let relay = Relay::start(server.quic, Weather::default(), SEED);
    let edge = Edge::new(folder.path().join("edge"));
    let args = ["--role", "inspector", "--name", "e", "--collection", "511902"];
    let _ = edge.ok(&["enroll", &server.ticket(&args, Some(relay.address))]);
    let mut dice = ChaCha8Rng::seed_from_u64(SEED + 1);
    eprintln!("seed {}", SEED + 1);
    let mut stored = 0;
    for run in 0..SERVER_KILLS {
        let script: String = (0..20)
            .map(|line| {
                format!("add --number S{run}-{line} --lon 106.8 --lat 31.{:03}\n", 100 + (run * 20 + line) % 800)
            })
            .collect();
        let path = folder.path().join("script.txt");
        std::fs::write(&path, script).expect("a script");
        let _ = edge.ok(&["batch", &path.to_string_lossy()]);
        // The link carries some datagrams of the session, then the server dies.
        relay.mend(Some(dice.random_range(1..60)));
        let mut session = edge.command();
        session.args(["sync", "--json"]).stdout(Stdio::null()).stderr(Stdio::null());
        let mut session = session.spawn().expect("outlet starts");
        let before = relay.passed();
        for _ in 0..200 {
            if relay.passed() > before + 8 || session.try_wait().expect("a child").is_some() {
                break;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        server.kill();
        let _ = session.kill();
        let _ = session.wait();
        relay.mend(None);
        server.serve();
        let records = edge.json(&["status"])["records"].clone();
        let safe = records["stored"].as_u64().unwrap_or(0) + records["in_ledger"].as_u64().unwrap_or(0);
        assert!(safe >= stored, "run {run}: the device forgot receipts: {records}");
        stored = safe;
    }
    let answer = converged(&sync(&edge));
    assert_eq!(answer["outcome"], "converged");
    let out = folder.path().join("ledger.csv");
    let _ = server.admin(&["ledger", "export", "--format", "csv", "-o", &out.to_string_lossy()]).expect_code(0);
    let rows = std::fs::read_to_string(&out).expect("the export").lines().count() - 1;
    assert_eq!(rows, numbers(&edge).len(), "every record is in the ledger once");
}
