//! What the process takes from outside, in one value: variables, output streams, clock, random
//! source. Tests pass their own; the binary passes [`Env::of_process`].

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::sync::Arc;

use outlet_core::time::Timestamp;

/// A clock: the only source of receipt times. No command takes a time for receipts from outside.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// The outside of one run of the program.
pub struct Env {
    /// Environment variables.
    pub vars: BTreeMap<String, String>,
    /// What is piped in: a password, where none is named in a file.
    pub stdin: Box<dyn Read + Send>,
    /// Data, and nothing else.
    pub stdout: Box<dyn Write + Send>,
    /// Messages for people.
    pub stderr: Box<dyn Write + Send>,
    /// Wall clock.
    pub clock: Clock,
    /// Installs the log subscriber: true only for the real process, which owns the global one.
    pub install_logs: bool,
}

impl Env {
    /// The real process: its variables, standard streams and wall clock.
    #[must_use]
    pub fn of_process() -> Self {
        Self {
            vars: std::env::vars().collect(),
            stdin: Box::new(std::io::stdin()),
            stdout: Box::new(std::io::stdout()),
            stderr: Box::new(std::io::stderr()),
            clock: wall_clock(),
            install_logs: true,
        }
    }

    /// A variable, if it is set and not empty.
    #[must_use]
    pub fn var(&self, name: &str) -> Option<&str> {
        self.vars.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// The clock's reading.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        (self.clock)()
    }
}

/// The system's wall clock.
#[must_use]
pub fn wall_clock() -> Clock {
    Arc::new(|| {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        Timestamp::from_millis(since.map_or(0, |span| i64::try_from(span.as_millis()).unwrap_or(i64::MAX)))
    })
}

/// Fills an array from the operating system's random source.
///
/// # Errors
/// When the operating system has none to give.
pub fn random<const N: usize>() -> Result<[u8; N], crate::error::CommandError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes)
        .map_err(|error| crate::error::CommandError::internal(format!("the system gives no random bytes: {error}")))?;
    Ok(bytes)
}
