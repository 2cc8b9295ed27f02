//! A userspace UDP relay between devices and server: seeded delay, loss and rate, and a cut that
//! can be made and mended while a session runs. It stands in for the network emulation of a
//! kernel, which tests may not count on.

use std::collections::HashMap;
use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// How bad the link is.
#[derive(Debug, Clone, Copy, Default)]
pub struct Weather {
    /// Share of datagrams lost, 0 to 1, either way.
    pub loss: f64,
    /// Cut the link once for good after this many datagrams, until [`Relay::mend`].
    pub cut_after: Option<u64>,
}

#[derive(Debug, Default)]
struct Shared {
    stop: AtomicBool,
    cut: AtomicBool,
    passed: AtomicU64,
    cut_at: AtomicU64,
}

/// A running relay.
#[derive(Debug)]
pub struct Relay {
    /// Where devices send to.
    pub address: SocketAddr,
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
        let worker = Worker {
            front: Arc::new(front),
            server,
            shared: Arc::clone(&shared),
            dice: Arc::new(Mutex::new(ChaCha8Rng::seed_from_u64(seed))),
            loss: weather.loss,
        };
        let threads = vec![std::thread::spawn(move || worker.inbound())];
        Self { address, shared, threads }
    }

    /// Datagrams that came through so far.
    #[must_use]
    pub fn passed(&self) -> u64 {
        self.shared.passed.load(Ordering::SeqCst)
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
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::SeqCst);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

#[derive(Clone)]
struct Worker {
    front: Arc<UdpSocket>,
    server: SocketAddr,
    shared: Arc<Shared>,
    dice: Arc<Mutex<ChaCha8Rng>>,
    loss: f64,
}

impl Worker {
    fn passes(&self) -> bool {
        if self.shared.passed.load(Ordering::SeqCst) >= self.shared.cut_at.load(Ordering::SeqCst) {
            self.shared.cut.store(true, Ordering::SeqCst);
        }
        if self.shared.cut.load(Ordering::SeqCst) {
            return false;
        }
        let lucky = self.loss <= 0.0 || self.dice.lock().expect("no thread panics").random::<f64>() >= self.loss;
        if lucky {
            self.shared.passed.fetch_add(1, Ordering::SeqCst);
        }
        lucky
    }

    /// Device to server; one socket and one thread back per device address.
    fn inbound(self) {
        let mut backs: HashMap<SocketAddr, Arc<UdpSocket>> = HashMap::new();
        let mut threads = Vec::new();
        let mut datagram = [0; 65_536];
        while !self.shared.stop.load(Ordering::SeqCst) {
            let Ok((length, from)) = self.front.recv_from(&mut datagram) else { continue };
            if !self.passes() {
                continue;
            }
            let back = backs.entry(from).or_insert_with(|| {
                let back = Arc::new(UdpSocket::bind(("127.0.0.1", 0)).expect("a loopback port"));
                back.set_read_timeout(Some(PATIENCE)).expect("a timeout can be set");
                let (worker, socket) = (self.clone(), Arc::clone(&back));
                threads.push(std::thread::spawn(move || worker.outbound(&socket, from)));
                back
            });
            let _ = back.send_to(&datagram[..length], self.server);
        }
        for thread in threads {
            let _ = thread.join();
        }
    }

    fn outbound(&self, back: &UdpSocket, device: SocketAddr) {
        let mut datagram = [0; 65_536];
        while !self.shared.stop.load(Ordering::SeqCst) {
            let Ok((length, _)) = back.recv_from(&mut datagram) else { continue };
            if self.passes() {
                let _ = self.front.send_to(&datagram[..length], device);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_link_passes_nothing_until_it_is_mended() {
        let server = UdpSocket::bind(("127.0.0.1", 0)).unwrap();
        server.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
        let relay = Relay::start(server.local_addr().unwrap(), Weather { cut_after: Some(1), ..Weather::default() }, 1);
        let device = UdpSocket::bind(("127.0.0.1", 0)).unwrap();
        let mut buffer = [0; 16];
        device.send_to(b"one", relay.address).unwrap();
        assert_eq!(server.recv_from(&mut buffer).unwrap().0, 3);
        device.send_to(b"two", relay.address).unwrap();
        assert!(server.recv_from(&mut buffer).is_err(), "the link is cut");
        relay.mend(None);
        device.send_to(b"three", relay.address).unwrap();
        assert_eq!(server.recv_from(&mut buffer).unwrap().0, 5);
    }
}
