//! The audit log: who did what with the server, newest first.

use askama::Template;
use axum::extract::State;

use super::{Answer, Form, Page, Shared, Visitor, show};
use crate::accounts;
use crate::db::DbError;
use crate::db::meta::{self, AuditLine};

/// Lines on a page.
const LINES: u32 = 100;

#[derive(Template)]
#[template(path = "console/audit.html")]
struct AuditPage {
    page: Page,
    lines: Vec<AuditLine>,
    /// Number that the next page begins before.
    next: Option<i64>,
}

/// `GET /audit?before=NUMBER`.
///
/// An administrator of some counties sees what the accounts that they govern did, and nothing else: a
/// line may name records, devices and people of any county.
pub(super) async fn page(State(console): Shared, page: Page, visitor: Visitor, form: Form) -> Answer {
    let before = form.value("before").parse().ok();
    let lines = console
        .ask(move |console| {
            Ok(console.engine.database().read::<_, DbError>(|tx| {
                let all = visitor.scope().collections().is_none();
                let governed = accounts::all(tx)?.into_iter().filter(|account| visitor.governs(&account.collections));
                let logins: Vec<String> = governed.map(|account| account.login).collect();
                meta::audit_lines(tx, before, LINES, if all { None } else { Some(&logins) })
            })?)
        })
        .await?;
    let full = u32::try_from(lines.len()).is_ok_and(|count| count == LINES);
    let next = lines.last().map(|line| line.id).filter(|_| full);
    show(&AuditPage { page, lines, next })
}

impl AuditPage {
    /// The action in words.
    fn action(&self, line: &AuditLine) -> String {
        let key = format!("audit-{}", line.action.replace([' ', '_'], "-"));
        let text = self.page.t(&key);
        if text == key { line.action.clone() } else { text }
    }

    /// Whoever is no account has a name of its own.
    fn who(&self, line: &AuditLine) -> String {
        match line.who.as_str() {
            "command line" | "administrator" | "operator" => self.page.t("audit-by-command"),
            "init" => self.page.t("audit-by-server"),
            login => login.to_owned(),
        }
    }

    fn detail(&self, line: &AuditLine) -> String {
        super::details::logged(&self.page, &line.detail)
    }
}
