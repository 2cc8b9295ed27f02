//! `account`: people who decide at this server.

use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, Subcommand, ValueEnum};
use outlet_core::identity::Role;
use outlet_core::ids::{Collection, PersonId};

use super::LevelArg;

/// `account`.
#[derive(Debug, Subcommand)]
pub enum AccountCommand {
    /// Make an account. The password comes from standard input or a file, never from the command line.
    #[command(
        after_help = "Example:\n  outlet-server account add li.si --name 李四 --role supervisor --level county --collection 511902 --password-file pw.txt\n\nSomebody with a device or another account gets the same person: --person ID, login or name;\nof two people with one name the second is --person new."
    )]
    Add(AccountAdd),
    /// All accounts with role, collections, state.
    #[command(after_help = "Example:\n  outlet-server account list --data /srv/outlets --json")]
    List,
    /// One account.
    #[command(after_help = "Example:\n  outlet-server account show li.si --data /srv/outlets")]
    Show {
        /// Login, in whatever case.
        login: String,
    },
    /// Set a new password; sessions opened with the old one end.
    #[command(after_help = "Example:\n  outlet-server account password li.si --password-file pw.txt")]
    Password {
        /// Login, in whatever case.
        login: String,
        /// Where the password is.
        #[command(flatten)]
        password: PasswordArgs,
    },
    /// Shut an account: nobody signs in or decides with it; what was decided stands.
    #[command(after_help = "Example:\n  outlet-server account disable li.si --data /srv/outlets")]
    Disable {
        /// Login, in whatever case.
        login: String,
    },
    /// Tie an account to an identity of the provider in `[oidc]`, so that it signs in without password.
    #[command(
        after_help = "Example:\n  outlet-server account oidc li.si --subject 5f1c2a9e-77aa\n\nThe page that refuses an unknown identity shows its subject."
    )]
    Oidc {
        /// Login, in whatever case.
        login: String,
        /// The subject that the provider gave the person.
        #[arg(long, required_unless_present = "none")]
        subject: Option<String>,
        /// Untie it.
        #[arg(long, conflicts_with = "subject")]
        none: bool,
    },
    /// Open a shut account again.
    #[command(after_help = "Example:\n  outlet-server account enable li.si --data /srv/outlets")]
    Enable {
        /// Login, in whatever case.
        login: String,
    },
}

/// `account add`.
#[derive(Debug, Args)]
pub struct AccountAdd {
    /// Login: 2 to 40 letters, digits, and . _ - @; unique whatever its case.
    pub login: String,
    /// Name of the person, as decisions show it.
    #[arg(long)]
    pub name: String,
    /// What the person may do.
    #[arg(long, value_enum)]
    pub role: AccountRole,
    /// Level of a supervisor.
    #[arg(long, value_enum)]
    pub level: Option<LevelArg>,
    /// County code; repeat for more [default for an admin: all].
    #[arg(long = "collection", value_name = "CODE")]
    pub collections: Vec<Collection>,
    /// Whoever has a device or another account: their id, login or name; `new` for somebody who has
    /// neither and shares the name of somebody who has [default: new, where nobody has this name].
    #[arg(long, value_name = "ID|LOGIN|NAME|new")]
    pub person: Option<PersonArg>,
    /// Where the password is.
    #[command(flatten)]
    pub password: PasswordArgs,
}

/// Whose account or device it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PersonArg {
    /// Somebody with neither device nor account.
    New,
    /// Somebody known.
    Known(PersonId),
    /// Somebody known, by login or name.
    Called(String),
}

impl FromStr for PersonArg {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(match text {
            "new" => Self::New,
            text => text.parse().map_or_else(|_| Self::Called(text.to_owned()), Self::Known),
        })
    }
}

/// Where a password comes from.
#[derive(Debug, Args)]
pub struct PasswordArgs {
    /// File whose first line is the password [default: the first line of standard input].
    #[arg(long, value_name = "FILE")]
    pub password_file: Option<PathBuf>,
}

/// Roles of accounts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum AccountRole {
    /// Reads.
    Viewer,
    /// Decides, within level and collections.
    Supervisor,
    /// Administers; may record what the city may.
    Admin,
}

impl From<AccountRole> for Role {
    fn from(role: AccountRole) -> Self {
        match role {
            AccountRole::Viewer => Self::Viewer,
            AccountRole::Supervisor => Self::Supervisor,
            AccountRole::Admin => Self::Admin,
        }
    }
}
