//! Errors of commands: what happened, why, and what to do next, with the exit code.

use std::fmt;

/// Exit codes of every command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Done.
    Ok = 0,
    /// The user's input or the state of the data stands in the way.
    User = 1,
    /// The command line is wrong.
    Usage = 2,
    /// Done in part.
    Incomplete = 3,
    /// A fault of the program or the machine.
    Internal = 70,
}

/// Why a command failed.
#[derive(Debug)]
pub struct CommandError {
    /// Which exit code.
    pub exit: Exit,
    /// What happened and why, one sentence.
    pub message: String,
    /// What to do next.
    pub hints: Vec<String>,
}

impl CommandError {
    /// Input or state in the way.
    pub fn user(message: impl Into<String>) -> Self {
        Self { exit: Exit::User, message: message.into(), hints: Vec::new() }
    }

    /// The command line is wrong.
    pub fn usage(message: impl Into<String>) -> Self {
        Self { exit: Exit::Usage, message: message.into(), hints: Vec::new() }
    }

    /// Fault of program or machine.
    pub fn internal(message: impl Into<String>) -> Self {
        Self { exit: Exit::Internal, message: message.into(), hints: Vec::new() }
    }

    /// Adds what to do next.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }
}

impl fmt::Display for CommandError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        self.hints.iter().try_for_each(|hint| write!(f, "\nhint: {hint}"))
    }
}

impl std::error::Error for CommandError {}

impl From<rusqlite::Error> for CommandError {
    fn from(error: rusqlite::Error) -> Self {
        let busy = matches!(
            error.sqlite_error_code(),
            Some(rusqlite::ErrorCode::DatabaseBusy | rusqlite::ErrorCode::DatabaseLocked)
        );
        let full = matches!(error.sqlite_error_code(), Some(rusqlite::ErrorCode::DiskFull));
        let wrong = Self::internal(format!("the database refused: {error}"));
        match (busy, full) {
            (true, _) => Self::user("another process keeps the database busy")
                .hint("try again; if it lasts, look for a stuck outlet-server process"),
            (_, true) => Self::user("the disk is full, nothing was written")
                .hint("free space on the data folder's file system and repeat the command"),
            _ => wrong.hint("run `outlet-server backup` to keep what is readable, then report the message"),
        }
    }
}

/// Adds the file and what was tried to an input/output error.
pub(crate) trait IoContext<T> {
    /// `what` reads as "writing PATH".
    fn context(self, what: impl fmt::Display) -> Result<T, CommandError>;
}

impl<T> IoContext<T> for std::io::Result<T> {
    fn context(self, what: impl fmt::Display) -> Result<T, CommandError> {
        self.map_err(|error| {
            let message = CommandError::user(format!("{what} failed: {error}"));
            match error.kind() {
                std::io::ErrorKind::NotFound => {
                    message.hint("check the path; `outlet-server init --data DIR` makes a new data folder")
                }
                std::io::ErrorKind::PermissionDenied => message.hint("run as the user who owns the data folder"),
                std::io::ErrorKind::StorageFull => message.hint("free space and repeat the command"),
                _ => message,
            }
        })
    }
}
