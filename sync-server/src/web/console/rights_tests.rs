//! What an administrator of some counties may see and give, and whose account is whose.

use axum::http::StatusCode;
use outlet_core::identity::{Level, Role};
use outlet_core::ids::{Collection, PersonId};

use super::tests::{Client, account};
use crate::accounts;
use crate::db::{DbError, meta};
use crate::testing::{Device, Kit, county, outlet};

const PASSWORD: &str = "correct horse";

#[tokio::test]
async fn whoever_has_a_device_gets_an_account_of_the_same_person_and_decides_on_no_own_record() {
    let kit = Kit::new();
    let mut device = kit.member(7, Role::Inspector, None);
    let runs =
        [device.fact(&outlet(1), "state", "outlet"), device.write(&outlet(1), serde_json::json!({"type": "submit"}))];
    kit.push(&device, &runs);
    let mut admin = Client::signed_in(&kit, Role::Admin, None).await;
    let page = admin.get("/accounts").await.body;
    let person = PersonId([7; 16]).to_string();
    assert!(page.contains(&format!(r#"<option value="{person}">person 7 (07070707…)"#)), "{page}");
    let new = |login: &'static str, person: String| {
        let fields = [("login", login), ("name", "person 7"), ("role", "county"), ("collections", "511902")];
        let fields = fields.map(|(name, value)| (name, value.to_owned()));
        [&fields[..], &[("password", PASSWORD.to_owned()), ("person", person)]].concat()
    };
    let post = async |admin: &mut Client, fields: Vec<(&str, String)>| {
        let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
        admin.post("/accounts", &fields).await
    };
    let seen = post(&mut admin, new("seven", String::new())).await;
    assert_eq!(seen.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(seen.body.contains(r#"id="person-error""#), "the form must say whether it is the same person");
    assert_eq!(post(&mut admin, new("seven", person)).await.location(), "/accounts?done=account-added");
    assert_eq!(post(&mut admin, new("other", "new".to_owned())).await.location(), "/accounts?done=account-added");
    let unknown = post(&mut admin, new("third", PersonId([8; 16]).to_string())).await;
    assert_eq!(unknown.status, StatusCode::BAD_REQUEST);
    let of = |login: &str| kit.engine.database().read(|tx| accounts::find(tx, login)).unwrap().person;
    assert_eq!(of("seven"), PersonId([7; 16]));
    assert_ne!(of("other"), PersonId([7; 16]));
    // What the person wrote on the device, the person does not approve at the console.
    let approve = |login: &str| {
        let acting = crate::engine::Acting { login: login.into(), via: crate::engine::Via::Console, session: None };
        let seen = kit.engine.seen(&outlet(1)).unwrap().unwrap();
        crate::desk::approve(&kit.engine, &acting, outlet(1), seen, &[], None)
    };
    assert_eq!(approve("seven").unwrap_err().code(), "own_record");
    assert!(approve("other").is_ok());
}

#[tokio::test]
async fn a_ticket_for_somebody_with_an_account_asks_whether_it_is_the_same_person() {
    let kit = Kit::new();
    account(&kit, "li", Role::Supervisor, Some(Level::County), vec![county()]);
    let mut admin = Client::signed_in(&kit, Role::Admin, None).await;
    let grant = [("name", "人 li"), ("role", "inspector"), ("collections", "511902")];
    let seen = admin.post("/tickets", &grant).await;
    assert_eq!(seen.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(seen.body.contains(r#"id="person-error""#), "{}", seen.body);
    let person = kit.engine.database().read(|tx| accounts::find(tx, "li")).unwrap().person.to_string();
    let same = [&grant[..], &[("person", person.as_str())]].concat();
    assert_eq!(admin.post("/tickets", &same).await.status, StatusCode::OK);
    let log = kit.engine.database().read::<_, DbError>(|tx| meta::audit_lines(tx, None, 10, None)).unwrap();
    assert!(log.iter().any(|line| line.action == "ticket" && line.detail.contains(&person)), "{log:?}");
}

#[tokio::test]
async fn devices_and_the_log_of_other_counties_are_not_those_of_a_county_s_administrator() {
    let kit = Kit::new();
    let own = kit.member(1, Role::Inspector, None);
    let beyond = Collection::from_code(511_903).unwrap();
    let (foreign, both) = (Device::new(2), Device::new(3));
    kit.enrol(&foreign, 2, Role::Inspector, None, &[beyond]);
    kit.enrol(&both, 3, Role::Inspector, None, &[county(), beyond]);
    account(&kit, "far.admin", Role::Admin, None, vec![beyond]);
    kit.engine
        .database()
        .write::<_, DbError>(|tx| meta::audit(tx, kit.now(), "far.admin", "decide", "secret of another county"))
        .unwrap();
    let mut admin = Client::signed_in(&kit, Role::Admin, None).await;
    let page = admin.get("/devices").await.body;
    assert!(page.contains("person 1") && page.contains("person 3") && !page.contains("person 2"), "{page}");
    let revoke = async |admin: &mut Client, device: &Device| {
        admin.post(&format!("/devices/{}/revoke", device.public()), &[("reason", "lost")]).await.status
    };
    assert_eq!(revoke(&mut admin, &foreign).await, StatusCode::FORBIDDEN);
    assert_eq!(revoke(&mut admin, &both).await, StatusCode::FORBIDDEN, "it works for another county, too");
    assert_eq!(revoke(&mut admin, &Device::new(9)).await, StatusCode::NOT_FOUND);
    assert_eq!(revoke(&mut admin, &own).await, StatusCode::SEE_OTHER);
    let log = admin.get("/audit").await.body;
    assert!(log.contains("adminnone") && !log.contains("far.admin") && !log.contains("secret"), "{log}");
    account(&kit, "chief", Role::Admin, None, Vec::new());
    let mut chief = Client::new(&kit);
    chief.get("/signin").await;
    chief.post("/signin", &[("login", "chief"), ("password", PASSWORD)]).await;
    assert!(chief.get("/audit").await.body.contains("secret of another county"));
    assert!(chief.get("/devices").await.body.contains("person 2"));
}

#[tokio::test]
async fn an_account_keeps_fifty_views_and_replaces_one_of_the_same_name() {
    let kit = Kit::new();
    let mut client = Client::signed_in(&kit, Role::Viewer, None).await;
    for number in 1..=50 {
        let name = format!("v{number}");
        let kept = client.post("/views", &[("name", &name), ("query", "county=511902")]).await;
        assert!(kept.location().ends_with("done=view-kept"), "{number}: {}", kept.location());
    }
    let more = client.post("/views", &[("name", "v51"), ("query", "county=511902")]).await;
    assert!(more.location().ends_with("done=view-full"), "{}", more.location());
    let again = client.post("/views", &[("name", "v7"), ("query", "county=511903")]).await;
    assert!(again.location().ends_with("done=view-kept"), "{}", again.location());
    assert!(client.post("/views", &[("name", "v7"), ("act", "remove")]).await.location().ends_with("view-removed"));
    let room = client.post("/views", &[("name", "v51"), ("query", "county=511902")]).await;
    assert!(room.location().ends_with("done=view-kept"));
}

#[tokio::test]
async fn a_password_typed_into_the_box_of_the_login_is_kept_nowhere() {
    let kit = Kit::new();
    account(&kit, "li", Role::Viewer, None, vec![county()]);
    let mut client = Client::new(&kit);
    client.get("/signin").await;
    let typed = "my own Secret 42";
    for login in [typed, "LI"] {
        let wrong = client.post("/signin", &[("login", login), ("password", "x")]).await;
        assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);
    }
    let database = kit.engine.database();
    let counters: Vec<String> = database
        .read::<_, DbError>(|tx| {
            let mut statement = tx.prepare("SELECT about FROM sign_in_failure")?;
            let rows = statement.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
            Ok(rows)
        })
        .unwrap();
    assert_eq!(counters.len(), 3, "two logins and one address");
    assert!(counters.iter().all(|about| !about.to_lowercase().contains("secret")), "{counters:?}");
    let named = |login: &str| database.read(|tx| super::sign_in::loggable(tx, login)).unwrap();
    assert_eq!((named(typed).as_str(), named("LI").as_str()), ("nobody's", "li"), "what the log says");
}
