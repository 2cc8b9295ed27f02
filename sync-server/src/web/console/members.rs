//! Devices and tickets: who has which device, since when it was last here; a new ticket as text and as
//! a QR code; a lost device revoked.

use askama::Template;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use outlet_core::identity::{Level, Role, Ticket};
use outlet_core::ids::{Collection, PublicKey};
use outlet_core::time::Timestamp;

use super::people::{Chosen, choices, chosen};
use super::{Answer, Fault, Form, Page, Shared, Visitor, go_on, show, show_with};
use crate::accounts;
use crate::db::DbError;
use crate::db::devices::{self, StoredMember};
use crate::error::Exit;
use crate::membership::{self, NewTicket};

/// A device in words.
struct DeviceLine {
    key: String,
    short: String,
    name: String,
    role: &'static str,
    collections: String,
    seen: String,
    enrolled: String,
    /// Minutes that its clock is off, where that matters.
    skew: Option<i64>,
    /// When two devices last used its key.
    copied: Option<String>,
    revoked: Option<String>,
    server: bool,
}

#[derive(Template)]
#[template(path = "console/devices.html")]
struct DevicesPage {
    page: Page,
    devices: Vec<DeviceLine>,
    form: Form,
    roles: Vec<(String, String)>,
    persons: Vec<(String, String)>,
    collections: Vec<(String, String)>,
    problem: Option<String>,
}

#[derive(Template)]
#[template(path = "console/ticket.html")]
struct TicketPage {
    page: Page,
    text: String,
    name: String,
    expires: String,
    /// Dark squares of the QR code, as one path; its side in squares.
    squares: String,
    side: usize,
}

/// Counties that a right can be given for.
pub(super) fn counties(page: &Page) -> Vec<(String, String)> {
    let codes = outlet_core::domain::region::Regions::embedded().counties.into_iter().map(|county| county.code);
    codes.map(|code| (code.clone(), page.place(&code))).collect()
}

fn role_key(role: Role, level: Option<Level>) -> &'static str {
    match (role, level) {
        (Role::Admin, _) => "role-admin",
        (Role::Supervisor, Some(Level::City)) => "role-city",
        (Role::Supervisor, _) => "role-county",
        (Role::Inspector, _) => "role-inspector",
        (Role::Viewer, _) => "role-viewer",
    }
}

/// Role and level behind one choice of a form.
pub(super) fn role_of(choice: &str) -> Option<(Role, Option<Level>)> {
    Some(match choice {
        "inspector" => (Role::Inspector, None),
        "county" => (Role::Supervisor, Some(Level::County)),
        "city" => (Role::Supervisor, Some(Level::City)),
        "admin" => (Role::Admin, None),
        "viewer" => (Role::Viewer, None),
        _ => return None,
    })
}

impl DeviceLine {
    fn new(page: &Page, member: &StoredMember, server: bool) -> Self {
        let minutes = member.skew_ms.map(|skew| skew / 60_000);
        Self {
            key: member.key.to_string(),
            short: member.key.short(),
            name: member.grant.name.clone(),
            role: role_key(member.grant.role, member.grant.level),
            collections: page.list(member.grant.collections.iter().map(|own| page.place(&own.to_string()))),
            seen: member.last_seen.as_ref().map(|at| page.moment(at)).unwrap_or_default(),
            enrolled: page.moment(&member.enrolled_at),
            skew: minutes.filter(|minutes| minutes.abs() >= 5),
            copied: member.copied_at.as_ref().map(|at| page.moment(at)),
            revoked: member.revoked_at.as_ref().map(|at| page.moment(at)),
            server,
        }
    }
}

/// `GET /devices`.
pub(super) async fn page(State(console): Shared, page: Page, visitor: Visitor) -> Answer {
    list(&console, page, &visitor, Form::default(), None).await
}

async fn list(
    console: &std::sync::Arc<super::Console>,
    page: Page,
    visitor: &Visitor,
    form: Form,
    problem: Option<String>,
) -> Answer {
    let (mut members, persons) = console
        .ask(|console| {
            let folder = &console.engine.folder;
            Ok(folder.database.read::<_, DbError>(|tx| {
                let roster = folder.roster(tx)?;
                let members = devices::members(tx)?;
                let members = members.into_iter().map(|member| (roster.is_server(&member.key), member));
                Ok((members.collect::<Vec<_>>(), accounts::persons(tx)?))
            })?)
        })
        .await?;
    let scope = visitor.scope();
    members.retain(|(server, member)| *server || member.grant.collections.iter().any(|own| scope.holds(*own)));
    let devices = members.iter().map(|(server, member)| DeviceLine::new(&page, member, *server)).collect();
    let roles = ["inspector", "county", "city", "admin"].map(|role| (role.to_owned(), page.t(&format!("role-{role}"))));
    let status = if form.failed() || problem.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    let (collections, persons) = (counties(&page), choices(&page, visitor, &persons));
    show_with(status, &DevicesPage { devices, roles: roles.to_vec(), persons, collections, problem, form, page })
}

/// Collections ticked in a form; says what is wrong beside it.
pub(super) fn ticked(page: &Page, form: &mut Form) -> Vec<Collection> {
    let ticked: Vec<Collection> = form.all("collections").filter_map(|code| code.parse().ok()).collect();
    if ticked.is_empty() {
        form.fail("collections", page.t("wrong-choose"));
    }
    ticked
}

/// `POST /tickets`: shows the ticket once; the server keeps only a hash of its secret.
pub(super) async fn ticket(State(console): Shared, page: Page, visitor: Visitor, mut form: Form) -> Answer {
    let role = role_of(form.value("role"));
    if role.is_none() {
        form.fail("role", page.t("wrong-needed"));
    }
    let name = form.value("name").to_owned();
    if name.is_empty() {
        form.fail("name", page.t("wrong-needed"));
    }
    let collections = ticked(&page, &mut form);
    let Some((role, level)) = role.filter(|_| !form.failed()) else {
        return list(&console, page, &visitor, form, None).await;
    };
    if !visitor.governs(&collections) {
        return Err(Fault::FORBIDDEN);
    }
    let person = match chosen(&console, &page, &visitor, &mut form).await? {
        Some(Chosen::Known(person)) => Some(person),
        Some(Chosen::New) => None,
        None => return list(&console, page, &visitor, form, None).await,
    };
    let new = NewTicket {
        role,
        level,
        collections: collections.into_iter().collect(),
        name,
        person,
        valid: None,
        addresses: Vec::new(),
    };
    let who = visitor.account.login.clone();
    let issued = console
        .ask(move |console| {
            let folder = &console.engine.folder;
            Ok(membership::issue_ticket(folder, new, folder.now(), &who))
        })
        .await?;
    match issued {
        Ok(ticket) => show(&TicketPage::new(page, &ticket)?),
        Err(error) if error.exit == Exit::Internal => {
            tracing::error!(%error, "no ticket could be issued");
            Err(Fault::INTERNAL)
        }
        Err(_) => {
            let problem = page.t("ticket-refused");
            list(&console, page, &visitor, form, Some(problem)).await
        }
    }
}

impl TicketPage {
    fn new(page: Page, ticket: &Ticket) -> Result<Self, Fault> {
        let code = qrcode::QrCode::new(ticket.to_qr_text()).map_err(|error| {
            tracing::error!(%error, "the ticket does not fit a QR code");
            Fault::INTERNAL
        })?;
        let side = code.width();
        let dark = code.to_colors().into_iter().enumerate().filter(|(_, colour)| *colour == qrcode::Color::Dark);
        let square = |(index, _): (usize, _)| format!("M{} {}h1v1h-1z", index % side + 4, index / side + 4);
        Ok(Self {
            text: ticket.to_text(),
            name: ticket.name.clone(),
            expires: expires(&page, ticket.expires_at),
            squares: dark.map(square).collect(),
            side: side + 8,
            page,
        })
    }
}

fn expires(page: &Page, at: Timestamp) -> String {
    page.moment(&at)
}

/// `POST /devices/{key}/revoke`.
pub(super) async fn revoke(State(console): Shared, visitor: Visitor, Path(key): Path<String>, form: Form) -> Answer {
    let key: PublicKey = key.parse().map_err(|_| Fault::NOT_FOUND)?;
    let reason = form.given("reason").unwrap_or("console").chars().take(200).collect::<String>();
    let who = visitor.account.login.clone();
    let revoked = console
        .ask(move |console| {
            let folder = &console.engine.folder;
            let members = folder.database.read::<_, DbError>(|tx| devices::members(tx))?;
            let member = members.into_iter().find(|member| member.key == key).ok_or(Fault::NOT_FOUND)?;
            if !visitor.governs(&member.grant.collections) {
                return Err(Fault::FORBIDDEN);
            }
            membership::revoke(folder, key, &reason, folder.now(), &who).map_err(|error| {
                tracing::warn!(%error, "a device was not revoked");
                Fault::BAD_REQUEST
            })
        })
        .await?;
    Ok(go_on("/devices", if revoked { "revoked" } else { "revoked-before" }))
}
