//! An address translation as carriers and routers have it (RFC 4787): a device that sends gets a binding,
//! an address under which others see it; one that sends nothing for a while loses it, what comes for it
//! from outside is dropped then, and when it sends again it is seen under another address. Only what goes
//! out keeps a binding alive: more is not required of it (REQ-6).
//!
//! No socket and no clock: the relay and the network in memory have both.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// Bindings are numbers; what they look like from outside is the network's affair.
#[derive(Debug)]
pub(crate) struct Nat {
    /// None: for ever.
    lifetime: Option<Duration>,
    bindings: HashMap<SocketAddr, (u64, Instant)>,
    given: u64,
}

impl Nat {
    pub(crate) fn new(lifetime: Option<Duration>) -> Self {
        Self { lifetime, bindings: HashMap::new(), given: 0 }
    }

    /// A device sends: its binding, a new one when it had none or had been silent for too long.
    pub(crate) fn outbound(&mut self, now: Instant, device: SocketAddr) -> u64 {
        let alive = self.bindings.get(&device).filter(|(_, last)| self.lives(now, *last)).map(|(binding, _)| *binding);
        let binding = alive.unwrap_or_else(|| {
            self.given += 1;
            self.given
        });
        self.bindings.insert(device, (binding, now));
        binding
    }

    /// The device behind a binding; None when it is forgotten.
    pub(crate) fn inbound(&self, now: Instant, binding: u64) -> Option<SocketAddr> {
        let known = self.bindings.iter().find(|(_, (known, last))| *known == binding && self.lives(now, *last));
        known.map(|(device, _)| *device)
    }

    /// Bindings given so far: how often a device was seen under another address.
    pub(crate) fn given(&self) -> u64 {
        self.given
    }

    fn lives(&self, now: Instant, last: Instant) -> bool {
        self.lifetime.is_none_or(|lifetime| now.saturating_duration_since(last) < lifetime)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_binding_lives_as_long_as_its_device_sends() {
        let (start, device) = (Instant::now(), "10.0.0.2:5000".parse().unwrap());
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut nat = Nat::new(Some(Duration::from_secs(30)));
        let first = nat.outbound(at(0), device);
        assert_eq!((nat.outbound(at(29), device), nat.inbound(at(58), first)), (first, Some(device)));
        // What comes in keeps nothing alive.
        assert_eq!(nat.inbound(at(59), first), None);
        let second = nat.outbound(at(60), device);
        assert_ne!(first, second);
        assert_eq!((nat.inbound(at(61), first), nat.inbound(at(61), second)), (None, Some(device)));
        assert_eq!(nat.given(), 2);
        let mut lasting = Nat::new(None);
        let only = lasting.outbound(at(0), device);
        assert_eq!(lasting.inbound(at(1_000_000), only), Some(device));
    }
}
