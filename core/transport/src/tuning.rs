//! What both sides of a connection set of QUIC. Values are chosen by measurement: `bench network`
//! makes the figures that stand beside them (those of 2026-11-26, two cores; quinn 0.11.12).

use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use quinn::{MtuDiscoveryConfig, TransportConfig, VarInt};

use crate::pieces::MAX_STREAMS;

/// A connection on which nothing moves, not even keep-alives, ends after this.
pub const IDLE_TIMEOUT: Duration = Duration::from_secs(30);
/// How often a silent connection says that it is there, so that address translations on its way do not
/// forget it. RFC 4787 (REQ-5) lets a mapping of UDP live two minutes at least; RFC 9000 (10.1.2) and RFC
/// 9308 (3.2) say that many live half a minute. An hour of silence in which the server says twenty words
/// (`tests/suite/keepalive.rs`; headers of IPv4 and UDP included):
///
/// | interval | mapping of 12 s | 20 s | 30, 60, 120 s | bytes an hour |
/// |---|---|---|---|---|
/// | 10 s | kept | kept | kept | 98,000 |
/// | 15 s | lost 230 times, a word 3.2 s late | kept | kept | 68,100 |
/// | 20 s | lost 175 times, a word 7.9 s late | lost 160 times | kept | 53,200 |
/// | 25 s | lost 140 times | lost 140 times | kept | 48,200 |
/// | 29 s | lost 120 times | lost 120 times | kept | 43,200 |
///
/// A lost mapping never cost the connection, but about 3.7 kB each time, for the new path is looked at anew.
/// 15 s keep a mapping of half a minute when one keep-alive is lost, and a mapping of 20 s when none is; with
/// one datagram in five lost all words arrived, the latest in less than 30 s.
pub const KEEP_ALIVE: Duration = Duration::from_secs(15);
// One lost keep-alive must neither end a connection nor cost a mapping of half a minute.
const _: () = assert!(KEEP_ALIVE.as_secs() * 2 <= IDLE_TIMEOUT.as_secs() && KEEP_ALIVE.as_secs() * 2 <= 30);

/// What is called the congestion controller: how fast to send into a bad link.
///
/// MB/s of the 2.5 that the link has, in the first 8 s, slow start included (queue of one bandwidth-delay
/// product, jitter of a tenth of the delay), on one ordered stream with a window of 2 MiB; with the 1 MiB of
/// today a single stream gets at most 1.75 at 600 ms, and photos travel on four:
///
/// | loss | round trip | cubic | newreno | bbr |
/// |---|---|---|---|---|
/// | 0 % | 50, 200, 600 ms | 2.37, 2.03, 0.87 | 2.34, 2.01, 0.87 | 2.34, 1.90, 1.49 |
/// | 1 % | 50, 200, 600 ms | 0.35, 0.17, 0.08 | 0.30, 0.10, 0.06 | 2.26, 1.68, 0.69 |
/// | 5 % | 50, 200, 600 ms | 0.23, 0.12, 0.07 | 0.17, 0.07, 0.05 | 2.27, 1.62, 0.40 |
/// | 20 % | 50, 200, 600 ms | 0.02, 0.01, 0.00 | 0.00, 0.00, 0.00 | 1.60, 0.85, 0.06 |
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Congestion {
    /// Loss means congestion.
    Cubic,
    /// Measures bandwidth instead. Called experimental by the library. The default: as good as the
    /// others where nothing is lost, 6 to 10 times as fast where one datagram in a hundred is, and of use
    /// where one in five is.
    #[default]
    Bbr,
    /// Loss means congestion, and recovery is slow: to compare with.
    NewReno,
}

impl std::str::FromStr for Congestion {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "cubic" => Ok(Self::Cubic),
            "bbr" => Ok(Self::Bbr),
            "newreno" => Ok(Self::NewReno),
            other => Err(format!("{other:?} is no congestion controller; known: cubic, bbr, newreno")),
        }
    }
}

/// Settings of a connection; what a deployment may choose is the controller, the rest is for
/// comparing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tuning {
    /// How fast to send.
    pub congestion: Congestion,
    /// UDP payload that is sent before anything is known of the path, in bytes. The least that QUIC
    /// allows: 1400 gave 2.31 MB/s instead of 2.25, and no connection at all through a tunnel of 1300.
    pub initial_mtu: u16,
    /// Largest UDP payload that is looked for; no larger than the initial one: none is. Looking costs
    /// nothing (2.25 MB/s instead of 2.24; 2.30 on a path of 1300), and a path that narrows to 1300
    /// under way is noticed: 2.01 MB/s over the 8 s in which it happened.
    pub largest_mtu: u16,
    /// Several datagrams in one call of the kernel, where it can (GSO). On loopback 87 MB/s with, 57
    /// without, 11 and 17 s of CPU per GB for both ends (debug build: the ratio is what counts).
    pub offload: bool,
    /// Buffer of the socket for what has arrived, in bytes, as far as the system allows; 0: as the
    /// system has it (208 KiB). A server has one socket for all devices, and what does not fit is sent
    /// again: 2 MiB in both directions gave 166 MB/s on loopback instead of 87. The buffer for what goes
    /// out stays as the system has it: photos would wait in it before records.
    pub receive_buffer: usize,
    /// How often a connection on which nothing else moves says that it is there; see [`KEEP_ALIVE`].
    pub keep_alive: Duration,
}

impl Default for Tuning {
    fn default() -> Self {
        Self {
            congestion: Congestion::default(),
            initial_mtu: 1200,
            largest_mtu: 1452,
            offload: true,
            receive_buffer: 2 << 20,
            keep_alive: KEEP_ALIVE,
        }
    }
}

impl From<Congestion> for Tuning {
    fn from(congestion: Congestion) -> Self {
        Self { congestion, ..Self::default() }
    }
}

impl Tuning {
    /// The parameters both sides use.
    #[must_use]
    pub fn transport_config(self) -> TransportConfig {
        let mut config = TransportConfig::default();
        config
            .max_idle_timeout(Some(VarInt::from_u32(30_000).into()))
            .keep_alive_interval(Some(self.keep_alive))
            // Two lanes, and two more so that a later version can add one.
            .max_concurrent_bidi_streams(VarInt::from_u32(4))
            // Bytes of files.
            .max_concurrent_uni_streams(VarInt::from_u32(MAX_STREAMS))
            // What one peer can make this side buffer. Four files that are not read leave room for records;
            // one alone fills 40 Mbit/s at 200 ms.
            .stream_receive_window(VarInt::from_u32(1 << 20))
            .receive_window(VarInt::from_u32(5 << 20))
            .send_window(4 << 20)
            .initial_mtu(self.initial_mtu)
            .enable_segmentation_offload(self.offload)
            .datagram_receive_buffer_size(None);
        if self.largest_mtu > self.initial_mtu {
            let mut discovery = MtuDiscoveryConfig::default();
            discovery.upper_bound(self.largest_mtu);
            config.mtu_discovery_config(Some(discovery));
        } else {
            config.mtu_discovery_config(None);
        }
        match self.congestion {
            Congestion::Cubic => {}
            Congestion::Bbr => {
                config.congestion_controller_factory(Arc::new(quinn::congestion::BbrConfig::default()));
            }
            Congestion::NewReno => {
                config.congestion_controller_factory(Arc::new(quinn::congestion::NewRenoConfig::default()));
            }
        }
        config
    }

    /// A bound socket with the buffer asked for, or what the system grants.
    pub(crate) fn socket(self, address: SocketAddr) -> std::io::Result<UdpSocket> {
        let socket = UdpSocket::bind(address)?;
        if self.receive_buffer > 0 {
            let state = quinn::udp::UdpSocketState::new((&socket).into())?;
            // Less is slower and harms nothing.
            let _granted = state.set_recv_buffer_size((&socket).into(), self.receive_buffer);
        }
        Ok(socket)
    }
}
