//! Settings: the commented defaults compiled in, the data folder's `server.toml` above them, the
//! command's options above both.

use std::path::Path;
use std::time::Duration;

use outlet_transport::Congestion;
use serde::Deserialize;

use crate::error::{CommandError, IoContext};

/// The defaults with a comment for each, as `config default` prints them.
pub const DEFAULT: &str = include_str!("server.default.toml");

/// Name of the file in the data folder.
pub const FILE: &str = "server.toml";

/// All settings.
#[derive(Debug, Clone, Deserialize)]
pub struct Config {
    /// Addresses.
    pub listen: Listen,
    /// How to send.
    pub network: Network,
    /// Logs.
    pub log: Log,
    /// Limits per server.
    pub limits: Limits,
    /// Limits per device and day.
    pub quota: Quota,
    /// Free disk thresholds.
    pub disk: Disk,
    /// Photos and attachments.
    pub photos: Photos,
    /// Certificates and tickets.
    pub membership: Membership,
    /// The console.
    pub console: Console,
    /// Signing in through an identity provider.
    pub oidc: Oidc,
    /// The page behind a sign's QR code.
    pub public: Public,
    /// Interfaces for other programs.
    pub api: Api,
    /// The map.
    pub map: Map,
}

/// Interfaces for other programs.
#[derive(Debug, Clone, Deserialize)]
pub struct Api {
    /// Requests of one account or token in a minute.
    pub requests_per_minute: u32,
    /// Failed attempts to sign in of all strangers in a minute.
    pub failures_per_minute: u32,
    /// The OGC layer and the map tiles are open to strangers.
    pub public_layer: bool,
}

/// The map.
#[derive(Debug, Clone, Deserialize)]
pub struct Map {
    /// PMTiles or MBTiles file of the base map, relative to the data folder; empty = none.
    pub base: String,
    /// Who is to be named for it.
    pub attribution: String,
}

/// The public page and its reports.
#[derive(Debug, Clone, Deserialize)]
pub struct Public {
    /// Address under which the public reaches this server, without `/p/…`; empty = signs carry the
    /// code alone.
    pub url: String,
    /// 监督电话.
    pub hotline: String,
    /// Reports that one network address may send in an hour.
    pub reports_per_hour: u32,
    /// Reports that are taken in a day from everybody.
    pub reports_per_day: u64,
    /// Largest photo.
    pub photo_bytes: usize,
}

/// Addresses to listen on.
#[derive(Debug, Clone, Deserialize)]
pub struct Listen {
    /// QUIC, for devices.
    pub quic: String,
    /// TLS on TCP, for devices in networks that block UDP; empty = off.
    pub tls: String,
    /// HTTP, for the page.
    pub http: String,
    /// HTTP, for `/metrics`, `/healthz`, `/readyz` alone; empty = beside the pages.
    pub metrics: String,
    /// Addresses for tickets.
    pub public: Vec<String>,
}

/// How to send to devices.
#[derive(Debug, Clone, Deserialize)]
pub struct Network {
    /// `cubic`, `bbr` or `newreno`.
    #[serde(deserialize_with = "congestion")]
    pub congestion: Congestion,
}

fn congestion<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Congestion, D::Error> {
    String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
}

/// Log output.
#[derive(Debug, Clone, Deserialize)]
pub struct Log {
    /// `text` or `json`.
    pub format: String,
    /// EnvFilter text.
    pub filter: String,
}

/// Limits per server.
#[derive(Debug, Clone, Deserialize)]
pub struct Limits {
    /// Connections at the same time.
    pub connections: usize,
    /// Longest session.
    #[serde(deserialize_with = "duration")]
    pub session: Duration,
    /// Bytes of changes in a batch to a device.
    pub batch_bytes: usize,
}

/// Limits per device and day.
#[derive(Debug, Clone, Copy, Deserialize)]
pub struct Quota {
    /// Changes.
    pub changes: u64,
    /// Bytes of changes.
    pub bytes: u64,
    /// Documents created.
    pub documents: u64,
    /// Bytes of photos and attachments.
    pub photo_bytes: u64,
}

/// Free disk thresholds, percent.
#[derive(Debug, Clone, Copy, Deserialize)]
pub struct Disk {
    /// Photos wait below this.
    pub warn_percent: u8,
    /// Nothing is taken below this.
    pub stop_percent: u8,
}

/// Where photos go.
#[derive(Debug, Clone, Deserialize)]
pub struct Photos {
    /// Folder, relative to the data folder.
    pub folder: String,
}

/// Certificates and tickets.
#[derive(Debug, Clone, Deserialize)]
pub struct Membership {
    /// Validity of a certificate.
    #[serde(deserialize_with = "duration")]
    pub validity: Duration,
    /// Validity of a ticket.
    #[serde(deserialize_with = "duration")]
    pub ticket: Duration,
}

/// The console: how browsers reach it, how long a session lasts.
#[derive(Debug, Clone, Deserialize)]
pub struct Console {
    /// PEM file of the certificate chain, relative to the data folder; empty = plain HTTP.
    pub certificate: String,
    /// PEM file of its private key.
    pub key: String,
    /// A proxy before this server does TLS.
    pub behind_proxy: bool,
    /// A session ends when it was not used for so long.
    #[serde(deserialize_with = "duration")]
    pub idle: Duration,
    /// A session ends after so long in any case.
    #[serde(deserialize_with = "duration")]
    pub longest: Duration,
}

/// Signing in through an identity provider; without an issuer there is none.
#[derive(Debug, Clone, Deserialize)]
pub struct Oidc {
    /// The issuer, exactly as its tokens name it.
    pub issuer: String,
    /// What the provider calls this server.
    pub client_id: String,
    /// File of the client's secret, relative to the data folder; empty = a public client.
    pub client_secret_file: String,
    /// Address under which browsers reach this server.
    pub url: String,
    /// What is asked for.
    pub scopes: Vec<String>,
    /// The claim that may name an account; empty = none.
    pub login_claim: String,
    /// What the button says.
    pub label: String,
    /// PEM file of an authority to trust beside the system's, relative to the data folder.
    pub ca: String,
}

fn duration<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(deserializer)?;
    humantime::parse_duration(&text).map_err(serde::de::Error::custom)
}

impl Default for Config {
    fn default() -> Self {
        toml::from_str(DEFAULT).expect("the compiled-in defaults are complete: a test reads them")
    }
}

impl Config {
    /// Reads the data folder's file over the defaults. Returns the keys that nobody knows beside.
    ///
    /// # Errors
    /// When the file is unreadable, not TOML, or a value has the wrong type.
    pub fn load(data: &Path) -> Result<(Self, Vec<String>), CommandError> {
        let path = data.join(FILE);
        let text = match std::fs::read_to_string(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
            other => other.context(format_args!("reading {}", path.display()))?,
        };
        Self::parse(&text).map_err(|error| {
            CommandError::user(format!("{} is not valid: {error}", path.display()))
                .hint("`outlet-server config default` prints every setting with its default")
        })
    }

    fn parse(text: &str) -> Result<(Self, Vec<String>), toml::de::Error> {
        let mut merged: toml::Table = toml::from_str(DEFAULT)?;
        let mut unknown = Vec::new();
        for (section, value) in toml::from_str::<toml::Table>(text)? {
            match (merged.get_mut(&section), value) {
                (Some(toml::Value::Table(known)), toml::Value::Table(given)) => {
                    for (key, value) in given {
                        if known.insert(key.clone(), value).is_none() {
                            unknown.push(format!("{section}.{key}"));
                        }
                    }
                }
                _ => unknown.push(section),
            }
        }
        Ok((merged.try_into()?, unknown))
    }
}

/// The defaults with every setting commented out: a new data folder's file.
#[must_use]
pub fn commented() -> String {
    let comment = |line: &str| match line {
        "" => "\n".to_owned(),
        _ if line.starts_with('#') || line.starts_with('[') => format!("{line}\n"),
        _ => format!("# {line}\n"),
    };
    DEFAULT.lines().map(comment).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_complete_and_a_file_overrides_single_keys() {
        let plain = Config::default();
        assert_eq!(plain.quota.changes, 20_000);
        let (config, unknown) = Config::parse("[quota]\nchanges = 3\nchange = 4\n[nobody]\nx = 1\n").unwrap();
        assert_eq!((config.quota.changes, config.quota.bytes), (3, plain.quota.bytes));
        assert_eq!(unknown, ["nobody", "quota.change"]);
        assert!(Config::parse("[quota]\nchanges = \"many\"\n").is_err());
    }

    #[test]
    fn the_file_of_a_new_folder_changes_nothing() {
        let (config, unknown) = Config::parse(&commented()).unwrap();
        assert_eq!(config.listen.quic, Config::default().listen.quic);
        assert!(unknown.is_empty());
    }
}
