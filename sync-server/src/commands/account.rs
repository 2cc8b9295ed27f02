//! `account add|list|show|password|disable|enable|oidc`.

use std::io::{BufRead as _, Read as _};

use outlet_core::ids::PersonId;

use super::Outcome;
use crate::accounts::{self, Account, NewAccount};
use crate::cli::{AccountAdd, AccountCommand, PasswordArgs, PersonArg};
use crate::db::DbError;
use crate::error::{CommandError, Exit, IoContext};
use crate::folder::Folder;
use crate::ui::{self, Ui};

/// A password is short: more than this is another file.
const LONGEST: u64 = 4096;

pub(super) fn account(command: &AccountCommand, folder: &Folder, ui: &mut Ui) -> Outcome {
    let database = &folder.database;
    let by_command = (accounts::COMMANDS, folder.now());
    let account = match command {
        AccountCommand::List => return list(folder, ui),
        AccountCommand::Add(args) => add(args, folder, ui)?,
        AccountCommand::Show { login } => database.read(|tx| accounts::find(tx, login))?,
        AccountCommand::Password { login, password } => {
            database.read(|tx| accounts::find(tx, login))?;
            accounts::set_password(database, login, &read_password(password, ui)?, by_command)?
        }
        AccountCommand::Disable { login } => accounts::set_enabled(database, login, false, by_command)?,
        AccountCommand::Oidc { login, subject, .. } => {
            let issuer = folder.config.oidc.issuer.as_str();
            if issuer.is_empty() && subject.is_some() {
                return Err(CommandError::user("no identity provider is configured, so that a subject is of nobody")
                    .hint("set oidc.issuer in server.toml first; `outlet-server config default` explains [oidc]"));
            }
            accounts::tie(database, login, subject.as_deref().map(|subject| (issuer, subject)), by_command)?
        }
        AccountCommand::Enable { login } => accounts::set_enabled(database, login, true, by_command)?,
    };
    ui.show(&account, details)?;
    Ok(Exit::Ok)
}

fn add(args: &AccountAdd, folder: &Folder, ui: &mut Ui) -> Result<Account, CommandError> {
    let taken = folder.database.read::<_, DbError>(|tx| {
        Ok(accounts::all(tx)?.iter().any(|account| account.login.eq_ignore_ascii_case(&args.login)))
    })?;
    // That the login is taken is said below, and is the better message.
    let person = match &args.person {
        None if taken => PersonId(crate::env::random()?),
        person => person_of(folder, person.as_ref(), &args.name)?,
    };
    let password = read_password(&args.password, ui)?;
    let new = NewAccount {
        login: args.login.clone(),
        name: args.name.clone(),
        person,
        role: args.role.into(),
        level: args.level.map(Into::into),
        collections: args.collections.clone(),
    };
    Ok(accounts::add(&folder.database, new, &password, (accounts::COMMANDS, folder.now()))?)
}

/// The person behind an account or a ticket. Whoever has a device and an account with different ids
/// could decide on their own records: of a namesake somebody has to say whether it is the same.
pub(super) fn person_of(folder: &Folder, given: Option<&PersonArg>, name: &str) -> Result<PersonId, CommandError> {
    let read = || folder.database.read::<_, DbError>(|tx| Ok((accounts::all(tx)?, accounts::persons(tx)?)));
    match given {
        Some(PersonArg::Known(person)) => Ok(*person),
        Some(PersonArg::New) => Ok(PersonId(crate::env::random()?)),
        Some(PersonArg::Called(text)) => {
            let (accounts, persons) = read()?;
            if let Some(account) = accounts.iter().find(|account| account.login.eq_ignore_ascii_case(text)) {
                return Ok(account.person);
            }
            let found: Vec<PersonId> = persons.iter().filter(|own| own.name == *text).map(|own| own.id).collect();
            match found[..] {
                [only] => Ok(only),
                [] => Err(CommandError::user(format!(
                    "nobody with a device or an account has the id, login or name {text:?}"
                ))
                .hint("`outlet-server device list` and `account list` show everybody; somebody new: --person new")),
                _ => Err(CommandError::user(format!("several people are called {text}"))
                    .hint(format!("give the id of one: {}", ids(&found)))),
            }
        }
        None => {
            let (_, persons) = read()?;
            let namesakes: Vec<PersonId> = persons.iter().filter(|own| own.name == name).map(|own| own.id).collect();
            if namesakes.is_empty() {
                return Ok(PersonId(crate::env::random()?));
            }
            let message = format!(
                "somebody called {name} has a device or an account already: is that the same human being? If so, it \
                 must be said, or they could decide on their own records"
            );
            let hint = format!("the same: {}; somebody else of this name: --person new", ids(&namesakes));
            Err(CommandError::user(message).hint(hint))
        }
    }
}

fn ids(persons: &[PersonId]) -> String {
    persons.iter().map(|person| format!("--person {person}")).collect::<Vec<_>>().join(" or ")
}

/// The first line of the file or of standard input.
fn read_password(args: &PasswordArgs, ui: &mut Ui) -> Result<String, CommandError> {
    let mut line = String::new();
    match &args.password_file {
        Some(path) => {
            let what = format!("reading {}", path.display());
            let file = std::fs::File::open(path).context(&what)?;
            std::io::BufReader::new(file.take(LONGEST)).read_line(&mut line).context(&what)?;
        }
        None => {
            let stdin = (&mut ui.env.stdin).take(LONGEST);
            std::io::BufReader::new(stdin).read_line(&mut line).context("reading the password from standard input")?;
        }
    }
    let password = line.trim_end_matches(['\r', '\n']).to_owned();
    if password.is_empty() {
        return Err(CommandError::user("no password was given")
            .hint("write it into a file and name it with --password-file FILE, or pipe it in: printf %s PASSWORD | outlet-server account …"));
    }
    Ok(password)
}

fn list(folder: &Folder, ui: &mut Ui) -> Outcome {
    let all = folder.database.read::<_, DbError>(|tx| accounts::all(tx))?;
    ui.show(&all, |all| {
        if all.is_empty() {
            return "no accounts yet: `outlet-server account add` makes one".to_owned();
        }
        let row = |account: &Account| {
            vec![
                account.login.clone(),
                account.name.clone(),
                account.title().to_owned(),
                collections(account),
                if account.disabled_at.is_some() { "disabled" } else { "active" }.to_owned(),
            ]
        };
        ui::table(&["login", "name", "role", "collections", "state"], &all.iter().map(row).collect::<Vec<_>>())
    })?;
    Ok(Exit::Ok)
}

fn collections(account: &Account) -> String {
    match account.collections.as_slice() {
        [] => "all".to_owned(),
        some => some.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "),
    }
}

fn details(account: &Account) -> String {
    let disabled = account.disabled_at.map_or_else(|| "active".to_owned(), |at| format!("disabled since {at}"));
    [
        ("login", account.login.clone()),
        ("name", account.name.clone()),
        ("role", account.title().to_owned()),
        ("collections", collections(account)),
        ("person", account.person.to_string()),
        ("created", account.created_at.to_string()),
        ("password set", account.password_at.to_string()),
        ("state", disabled),
        ("identity", account.oidc.clone().unwrap_or_else(|| "none".to_owned())),
    ]
    .map(|(label, value)| format!("{label:<12} {value}"))
    .join("\n")
}
