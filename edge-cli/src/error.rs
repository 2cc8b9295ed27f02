//! What can go wrong in a command, for people: what happened, why, and what to do next. The kind
//! decides the exit code.

use std::error::Error;
use std::fmt;

use outlet_core::store::StoreError;

/// Result of a command's parts.
pub(crate) type Result<T, E = CommandError> = std::result::Result<T, E>;

/// Who has to act on an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ErrorKind {
    /// The user: wrong input, missing right, unreachable server. Exit code 1.
    User,
    /// The user: the command line itself. Exit code 2.
    Usage,
    /// The programmers. Exit code 70 (`EX_SOFTWARE`).
    Internal,
    /// Nobody: the reader of our output went away. Exit code 0.
    BrokenPipe,
}

impl ErrorKind {
    /// The process's exit code.
    #[must_use]
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::User => 1,
            Self::Usage => 2,
            Self::Internal => 70,
            Self::BrokenPipe => 0,
        }
    }

    /// The word in `--json` errors.
    #[must_use]
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Usage => "usage",
            Self::Internal => "internal",
            Self::BrokenPipe => "broken_pipe",
        }
    }
}

/// An error with its way out.
#[derive(Debug)]
pub(crate) struct CommandError {
    /// Who has to act.
    pub(crate) kind: ErrorKind,
    /// What happened; its sources say why.
    pub(crate) source: Box<dyn Error + Send + Sync>,
    /// What to do next: each one an action.
    pub(crate) hints: Vec<String>,
}

impl CommandError {
    fn new(kind: ErrorKind, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { kind, source: source.into(), hints: Vec::new() }
    }

    /// The user can do something about it.
    pub(crate) fn user(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::new(ErrorKind::User, source)
    }

    /// The command line contradicts itself.
    pub(crate) fn usage(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::new(ErrorKind::Usage, source)
    }

    /// A bug, or a store that breaks its own promises.
    pub(crate) fn internal(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::new(ErrorKind::Internal, source)
    }

    /// Whether the user, or time, can do something about it.
    pub(crate) fn is_user(&self) -> bool {
        self.kind == ErrorKind::User
    }

    /// `what` went wrong because of `cause`.
    pub(crate) fn because(what: impl Into<String>, cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::user(Because { what: what.into(), cause: cause.into() })
    }

    /// Adds what to do next.
    #[must_use]
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// Puts what was being done before the error.
    #[must_use]
    pub(crate) fn context(self, what: impl Into<String>) -> Self {
        let cause: Box<dyn Error + Send + Sync> = self.source;
        Self { kind: self.kind, source: Box::new(Because { what: what.into(), cause }), hints: self.hints }
    }

    /// The message followed by its causes, each once.
    #[must_use]
    pub(crate) fn chain(&self) -> Vec<String> {
        let mut texts: Vec<String> = Vec::new();
        let mut next: Option<&(dyn Error + 'static)> = Some(&*self.source);
        while let Some(error) = next {
            let text = error.to_string();
            // Some libraries repeat the source in their own message: one mention is enough.
            if !texts.last().is_some_and(|last: &String| last.contains(&text)) {
                texts.push(text);
            }
            next = error.source();
        }
        texts
    }
}

impl From<std::io::Error> for CommandError {
    fn from(error: std::io::Error) -> Self {
        match error.kind() {
            std::io::ErrorKind::BrokenPipe => Self::new(ErrorKind::BrokenPipe, error),
            _ => Self::user(error),
        }
    }
}

impl From<StoreError> for CommandError {
    fn from(error: StoreError) -> Self {
        // The store's messages already say what, why and what next: the last part is the hint.
        let text = error.to_string();
        let (what, next) = text.rsplit_once("; ").map_or((text.as_str(), None), |(what, next)| (what, Some(next)));
        let kind = match &error {
            StoreError::Index(_) | StoreError::SavedButIndexFailed(_) | StoreError::Document { .. } => {
                ErrorKind::Internal
            }
            _ => ErrorKind::User,
        };
        let hint = match (&error, next) {
            (_, Some(next)) => next.to_owned(),
            (error, None) if error.is_disk_full() => "free some disk space and try again".to_owned(),
            (StoreError::Document { .. }, None) => "run `outlet doctor --rebuild-index`".to_owned(),
            (StoreError::NoDocument(_), None) => "run `outlet sync`, or check the id".to_owned(),
            _ => "check the disk and its permissions; `outlet doctor` looks at the whole store".to_owned(),
        };
        Self::new(kind, what.to_owned()).hint(hint)
    }
}

impl From<serde_json::Error> for CommandError {
    fn from(error: serde_json::Error) -> Self {
        Self::internal(error)
    }
}

/// A message with its cause.
#[derive(Debug)]
struct Because {
    what: String,
    cause: Box<dyn Error + Send + Sync>,
}

impl fmt::Display for Because {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl Error for Because {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.cause)
    }
}
