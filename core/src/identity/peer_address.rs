//! Where a device listens for another one, with the key it will show.

use std::fmt;
use std::str::FromStr;

use data_encoding::BASE32_NOPAD;

use super::address::ServerAddress;
use crate::ids::PublicKey;

/// `peer:HOST:PORT/KEY`, in small letters or capitals (a QR code stores capitals in 5.5 bits each);
/// or `HOST:PORT`, where the key is not known before the connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerAddress {
    /// IP address or name; IPv6 without brackets.
    pub host: String,
    /// Port, not 0.
    pub port: u16,
    /// The device's key. Absent: any member's key is believed, and the person looks at the name.
    pub key: Option<PublicKey>,
}

/// Not the address of a device.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a device's address is peer:HOST:PORT/KEY as `outlet peer listen` shows it, or HOST:PORT, got {0:?}")]
pub struct PeerAddressError(String);

impl fmt::Display for PeerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        match &self.key {
            Some(key) => {
                write!(f, "peer:{host}:{}/{}", self.port, BASE32_NOPAD.encode(&key.0).to_ascii_lowercase())
            }
            None => write!(f, "{host}:{}", self.port),
        }
    }
}

impl FromStr for PeerAddress {
    type Err = PeerAddressError;

    fn from_str(text: &str) -> Result<Self, PeerAddressError> {
        let bad = || PeerAddressError(text.chars().take(120).collect());
        let text = text.trim();
        let rest = match text.get(..5) {
            Some(prefix) if prefix.eq_ignore_ascii_case("peer:") => text.get(5..).unwrap_or_default(),
            _ => text,
        };
        let (place, key) = match rest.split_once('/') {
            Some((place, key)) => (place, Some(key)),
            None => (rest, None),
        };
        // The same rules for host and port as for a server.
        let ServerAddress { host, port, .. } =
            format!("quic://{}", place.to_ascii_lowercase()).parse().map_err(|_| bad())?;
        let key = key.map(|key| {
            let bytes = BASE32_NOPAD.decode(key.to_ascii_uppercase().as_bytes()).ok()?;
            PublicKey::from_slice(&bytes)
        });
        match key {
            Some(None) => Err(bad()),
            key => Ok(Self { host, port, key: key.flatten() }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_survive_text_and_capitals() {
        let key = crate::identity::SecretKey::from_bytes([3; 32]).public();
        for host in ["192.168.43.1", "fe80::1"] {
            let address = PeerAddress { host: host.to_owned(), port: 4433, key: Some(key) };
            let text = address.to_string();
            assert_eq!(text.parse::<PeerAddress>().unwrap(), address);
            assert_eq!(text.to_ascii_uppercase().parse::<PeerAddress>().unwrap(), address);
        }
        let plain: PeerAddress = "192.168.43.1:4433".parse().unwrap();
        assert_eq!((plain.key, plain.to_string().as_str()), (None, "192.168.43.1:4433"));
        for bad in ["", "peer:", "peer:192.168.43.1", "192.168.43.1:0", "peer:1.2.3.4:5/abc", "quic://1.2.3.4:5"] {
            assert!(bad.parse::<PeerAddress>().is_err(), "{bad}");
        }
    }
}
