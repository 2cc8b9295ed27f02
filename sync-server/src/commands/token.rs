//! `token add|list|revoke`: secrets for the interfaces.

use std::collections::BTreeSet;

use serde::Serialize;

use super::Outcome;
use crate::accounts;
use crate::cli::{ScopeArg, TokenAddArgs, TokenCommand};
use crate::db::tokens::{self as rows, StoredToken};
use crate::db::{DbError, meta};
use crate::error::{CommandError, Exit};
use crate::folder::Folder;
use crate::tokens::{self, TokenScope};
use crate::ui::{self, Ui};

impl From<ScopeArg> for TokenScope {
    fn from(scope: ScopeArg) -> Self {
        match scope {
            ScopeArg::Read => Self::Read,
            ScopeArg::Photos => Self::Photos,
            ScopeArg::Decide => Self::Decide,
            ScopeArg::Admin => Self::Admin,
        }
    }
}

/// `token add --json`.
#[derive(Serialize)]
struct Added {
    id: i64,
    token: String,
    login: String,
    scopes: Vec<&'static str>,
    expires: Option<String>,
}

/// A line of `token list --json`.
#[derive(Serialize)]
struct Line {
    id: i64,
    login: String,
    name: String,
    scopes: Vec<String>,
    created: String,
    expires: Option<String>,
    revoked: Option<String>,
    used: Option<String>,
}

impl From<StoredToken> for Line {
    fn from(token: StoredToken) -> Self {
        Self {
            id: token.id,
            login: token.login,
            name: token.name,
            scopes: token.scopes.split(',').map(str::to_owned).collect(),
            created: token.created_at.to_string(),
            expires: token.expires_at.map(|at| at.to_string()),
            revoked: token.revoked_at.map(|at| at.to_string()),
            used: token.used_at.map(|at| at.to_string()),
        }
    }
}

pub(super) fn token(command: &TokenCommand, folder: &Folder, ui: &mut Ui) -> Outcome {
    match command {
        TokenCommand::Add(args) => add(args, folder, ui),
        TokenCommand::List => list(folder, ui),
        TokenCommand::Revoke { id } => revoke(*id, folder, ui),
    }
}

fn add(args: &TokenAddArgs, folder: &Folder, ui: &mut Ui) -> Outcome {
    let name = args.name.trim();
    if name.is_empty() || name.chars().count() > 100 || name.chars().any(char::is_control) {
        return Err(CommandError::usage("a name has 1 to 100 characters, none of them a control character"));
    }
    let now = ui.env.now();
    let expires = args.expires.map(|valid| now.plus_millis(i64::try_from(valid.as_millis()).unwrap_or(i64::MAX)));
    let scopes: BTreeSet<TokenScope> = args.scopes.iter().map(|scope| TokenScope::from(*scope)).collect();
    let (account, token) = folder.database.write::<_, CommandError>(|tx| {
        let account = accounts::usable(tx, &args.login)?;
        let token = tokens::add(tx, &account.login, name, &scopes, now, expires)?;
        Ok((account, token))
    })?;
    let added = Added {
        id: token.id,
        token: token.secret,
        login: account.login,
        scopes: scopes.iter().map(|scope| scope.code()).collect(),
        expires: expires.map(|at| at.to_string()),
    };
    ui.note(format_args!("the token is shown this once; `token revoke {}` ends it", added.id));
    ui.show(&added, |added| added.token.clone())?;
    Ok(Exit::Ok)
}

fn list(folder: &Folder, ui: &mut Ui) -> Outcome {
    let tokens = folder.database.read::<_, DbError>(|tx| rows::all(tx))?;
    let lines: Vec<Line> = tokens.into_iter().map(Line::from).collect();
    ui.show(&lines, |lines| {
        let row = |line: &Line| {
            let state = line.revoked.as_ref().map(|at| format!("revoked {at}"));
            vec![
                line.id.to_string(),
                line.login.clone(),
                line.name.clone(),
                line.scopes.join(","),
                state.or_else(|| line.expires.clone()).unwrap_or_else(|| "-".to_owned()),
                line.used.clone().unwrap_or_else(|| "-".to_owned()),
            ]
        };
        let head = ["id", "account", "name", "scopes", "ends", "last used"];
        ui::table(&head, &lines.iter().map(row).collect::<Vec<_>>())
    })?;
    Ok(Exit::Ok)
}

/// `token revoke --json`.
#[derive(Serialize)]
struct Revoked {
    id: i64,
}

fn revoke(id: i64, folder: &Folder, ui: &mut Ui) -> Outcome {
    let now = ui.env.now();
    let revoked = folder.database.write::<_, DbError>(|tx| {
        let revoked = rows::revoke(tx, id, now)?;
        if revoked {
            meta::audit(tx, now, "operator", "token revoked", &id.to_string())?;
        }
        Ok(revoked)
    })?;
    if !revoked {
        return Err(CommandError::user(format!("there is no token {id} that could be revoked"))
            .hint("`outlet-server token list` shows the numbers"));
    }
    ui.show(&Revoked { id }, |revoked| format!("token {} is revoked", revoked.id))?;
    Ok(Exit::Ok)
}
