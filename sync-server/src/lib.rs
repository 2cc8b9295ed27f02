//! `outlet-server`: the sync endpoint of the devices, the merged inventory, the ledger with its
//! milestones, and the exports.
//!
//! [`run`] is the command line; [`Server`] the running server, which tests start in their own
//! process.

#![cfg_attr(not(test), deny(clippy::unwrap_used))]

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Parser as _;

pub mod accounts;
pub mod assigning;
pub mod backup;
pub mod bundle;
pub mod cli;
pub mod codes;
mod commands;
pub mod config;
pub mod db;
pub mod desk;
pub mod engine;
mod enrol;
pub mod env;
pub mod error;
pub mod folder;
#[cfg(test)]
mod hostile_tests;
pub mod import;
pub mod inspecting;
pub mod inventory;
pub mod layers;
#[cfg(test)]
mod listener_tests;
pub mod membership;
pub mod metrics;
pub mod milestones;
#[cfg(feature = "console")]
pub mod oidc;
pub mod photos;
pub mod replica;
pub mod report;
pub mod reports;
#[cfg(test)]
mod restore_tests;
pub mod seals;
pub mod server;
mod sheets;
pub mod signs;
mod space;
pub mod suggesting;
mod tar;
#[cfg(test)]
mod testing;
pub mod tiles;
pub mod tokens;
pub mod ui;
pub mod uploads;
pub mod web;
pub mod zones;

pub use env::Env;
pub use server::Server;

/// Runs one command and answers its exit code.
pub fn run(args: impl IntoIterator<Item = OsString>, env: Env) -> ExitCode {
    ExitCode::from(run_code(args, env))
}

/// As [`run`], with the code as a number.
pub fn run_code(args: impl IntoIterator<Item = OsString>, env: Env) -> u8 {
    let mut ui = ui::Ui::new(env);
    let args: Vec<OsString> = args.into_iter().collect();
    // clap has read nothing yet when it refuses: scripts still get what they asked for.
    ui.json = args.iter().take_while(|arg| *arg != "--").any(|arg| arg == "--json");
    let cli = match cli::Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(error) => return ui.usage(&error),
    };
    ui.json = cli.json;
    match commands::dispatch(cli, &mut ui) {
        Ok(exit) => exit as u8,
        Err(error) => ui.fail(&error),
    }
}
