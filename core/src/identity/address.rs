//! Where a server listens.

use std::fmt;
use std::str::FromStr;

use minicbor::{Decode, Decoder, Encode, Encoder, decode, encode};

/// How to speak to a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TransportKind {
    /// QUIC over UDP.
    Quic,
    /// The same frames over TLS on TCP, for networks that block UDP.
    Tls,
}

/// Where a server listens: `quic://host:port` or `tls://host:port`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServerAddress {
    /// How.
    pub transport: TransportKind,
    /// Name or IP address; IPv6 without brackets.
    pub host: String,
    /// Port, not 0.
    pub port: u16,
}

/// Not a server address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a server address is quic://host:port or tls://host:port such as quic://203.0.113.7:4433, got {0:?}")]
pub struct AddressError(pub String);

impl fmt::Display for ServerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match self.transport {
            TransportKind::Quic => "quic",
            TransportKind::Tls => "tls",
        };
        if self.host.contains(':') {
            write!(f, "{scheme}://[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{scheme}://{}:{}", self.host, self.port)
        }
    }
}

impl FromStr for ServerAddress {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let bad = || AddressError(text.chars().take(120).collect());
        let (scheme, rest) = text.split_once("://").ok_or_else(bad)?;
        let transport = match scheme {
            "quic" => TransportKind::Quic,
            "tls" => TransportKind::Tls,
            _ => return Err(bad()),
        };
        let (host, port) = rest.rsplit_once(':').ok_or_else(bad)?;
        let bracketed = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        let host = bracketed.unwrap_or(host);
        let known = |character: char| character.is_alphanumeric() || "-._:%".contains(character);
        let host_ok = !host.is_empty()
            && host.len() <= 253
            && host.chars().all(known)
            && host.contains(':') == bracketed.is_some();
        let port_ok = port.bytes().all(|byte| byte.is_ascii_digit());
        let port = port.parse().ok().filter(|port| port_ok && *port != 0).ok_or_else(bad)?;
        if host_ok { Ok(Self { transport, host: host.to_owned(), port }) } else { Err(bad()) }
    }
}

impl<C> Encode<C> for ServerAddress {
    fn encode<W: encode::Write>(&self, e: &mut Encoder<W>, _: &mut C) -> Result<(), encode::Error<W::Error>> {
        e.str(&self.to_string())?.ok()
    }
}

impl<'b, C> Decode<'b, C> for ServerAddress {
    fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, decode::Error> {
        d.str()?.parse().map_err(|_| decode::Error::message("not a server address"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_survive_text() {
        for text in
            ["quic://203.0.113.7:4433", "tls://paikou.example.cn:443", "quic://[2001:db8::1]:4433", "quic://服务器:1"]
        {
            let address: ServerAddress = text.parse().unwrap();
            assert_eq!(address.to_string(), text);
        }
        let address: ServerAddress = "quic://[2001:db8::1]:4433".parse().unwrap();
        assert_eq!(
            (address.transport, address.host.as_str(), address.port),
            (TransportKind::Quic, "2001:db8::1", 4433)
        );
    }

    #[test]
    fn what_is_not_an_address_is_refused() {
        let bad = [
            "",
            "203.0.113.7:4433",
            "https://a:1",
            "quic://a",
            "quic://a:0",
            "quic://a:65536",
            "quic://a:+1",
            "quic://a:",
            "quic://:4433",
            "quic://2001:db8::1:4433",
            "quic://[a]:1",
            "quic://a b:1",
            "quic://user@a:1",
            "quic://a/b:1",
        ];
        for text in bad {
            let error = text.parse::<ServerAddress>().unwrap_err();
            assert!(error.to_string().contains("quic://host:port"), "{text}");
        }
    }
}
