//! A network in memory: one server, devices behind an address translation, the same bad weather as the
//! relay's. It runs on tokio's clock, so that a test with that clock paused sees an hour pass in a moment,
//! and the same every time.

use std::collections::{BinaryHeap, HashMap, VecDeque};
use std::fmt;
use std::io::{self, IoSliceMut};
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use outlet_transport::quic::AsyncUdpSocket;
use quinn::UdpPoller;
use quinn::udp::{RecvMeta, Transmit};
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::nat::Nat;
use crate::relay::{Path, Weather};

/// IPv4 and UDP headers: what a datagram costs beside its payload.
const HEADERS: u64 = 28;

/// The network. Dropping the last handle ends it.
#[derive(Debug, Clone)]
pub struct Ether {
    state: Arc<Mutex<State>>,
    wake: Arc<Notify>,
}

#[derive(Debug)]
struct State {
    up: Path,
    down: Path,
    nat: Nat,
    cut: bool,
    sockets: HashMap<SocketAddr, Inbox>,
    underway: BinaryHeap<Underway>,
    number: u64,
    traffic: Traffic,
}

/// What passed, headers of IPv4 and UDP included.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Bytes to the server.
    pub up: u64,
    /// Bytes to devices.
    pub down: u64,
    /// How often the translation gave a device an address.
    pub bindings: u64,
}

#[derive(Debug, Default)]
struct Inbox {
    /// Of the sockets at this address the newest has it.
    generation: u64,
    arrived: VecDeque<(SocketAddr, Vec<u8>)>,
    waker: Option<Waker>,
}

#[derive(Debug)]
struct Underway {
    at: Instant,
    number: u64,
    from: SocketAddr,
    /// To the server, or to a binding.
    to: Result<SocketAddr, u64>,
    bytes: Vec<u8>,
}

impl PartialEq for Underway {
    fn eq(&self, other: &Self) -> bool {
        self.number == other.number
    }
}

impl Eq for Underway {}

impl PartialOrd for Underway {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Underway {
    /// The earliest is the greatest, as a heap wants it.
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (other.at, other.number).cmp(&(self.at, self.number))
    }
}

/// Where the server is.
#[must_use]
pub fn server_address() -> SocketAddr {
    (Ipv4Addr::new(203, 0, 113, 1), 4433).into()
}

/// A binding as the server sees it.
fn public(binding: u64) -> SocketAddr {
    (Ipv4Addr::new(198, 51, 100, 1), u16::try_from(1024 + binding % 60_000).unwrap_or(1024)).into()
}

impl Ether {
    /// A network of this weather. Needs a tokio runtime.
    #[must_use]
    pub fn new(weather: Weather, seed: u64) -> Self {
        let now = Instant::now().into_std();
        let state = State {
            up: Path::new(weather, now, seed),
            down: Path::new(weather, now, seed ^ 0x5EED),
            nat: Nat::new(weather.binding),
            cut: false,
            sockets: HashMap::new(),
            underway: BinaryHeap::new(),
            number: 0,
            traffic: Traffic::default(),
        };
        let ether = Self { state: Arc::new(Mutex::new(state)), wake: Arc::default() };
        tokio::spawn(deliver(Arc::downgrade(&ether.state), Arc::clone(&ether.wake)));
        ether
    }

    /// The server's socket. An older one sends and receives nothing any more, as that of a process that
    /// was killed.
    #[must_use]
    pub fn server(&self) -> Arc<dyn AsyncUdpSocket> {
        self.socket(server_address())
    }

    /// A device's socket; as [`Ether::server`].
    #[must_use]
    pub fn device(&self, number: u8) -> Arc<dyn AsyncUdpSocket> {
        self.socket((Ipv4Addr::new(10, 0, 0, number), 5000).into())
    }

    fn socket(&self, own: SocketAddr) -> Arc<dyn AsyncUdpSocket> {
        let mut state = self.lock();
        let generation = state.sockets.get(&own).map_or(0, |inbox| inbox.generation + 1);
        state.sockets.insert(own, Inbox { generation, ..Inbox::default() });
        drop(state);
        Arc::new(Socket { own, generation, ether: self.clone() })
    }

    /// Nothing enters the network any more; what is under way arrives.
    pub fn cut(&self) {
        self.lock().cut = true;
    }

    /// Everything passes again.
    pub fn mend(&self) {
        self.lock().cut = false;
    }

    /// What passed so far.
    #[must_use]
    pub fn traffic(&self) -> Traffic {
        let state = self.lock();
        Traffic { bindings: state.nat.given(), ..state.traffic }
    }

    /// Bytes that have entered the network for the server and have not arrived.
    #[must_use]
    pub fn under_way(&self) -> u64 {
        let state = self.lock();
        state.underway.iter().filter(|datagram| datagram.to.is_ok()).map(|datagram| datagram.bytes.len() as u64).sum()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn send(&self, (from, generation): (SocketAddr, u64), to: SocketAddr, bytes: &[u8]) {
        let mut state = self.lock();
        if state.cut || state.sockets.get(&from).is_none_or(|inbox| inbox.generation != generation) {
            return;
        }
        let now = Instant::now().into_std();
        let length = bytes.len() as u64 + HEADERS;
        let (fates, from, to) = if from == server_address() {
            let binding = (0..=state.nat.given()).find(|binding| public(*binding) == to).unwrap_or(0);
            (state.down.fate(now, bytes.len()), from, Err(binding))
        } else {
            let binding = state.nat.outbound(now, from);
            (state.up.fate(now, bytes.len()), public(binding), Ok(to))
        };
        for at in fates.into_iter().flatten() {
            state.number += 1;
            let (number, bytes) = (state.number, bytes.to_vec());
            match to {
                Ok(_) => state.traffic.up += length,
                Err(_) => state.traffic.down += length,
            }
            state.underway.push(Underway { at: Instant::from_std(at), number, from, to, bytes });
        }
        drop(state);
        self.wake.notify_one();
    }
}

/// Moves what has arrived into the inboxes, as long as the network is there.
async fn deliver(state: std::sync::Weak<Mutex<State>>, wake: Arc<Notify>) {
    loop {
        let next = {
            let Some(state) = state.upgrade() else { return };
            let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
            state.arrive(Instant::now());
            state.underway.peek().map(|datagram| datagram.at)
        };
        // Looked at again at the latest then, so that a network nobody has any more ends.
        let latest = Instant::now() + std::time::Duration::from_secs(3600);
        tokio::select! {
            () = wake.notified() => {}
            () = tokio::time::sleep_until(next.unwrap_or(latest)) => {}
        }
    }
}

impl State {
    fn arrive(&mut self, now: Instant) {
        while self.underway.peek().is_some_and(|datagram| datagram.at <= now) {
            let Some(Underway { from, to, bytes, .. }) = self.underway.pop() else { return };
            let Some(to) = to.ok().or_else(|| self.nat.inbound(now.into_std(), to.err().unwrap_or(0))) else {
                continue;
            };
            if let Some(inbox) = self.sockets.get_mut(&to) {
                inbox.arrived.push_back((from, bytes));
                inbox.waker.take().into_iter().for_each(Waker::wake);
            }
        }
    }
}

struct Socket {
    own: SocketAddr,
    generation: u64,
    ether: Ether,
}

impl fmt::Debug for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Socket").field("own", &self.own).finish_non_exhaustive()
    }
}

impl AsyncUdpSocket for Socket {
    fn create_io_poller(self: Arc<Self>) -> Pin<Box<dyn UdpPoller>> {
        Box::pin(Writable)
    }

    fn try_send(&self, transmit: &Transmit<'_>) -> io::Result<()> {
        for datagram in transmit.contents.chunks(transmit.segment_size.unwrap_or(usize::MAX).max(1)) {
            self.ether.send((self.own, self.generation), transmit.destination, datagram);
        }
        Ok(())
    }

    fn poll_recv(
        &self,
        context: &mut Context<'_>,
        buffers: &mut [IoSliceMut<'_>],
        meta: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        let mut state = self.ether.lock();
        let own = state.sockets.get_mut(&self.own).filter(|inbox| inbox.generation == self.generation);
        let Some(inbox) = own else { return Poll::Pending };
        let mut count = 0;
        for (buffer, meta) in buffers.iter_mut().zip(meta) {
            let Some((from, bytes)) = inbox.arrived.pop_front() else { break };
            let length = bytes.len().min(buffer.len());
            buffer[..length].copy_from_slice(&bytes[..length]);
            *meta = RecvMeta { addr: from, len: length, stride: length, ..RecvMeta::default() };
            count += 1;
        }
        if count > 0 {
            return Poll::Ready(Ok(count));
        }
        inbox.waker = Some(context.waker().clone());
        Poll::Pending
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.own)
    }

    fn may_fragment(&self) -> bool {
        false
    }
}

/// The network takes everything, and drops what does not fit.
#[derive(Debug)]
struct Writable;

impl UdpPoller for Writable {
    fn poll_writable(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
