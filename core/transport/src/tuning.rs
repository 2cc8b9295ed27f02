//! What both sides of a connection set of QUIC. Values are chosen by measurement: `bench network`
//! makes the figures that stand beside them.

use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use quinn::{MtuDiscoveryConfig, TransportConfig, VarInt};

/// A connection on which nothing moves, not even keep-alives, ends after this.
pub const IDLE_TIMEOUT: Duration = Duration::from_secs(30);
/// Keeps the mapping of a carrier's address translation alive.
pub const KEEP_ALIVE: Duration = Duration::from_secs(15);
// One lost keep-alive must not end a connection, and the shortest mappings of carriers live 30 s.
const _: () = assert!(KEEP_ALIVE.as_secs() * 2 <= IDLE_TIMEOUT.as_secs() && KEEP_ALIVE.as_secs() < 30);

/// What is called the congestion controller: how fast to send into a bad link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Congestion {
    /// Loss means congestion.
    Cubic,
    /// Measures bandwidth instead: better on links that lose at random. Called experimental by
    /// the library. The default: links in the field lose by chance, and `make bench` compares all
    /// three over such a link.
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
    /// UDP payload that is sent before anything is known of the path, in bytes.
    pub initial_mtu: u16,
    /// Largest UDP payload that is looked for; no larger than the initial one: none is.
    pub largest_mtu: u16,
    /// Several datagrams in one call of the kernel, where it can (GSO).
    pub offload: bool,
    /// Buffers of the socket in bytes, as far as the system allows; 0: as the system has them.
    pub buffers: usize,
}

impl Default for Tuning {
    fn default() -> Self {
        Self { congestion: Congestion::default(), initial_mtu: 1200, largest_mtu: 1452, offload: true, buffers: 0 }
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
            .keep_alive_interval(Some(KEEP_ALIVE))
            // Two lanes, and two more so that a later version can add one.
            .max_concurrent_bidi_streams(VarInt::from_u32(4))
            .max_concurrent_uni_streams(VarInt::from_u32(0))
            // What one peer can make this side buffer. 2 MiB fill 80 Mbit/s at 200 ms.
            .stream_receive_window(VarInt::from_u32(2 << 20))
            .receive_window(VarInt::from_u32(4 << 20))
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

    /// A bound socket with the buffers asked for, or those that the system grants.
    pub(crate) fn socket(self, address: SocketAddr) -> std::io::Result<UdpSocket> {
        let socket = UdpSocket::bind(address)?;
        if self.buffers > 0 {
            let state = quinn::udp::UdpSocketState::new((&socket).into())?;
            // Less is slower and harms nothing.
            let _granted = state.set_recv_buffer_size((&socket).into(), self.buffers);
            let _granted = state.set_send_buffer_size((&socket).into(), self.buffers);
        }
        Ok(socket)
    }
}
