//! Photos and bad links: rates over a bare QUIC stream on the same link, bytes sent again after a cut
//! or a kill, records while photos are under way, memory.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use outlet_core::identity::{SecretKey, ServerAddress};
use outlet_core::sync::session::Options;
use outlet_tests::device::Device;
use outlet_tests::figures::{Figures, percentile};
use outlet_tests::process::{Edge, Server};
use outlet_tests::relay::{Relay, Weather};
use outlet_transport::{Congestion, Link, quic};
use sha2::{Digest as _, Sha256};

const PHOTO: usize = 3_000_000;
/// Of the pushes on loopback; `OUTLET_BENCH_PHOTOS` makes it shorter.
const PHOTOS: usize = 200;
/// Of the pushes over the bad link: half a minute each.
const SLOW_PHOTOS: usize = 10;
const SEED: u64 = 20_211_231;

/// 20 Mbit/s, 200 ms, 5 % loss, a queue of one bandwidth-delay product.
fn bad() -> Weather {
    let (rate, delay) = (2_500_000, Duration::from_millis(100));
    Weather { loss: 0.05, delay, rate, queue: rate / 5, ..Weather::default() }
}

struct Bench<'a> {
    folder: &'a Path,
    runtime: tokio::runtime::Runtime,
    server: Server,
    devices: u8,
}

/// Everything of issue 5's table.
pub(crate) fn measure(figures: &mut Figures, folder: &Path) {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    let mut server = Server::init(folder.join("photo-server"));
    let quota = "[quota]\nphoto_bytes = 100_000_000_000\n[disk]\nwarn_percent = 1\nstop_percent = 0\n";
    std::fs::write(server.data.join("server.toml"), quota).expect("the configuration can be written");
    server.serve();
    let mut bench = Bench { folder, runtime, server, devices: 0 };
    let photos = std::env::var("OUTLET_BENCH_PHOTOS").ok().and_then(|text| text.parse().ok()).unwrap_or(PHOTOS);
    let wanted = |part: &str| super::sub_part(&["loopback", "bad", "again", "beside", "memory"], part);
    if wanted("loopback") {
        bench.loopback(figures, photos);
    }
    if wanted("bad") {
        bench.bad_link(figures);
    }
    if wanted("again") {
        bench.again(figures);
    }
    if wanted("beside") {
        bench.records_beside_photos(figures);
    }
    if wanted("memory") {
        bench.memory(figures);
    }
}

/// Unlike any other photo of the run.
fn photo(number: u64) -> Vec<u8> {
    let mut state = number.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let words = (0..PHOTO / 8).flat_map(|_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    });
    words.collect()
}

impl Bench<'_> {
    fn ticket(&self, name: &str) -> String {
        self.server.ticket(&["--role", "inspector", "--name", name, "--collection", "511902"], None)
    }

    fn direct(&self) -> ServerAddress {
        format!("quic://{}", self.server.quic).parse().expect("an address")
    }

    /// An enrolled device with so many photos to send.
    fn device(&mut self, photos: usize) -> Device {
        self.devices += 1;
        let name = format!("bench-{}", self.devices);
        let (home, ticket) = (self.folder.join(&name), self.ticket(&name));
        let device = self.runtime.block_on(Device::enrol(&home, self.devices, &ticket, &self.direct()));
        for number in 0..photos {
            let bytes = photo(u64::from(self.devices) << 32 | number as u64);
            let _ = device.record(u8::try_from(number % 250).unwrap_or(0), Some(&bytes));
        }
        // Records are not what is measured here.
        let options = Options { max_bytes: Some(0), ..Options::default() };
        let _ = self.runtime.block_on(device.sync(&[self.direct()], Congestion::default(), options));
        device
    }

    /// Bytes per second of a whole session.
    fn push(&self, device: &Device, address: &ServerAddress, congestion: Congestion, photos: usize) -> f64 {
        let started = Instant::now();
        let driven = self
            .runtime
            .block_on(device.sync(std::slice::from_ref(address), congestion, Options::default()))
            .expect("the server answers");
        assert_eq!(driven.summary.sent.photos as usize, photos, "{driven:?}");
        (photos * PHOTO) as f64 / started.elapsed().as_secs_f64()
    }

    fn loopback(&mut self, figures: &mut Figures, photos: usize) {
        let source = self.sources(photos);
        let bare = self.runtime.block_on(bare_push(&source, &self.folder.join("bare-1"), None, Congestion::default()));
        let device = self.device(photos);
        let ours = self.push(&device, &self.direct(), Congestion::default(), photos);
        let again = self.runtime.block_on(bare_push(&source, &self.folder.join("bare-2"), None, Congestion::default()));
        let bare = f64::midpoint(bare, again);
        figures.at_least("photo push on loopback", ours / bare, "ratio", 0.8, "bare stream: write, hash, fsync");
        figures.beside("photo push on loopback", ours / 1e6, "MB/s", "");
        figures.beside("bare stream on loopback", bare / 1e6, "MB/s", "mean of one before, one after");
    }

    fn sources(&self, photos: usize) -> Vec<PathBuf> {
        let folder = self.folder.join("sources");
        std::fs::create_dir_all(&folder).expect("a folder");
        let path = |number: usize| folder.join(number.to_string());
        for number in 0..photos {
            std::fs::write(path(number), photo(number as u64)).expect("a file");
        }
        (0..photos).map(path).collect()
    }

    fn bad_link(&mut self, figures: &mut Figures) {
        let source = self.sources(SLOW_PHOTOS);
        let mut best = 0.0_f64;
        for (name, congestion) in
            [("cubic", Congestion::Cubic), ("newreno", Congestion::NewReno), ("bbr", Congestion::Bbr)]
        {
            let count = if congestion == Congestion::Bbr { SLOW_PHOTOS } else { 1 };
            let into = self.folder.join(format!("bare-{name}"));
            let rate = self.runtime.block_on(bare_push(&source[..count], &into, Some(bad()), congestion));
            figures.beside(&format!("bare stream, 200 ms, 5 % loss, {name}"), rate / 1e6, "MB/s", "20 Mbit/s link");
            best = best.max(rate);
        }
        let device = self.device(SLOW_PHOTOS);
        let relay = Relay::start(self.server.quic, bad(), SEED);
        let address = format!("quic://{}", relay.address).parse().expect("an address");
        let ours = self.push(&device, &address, Congestion::default(), SLOW_PHOTOS);
        figures.at_least("photo push, 200 ms, 5 % loss", ours / best, "ratio", 0.85, "bare stream, best controller");
        figures.beside("photo push, 200 ms, 5 % loss", ours / 1e6, "MB/s", "");
    }

    /// What passes the relay more than in a push that is not disturbed.
    fn again(&mut self, figures: &mut Figures) {
        let weather =
            Weather { delay: Duration::from_millis(25), rate: 2_500_000, queue: 125_000, ..Weather::default() };
        let whole = self.disturbed(weather, &mut |_, _| {});
        let cut = self.disturbed(weather, &mut |_, relay| relay.cut());
        let device = self.killed_device(weather);
        // Of what has passed by then some is in the network, and lost with the process that would have read it;
        // the rest is on the server's disk, or was received and not kept.
        let (mut line, mut not_kept) = (0, 0);
        let killed = self.disturbed(weather, &mut |server, relay| {
            let passed = relay.bytes().0;
            line = relay.under_way();
            server.kill();
            not_kept = passed.saturating_sub(line + kept(&server.data));
        });
        let deep = Weather { queue: 2_500_000, ..weather };
        let deep_whole = self.disturbed(deep, &mut |_, _| {});
        let deep_cut = self.disturbed(deep, &mut |_, relay| relay.cut());
        let mut deep_line = 0;
        let deep_killed = self.disturbed(deep, &mut |server, relay| {
            deep_line = relay.under_way();
            server.kill();
        });
        let kib = |bytes: u64| bytes as f64 / 1024.0;
        let more = |bytes: u64| kib(bytes.saturating_sub(whole));
        let deeper = |bytes: u64| kib(bytes.saturating_sub(deep_whole));
        let beside = "a push without it";
        figures.at_most("sent again after a cut in a photo", more(cut), "KiB", 256.0, beside);
        figures.at_most("sent again after kill -9 of the device", more(device), "KiB", 256.0, beside);
        figures.at_most("sent again after kill -9 of the server", more(killed), "KiB", 256.0, beside);
        figures.beside("of this in the network when it died", kib(line), "KiB", "20 Mbit/s, 50 ms, queue 1 BDP");
        figures.beside("of this received and not kept", kib(not_kept), "KiB", "holes, headers, 20 ms that are held");
        figures.beside("the same after a cut, queue of 20 BDP", deeper(deep_cut), "KiB", "no datagram is dropped");
        figures.beside("the same after kill -9 of the server, queue of 20 BDP", deeper(deep_killed), "KiB", "");
        figures.beside("of this in the network when it died, queue of 20 BDP", kib(deep_line), "KiB", "");
    }

    /// The same with the real program, killed when half of the photo has passed.
    fn killed_device(&mut self, weather: Weather) -> u64 {
        let edge = Edge::new(self.folder.join("edge-killed"));
        let _ = edge.ok(&["enroll", &self.ticket("killed")]);
        let _ = edge.ok(&["add", "--number", "K", "--lon", "106.75", "--lat", "31.85"]);
        let file = self.folder.join("killed.bin");
        std::fs::write(&file, photo(800_000)).expect("a file");
        let _ = edge.ok(&["attach", "K", &file.to_string_lossy(), "--kind", "other"]);
        let _ = edge.run(&["sync", "--max-bytes", "1kB"]);
        let relay = Relay::start(self.server.quic, weather, SEED);
        let address = format!("quic://{}", relay.address);
        let mut command = edge.command();
        command.args(["sync", "--server", &address]).stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = command.spawn().expect("outlet starts");
        while relay.bytes().0 < PHOTO as u64 / 2 && child.try_wait().expect("it can be waited for").is_none() {
            std::thread::sleep(Duration::from_millis(1));
        }
        child.kill().expect("it runs");
        let _ = child.wait();
        let _ = edge.ok(&["sync", "--server", &address]);
        relay.bytes().0
    }

    /// Bytes to the server until one photo is there, disturbed when half of it has passed.
    fn disturbed(&mut self, weather: Weather, disturb: &mut dyn FnMut(&mut Server, &Relay)) -> u64 {
        let device = self.device(1);
        let relay = Relay::start(self.server.quic, weather, SEED);
        let address: ServerAddress = format!("quic://{}", relay.address).parse().expect("an address");
        let session = {
            let (device, address) = (device.clone(), address.clone());
            self.runtime.spawn(async move { device.sync(&[address], Congestion::default(), Options::default()).await })
        };
        while relay.bytes().0 < PHOTO as u64 / 2 && !session.is_finished() {
            std::thread::sleep(Duration::from_millis(1));
        }
        disturb(&mut self.server, &relay);
        let at_once = relay.passed();
        std::thread::sleep(Duration::from_millis(200));
        if self.server.is_running() && relay.passed() > at_once {
            // Nothing was disturbed.
            let _ = self.runtime.block_on(session);
            return relay.bytes().0;
        }
        session.abort();
        let _ = self.runtime.block_on(session);
        if !self.server.is_running() {
            self.server.serve();
        }
        relay.mend(None);
        loop {
            let driven = self.runtime.block_on(device.sync(
                std::slice::from_ref(&address),
                Congestion::default(),
                Options::default(),
            ));
            if driven.is_ok_and(|driven| driven.summary.pending_photos == 0) {
                return relay.bytes().0;
            }
        }
    }

    /// Round trips of small record frames, alone and while the files lane is full.
    fn records_beside_photos(&self, figures: &mut Figures) {
        let (rate, delay) = (1_250_000_u64, Duration::from_millis(50));
        let weather = Weather { delay, rate, queue: rate / 10, ..Weather::default() };
        let (idle, busy) =
            self.runtime.block_on(async { (record_delays(weather, false).await, record_delays(weather, true).await) });
        let (mut idle, mut busy) = (idle, busy);
        let (idle, busy) = (percentile(&mut idle, 0.95), percentile(&mut busy, 0.95));
        figures.at_most("50 records beside 500 MB of photos, p95", busy / idle, "ratio", 2.0, "an idle link");
        figures.beside("a record's round trip on the idle link, p95", idle, "ms", "10 Mbit/s, 100 ms, queue 1 BDP");
        figures.beside("a record's round trip beside photos, p95", busy, "ms", "");
    }

    fn memory(&mut self, figures: &mut Figures) {
        let server = peak_mib(self.server.pid().expect("it runs"));
        figures.at_most("server's memory after all of this", server, "MiB", 512.0, "peak resident");
        let edge = Edge::new(self.folder.join("edge-memory"));
        let _ = edge.ok(&["enroll", &self.ticket("memory")]);
        let _ = edge.ok(&["add", "--number", "M", "--lon", "106.75", "--lat", "31.85"]);
        for number in 0..20_u64 {
            let file = self.folder.join(format!("m{number}.bin"));
            std::fs::write(&file, photo(900_000 + number)).expect("a file");
            let _ = edge.ok(&["attach", "M", &file.to_string_lossy(), "--kind", "other"]);
        }
        let push = peak_of(&edge, &["sync"]);
        figures.at_most("device's memory while it sends 20 files", push, "MiB", 128.0, "peak resident");
        let large = self.folder.join("large.jpg");
        let picture = image::RgbImage::from_fn(6000, 4000, |x, y| image::Rgb([(x >> 4) as u8, (y >> 4) as u8, 9]));
        picture.save(&large).expect("a picture");
        let preview = peak_of(&edge, &["photo", "M", &large.to_string_lossy()]);
        figures.at_most("device's memory while it makes a preview of 24 MP", preview, "MiB", 224.0, "peak resident");
    }
}

/// Bytes that are kept of files that are not complete yet: they may have gaps.
fn kept(data: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt as _;
    let files = std::fs::read_dir(data.join("incoming")).into_iter().flatten().flatten();
    files.filter_map(|file| file.metadata().ok()).map(|file| (file.blocks() * 512).min(file.len())).sum()
}

/// Peak of a running process.
fn peak_mib(pid: u32) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or("0");
    line.split_whitespace().next().and_then(|kib| kib.parse::<f64>().ok()).unwrap_or(f64::NAN) / 1024.0
}

/// Peak of a command, looked at while it runs.
fn peak_of(edge: &Edge, args: &[&str]) -> f64 {
    let mut child =
        edge.command().args(args).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("outlet starts");
    let mut peak = 0.0_f64;
    while child.try_wait().expect("it can be waited for").is_none() {
        let now = peak_mib(child.id());
        peak = if now.is_nan() { peak } else { peak.max(now) };
        std::thread::sleep(Duration::from_millis(2));
    }
    peak
}

/// One stream from one endpoint to another, each file written, hashed and fsynced once: bytes per
/// second.
async fn bare_push(files: &[PathBuf], into: &Path, weather: Option<Weather>, congestion: Congestion) -> f64 {
    let (server, device) = (SecretKey::from_bytes([91; 32]), SecretKey::from_bytes([92; 32]));
    let endpoint = quic::listen((Ipv4Addr::LOCALHOST, 0).into(), &server, congestion).expect("an endpoint");
    let at = endpoint.local_addr().expect("bound");
    let relay = weather.map(|weather| Relay::start(at, weather, SEED));
    let address = relay.as_ref().map_or(at, |relay| relay.address);
    std::fs::create_dir_all(into).expect("a folder");
    let (into, count) = (into.to_owned(), files.len());
    let receiver = tokio::spawn(async move {
        let connection = quic::accept(endpoint.accept().await.expect("a caller")).await.expect("a connection");
        let lanes = connection.accept_lanes().await.expect("lanes");
        let (mut send, mut receive) = (lanes.files.send, lanes.files.receive);
        for number in 0..count {
            take_file(&mut receive, &into.join(number.to_string())).await;
        }
        send.write_all(b"k").await.expect("the caller waits");
        let _ = send.finish();
        let _ = send.stopped().await;
    });
    let pins = BTreeSet::from([server.public()]);
    let connection = quic::connect(address, &device, &pins, congestion).await.expect("connected");
    let mut lanes = connection.open_lanes().await.expect("lanes");
    let started = Instant::now();
    for file in files {
        let file = file.clone();
        let bytes = tokio::task::spawn_blocking(move || std::fs::read(file)).await.expect("read").expect("a file");
        lanes.files.send.write_all(&bytes).await.expect("sent");
    }
    let mut word = [0];
    lanes.files.receive.read_exact(&mut word).await.expect("all is there");
    let rate = (count * PHOTO) as f64 / started.elapsed().as_secs_f64();
    drop(lanes);
    receiver.await.expect("the receiver ends");
    rate
}

async fn take_file(receive: &mut quinn::RecvStream, path: &Path) {
    let path = path.to_owned();
    let (pieces, mut arrived) = tokio::sync::mpsc::channel::<bytes::Bytes>(16);
    let writer = tokio::task::spawn_blocking(move || {
        use std::io::Write as _;
        let (mut file, mut hasher) = (std::fs::File::create(path).expect("a file"), Sha256::new());
        while let Some(piece) = arrived.blocking_recv() {
            file.write_all(&piece).expect("written");
            hasher.update(&piece);
        }
        file.sync_data().expect("synced");
        hasher.finalize()
    });
    let mut left = PHOTO;
    while left > 0 {
        let piece = receive.read_chunk(left.min(64 << 10), true).await.expect("readable").expect("more").bytes;
        left -= piece.len();
        pieces.send(piece).await.expect("the writer writes");
    }
    drop(pieces);
    let _hash = writer.await.expect("the writer ends");
}

/// Milliseconds from a record frame to its echo, fifty times, ten a second.
async fn record_delays(weather: Weather, beside_photos: bool) -> Vec<f64> {
    let (server, device) = (SecretKey::from_bytes([93; 32]), SecretKey::from_bytes([94; 32]));
    let endpoint = quic::listen((Ipv4Addr::LOCALHOST, 0).into(), &server, Congestion::default()).expect("an endpoint");
    let at: SocketAddr = endpoint.local_addr().expect("bound");
    let relay = Relay::start(at, weather, SEED);
    let echo = tokio::spawn(async move {
        let connection = quic::accept(endpoint.accept().await.expect("a caller")).await.expect("a connection");
        let mut link = Link::accept(connection).await.expect("lanes");
        loop {
            tokio::select! {
                biased;
                frame = link.records.incoming.recv() => match frame {
                    Some(Ok(frame)) => { let _ = link.records.out.send(frame).await; }
                    _ => return,
                },
                frame = link.files.incoming.recv() => if !matches!(frame, Some(Ok(_))) { return },
            }
        }
    });
    let pins = BTreeSet::from([server.public()]);
    let connection = quic::connect(relay.address, &device, &pins, Congestion::default()).await.expect("connected");
    let mut link = Link::open(connection).await.expect("lanes");
    let files = link.files.out.clone();
    let load = tokio::spawn(async move { while beside_photos && files.send(vec![0x5A; 64 << 10]).await.is_ok() {} });
    if beside_photos {
        // Until the queue in the middle is full.
        tokio::time::sleep(Duration::from_secs(4)).await;
    }
    let mut delays = Vec::new();
    for _ in 0..50 {
        let started = Instant::now();
        link.records.out.send(vec![1; 900]).await.expect("a lane");
        let echoed = link.records.incoming.recv().await;
        assert!(matches!(echoed, Some(Ok(_))), "{echoed:?}");
        delays.push(started.elapsed().as_secs_f64() * 1000.0);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    load.abort();
    link.abort(0, "measured");
    echo.abort();
    delays
}
