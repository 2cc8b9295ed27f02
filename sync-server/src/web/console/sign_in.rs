//! Signing in and out. A failure is counted before the password is looked at, by account and by
//! caller; from the fifth on each waits twice as long. An unknown account costs the same time and gets
//! the same answer as a wrong password.

use std::time::Duration;

use askama::Template;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use outlet_core::time::Timestamp;

use super::visitor::{Caller, Secret};
use super::{Answer, Console, Fault, Form, Page, Shared, frame, show, show_with};
use crate::accounts::{self, AccountError};
use crate::db::{DbError, meta, sessions};

/// Wrong passwords that an account has for free.
const FREE_OF_LOGIN: u32 = 5;
/// Wrong passwords that a caller has for free: an office may share one address.
const FREE_OF_CALLER: u32 = 20;
/// First wait; each failure doubles it.
const FIRST_WAIT: Duration = Duration::from_secs(30);
/// Longest wait.
const LONGEST_WAIT: Duration = Duration::from_secs(3600);
/// Failures are forgotten after a day.
const FORGET: i64 = 24 * 3_600_000;
/// Longest login or password that is looked at.
const LONGEST_TEXT: usize = 256;

#[derive(Template)]
#[template(path = "console/sign_in.html")]
struct SignInPage {
    page: Page,
    form: Form,
    next: String,
    problem: Option<String>,
    single: Option<Single>,
}

/// The way in through an identity provider.
struct Single {
    label: String,
    /// Where it begins.
    address: String,
    /// Where to sign out there, too, after signing out here.
    leave: Option<String>,
}

impl Single {
    fn new(console: &Console, next: &str, left: bool) -> Option<Self> {
        let provider = console.oidc.as_ref()?;
        let query = form_urlencoded::Serializer::new(String::new()).append_pair("next", next).finish();
        let leave = if left { provider.end_session() } else { None };
        Some(Self { label: provider.label().to_owned(), address: format!("/signin/oidc?{query}"), leave })
    }
}

/// The form again, with what went wrong.
pub(super) fn refused(console: &Console, page: Page, status: StatusCode, next: String, problem: String) -> Answer {
    let single = Single::new(console, &next, false);
    show_with(status, &SignInPage { page, form: Form::default(), next, problem: Some(problem), single })
}

/// `GET /signin`.
pub(super) async fn page(State(console): Shared, page: Page, form: Form) -> Answer {
    let next = frame::local(form.value("next"));
    if page.visitor().is_some() {
        return Ok((StatusCode::SEE_OTHER, [(header::LOCATION, next)]).into_response());
    }
    let single = Single::new(&console, &next, form.value("left") == "1");
    show(&SignInPage { page, form: Form::default(), next, problem: None, single })
}

/// What became of an attempt.
enum Attempt {
    In(Secret),
    Wrong,
    Disabled,
    Wait(Duration),
}

/// `POST /signin`.
pub(super) async fn sign_in(State(console): Shared, page: Page, caller: Caller, form: Form) -> Answer {
    let next = frame::local(form.value("next"));
    let (login, password) = (form.value("login").to_owned(), form.exact("password").to_owned());
    let secure = console.secure;
    let permit = console.hashing.enter().await.ok_or(Fault::BUSY)?;
    let single = Single::new(&console, &next, false);
    let attempt = console.ask(move |console| attempt(console, &login, &password, caller)).await;
    drop(permit);
    let problem = match attempt? {
        Attempt::In(secret) => return Ok(enter(&secret, &next, secure)),
        Attempt::Wrong => page.t("signin-wrong"),
        Attempt::Disabled => page.t("signin-disabled"),
        Attempt::Wait(wait) => page.t1("signin-wait", "minutes", wait.as_secs().div_ceil(60)),
    };
    show_with(StatusCode::UNPROCESSABLE_ENTITY, &SignInPage { page, form, next, problem: Some(problem), single })
}

pub(super) fn enter(secret: &Secret, next: &str, secure: bool) -> Response {
    let mut response = (StatusCode::SEE_OTHER, [(header::LOCATION, next)]).into_response();
    if let Some(cookie) = secret.session_cookie(secure) {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    response
}

fn attempt(console: &Console, login: &str, password: &str, caller: Caller) -> Result<Attempt, Fault> {
    let database = console.engine.database();
    let now = console.engine.folder.now();
    if login.len() > LONGEST_TEXT || password.len() > LONGEST_TEXT {
        return Ok(Attempt::Wrong);
    }
    // What was typed is neither kept nor logged: it may be a password in the wrong box.
    let typed = blake3::hash(login.to_lowercase().as_bytes());
    let counters = [(format!("login:{typed}"), FREE_OF_LOGIN), (format!("address:{}", caller.0), FREE_OF_CALLER)];
    let waiting = database.write::<_, DbError>(|tx| {
        for (about, free) in &counters {
            if let Some(wait) = sessions::failures(tx, about)?.and_then(|known| wait(known, *free, now)) {
                return Ok(Some(wait));
            }
        }
        for (about, _) in &counters {
            sessions::count_failure(tx, about, now)?;
        }
        sessions::sweep_failures(tx, now.plus_millis(-FORGET))?;
        Ok(None)
    })?;
    if let Some(wait) = waiting {
        return Ok(Attempt::Wait(wait));
    }
    let account = match accounts::sign_in(database, login, password) {
        Ok(account) => account,
        Err(AccountError::Wrong) => {
            let login = database.read(|tx| loggable(tx, login))?;
            tracing::warn!(login, caller = %caller.0, "a sign-in failed");
            return Ok(Attempt::Wrong);
        }
        Err(AccountError::Disabled { .. }) => return Ok(Attempt::Disabled),
        Err(error) => {
            tracing::error!(%error, "nobody can sign in");
            return Err(Fault::INTERNAL);
        }
    };
    let secret = open_session(console, &account.login, caller, now)?;
    database.write::<_, DbError>(|tx| {
        // The caller's other failures stay: somebody else's account may have been tried from there.
        sessions::forget_failures(tx, &counters[0].0)
    })?;
    Ok(Attempt::In(secret))
}

/// A login as the log may have it: one that exists, never what else somebody typed.
pub(super) fn loggable(connection: &rusqlite::Connection, login: &str) -> Result<String, DbError> {
    match accounts::find(connection, login) {
        Ok(known) => Ok(known.login),
        Err(AccountError::Database(error)) => Err(error),
        Err(_) => Ok("nobody's".to_owned()),
    }
}

/// A new session of an account whose owner has been recognised.
pub(super) fn open_session(console: &Console, login: &str, caller: Caller, now: Timestamp) -> Result<Secret, Fault> {
    let secret = Secret::new().map_err(|_| Fault::INTERNAL)?;
    let settings = &console.engine.folder.config.console;
    let before = |span: Duration| now.plus_millis(-i64::try_from(span.as_millis()).unwrap_or(i64::MAX));
    console.engine.database().write::<_, DbError>(|tx| {
        sessions::sweep(tx, before(settings.idle), before(settings.longest))?;
        sessions::insert(tx, &secret.id(), login, now, &caller.0.to_string())?;
        meta::audit(tx, now, login, "sign in", &caller.0.to_string())
    })?;
    Ok(secret)
}

/// How long an account or caller still has to wait.
fn wait((count, last): (u32, Timestamp), free: u32, now: Timestamp) -> Option<Duration> {
    let over = count.checked_sub(free)?;
    let full = FIRST_WAIT.saturating_mul(1_u32.checked_shl(over.min(20)).unwrap_or(u32::MAX)).min(LONGEST_WAIT);
    let passed = Duration::from_millis(u64::try_from(now.millis().saturating_sub(last.millis())).unwrap_or(0));
    full.checked_sub(passed).filter(|left| !left.is_zero())
}

/// `POST /signout`.
pub(super) async fn sign_out(State(console): Shared, page: Page, secret: Secret) -> Answer {
    let (secure, left) = (console.secure, console.oidc.is_some());
    let login = page.visitor().map(|visitor| visitor.account.login.clone()).unwrap_or_default();
    console
        .ask(move |console| {
            let now = console.engine.folder.now();
            Ok(console.engine.database().write::<_, DbError>(|tx| {
                sessions::remove(tx, &secret.id())?;
                meta::audit(tx, now, &login, "sign out", "")
            })?)
        })
        .await?;
    let to = if left { "/signin?left=1" } else { "/signin" };
    let mut response = (StatusCode::SEE_OTHER, [(header::LOCATION, to)]).into_response();
    if let Some(cookie) = Secret::no_cookie(secure) {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_begins_with_the_fifth_failure_doubles_and_ends() {
        let at = |seconds: i64| Timestamp::from_millis(seconds * 1000);
        let left = |count, seconds| wait((count, at(0)), FREE_OF_LOGIN, at(seconds));
        assert_eq!(left(4, 0), None);
        assert_eq!(left(5, 10), Some(Duration::from_secs(20)));
        assert_eq!(left(5, 30), None);
        assert_eq!(left(7, 0), Some(Duration::from_secs(120)));
        assert_eq!(left(60, 0), Some(LONGEST_WAIT));
        assert_eq!(left(7, -5), Some(Duration::from_secs(120)), "a clock that went back opens nothing");
    }
}
