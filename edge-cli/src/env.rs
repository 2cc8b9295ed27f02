//! Everything a command takes from outside: clock, randomness, environment variables, streams.
//! Tests pass their own, so that a command runs in process with a fixed clock and a private home.

use std::io::{self, IsTerminal, Read, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use outlet_core::time::Timestamp;

/// A clock that can be handed to another thread: the session reads it while a sync runs.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// What surrounds a run of the command line.
pub trait Env {
    /// The device's clock. Recorded, never trusted: it decides no winner.
    fn clock(&self) -> Clock;
    /// Fills `bytes` with randomness fit for keys.
    ///
    /// # Errors
    /// When the system has none to give.
    fn random(&mut self, bytes: &mut [u8]) -> io::Result<()>;
    /// An environment variable, if it is set and is text.
    fn var(&self, name: &str) -> Option<String>;
    /// Where data, and nothing else, goes.
    fn stdout(&mut self) -> &mut dyn Write;
    /// Where messages, warnings and progress go.
    fn stderr(&mut self) -> &mut dyn Write;
    /// Read by `batch -` and `attach -`.
    fn stdin(&mut self) -> &mut dyn Read;
    /// Whether progress bars and colour make sense on stderr.
    fn stderr_is_terminal(&self) -> bool;

    /// The device's clock, now.
    fn now(&self) -> Timestamp {
        self.clock()()
    }

    /// The store when `--home` is not given: `$OUTLET_HOME`, else `~/.outlet`.
    fn default_home(&self) -> Option<PathBuf> {
        let named = self.var("OUTLET_HOME").filter(|path| !path.is_empty()).map(PathBuf::from);
        named.or_else(|| {
            let home = self.var("HOME").or_else(|| self.var("USERPROFILE"))?;
            Some(PathBuf::from(home).join(".outlet"))
        })
    }
}

/// The environment of the process.
pub struct OsEnv {
    stdin: io::Stdin,
    stdout: io::BufWriter<io::Stdout>,
    stderr: io::Stderr,
}

impl OsEnv {
    /// Takes the process's streams; stdout is buffered and flushed when a command ends.
    #[must_use]
    pub fn new() -> Self {
        Self { stdin: io::stdin(), stdout: io::BufWriter::new(io::stdout()), stderr: io::stderr() }
    }
}

impl Default for OsEnv {
    fn default() -> Self {
        Self::new()
    }
}

impl Env for OsEnv {
    fn clock(&self) -> Clock {
        Arc::new(|| {
            // A clock before 1970 is as wrong as any other: it is recorded as the epoch, and the
            // skew to the server's clock shows it.
            let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
        })
    }

    fn random(&mut self, bytes: &mut [u8]) -> io::Result<()> {
        getrandom::fill(bytes).map_err(io::Error::from)
    }

    fn var(&self, name: &str) -> Option<String> {
        std::env::var(name).ok()
    }

    fn stdout(&mut self) -> &mut dyn Write {
        &mut self.stdout
    }

    fn stderr(&mut self) -> &mut dyn Write {
        &mut self.stderr
    }

    fn stdin(&mut self) -> &mut dyn Read {
        &mut self.stdin
    }

    fn stderr_is_terminal(&self) -> bool {
        self.stderr.is_terminal()
    }
}
