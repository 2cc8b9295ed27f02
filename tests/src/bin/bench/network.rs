//! Which settings of QUIC serve a bad link best: controllers over a grid of loss and round trip, sizes
//! of datagrams, segmentation by the kernel, buffers of the socket. Measured only when asked for by
//! name (`bench network`, or `bench network controllers`): what was chosen stands in
//! `core/transport/src/tuning.rs` with the figures.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use outlet_core::identity::SecretKey;
use outlet_tests::figures::{Figures, cpu_millis_of};
use outlet_tests::relay::{Relay, Weather};
use outlet_transport::{Congestion, Tuning, quic};

const SEED: u64 = 20_211_231;
/// Of one measurement: slow start counts, as it does for a photo.
const WINDOW: Duration = Duration::from_secs(8);
/// Bytes per second: 20 Mbit/s, a good uplink of a phone.
const RATE: u64 = 2_500_000;
const CONTROLLERS: [(&str, Congestion); 3] =
    [("cubic", Congestion::Cubic), ("newreno", Congestion::NewReno), ("bbr", Congestion::Bbr)];

/// The parts that were asked for; all without a name.
pub(crate) fn measure(figures: &mut Figures) {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    let wanted = |part: &str| super::sub_part(&["controllers", "mtu", "kernel"], part);
    if wanted("controllers") {
        runtime.block_on(controllers(figures));
    }
    if wanted("mtu") {
        runtime.block_on(datagrams(figures));
    }
    if wanted("kernel") {
        runtime.block_on(kernel(figures));
    }
}

fn link(loss: f64, round_trip: u64) -> Weather {
    let delay = Duration::from_millis(round_trip / 2);
    let jitter = Duration::from_millis(round_trip / 20);
    Weather { loss, delay, jitter, rate: RATE, queue: (RATE * round_trip / 1000).max(64_000), ..Weather::default() }
}

async fn controllers(figures: &mut Figures) {
    for loss in [0.0, 0.01, 0.05, 0.2] {
        for round_trip in [50, 200, 600] {
            let weather = link(loss, round_trip);
            // Each over a relay of its own, at the same time.
            let all = CONTROLLERS
                .map(|(name, congestion)| (name, tokio::spawn(goodput(Tuning::from(congestion), weather, None))));
            for (name, running) in all {
                let rate = running.await.expect("measured");
                let title = format!("{:.0} % loss, {round_trip} ms, {name}", loss * 100.0);
                figures.beside(&title, rate / 1e6, "MB/s", "20 Mbit/s, first 8 s");
            }
        }
    }
}

async fn datagrams(figures: &mut Figures) {
    let sizes = [
        ("1200, none larger", Tuning { largest_mtu: 1200, ..Tuning::default() }),
        ("1200, up to 1452", Tuning { largest_mtu: 1452, ..Tuning::default() }),
        ("1400, up to 1452", Tuning { initial_mtu: 1400, ..Tuning::default() }),
    ];
    let paths = [("all pass", 0, None), ("path of 1300", 1300, None), ("path narrows to 1300", 0, Some(1300))];
    for (path, mtu, later) in paths {
        for (name, tuning) in sizes {
            // What a tunnel of the carrier leaves: a handshake of 1400 does not pass it.
            if mtu > 0 && usize::from(tuning.initial_mtu) > mtu {
                continue;
            }
            let weather = Weather { mtu, ..link(0.01, 50) };
            let rate = goodput(tuning, weather, later).await;
            figures.beside(&format!("datagrams {name}, {path}"), rate / 1e6, "MB/s", "20 Mbit/s, 1 % loss, 50 ms");
        }
    }
}

async fn kernel(figures: &mut Figures) {
    let own = || cpu_millis_of(std::process::id(), 0);
    for (name, tuning) in [
        ("GSO", Tuning { receive_buffer: 0, ..Tuning::default() }),
        ("no GSO", Tuning { offload: false, receive_buffer: 0, ..Tuning::default() }),
        ("GSO, 2 MiB for what arrives", Tuning::default()),
        ("no GSO, 2 MiB for what arrives", Tuning { offload: false, ..Tuning::default() }),
    ] {
        let cpu = own();
        let rate = direct(tuning).await;
        let spent = (own() - cpu) / 1000.0 / (rate * WINDOW.as_secs_f64() / 1e9);
        figures.beside(&format!("loopback, {name}"), rate / 1e6, "MB/s", "both ends in one process");
        figures.beside(&format!("loopback, {name}: CPU of both ends"), spent, "s/GB", "");
    }
}

/// Bytes per second that one stream brings through the relay in the first seconds; with `later` the
/// path passes no larger datagrams from the middle on.
async fn goodput(tuning: Tuning, weather: Weather, later: Option<usize>) -> f64 {
    let (endpoint, server) = server(tuning);
    let relay = Relay::start(endpoint.local_addr().expect("bound"), weather, SEED);
    let address = relay.address;
    let measured = stream(tuning, endpoint, &server, address);
    match later {
        None => measured.await,
        Some(mtu) => {
            let narrow = async {
                tokio::time::sleep(WINDOW / 4).await;
                relay.narrow(mtu);
            };
            tokio::join!(measured, narrow).0
        }
    }
}

async fn direct(tuning: Tuning) -> f64 {
    let (endpoint, server) = server(tuning);
    let address = endpoint.local_addr().expect("bound");
    stream(tuning, endpoint, &server, address).await
}

fn server(tuning: Tuning) -> (quinn::Endpoint, SecretKey) {
    let key = SecretKey::from_bytes([95; 32]);
    (quic::listen((Ipv4Addr::LOCALHOST, 0).into(), &key, tuning).expect("an endpoint"), key)
}

async fn stream(tuning: Tuning, endpoint: quinn::Endpoint, server: &SecretKey, address: std::net::SocketAddr) -> f64 {
    let arrived = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&arrived);
    let receiver = tokio::spawn(async move {
        let incoming = endpoint.accept().await.expect("a caller");
        let Ok(connection) = quic::accept(incoming).await else { return };
        let Ok(mut lanes) = connection.accept_lanes().await else { return };
        while let Ok(Some(piece)) = lanes.files.receive.read_chunk(64 << 10, true).await {
            count.fetch_add(piece.bytes.len() as u64, Ordering::Relaxed);
        }
    });
    let started = Instant::now();
    let sender = async {
        let pins = BTreeSet::from([server.public()]);
        let connection = loop {
            let device = SecretKey::from_bytes([96; 32]);
            if let Ok(connection) = quic::connect(address, &device, &pins, tuning).await {
                break connection;
            }
        };
        let Ok(mut lanes) = connection.open_lanes().await else { return };
        let piece = vec![0x5A; 64 << 10];
        while lanes.files.send.write_all(&piece).await.is_ok() {}
    };
    let _in_time = tokio::time::timeout(WINDOW, sender).await;
    let rate = arrived.load(Ordering::Relaxed) as f64 / started.elapsed().as_secs_f64();
    receiver.abort();
    rate
}
