//! Who asks: a token (Bearer, or as the password of Basic), or a session of the console. What they
//! may is looked at here and nowhere else; which outlets they see is the [`Scope`] of every query.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::engine::Via;
use axum::extract::{FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use data_encoding::BASE64;
use outlet_core::identity::Role;
use rusqlite::Connection;

use super::{Api, Problem};
use crate::accounts::{self, Account, AccountError};
use crate::db::DbError;
use crate::inventory::Scope;
use crate::tokens::{self, TokenScope};

/// Longest `Authorization` header that is looked at.
const LONGEST_HEADER: usize = 1024;

/// Who asks.
#[derive(Debug, Clone)]
pub struct Asker {
    account: Option<Arc<Account>>,
    scopes: BTreeSet<TokenScope>,
    /// Names the way in, for limits and for the record of a decision.
    session: String,
    by_token: bool,
}

impl Asker {
    /// Somebody without account, where the settings open the layer to all.
    fn public() -> Self {
        let scopes = BTreeSet::from([TokenScope::Read]);
        Self { account: None, scopes, session: "public".into(), by_token: true }
    }

    /// Behind a token.
    fn token(account: Account, id: i64, scopes: BTreeSet<TokenScope>) -> Self {
        Self { account: Some(Arc::new(account)), scopes, session: format!("token {id}"), by_token: true }
    }

    /// Behind a session of the console: everything that the account may.
    #[must_use]
    pub fn session(account: Arc<Account>, session: String) -> Self {
        Self { account: Some(account), scopes: TokenScope::ALL.into(), session, by_token: false }
    }

    /// The account; none for the public layer.
    #[must_use]
    pub fn account(&self) -> Option<&Arc<Account>> {
        self.account.as_ref()
    }

    /// The way in: `token 7`, or the session's name.
    #[must_use]
    pub fn via(&self) -> &str {
        &self.session
    }

    /// The door, as a witnessed decision names it.
    #[must_use]
    pub fn door(&self) -> Via {
        if self.by_token { Via::Api } else { Via::Console }
    }

    /// By a token rather than a session of the console.
    #[must_use]
    pub fn is_token(&self) -> bool {
        self.by_token
    }

    /// Whose outlets they see.
    #[must_use]
    pub fn scope(&self) -> Scope {
        match &self.account {
            None => Scope::everything(),
            Some(account) if account.role == Role::Admin && account.collections.is_empty() => Scope::everything(),
            Some(account) => Scope::of(account.collections.iter().copied()),
        }
    }

    /// May they do this?
    ///
    /// # Errors
    /// 403 that says what is missing.
    pub fn need(&self, scope: TokenScope) -> Result<(), Problem> {
        if !self.scopes.contains(&scope) {
            let detail = format!("this token lacks the scope `{}`", scope.code());
            return Err(Problem::forbidden(detail));
        }
        let least = match scope {
            TokenScope::Read | TokenScope::Photos => Role::Viewer,
            TokenScope::Decide => Role::Supervisor,
            TokenScope::Admin => Role::Admin,
        };
        match &self.account {
            Some(account) if account.role >= least => Ok(()),
            None if least == Role::Viewer => Ok(()),
            _ => Err(Problem::forbidden(format!("the account's role does not allow this ({})", scope.code()))),
        }
    }
}

impl<S: Sync> FromRequestParts<S> for Asker {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        parts.extensions.get::<Self>().cloned().ok_or_else(Problem::unauthorized)
    }
}

/// Finds the session of the console behind a request's cookies. `changes` asks for the cross-site
/// checks, too.
pub type Sessions = dyn Fn(&HeaderMap, bool) -> Result<Option<Asker>, Problem> + Send + Sync;

/// How clients reach this server.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scheme(pub &'static str);

impl<S: Sync> FromRequestParts<S> for Scheme {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        Ok(parts.extensions.get::<Self>().copied().unwrap_or(Self("http")))
    }
}

/// The token in a request.
fn secret(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let Some(value) = headers.get(header::AUTHORIZATION) else { return Ok(None) };
    let text = value.to_str().ok().filter(|text| text.len() <= LONGEST_HEADER).ok_or_else(Problem::unauthorized)?;
    let (way, rest) = text.split_once(' ').ok_or_else(Problem::unauthorized)?;
    if way.eq_ignore_ascii_case("bearer") {
        return Ok(Some(rest.trim().to_owned()));
    }
    if way.eq_ignore_ascii_case("basic") {
        let bytes = BASE64.decode(rest.trim().as_bytes()).map_err(|_| Problem::unauthorized())?;
        let pair = String::from_utf8(bytes).map_err(|_| Problem::unauthorized())?;
        // The user's name is free: the token names the account.
        return Ok(Some(pair.split_once(':').map_or(pair.as_str(), |(_, password)| password).to_owned()));
    }
    Err(Problem::unauthorized())
}

/// The account behind a login, unless it is closed.
fn account(connection: &Connection, login: &str) -> Result<Option<Account>, DbError> {
    match accounts::usable(connection, login) {
        Ok(account) => Ok(Some(account)),
        Err(AccountError::Database(error)) => Err(error),
        Err(_) => Ok(None),
    }
}

impl Api {
    /// Who sent a request; nothing for a stranger.
    fn ask_who(&self, headers: &HeaderMap, changes: bool) -> Result<Option<Asker>, Problem> {
        let Some(secret) = secret(headers)? else {
            return match &self.sessions {
                Some(sessions) => sessions(headers, changes),
                None => Ok(None),
            };
        };
        let now = self.engine.folder.now();
        let found = self.engine.database().read::<_, DbError>(|tx| {
            let Some(token) = tokens::usable(tx, &secret, now)? else { return Ok(None) };
            Ok(account(tx, &token.login)?.map(|account| (token, account)))
        })?;
        let Some((token, account)) = found else { return Err(Problem::unauthorized()) };
        if tokens::is_use_due(&token, now) {
            self.engine.database().write::<_, DbError>(|tx| crate::db::tokens::used(tx, token.id, now))?;
        }
        Ok(Some(Asker::token(account, token.id, TokenScope::list(&token.scopes))))
    }
}

/// Finds out who asks, and counts the request. A stranger goes on only where the layer is public.
pub(super) async fn authenticate(
    State((api, open)): State<(Arc<Api>, bool)>,
    mut request: Request,
    next: Next,
) -> Response {
    let changes = !matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    let headers = request.headers().clone();
    let asked = api.clone().blocking(move |api| api.ask_who(&headers, changes)).await;
    let asker = match asked {
        Ok(Some(asker)) => asker,
        Ok(None) if open && !changes => Asker::public(),
        Ok(None) => return api.refused(Problem::unauthorized()).into_response(),
        Err(problem) => return api.refused(problem).into_response(),
    };
    if let Err(problem) = api.limits.count(asker.via()) {
        return problem.into_response();
    }
    request.extensions_mut().insert(asker);
    request.extensions_mut().insert(Scheme(if api.secure { "https" } else { "http" }));
    next.run(request).await
}
