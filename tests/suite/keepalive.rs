//! How often a silent connection must say that it is there: an hour on a clock that tests turn, behind an
//! address translation that forgets. The figures of `core/transport/src/tuning.rs` are this table's.

use std::collections::BTreeSet;
use std::time::Duration;

use outlet_core::identity::SecretKey;
use outlet_tests::ether::{Ether, Traffic, server_address};
use outlet_tests::process::{Edge, Server};
use outlet_tests::relay::{Relay, Weather};
use outlet_transport::{Link, Tuning, quic};
use tokio::time::Instant;

const ROUND_TRIP: Duration = Duration::from_millis(100);
/// What the server says into the silence, at moments that fall anywhere between two keep-alives.
const WORDS: u32 = 20;
const BETWEEN: Duration = Duration::from_millis(179_300);

#[derive(Debug)]
struct Hour {
    /// Words of the server that arrived.
    heard: u32,
    /// The latest of them.
    longest: Duration,
    traffic: Traffic,
}

/// A device waits in silence, and the server says something now and then.
async fn hour(keep_alive: u64, binding: u64, loss: f64) -> Hour {
    let weather =
        Weather { delay: ROUND_TRIP / 2, loss, binding: Some(Duration::from_secs(binding)), ..Weather::default() };
    let ether = Ether::new(weather, 20_211_231);
    let tuning = Tuning { keep_alive: Duration::from_secs(keep_alive), ..Tuning::default() };
    let (server, device) = (SecretKey::from_bytes([1; 32]), SecretKey::from_bytes([2; 32]));
    let endpoint = quic::listen_over(ether.server(), &server, tuning).expect("an endpoint");
    let began = Instant::now();
    let speaker = tokio::spawn(async move {
        let connection = quic::accept(endpoint.accept().await.expect("a caller")).await.expect("a connection");
        let link = Link::accept(connection).await.expect("lanes");
        for _ in 0..WORDS {
            tokio::time::sleep(BETWEEN).await;
            let now = u64::try_from(began.elapsed().as_millis()).expect("an hour");
            if link.records.out.send(now.to_be_bytes().to_vec()).await.is_err() {
                break;
            }
        }
        // Until the last word has been heard.
        tokio::time::sleep(Duration::from_secs(120)).await;
    });
    let pins = BTreeSet::from([server.public()]);
    let connection =
        quic::connect_over(ether.device(2), server_address(), &device, &pins, tuning).await.expect("connected");
    let mut link = Link::open(connection).await.expect("lanes");
    let before = ether.traffic();
    let mut hour = Hour { heard: 0, longest: Duration::ZERO, traffic: Traffic::default() };
    while hour.heard < WORDS {
        let Some(Ok(word)) = link.records.incoming.recv().await else { break };
        let said = Duration::from_millis(u64::from_be_bytes(word.try_into().expect("eight bytes")));
        hour.heard += 1;
        hour.longest = hour.longest.max(began.elapsed() - said);
    }
    let after = ether.traffic();
    hour.traffic = Traffic {
        up: after.up - before.up,
        down: after.down - before.down,
        bindings: after.bindings - before.bindings,
    };
    link.abort(0, "the hour is over");
    speaker.abort();
    hour
}

#[tokio::test(start_paused = true)]
async fn the_interval_that_is_set_keeps_bindings_of_half_a_minute() {
    let set = Tuning::default().keep_alive.as_secs();
    let mut table = String::new();
    for keep_alive in [10, set, 20, 25, 29] {
        for binding in [12, 20, 30, 60, 120] {
            let hour = hour(keep_alive, binding, 0.0).await;
            let bytes = hour.traffic.up + hour.traffic.down;
            table += &format!(
                "keep-alive {keep_alive} s, binding {binding} s: {} of {WORDS} words, the latest after {:.2} s, \
                 {} new addresses, {bytes} bytes an hour\n",
                hour.heard,
                hour.longest.as_secs_f64(),
                hour.traffic.bindings
            );
            assert_eq!(hour.heard, WORDS, "a forgotten binding costs time and no connection\n{table}");
            if keep_alive < binding {
                assert!(hour.traffic.bindings == 0 && hour.longest < ROUND_TRIP, "{table}");
                assert!(bytes < 120_000, "{table}");
            } else {
                // The device's next keep-alive opens another one, and the path is looked at anew.
                assert!(hour.longest < Duration::from_secs(2 * keep_alive), "{table}");
            }
        }
    }
    eprintln!("{table}");
    // RFC 9000, 10.1.2: half a minute is what most let live.
    assert!(set * 2 <= 30, "one of them may be lost");
}

#[tokio::test(start_paused = true)]
async fn lost_keep_alives_end_nothing() {
    let set = Tuning::default().keep_alive.as_secs();
    for binding in [20, 30] {
        let hour = hour(set, binding, 0.2).await;
        assert_eq!(hour.heard, WORDS, "{hour:?}");
        // A lost word, or a lost keep-alive and the binding with it.
        assert!(hour.longest < Duration::from_secs(2 * set), "{hour:?}");
    }
}

/// Each round is a connection of its own, behind a translation that has forgotten the one before: a device
/// that watches needs nothing of it. What a connection does that lives on is in the table above.
#[test]
fn a_watcher_needs_no_binding_between_its_rounds() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut server = Server::init(folder.path().join("server"));
    server.serve();
    let weather = Weather {
        delay: Duration::from_millis(5),
        rate: 400_000,
        binding: Some(Duration::from_millis(300)),
        ..Weather::default()
    };
    let relay = Relay::start(server.quic, weather, 9);
    let edge = Edge::new(folder.path().join("watcher"));
    let ticket = server.ticket(&["--role", "inspector", "--name", "watcher", "--collection", "511902"], None);
    let _ = edge.ok(&["enroll", &ticket]);
    let through = format!("quic://{}", relay.address);
    let mut command = edge.command();
    command.args(["sync", "--watch", "--every", "1s", "--rounds", "3", "--json", "--server", &through]);
    let output = command.output().expect("outlet runs");
    let rounds: Vec<serde_json::Value> =
        String::from_utf8_lossy(&output.stdout).lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(rounds.len(), 3, "{rounds:?}");
    assert!(rounds.iter().all(|round| round["outcome"] == "converged"), "{rounds:?}");
    assert!(output.status.success());
}
