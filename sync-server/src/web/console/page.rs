//! What every template is given: the words, who looks, where they are. And the error page.

use std::fmt::Display;
use std::ops::Deref;

use askama::Template;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use axum::response::{Html, IntoResponse as _, Response};
use outlet_core::domain::dictionary::Lang;
use outlet_core::time::Timestamp;

use super::assets;
use super::fault::Fault;
use super::menu::{self, Group};
use super::visitor::Visitor;
use super::words::Words;

/// The frame of a page. Templates have it as `page`; its words are [`Words`] by dereference.
#[derive(Debug, Clone)]
pub struct Page {
    words: Words,
    /// Path and query: where the language switch and the sign-in return to.
    pub(super) here: String,
    visitor: Option<Visitor>,
    /// For forms.
    pub csrf: String,
    /// Message that the last act left, from the address.
    pub(super) done: Option<String>,
}

impl Deref for Page {
    type Target = Words;

    fn deref(&self) -> &Words {
        &self.words
    }
}

impl Page {
    pub(super) fn new(lang: Lang, here: String, visitor: Option<Visitor>, csrf: String) -> Self {
        let query = here.split_once('?').map_or("", |(_, query)| query);
        let done = super::form::Form::parse(query.as_bytes()).given("done").map(|key| format!("done-{key}"));
        Self { words: Words(lang), here, visitor, csrf, done }
    }

    /// A message.
    #[must_use]
    pub fn t(&self, key: &str) -> String {
        self.words.message(key, &[])
    }

    /// The message `GROUP-KEY`: for keys that are data.
    #[must_use]
    pub fn t_of(&self, group: &str, key: &str) -> String {
        self.words.message(&format!("{group}-{key}"), &[])
    }

    /// A message with one value in it.
    pub fn t1(&self, key: &str, name: &str, value: impl Display) -> String {
        self.words.message(key, &[(name, &value.to_string())])
    }

    /// A message with two values in it.
    pub fn t2(&self, key: &str, one: (&str, impl Display), two: (&str, impl Display)) -> String {
        self.words.message(key, &[(one.0, &one.1.to_string()), (two.0, &two.1.to_string())])
    }

    /// What to do about a problem that a program describes in English: its own words there, else the
    /// message `GROUP-CODE`, with what the description quotes of the file.
    #[must_use]
    pub(super) fn remedy(&self, group: &str, code: &str, described: &str) -> String {
        if self.words.0 == Lang::En {
            return described.to_owned();
        }
        let todo = self.t_of(group, &code.replace('_', "-"));
        let quoted = described.split_once('"').and_then(|(_, rest)| rest.rsplit_once('"'));
        quoted.map_or_else(|| todo.clone(), |(own, _)| format!("“{own}”：{todo}"))
    }

    /// The words, to hand on.
    #[must_use]
    pub fn words(&self) -> Words {
        self.words
    }

    /// Who looks; nobody on the sign-in page.
    #[must_use]
    pub fn visitor(&self) -> Option<&Visitor> {
        self.visitor.as_ref()
    }

    /// Role and level of an account, in words.
    #[must_use]
    pub fn role(&self, visitor: &Visitor) -> String {
        use outlet_core::identity::{Level, Role};
        self.t(match (visitor.account.role, visitor.account.level) {
            (Role::Admin, _) => "role-admin",
            (Role::Supervisor, Some(Level::City)) => "role-city",
            (Role::Supervisor, _) => "role-county",
            _ => "role-viewer",
        })
    }

    /// Day and time in Bazhong, to the minute.
    #[must_use]
    pub fn moment(&self, at: &Timestamp) -> String {
        moment(*at)
    }

    /// What the last act left: a sentence, when there is one for it.
    pub(super) fn done_text(&self) -> Option<String> {
        let key = self.done.as_deref()?;
        let text = self.t(key);
        (text != key).then_some(text)
    }

    pub(super) fn menu(&self) -> Vec<Group> {
        let path = self.here.split('?').next().unwrap_or("/");
        self.visitor.as_ref().map(|visitor| menu::of(visitor, path)).unwrap_or_default()
    }

    pub(super) fn script(&self) -> Option<&'static str> {
        assets::entry().script.as_deref()
    }

    pub(super) fn style(&self) -> Option<&'static str> {
        assets::entry().style.as_deref()
    }

    /// The other language's code, for the switch.
    pub(super) fn other_language(&self) -> &'static str {
        if self.words.0 == Lang::En { "zh" } else { "en" }
    }

    /// This address, to be put into a query.
    pub(super) fn here_escaped(&self) -> String {
        form_urlencoded::byte_serialize(self.here.as_bytes()).collect()
    }
}

/// Day and time in UTC+08:00, to the minute.
pub(super) fn moment(at: Timestamp) -> String {
    let minutes = at.plus_millis(8 * 3_600_000).millis().div_euclid(60_000).rem_euclid(1440);
    format!("{} {:02}:{:02}", at.day_in_shanghai(), minutes / 60, minutes % 60)
}

impl<S: Sync> FromRequestParts<S> for Page {
    type Rejection = Fault;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Fault> {
        // The frame puts it there before any page.
        parts.extensions.get::<Self>().cloned().ok_or(Fault::INTERNAL)
    }
}

/// Renders a template.
///
/// # Errors
/// When the template fails.
pub fn show(template: &impl Template) -> Result<Response, Fault> {
    show_with(StatusCode::OK, template)
}

/// Renders a template under a status: 422 for a form with errors, 409 for a stale page.
///
/// # Errors
/// When the template fails.
pub fn show_with(status: StatusCode, template: &impl Template) -> Result<Response, Fault> {
    Ok((status, Html(template.render()?)).into_response())
}

/// After an act: the page to look at next, with a sentence (`done-KEY` in the message files).
#[must_use]
pub fn go_on(address: &str, done: &str) -> Response {
    let sign = if address.contains('?') { '&' } else { '?' };
    let to = format!("{address}{sign}done={done}");
    (StatusCode::SEE_OTHER, [(header::LOCATION, to)]).into_response()
}

/// The error page.
#[derive(Template)]
#[template(path = "console/fault.html")]
struct FaultPage<'p> {
    page: &'p Page,
    status: u16,
    message: &'static str,
}

/// The page of a refusal, in the visitor's language.
pub(super) fn fault_page(page: &Page, fault: Fault) -> Response {
    let view = FaultPage { page, status: fault.status.as_u16(), message: fault.message };
    match view.render() {
        Ok(html) => {
            let mut response = (fault.status, Html(html)).into_response();
            if let Some(seconds) = fault.retry_after {
                response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
            }
            response
        }
        Err(error) => {
            tracing::error!(%error, "the error page failed");
            fault.status.into_response()
        }
    }
}
