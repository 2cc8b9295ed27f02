//! One function per command: parse, call, print.

use std::path::PathBuf;

use clap::CommandFactory as _;

use crate::cli::{Cli, Command, ConfigCommand, LedgerCommand};
use crate::engine::Engine;
use crate::error::{CommandError, Exit, IoContext};
use crate::folder::Folder;
use crate::ui::Ui;

mod account;
mod archive;
mod assign;
mod bundle;
mod clock;
mod codes;
#[cfg(test)]
mod codes_tests;
mod coverage;
mod desk;
mod device;
mod export;
mod import;
mod init;
mod ledger;
mod milestones;
mod pairs;
mod quarantine;
mod reference;
mod review;
mod rules;
mod seal;
#[cfg(test)]
mod seal_tests;
mod serve;
mod signs;
#[cfg(test)]
mod tests;
mod ticket;
mod token;
#[cfg(test)]
mod worklist_tests;
mod zones;

type Outcome = Result<Exit, CommandError>;

/// Runs the command.
pub(crate) fn dispatch(cli: Cli, ui: &mut Ui) -> Outcome {
    let data = Data { given: cli.data };
    let log = cli.log;
    match cli.command {
        Command::Init => init::init(&data.path(ui)?, ui),
        Command::Serve(args) => serve::serve(args, log, data.open(ui)?, ui),
        Command::Account(command) => account::account(&command, &data.open(ui)?, ui),
        Command::Review(command) => review::review(&command, &data.engine(ui)?, ui),
        Command::Conflicts(command) => pairs::conflicts(&command, &data.engine(ui)?, ui),
        Command::Duplicates(command) => pairs::duplicates(&command, &data.engine(ui)?, ui),
        Command::Decide(args) => desk::decide(&args, &data.engine(ui)?, ui),
        Command::Quarantine(command) => quarantine::quarantine(&command, &data.engine(ui)?, ui),
        Command::LoadReference(args) => reference::load(&args, &data.engine(ui)?, ui),
        Command::Seal(args) => seal::seal(&args, &data.engine(ui)?, ui),
        Command::Progress(args) => milestones::progress(&args, &data.engine(ui)?, ui),
        Command::Assess(args) => milestones::assess(&args, &data.engine(ui)?, ui),
        Command::Notice(command) => seal::notice(&command, &data.engine(ui)?, ui),
        Command::Ledger(LedgerCommand::Export(args)) => export::ledger(&args, &data.engine(ui)?, ui),
        Command::Ledger(LedgerCommand::Summary { by, as_of }) => export::counts(by, as_of, &data.engine(ui)?, ui),
        Command::Problems(command) => export::problems(&command, &data.engine(ui)?, ui),
        Command::Parties(command) => export::parties(&command, &data.engine(ui)?, ui),
        Command::Explain(args) => export::explain(&args, &data.engine(ui)?, ui),
        Command::Ledger(LedgerCommand::Rebuild) => ledger::rebuild(&data.engine(ui)?, ui),
        Command::Ticket(args) => ticket::ticket(&args, &data.open(ui)?, ui),
        Command::Device(command) => device::device(&command, &data.open(ui)?, ui),
        Command::Token(command) => token::token(&command, &data.open(ui)?, ui),
        Command::Clock(command) => clock::clock(&command, &data.open(ui)?, ui),
        Command::Key(crate::cli::KeyCommand::Rotate { root_key }) => init::rotate(root_key, &data.open(ui)?, ui),
        Command::Backup(args) => archive::backup(&args, &data.open(ui)?, ui),
        Command::Restore(args) => archive::restore(&args, &data.path(ui)?, ui),
        Command::Bundle(command) => bundle::bundle(&command, data.engine(ui)?, ui),
        Command::History(args) => bundle::history(&args, &data.engine(ui)?, ui),
        Command::Import(command) => import::import(&command, &data.engine(ui)?, ui),
        Command::Assign(command) => assign::assign(&command, &data.engine(ui)?, ui),
        Command::Coverage { by } => coverage::coverage(by, &data.engine(ui)?, ui),
        Command::Zones(command) => zones::zones(&command, &data.engine(ui)?, ui),
        Command::Rules(command) => rules::rules(&command, &data.engine(ui)?, ui),
        Command::Codes(command) => codes::codes(&command, &data.engine(ui)?, ui),
        Command::Signs(command) => signs::signs(&command, &data.engine(ui)?, ui),
        Command::Consents(command) => signs::consents(&command, &data.engine(ui)?, ui),
        Command::Reports(command) => signs::reports(&command, &data.engine(ui)?, ui),
        Command::Inspections(command) => coverage::inspections(&command, &data.engine(ui)?, ui),
        Command::Config(ConfigCommand::Default) => {
            ui.data(crate::config::DEFAULT.as_bytes())?;
            Ok(Exit::Ok)
        }
        Command::Completions { shell } => completions(shell, ui),
        Command::Man { dir } => man(&dir, ui),
    }
}

/// Where the data folder is: option, then variable.
struct Data {
    given: Option<PathBuf>,
}

impl Data {
    fn path(&self, ui: &Ui) -> Result<PathBuf, CommandError> {
        let variable = || ui.env.var("OUTLET_SERVER_DATA").map(PathBuf::from);
        self.given.clone().or_else(variable).ok_or_else(|| {
            CommandError::usage("no data folder given").hint("add `--data DIR`, or set OUTLET_SERVER_DATA")
        })
    }

    fn open(&self, ui: &mut Ui) -> Result<Folder, CommandError> {
        let (folder, unknown) = Folder::open(&self.path(ui)?, ui.env.clock.clone())?;
        for key in unknown {
            ui.note(format_args!("warning: {} has a setting nobody knows: {key}", crate::config::FILE));
        }
        Ok(folder)
    }
}

impl Data {
    fn engine(&self, ui: &mut Ui) -> Result<Engine, CommandError> {
        Engine::new(self.open(ui)?)
    }
}

fn completions(shell: clap_complete::Shell, ui: &mut Ui) -> Outcome {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "outlet-server", &mut script);
    ui.data(&script)?;
    Ok(Exit::Ok)
}

fn man(dir: &std::path::Path, ui: &mut Ui) -> Outcome {
    std::fs::create_dir_all(dir).context(format_args!("making {}", dir.display()))?;
    clap_mangen::generate_to(Cli::command(), dir).context(format_args!("writing manual pages to {}", dir.display()))?;
    ui.note(format_args!("manual pages are in {}", dir.display()));
    Ok(Exit::Ok)
}

/// The outlet that an id, its first digits, a temporary number or a code names.
fn find(engine: &Engine, text: &str) -> Result<outlet_core::ids::DocKey, CommandError> {
    crate::report::find(engine, text)?.map_err(|why| match why {
        crate::report::Find::Nothing => CommandError::user(format!("no outlet in the ledger is called {text:?}"))
            .hint("`outlet-server ledger export` lists ids, codes and temporary numbers"),
        crate::report::Find::Several(ids) => {
            let shown: Vec<String> = ids.iter().take(5).map(ToString::to_string).collect();
            CommandError::user(format!("{} outlets fit {text:?}", ids.len()))
                .hint(format!("give more of the id: {}", shown.join(", ")))
        }
    })
}

/// Who acts, for the record: an account with at least this role, or whoever runs the command and
/// so holds the data folder.
fn who(engine: &Engine, login: Option<&str>, least: outlet_core::identity::Role) -> Result<String, CommandError> {
    let Some(login) = login else { return Ok("command line".to_owned()) };
    let account =
        engine.database().read::<_, crate::accounts::AccountError>(|tx| crate::accounts::usable(tx, login))?;
    if account.role < least {
        return Err(CommandError::user(format!("the account {login:?} is that of a {}", account.title()))
            .hint(format!("this takes the role {least:?}: name another account with --as")));
    }
    Ok(account.login)
}
