//! Signing in through the identity provider of `[oidc]`: out to it, and back with a code. What belongs
//! to the attempt is in a cookie of this browser for ten minutes; the session afterwards is one like
//! any other.

use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::IntoResponse as _;
use data_encoding::BASE64URL_NOPAD;

use super::sign_in::{enter, open_session, refused};
use super::visitor::{Caller, Secret, cookie, set_cookie};
use super::{Answer, Console, Fault, Form, Page, Shared, frame};
use crate::accounts::{self, AccountError};
use crate::db::{DbError, meta};
use crate::oidc::{Attempt, Identity, OidcError, Provider};

fn cookie_name(secure: bool) -> &'static str {
    if secure { "__Host-outlet_oidc" } else { "outlet_oidc" }
}

fn provider(console: &Console) -> Result<&Provider, Fault> {
    console.oidc.as_ref().ok_or(Fault::NOT_FOUND)
}

/// `GET /signin/oidc?next=/…`.
pub(super) async fn begin(State(console): Shared, page: Page, form: Form) -> Answer {
    let provider = provider(&console)?;
    let next = frame::local(form.value("next"));
    let secret = Secret::new().map_err(|_| Fault::INTERNAL)?;
    let now = console.engine.folder.now();
    match provider.begin(Attempt(secret.bytes()), now).await {
        Ok(to) => {
            let value = format!("{}.{}", secret.text(), BASE64URL_NOPAD.encode(next.as_bytes()));
            let kept = set_cookie(cookie_name(console.secure), &value, console.secure, "; Max-Age=600");
            let mut response = (StatusCode::SEE_OTHER, [(header::LOCATION, to)]).into_response();
            response.headers_mut().append(header::SET_COOKIE, kept.ok_or(Fault::INTERNAL)?);
            Ok(response)
        }
        Err(error) => explained(&console, page, next, &error),
    }
}

/// `GET /signin/oidc/back?code=&state=`: from the provider.
pub(super) async fn back(State(console): Shared, page: Page, caller: Caller, headers: HeaderMap, form: Form) -> Answer {
    let provider = provider(&console)?;
    let kept = cookie(&headers, cookie_name(console.secure)).unwrap_or_default();
    let (secret, next) = kept.split_once('.').unwrap_or_default();
    let next = BASE64URL_NOPAD.decode(next.as_bytes()).ok().and_then(|next| String::from_utf8(next).ok());
    let next = frame::local(&next.unwrap_or_default());
    let now = console.engine.folder.now();
    let found = match (Secret::of_text(secret), form.value("error")) {
        (None, _) => Err(OidcError::Foreign),
        (Some(_), error) if !error.is_empty() => Err(OidcError::Refused(error.chars().take(60).collect())),
        (Some(secret), _) => {
            provider.finish(Attempt(secret.bytes()), form.value("state"), form.value("code"), now).await
        }
    };
    let mut response = match found {
        Ok(identity) => {
            let entered = console.ask(move |console| Ok(admit(console, &identity, caller))).await?;
            match entered {
                Ok(secret) => enter(&secret, &next, console.secure),
                Err(error) => unknown(&console, page, next, &error)?,
            }
        }
        Err(error) => explained(&console, page, next, &error)?,
    };
    // Good for one attempt.
    if let Some(gone) = set_cookie(cookie_name(console.secure), "", console.secure, "; Max-Age=0") {
        response.headers_mut().append(header::SET_COOKIE, gone);
    }
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

/// A session for the account behind an identity.
fn admit(console: &Console, identity: &Identity, caller: Caller) -> Result<Secret, AccountError> {
    let database = console.engine.database();
    let now = console.engine.folder.now();
    let who = (identity.issuer.as_str(), identity.subject.as_str());
    let account = accounts::of_identity(database, who, identity.login.as_deref(), now)?;
    let secret = open_session(console, &account.login, caller, now)
        .map_err(|_| AccountError::Hash("no session can be opened".to_owned()))?;
    database
        .write::<_, DbError>(|tx| meta::audit(tx, now, &account.login, "sign in by identity", &identity.subject))?;
    Ok(secret)
}

/// Known there, not here.
fn unknown(console: &Console, page: Page, next: String, error: &AccountError) -> Answer {
    tracing::warn!(%error, "a sign-in through the identity provider failed");
    let problem = match error {
        AccountError::Stranger(subject) => page.t1("signin-stranger", "subject", subject),
        AccountError::Disabled { .. } => page.t("signin-disabled"),
        AccountError::Subject => page.t("signin-single-failed"),
        _ => return Err(Fault::INTERNAL),
    };
    refused(console, page, StatusCode::FORBIDDEN, next, problem)
}

/// The provider did not say who it is.
fn explained(console: &Console, page: Page, next: String, error: &OidcError) -> Answer {
    tracing::warn!(%error, "a sign-in through the identity provider failed");
    let (status, key) = match error {
        OidcError::Provider(_) => (StatusCode::BAD_GATEWAY, "signin-single-away"),
        OidcError::Foreign => (StatusCode::BAD_REQUEST, "signin-single-foreign"),
        OidcError::Refused(_) | OidcError::Token(_) => (StatusCode::FORBIDDEN, "signin-single-failed"),
    };
    let problem = page.t(key);
    refused(console, page, status, next, problem)
}
