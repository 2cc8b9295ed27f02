//! Accounts: who may sign in, with which right, for which collections. A password is set here by an
//! administrator and handed over in person; it is never shown or sent back.

use askama::Template;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use outlet_core::ids::PersonId;

use super::members::{counties, role_of, ticked};
use super::{Answer, Console, Fault, Form, Page, Shared, Visitor, go_on, show_with};
use crate::accounts::{self, Account, AccountError, MAX_PASSWORD, MIN_PASSWORD, NewAccount, Person};
use crate::db::{DbError, sessions};

#[derive(Template)]
#[template(path = "console/accounts.html")]
struct AccountsPage {
    page: Page,
    accounts: Vec<AccountLine>,
    form: Form,
    roles: Vec<(String, String)>,
    persons: Vec<(String, String)>,
    collections: Vec<(String, String)>,
    /// Who looks cannot shut the own account.
    own: String,
}

struct AccountLine {
    login: String,
    name: String,
    role: String,
    collections: String,
    disabled: Option<String>,
    /// What is wrong with the new password that was given for it.
    error: Option<String>,
}

impl AccountLine {
    fn new(page: &Page, form: &Form, account: Account) -> Self {
        let collections: Vec<String> = account.collections.iter().map(|own| page.place(&own.to_string())).collect();
        Self {
            role: page.t(match account.title() {
                "admin" => "role-admin",
                "city supervisor" => "role-city",
                "county supervisor" => "role-county",
                _ => "role-viewer",
            }),
            collections: if collections.is_empty() { page.t("all") } else { page.list(collections) },
            disabled: account.disabled_at.as_ref().map(|at| page.moment(at)),
            error: form.error(&format!("password-{}", account.login)).map(str::to_owned),
            login: account.login,
            name: account.name,
        }
    }
}

/// `GET /accounts`.
pub(super) async fn page(State(console): Shared, page: Page, visitor: Visitor) -> Answer {
    list(&console, page, &visitor, Form::default()).await
}

async fn list(console: &std::sync::Arc<Console>, page: Page, visitor: &Visitor, form: Form) -> Answer {
    let (all, persons) = console
        .ask(|console| {
            Ok(console.engine.database().read::<_, DbError>(|tx| Ok((accounts::all(tx)?, accounts::persons(tx)?)))?)
        })
        .await?;
    let roles = ["viewer", "county", "city", "admin"].map(|role| (role.to_owned(), page.t(&format!("role-{role}"))));
    let status = if form.failed() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    let view = AccountsPage {
        accounts: all.into_iter().map(|account| AccountLine::new(&page, &form, account)).collect(),
        roles: roles.to_vec(),
        persons: choices(&page, visitor, &persons),
        collections: counties(&page),
        own: visitor.account.login.clone(),
        form,
        page,
    };
    show_with(status, &view)
}

/// `POST /accounts`.
pub(super) async fn add(State(console): Shared, page: Page, visitor: Visitor, mut form: Form) -> Answer {
    let role = role_of(form.value("role"));
    if role.is_none() {
        form.fail("role", page.t("wrong-needed"));
    }
    // An administrator without collections has all of them.
    let all = form.value("role") == "admin" && form.all("collections").next().is_none();
    let collections = if all { Vec::new() } else { ticked(&page, &mut form) };
    let Some((role, level)) = role.filter(|_| !form.failed()) else {
        return list(&console, page, &visitor, form).await;
    };
    if !visitor.governs(&collections) {
        return Err(Fault::FORBIDDEN);
    }
    let person = match chosen(&console, &page, &visitor, &mut form).await? {
        Some(Chosen::Known(person)) => person,
        Some(Chosen::New) => crate::env::random().map(PersonId).map_err(|_| Fault::INTERNAL)?,
        None => return list(&console, page, &visitor, form).await,
    };
    let new = NewAccount {
        login: form.value("login").into(),
        name: form.value("name").into(),
        person,
        role,
        level,
        collections,
    };
    let (password, who) = (form.exact("password").to_owned(), visitor.account.login.clone());
    let added = hashing(&console, move |console| {
        let now = console.engine.folder.now();
        Ok(accounts::add(console.engine.database(), new, &password, (&who, now)).map(|_| ()))
    })
    .await?;
    match added {
        Ok(()) => Ok(go_on("/accounts", "account-added")),
        Err(error) => {
            fail(&page, &mut form, error)?;
            list(&console, page, &visitor, form).await
        }
    }
}

/// Persons whose devices and accounts the visitor may give, for a form; and "somebody new".
pub(super) fn choices(page: &Page, visitor: &Visitor, persons: &[Person]) -> Vec<(String, String)> {
    let own = persons.iter().filter(|person| visitor.governs(&person.collections));
    let known = own.map(|person| {
        let id = person.id.to_string();
        (id.clone(), format!("{} ({}…)", person.name, id.chars().take(8).collect::<String>()))
    });
    std::iter::once((NEW.to_owned(), page.t("person-new"))).chain(known).collect()
}

/// Choice of a form: a person who has neither device nor account.
const NEW: &str = "new";

/// The person that a form names.
pub(super) enum Chosen {
    /// Somebody with a device or an account.
    Known(PersonId),
    /// Somebody with neither.
    New,
}

/// The person that a form names; nothing when it must be said first. Whoever had a device and an
/// account under different ids could decide on their own records: where somebody of this name is
/// known, the form must say whether it is the same human being.
pub(super) async fn chosen(
    console: &std::sync::Arc<Console>,
    page: &Page,
    visitor: &Visitor,
    form: &mut Form,
) -> Result<Option<Chosen>, Fault> {
    let persons =
        console.ask(|console| Ok(console.engine.database().read::<_, DbError>(|tx| accounts::persons(tx))?)).await?;
    match form.value("person") {
        "" if persons.iter().any(|person| person.name == form.value("name").trim()) => {
            form.fail("person", page.t("person-which"));
            Ok(None)
        }
        "" | NEW => Ok(Some(Chosen::New)),
        id => {
            let known = persons.iter().find(|person| person.id.to_string() == id).ok_or(Fault::BAD_REQUEST)?;
            if visitor.governs(&known.collections) { Ok(Some(Chosen::Known(known.id))) } else { Err(Fault::FORBIDDEN) }
        }
    }
}

/// Passwords are hashed a few at a time.
async fn hashing<T: Send + 'static>(
    console: &std::sync::Arc<Console>,
    work: impl FnOnce(&Console) -> Result<T, Fault> + Send + 'static,
) -> Result<T, Fault> {
    let permit = console.hashing.enter().await.ok_or(Fault::BUSY)?;
    let done = console.ask(work).await;
    drop(permit);
    done
}

/// Says beside its field what is wrong.
fn fail(page: &Page, form: &mut Form, error: AccountError) -> Result<(), Fault> {
    match error {
        AccountError::Taken(_) => form.fail("login", page.t("account-taken")),
        AccountError::Login(_) => form.fail("login", page.t("account-login")),
        AccountError::Password(_) => {
            form.fail("password", page.t2("account-password", ("least", MIN_PASSWORD), ("most", MAX_PASSWORD)));
        }
        AccountError::Rights(_) => form.fail("role", page.t("account-rights")),
        AccountError::Unknown(_) => return Err(Fault::NOT_FOUND),
        AccountError::Database(error) => return Err(error.into()),
        other => {
            tracing::error!(error = %other, "an account cannot be changed");
            return Err(Fault::INTERNAL);
        }
    }
    Ok(())
}

/// `POST /accounts/{login}`: a new password, or shut, or open again.
pub(super) async fn change(
    State(console): Shared,
    page: Page,
    visitor: Visitor,
    Path(login): Path<String>,
    mut form: Form,
) -> Answer {
    let act = form.value("act").to_owned();
    if act == "disable" && login.eq_ignore_ascii_case(&visitor.account.login) {
        return Ok(go_on("/accounts", "account-own"));
    }
    let (password, who) = (form.exact("password").to_owned(), visitor.account.login.clone());
    let (named, done, by) = (login.clone(), act.clone(), visitor.clone());
    let changed = hashing(&console, move |console| {
        let (database, now) = (console.engine.database(), console.engine.folder.now());
        if let Ok(account) = database.read(|tx| accounts::find(tx, &login))
            && !by.governs(&account.collections)
        {
            return Err(Fault::FORBIDDEN);
        }
        let changed = match act.as_str() {
            "password" => accounts::set_password(database, &login, &password, (&who, now)),
            "disable" => accounts::set_enabled(database, &login, false, (&who, now)),
            "enable" => accounts::set_enabled(database, &login, true, (&who, now)),
            _ => return Err(Fault::BAD_REQUEST),
        };
        if let Ok(account) = &changed {
            database.write::<_, DbError>(|tx| sessions::remove_all_of(tx, &account.login))?;
        }
        Ok(changed.map(|_| ()))
    })
    .await?;
    match changed {
        Ok(()) => Ok(go_on("/accounts", &format!("account-{done}"))),
        Err(AccountError::Password(_)) => {
            let message = page.t2("account-password", ("least", MIN_PASSWORD), ("most", MAX_PASSWORD));
            form.fail(&format!("password-{named}"), message);
            list(&console, page, &visitor, form).await
        }
        Err(error) => {
            fail(&page, &mut form, error)?;
            list(&console, page, &visitor, form).await
        }
    }
}
