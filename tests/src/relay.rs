//! A userspace UDP relay between devices and server: seeded delay, jitter, loss, bursts of loss,
//! reordering, duplication, rate with a queue, MTU, cuts, a changed or forgotten address, UDP blocked. It stands in
//! for the network emulation of a kernel, which tests may not count on.

use std::collections::{BinaryHeap, HashMap};
use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::nat::Nat;

/// How bad the link is, the same in both directions.
#[derive(Debug, Clone, Copy, Default)]
pub struct Weather {
    /// Share of datagrams lost, 0 to 1.
    pub loss: f64,
    /// Losses come in bursts of about so many datagrams; 0 or 1: each by itself.
    pub burst: f64,
    /// One way, so that the round trip is twice as long.
    pub delay: Duration,
    /// Added to the delay, from nothing to this much; order is kept.
    pub jitter: Duration,
    /// Share of datagrams that overtake what is under way.
    pub reorder: f64,
    /// Share of datagrams that arrive twice.
    pub duplicate: f64,
    /// Bytes per second; 0: no limit.
    pub rate: u64,
    /// Bytes that wait for their turn at that rate; more are dropped. 0: 64 KiB.
    pub queue: u64,
    /// Longer datagrams are dropped; 0: none.
    pub mtu: usize,
    /// Cut the link once for good after this many datagrams, until [`Relay::mend`].
    pub cut_after: Option<u64>,
    /// Works for the first duration, then is dead for the second, again and again.
    pub cut_every: Option<(Duration, Duration)>,
    /// Nothing passes: a network that blocks UDP.
    pub blocked: bool,
    /// An address translation forgets a device that has sent nothing for so long: see `nat.rs`.
    pub binding: Option<Duration>,
}

#[derive(Debug, Default)]
struct Shared {
    stop: AtomicBool,
    cut: AtomicBool,
    passed: AtomicU64,
    cut_at: AtomicU64,
    to_server: AtomicU64,
    to_device: AtomicU64,
    /// Counts changes of the address that the server sees.
    moves: AtomicU64,
    /// Longer datagrams are dropped from now on; 0: none.
    narrow: AtomicU64,
    queue: Mutex<BinaryHeap<Datagram>>,
    wake: Condvar,
}

/// A datagram on its way.
#[derive(Debug)]
struct Datagram {
    at: Instant,
    number: u64,
    bytes: Vec<u8>,
    from: Arc<UdpSocket>,
    to: SocketAddr,
}

impl PartialEq for Datagram {
    fn eq(&self, other: &Self) -> bool {
        self.number == other.number
    }
}

impl Eq for Datagram {}

impl PartialOrd for Datagram {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Datagram {
    /// The earliest is the greatest, as a heap wants it.
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (other.at, other.number).cmp(&(self.at, self.number))
    }
}

/// A running relay.
#[derive(Debug)]
pub struct Relay {
    /// Where devices send to.
    pub address: SocketAddr,
    server: SocketAddr,
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

/// Reads block at most this long before they look whether to stop.
const PATIENCE: Duration = Duration::from_millis(20);

impl Relay {
    /// Relays to `server` until dropped.
    ///
    /// # Panics
    /// When no loopback socket can be had.
    #[must_use]
    pub fn start(server: SocketAddr, weather: Weather, seed: u64) -> Self {
        let front = UdpSocket::bind(("127.0.0.1", 0)).expect("a loopback port");
        front.set_read_timeout(Some(PATIENCE)).expect("a timeout can be set");
        let address = front.local_addr().expect("a bound socket has an address");
        let shared = Arc::new(Shared::default());
        shared.cut_at.store(weather.cut_after.unwrap_or(u64::MAX), Ordering::SeqCst);
        let path = |seed| Arc::new(Mutex::new(Path::new(weather, Instant::now(), seed)));
        let worker = Worker {
            front: Arc::new(front),
            server,
            shared: Arc::clone(&shared),
            up: path(seed),
            down: path(seed ^ 0x5EED),
            nat: Arc::new(Mutex::new(Nat::new(weather.binding))),
        };
        let deliver = Arc::clone(&shared);
        let threads = vec![std::thread::spawn(move || worker.inbound()), std::thread::spawn(move || deliver.deliver())];
        Self { address, server, shared, threads }
    }

    /// Datagrams that came through so far.
    #[must_use]
    pub fn passed(&self) -> u64 {
        self.shared.passed.load(Ordering::SeqCst)
    }

    /// Bytes that came through to the server and to devices.
    #[must_use]
    pub fn bytes(&self) -> (u64, u64) {
        (self.shared.to_server.load(Ordering::SeqCst), self.shared.to_device.load(Ordering::SeqCst))
    }

    /// Bytes that came through towards the server and have not arrived: in the queue, or on the line.
    #[must_use]
    pub fn under_way(&self) -> u64 {
        let (queue, now) = (self.shared.queue.lock().unwrap_or_else(PoisonError::into_inner), Instant::now());
        let to_server = |datagram: &&Datagram| datagram.to == self.server && datagram.at > now;
        queue.iter().filter(to_server).map(|datagram| datagram.bytes.len() as u64).sum()
    }

    /// Nothing passes from now on.
    pub fn cut(&self) {
        self.shared.cut.store(true, Ordering::SeqCst);
    }

    /// Everything passes again, for another `until` datagrams.
    pub fn mend(&self, until: Option<u64>) {
        let at = until.map_or(u64::MAX, |more| self.passed().saturating_add(more));
        self.shared.cut_at.store(at, Ordering::SeqCst);
        self.shared.cut.store(false, Ordering::SeqCst);
    }

    /// From now on longer datagrams are dropped, as after a change to a network with a tunnel.
    pub fn narrow(&self, mtu: usize) {
        self.shared.narrow.store(mtu as u64, Ordering::SeqCst);
    }

    /// From now on the server sees another address of each device, as after a change of the network
    /// or of a carrier's translation. What it sends to the old one still arrives.
    pub fn change_address(&self) {
        self.shared.moves.fetch_add(1, Ordering::SeqCst);
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::SeqCst);
        self.shared.wake.notify_all();
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn stopped(&self) -> bool {
        self.stop.load(Ordering::SeqCst)
    }

    /// Sends each datagram when its time has come.
    fn deliver(&self) {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        while !self.stopped() {
            let now = Instant::now();
            let wait = queue.peek().map_or(PATIENCE, |next| next.at.saturating_duration_since(now));
            if wait.is_zero()
                && let Some(datagram) = queue.pop()
            {
                drop(queue);
                let _lost = datagram.from.send_to(&datagram.bytes, datagram.to);
                queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            queue = self.wake.wait_timeout(queue, wait.min(PATIENCE)).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn is_cut(&self) -> bool {
        if self.passed.load(Ordering::SeqCst) >= self.cut_at.load(Ordering::SeqCst) {
            self.cut.store(true, Ordering::SeqCst);
        }
        self.cut.load(Ordering::SeqCst)
    }

    /// Puts what passes into the queue.
    fn pass(&self, path: &Mutex<Path>, bytes: &[u8], from: &Arc<UdpSocket>, to: SocketAddr, counter: &AtomicU64) {
        let narrow = self.narrow.load(Ordering::SeqCst);
        if self.is_cut() || (narrow > 0 && bytes.len() as u64 > narrow) {
            return;
        }
        let times = path.lock().unwrap_or_else(PoisonError::into_inner).fate(Instant::now(), bytes.len());
        for at in times.into_iter().flatten() {
            let number = self.passed.fetch_add(1, Ordering::SeqCst);
            counter.fetch_add(bytes.len() as u64, Ordering::SeqCst);
            let datagram = Datagram { at, number, bytes: bytes.to_vec(), from: Arc::clone(from), to };
            self.queue.lock().unwrap_or_else(PoisonError::into_inner).push(datagram);
            self.wake.notify_one();
        }
    }
}

/// One direction.
#[derive(Debug)]
pub(crate) struct Path {
    weather: Weather,
    dice: ChaCha8Rng,
    started: Instant,
    /// In a burst of losses.
    bad: bool,
    /// When the last byte sent so far has left the bottleneck.
    free_at: Instant,
    /// When the last datagram arrives: the next one does not overtake it by chance.
    last: Instant,
}

impl Path {
    pub(crate) fn new(weather: Weather, now: Instant, seed: u64) -> Self {
        Self { weather, dice: ChaCha8Rng::seed_from_u64(seed), started: now, bad: false, free_at: now, last: now }
    }

    fn chance(&mut self, share: f64) -> bool {
        share > 0.0 && self.dice.random::<f64>() < share
    }

    /// A share of `loss` in the long run, in bursts of `burst` on average (Gilbert's model).
    fn is_lost(&mut self) -> bool {
        let Weather { loss, burst, .. } = self.weather;
        if burst <= 1.0 || loss <= 0.0 || loss >= 1.0 {
            return self.chance(loss);
        }
        let leave = 1.0 / burst;
        let enter = leave * loss / (1.0 - loss);
        self.bad = if self.bad { !self.chance(leave) } else { self.chance(enter) };
        self.bad
    }

    fn is_dead(&self, now: Instant) -> bool {
        let Some((up, down)) = self.weather.cut_every else { return self.weather.blocked };
        let cycle = (up + down).as_millis().max(1);
        (now - self.started).as_millis() % cycle >= up.as_millis() || self.weather.blocked
    }

    /// When it arrives: never, once, or twice.
    pub(crate) fn fate(&mut self, now: Instant, length: usize) -> [Option<Instant>; 2] {
        let weather = self.weather;
        if self.is_dead(now) || (weather.mtu > 0 && length > weather.mtu) || self.is_lost() {
            return [None; 2];
        }
        let mut at = now;
        if weather.rate > 0 {
            let start = self.free_at.max(now);
            let most = if weather.queue == 0 { 64 << 10 } else { weather.queue };
            if (start - now).as_secs_f64() * weather.rate as f64 > most as f64 {
                return [None; 2];
            }
            self.free_at = start + Duration::from_secs_f64(length as f64 / weather.rate as f64);
            at = self.free_at;
        }
        if self.chance(weather.reorder) {
            return [Some(at + weather.delay / 2), None];
        }
        at += weather.delay + weather.jitter.mul_f64(self.dice.random::<f64>());
        self.last = self.last.max(at);
        let again = self.chance(weather.duplicate).then_some(self.last);
        [Some(self.last), again]
    }
}

#[derive(Clone)]
struct Worker {
    front: Arc<UdpSocket>,
    server: SocketAddr,
    shared: Arc<Shared>,
    up: Arc<Mutex<Path>>,
    down: Arc<Mutex<Path>>,
    nat: Arc<Mutex<Nat>>,
}

impl Worker {
    fn nat(&self) -> MutexGuard<'_, Nat> {
        self.nat.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Device to server; one socket and one thread back per device address and change of it.
    fn inbound(self) {
        let mut backs: HashMap<SocketAddr, ((u64, u64), Arc<UdpSocket>)> = HashMap::new();
        let mut threads = Vec::new();
        let mut datagram = [0; 65_536];
        while !self.shared.stopped() {
            let Ok((length, from)) = self.front.recv_from(&mut datagram) else { continue };
            let binding = self.nat().outbound(Instant::now(), from);
            let moves = (self.shared.moves.load(Ordering::SeqCst), binding);
            let known = backs.get(&from).filter(|(at, _)| *at == moves).map(|(_, back)| Arc::clone(back));
            let back = known.unwrap_or_else(|| {
                let back = Arc::new(UdpSocket::bind(("127.0.0.1", 0)).expect("a loopback port"));
                back.set_read_timeout(Some(PATIENCE)).expect("a timeout can be set");
                let (worker, socket) = (self.clone(), Arc::clone(&back));
                threads.push(std::thread::spawn(move || worker.outbound(&socket, from, binding)));
                backs.insert(from, (moves, Arc::clone(&back)));
                back
            });
            self.shared.pass(&self.up, &datagram[..length], &back, self.server, &self.shared.to_server);
        }
        for thread in threads {
            let _ = thread.join();
        }
    }

    fn outbound(&self, back: &UdpSocket, device: SocketAddr, binding: u64) {
        let mut datagram = [0; 65_536];
        while !self.shared.stopped() {
            let Ok((length, _)) = back.recv_from(&mut datagram) else { continue };
            if self.nat().inbound(Instant::now(), binding).is_none() {
                continue;
            }
            self.shared.pass(&self.down, &datagram[..length], &self.front, device, &self.shared.to_device);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(weather: Weather) -> (UdpSocket, Relay, UdpSocket) {
        let server = UdpSocket::bind(("127.0.0.1", 0)).unwrap();
        server.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
        let relay = Relay::start(server.local_addr().unwrap(), weather, 1);
        (UdpSocket::bind(("127.0.0.1", 0)).unwrap(), relay, server)
    }

    #[test]
    fn a_cut_link_passes_nothing_until_it_is_mended() {
        let (device, relay, server) = pair(Weather { cut_after: Some(1), ..Weather::default() });
        let mut buffer = [0; 16];
        device.send_to(b"one", relay.address).unwrap();
        assert_eq!(server.recv_from(&mut buffer).unwrap().0, 3);
        device.send_to(b"two", relay.address).unwrap();
        assert!(server.recv_from(&mut buffer).is_err(), "the link is cut");
        relay.mend(None);
        device.send_to(b"three", relay.address).unwrap();
        assert_eq!(server.recv_from(&mut buffer).unwrap().0, 5);
        assert_eq!(relay.bytes(), (8, 0));
    }

    #[test]
    fn a_changed_address_is_seen_by_the_server_and_both_lead_back() {
        let (device, relay, server) = pair(Weather::default());
        device.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
        let mut buffer = [0; 16];
        device.send_to(b"one", relay.address).unwrap();
        let (_, first) = server.recv_from(&mut buffer).unwrap();
        relay.change_address();
        device.send_to(b"two", relay.address).unwrap();
        let (_, second) = server.recv_from(&mut buffer).unwrap();
        assert_ne!(first, second);
        for back in [first, second] {
            server.send_to(b"back", back).unwrap();
            assert_eq!(device.recv_from(&mut buffer).unwrap().0, 4);
        }
    }

    #[test]
    fn a_forgotten_device_is_seen_under_another_address_and_hears_nothing_of_the_old_one() {
        let (device, relay, server) = pair(Weather { binding: Some(Duration::from_millis(60)), ..Weather::default() });
        device.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
        let mut buffer = [0; 16];
        device.send_to(b"one", relay.address).unwrap();
        let (_, first) = server.recv_from(&mut buffer).unwrap();
        server.send_to(b"back", first).unwrap();
        assert_eq!(device.recv_from(&mut buffer).unwrap().0, 4);
        assert!(device.recv_from(&mut buffer).is_err(), "longer than the binding lives");
        server.send_to(b"late", first).unwrap();
        assert!(device.recv_from(&mut buffer).is_err(), "forgotten");
        device.send_to(b"two", relay.address).unwrap();
        let (_, second) = server.recv_from(&mut buffer).unwrap();
        assert_ne!(first, second);
        server.send_to(b"back", second).unwrap();
        assert_eq!(device.recv_from(&mut buffer).unwrap().0, 4);
    }

    /// What becomes of many datagrams, without any socket or clock.
    fn fates(weather: Weather, count: u64) -> Vec<[Option<Instant>; 2]> {
        let mut path = Path::new(weather, Instant::now(), 7);
        let start = path.started;
        (0..count).map(|number| path.fate(start + Duration::from_millis(number), 1000)).collect()
    }

    #[test]
    fn loss_comes_in_its_share_and_in_bursts() {
        for burst in [0.0, 8.0] {
            let fates = fates(Weather { loss: 0.05, burst, ..Weather::default() }, 40_000);
            let lost: Vec<bool> = fates.iter().map(|fate| fate[0].is_none()).collect();
            let share = lost.iter().filter(|lost| **lost).count() as f64 / 40_000.0;
            assert!((0.035..0.065).contains(&share), "{share}");
            let runs = lost.windows(2).filter(|pair| pair[1] && !pair[0]).count() as f64;
            let length = share * 40_000.0 / runs;
            assert!(if burst > 1.0 { length > 5.0 } else { length < 1.3 }, "{length}");
        }
    }

    #[test]
    fn a_rate_makes_wait_and_a_full_queue_drops() {
        // 1,000 bytes each millisecond into 500 kB/s: half of them stay, in time.
        let weather = Weather { rate: 500_000, queue: 10_000, ..Weather::default() };
        let all = fates(weather, 1_000);
        let kept: Vec<Instant> = all.iter().filter_map(|fate| fate[0]).collect();
        assert!((480..540).contains(&kept.len()), "{}", kept.len());
        let (first, last) = (kept[0], kept[kept.len() - 1]);
        assert!((last - first).as_secs_f64() > 0.9);
        assert!(kept.is_sorted());
    }

    #[test]
    fn mtu_cuts_duplicates_and_blocking() {
        let none = |weather| fates(weather, 100).iter().all(|fate| fate[0].is_none());
        assert!(none(Weather { mtu: 900, ..Weather::default() }));
        assert!(none(Weather { blocked: true, ..Weather::default() }));
        let every = Some((Duration::from_millis(60), Duration::from_millis(40)));
        let alive = fates(Weather { cut_every: every, ..Weather::default() }, 1_000);
        assert_eq!(alive.iter().filter(|fate| fate[0].is_some()).count(), 600);
        assert!(fates(Weather { duplicate: 1.0, ..Weather::default() }, 10).iter().all(|fate| fate[1].is_some()));
        let late = Weather { delay: Duration::from_millis(50), reorder: 0.2, ..Weather::default() };
        let times: Vec<Instant> = fates(late, 200).iter().filter_map(|fate| fate[0]).collect();
        assert!(!times.is_sorted());
        let steady = Weather { jitter: Duration::from_millis(50), ..Weather::default() };
        let times: Vec<Instant> = fates(steady, 200).iter().filter_map(|fate| fate[0]).collect();
        assert!(times.is_sorted());
    }
}
