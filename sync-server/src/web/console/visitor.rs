//! Who looks: the session behind a cookie, the account behind the session, and what it may. Rights
//! are checked in two places: the guard of a group of addresses (the role) and [`Visitor::sees`]
//! (the collections). What may be *decided* is checked once more by the engine.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use axum::body::{Body, to_bytes};
use axum::extract::{FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use data_encoding::BASE64URL_NOPAD;
use outlet_core::identity::Role;
use outlet_core::ids::Collection;
use sha2::{Digest as _, Sha256};

use super::{Console, FORM_LIMIT, Fault, Form, Page};
use crate::accounts::{self, Account, AccountError};
use crate::db::{DbError, sessions};
use crate::engine::{Acting, Via};
use crate::error::CommandError;
use crate::inventory::Scope;
use crate::web::listen::Remote;

/// What an address asks of who opens it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Need {
    /// Any account.
    Viewer,
    /// Who decides.
    Supervisor,
    /// Who administers.
    Admin,
}

/// The account that looks, with its session.
#[derive(Debug, Clone)]
pub struct Visitor {
    /// The account, as it is now.
    pub account: Arc<Account>,
    /// Names the session in a witnessed decision: the first half of its stored hash, not the cookie.
    pub session: String,
}

impl Visitor {
    /// Has the account the role for it?
    #[must_use]
    pub fn may(&self, need: Need) -> bool {
        match need {
            Need::Viewer => true,
            Need::Supervisor => self.account.role >= Role::Supervisor,
            Need::Admin => self.account.role >= Role::Admin,
        }
    }

    /// For templates.
    #[must_use]
    pub fn decides(&self) -> bool {
        self.may(Need::Supervisor)
    }

    /// For templates.
    #[must_use]
    pub fn administers(&self) -> bool {
        self.may(Need::Admin)
    }

    /// Whose rows its lists show.
    #[must_use]
    pub fn scope(&self) -> Scope {
        if self.administers() && self.account.collections.is_empty() {
            return Scope::everything();
        }
        Scope::of(self.account.collections.iter().copied())
    }

    /// Who decides, for the engine.
    #[must_use]
    pub fn acting(&self) -> Acting {
        Acting { login: self.account.login.clone(), via: Via::Console, session: Some(self.session.clone()) }
    }

    /// Is everything of these collections (none: all there are) within the account's own? Rights are
    /// given, and accounts changed, by whoever has them: an administrator of one county makes none of
    /// another, and sets no password of somebody who may more.
    #[must_use]
    pub fn governs(&self, collections: &[Collection]) -> bool {
        let own = &self.account.collections;
        self.administers()
            && (own.is_empty() || (!collections.is_empty() && collections.iter().all(|one| own.contains(one))))
    }

    /// May the account read this collection?
    #[must_use]
    pub fn sees(&self, collection: Collection) -> bool {
        self.account.covers(collection)
    }
}

impl<S: Sync> FromRequestParts<S> for Visitor {
    type Rejection = Fault;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Fault> {
        let page = parts.extensions.get::<Page>().ok_or(Fault::INTERNAL)?;
        page.visitor().cloned().ok_or(Fault::FORBIDDEN)
    }
}

/// A random 256-bit value in a cookie. The database knows its hash only.
#[derive(Clone, Copy)]
pub(super) struct Secret([u8; 32]);

/// Cookie of somebody who is not signed in.
const VISIT: &str = "outlet_visit";

impl Secret {
    pub(super) fn new() -> Result<Self, CommandError> {
        crate::env::random().map(Self)
    }

    fn session_name(secure: bool) -> &'static str {
        // The prefix makes browsers refuse the cookie from another host or over plain HTTP.
        if secure { "__Host-outlet_session" } else { "outlet_session" }
    }

    pub(super) fn of_session(headers: &HeaderMap, secure: bool) -> Option<Self> {
        Self::read(&cookie(headers, Self::session_name(secure))?)
    }

    pub(super) fn of_visit(headers: &HeaderMap) -> Option<Self> {
        Self::read(&cookie(headers, VISIT)?)
    }

    fn read(text: &str) -> Option<Self> {
        BASE64URL_NOPAD.decode(text.as_bytes()).ok()?.try_into().ok().map(Self)
    }

    /// Of a cookie's text.
    pub(super) fn of_text(text: &str) -> Option<Self> {
        Self::read(text)
    }

    /// For what is derived from it.
    pub(super) fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// What a cookie holds.
    pub(super) fn text(&self) -> String {
        BASE64URL_NOPAD.encode(&self.0)
    }

    /// What the database keeps.
    pub(super) fn id(&self) -> [u8; 32] {
        Sha256::digest(self.0).into()
    }

    /// What forms carry: bound to the session, of no use without its cookie.
    pub(super) fn token(&self) -> String {
        BASE64URL_NOPAD.encode(&blake3::derive_key("outlet-server 2026 console form token", &self.0))
    }

    pub(super) fn session_cookie(&self, secure: bool) -> Option<HeaderValue> {
        set_cookie(Self::session_name(secure), &BASE64URL_NOPAD.encode(&self.0), secure, "")
    }

    pub(super) fn visit_cookie(&self, secure: bool) -> Option<HeaderValue> {
        set_cookie(VISIT, &BASE64URL_NOPAD.encode(&self.0), secure, "")
    }

    pub(super) fn no_cookie(secure: bool) -> Option<HeaderValue> {
        set_cookie(Self::session_name(secure), "", secure, "; Max-Age=0")
    }
}

pub(super) fn set_cookie(name: &str, value: &str, secure: bool, more: &str) -> Option<HeaderValue> {
    let secure = if secure { "; Secure" } else { "" };
    HeaderValue::from_str(&format!("{name}={value}; Path=/; HttpOnly; SameSite=Lax{secure}{more}")).ok()
}

/// The value of a cookie.
pub(super) fn cookie(headers: &HeaderMap, name: &str) -> Option<String> {
    let lines = headers.get_all(header::COOKIE).into_iter().filter_map(|line| line.to_str().ok());
    let mut pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(own, _)| *own == name).map(|(_, value)| value.to_owned())
}

/// The visitor behind a session's secret: nothing when it expired, or its account
/// was disabled or got a new password.
pub(super) fn find(console: &Console, secret: &Secret) -> Result<Option<Visitor>, Fault> {
    let engine = &console.engine;
    let now = engine.folder.now();
    let settings = &engine.folder.config.console;
    let id = secret.id();
    let found = engine.database().read::<_, DbError>(|tx| {
        let Some(session) = sessions::get(tx, &id)? else { return Ok(None) };
        match accounts::usable(tx, &session.login) {
            Ok(account) => Ok(Some((session, account))),
            Err(AccountError::Database(error)) => Err(error),
            Err(_) => Ok(None),
        }
    })?;
    let Some((session, account)) = found else { return Ok(None) };
    let since = |moment: outlet_core::time::Timestamp| u128::from(now.millis().abs_diff(moment.millis()));
    let idle = since(session.seen) > settings.idle.as_millis();
    let old = since(session.made) > settings.longest.as_millis();
    if idle || old || session.made < account.password_at {
        return Ok(None);
    }
    if since(session.seen) > 60_000 {
        engine.database().write::<_, DbError>(|tx| sessions::seen(tx, &id, now))?;
    }
    let name = data_encoding::HEXLOWER.encode(&id[..16]);
    Ok(Some(Visitor { account: Arc::new(account), session: name }))
}

/// See [`Console::visitor`].
pub(super) fn of_request(console: &Console, headers: &HeaderMap, changes: bool) -> Result<Option<Visitor>, Fault> {
    let Some(secret) = Secret::of_session(headers, console.secure) else { return Ok(None) };
    let Some(visitor) = find(console, &secret)? else { return Ok(None) };
    let sent = headers.get("x-csrf-token").and_then(|value| value.to_str().ok()).unwrap_or_default();
    if changes && !(of_this_site(headers) && same(sent, &secret.token())) {
        return Err(Fault::FORGED);
    }
    Ok(Some(visitor))
}

/// The guard of a group of addresses.
pub(super) async fn guard(State(need): State<Need>, request: Request, next: Next) -> Response {
    let Some(page) = request.extensions().get::<Page>() else { return Fault::INTERNAL.into_response() };
    match page.visitor() {
        Some(visitor) if visitor.may(need) => next.run(request).await,
        Some(_) => Fault::FORBIDDEN.into_response(),
        None => to_sign_in(&request, page),
    }
}

/// To the sign-in, and back here afterwards: to the page itself, or to the one whose form or part
/// asked.
fn to_sign_in(request: &Request, page: &Page) -> Response {
    let headers = request.headers();
    let part = headers.contains_key("hx-request");
    let asking = if part { headers.get("hx-current-url") } else { headers.get(header::REFERER) };
    let asking = asking.and_then(|value| value.to_str().ok()).and_then(|value| value.parse::<Uri>().ok());
    let back = match (request.method(), part) {
        (&Method::GET, false) => page.here.clone(),
        _ => asking.and_then(|uri| uri.path_and_query().map(ToString::to_string)).unwrap_or_else(|| "/".into()),
    };
    let back: String = form_urlencoded::byte_serialize(back.as_bytes()).collect();
    let to = format!("/signin?next={back}");
    if part {
        return (StatusCode::UNAUTHORIZED, [("hx-redirect", to)], axum::response::Html("")).into_response();
    }
    (StatusCode::SEE_OTHER, [(header::LOCATION, to)]).into_response()
}

/// Everything that changes something must come from a page of this server: by origin, and by the
/// token of the session's forms. A form's fields are read here and handed on as [`Form`].
pub(super) async fn same_site(request: Request, next: Next) -> Response {
    if matches!(*request.method(), Method::GET | Method::HEAD) {
        return next.run(request).await;
    }
    let Some(token) = request.extensions().get::<Page>().map(|page| page.csrf.clone()) else {
        return Fault::INTERNAL.into_response();
    };
    if !of_this_site(request.headers()) {
        return Fault::FORGED.into_response();
    }
    let kind = request.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let is_form = kind.starts_with("application/x-www-form-urlencoded");
    let in_header = request.headers().get("x-csrf-token").and_then(|value| value.to_str().ok()).map(str::to_owned);
    if !is_form {
        // An upload: its token is in the header, its body is read by its page within its own limit.
        let right = in_header.is_some_and(|sent| same(&sent, &token));
        return if right { next.run(request).await } else { Fault::FORGED.into_response() };
    }
    let (mut parts, body) = request.into_parts();
    let Ok(bytes) = to_bytes(body, FORM_LIMIT).await else { return Fault::TOO_LARGE.into_response() };
    let form = Form::parse(&bytes);
    let sent = in_header.unwrap_or_else(|| form.value("csrf").to_owned());
    if !same(&sent, &token) {
        return Fault::FORGED.into_response();
    }
    parts.extensions.insert(form);
    next.run(Request::from_parts(parts, Body::empty())).await
}

/// In constant time: compares hashes.
fn same(sent: &str, token: &str) -> bool {
    !token.is_empty() && blake3::hash(sent.as_bytes()) == blake3::hash(token.as_bytes())
}

fn of_this_site(headers: &HeaderMap) -> bool {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    if text("sec-fetch-site").is_some_and(|site| site != "same-origin" && site != "none") {
        return false;
    }
    match (text("origin"), text("host")) {
        (Some(origin), Some(host)) => origin.split_once("://").is_some_and(|(_, named)| named == host),
        (Some(_), None) => false,
        (None, _) => true,
    }
}

impl<S: Sync> FromRequestParts<S> for Form {
    type Rejection = Fault;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Fault> {
        if let Some(form) = parts.extensions.get::<Self>() {
            return Ok(form.clone());
        }
        // Of a page that is read: the address's query.
        Ok(Self::parse(parts.uri.query().unwrap_or_default().as_bytes()))
    }
}

/// The caller's address as failures are counted by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Caller(pub IpAddr);

/// Behind a proxy it is the last address that the proxy itself wrote.
pub(super) fn address(remote: Option<Remote>, headers: &HeaderMap, behind_proxy: bool) -> Caller {
    let direct = remote.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |remote| remote.0.ip());
    if !behind_proxy {
        return Caller(direct);
    }
    let forwarded = headers.get_all("x-forwarded-for").into_iter().next_back();
    let last = forwarded.and_then(|line| line.to_str().ok()).and_then(|line| line.rsplit(',').next());
    Caller(last.and_then(|text| text.trim().parse().ok()).unwrap_or(direct))
}

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = Fault;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Fault> {
        parts.extensions.get::<Self>().copied().ok_or(Fault::INTERNAL)
    }
}

impl<S: Sync> FromRequestParts<S> for Secret {
    type Rejection = Fault;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Fault> {
        parts.extensions.get::<Self>().copied().ok_or(Fault::FORBIDDEN)
    }
}
