//! The command line as clap sees it.

use std::path::PathBuf;

use clap::Parser;

use crate::commands::Command;

/// Record river discharge outlets (入河排污口) in the field, offline, and sync them when there is a
/// link.
///
/// Data goes to stdout, messages to stderr. Exit codes: 0 done, 1 your input or the surroundings,
/// 2 the command line, 3 incomplete (photos pending, changes held), 70 a fault of the program.
#[derive(Debug, Parser)]
#[command(name = "outlet", version, max_term_width = 100)]
pub(crate) struct Cli {
    /// The store [default: $OUTLET_HOME, else ~/.outlet].
    #[arg(long, global = true, value_name = "DIR")]
    pub(crate) home: Option<PathBuf>,
    /// Data as JSON on stdout; errors as JSON on stderr.
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Only data, warnings and errors.
    #[arg(long, short, global = true)]
    pub(crate) quiet: bool,
    /// Accept a file system that cannot lock or sync: what is saved there may be lost.
    #[arg(long, global = true)]
    pub(crate) accept_weak_storage: bool,
    #[command(subcommand)]
    pub(crate) command: Command,
}
