//! Signing in through an identity provider, which runs in the test.

use axum::http::StatusCode;
use outlet_core::identity::{Level, Role};
use serde_json::{Value, json};

use super::tests::{Client, Seen, account};
use crate::accounts;
use crate::oidc::provider::{Fake, SECRET, Signer};
use crate::testing::{Kit, START, county};

/// A provider, and a server that knows it.
async fn site(more: &str) -> (Fake, Kit) {
    let fake = Fake::start(START / 1000).await;
    let kit = Kit::with_config(&format!(
        "[oidc]\nissuer = \"{}\"\nclient_id = \"outlets\"\nclient_secret_file = \"secret\"\nurl = \"http://ledger\"\n{more}",
        fake.issuer()
    ));
    std::fs::write(kit.place.path().join("secret"), format!("{SECRET}\n")).unwrap();
    account(&kit, "li", Role::Supervisor, Some(Level::County), vec![county()]);
    account(&kit, "boss", Role::Admin, None, vec![]);
    (fake, kit)
}

/// Asks the provider as a browser would: it is another site, without this server's cookies.
async fn follow(location: &str) -> String {
    let (authority, path) = location.strip_prefix("http://").unwrap().split_once('/').unwrap();
    let mut stream = tokio::net::TcpStream::connect(authority).await.unwrap();
    let request = format!("GET /{path} HTTP/1.1\r\nHost: {authority}\r\nConnection: close\r\n\r\n");
    tokio::io::AsyncWriteExt::write_all(&mut stream, request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    tokio::io::AsyncReadExt::read_to_string(&mut stream, &mut answer).await.unwrap();
    let line = answer.lines().find_map(|line| line.strip_prefix("location: "));
    line.unwrap_or_else(|| panic!("{answer}")).strip_prefix("http://ledger").unwrap().to_owned()
}

/// The whole way, for somebody.
async fn sign_in(fake: &Fake, client: &mut Client, claims: Value) -> Seen {
    fake.turn.lock().unwrap().claims = claims;
    let out = client.get("/signin/oidc?next=%2Foutlets%3Fclass%3Dban").await;
    assert_eq!(out.status, StatusCode::SEE_OTHER, "{}", out.body);
    let back = follow(out.location()).await;
    client.get(&back).await
}

#[tokio::test]
async fn an_identity_opens_the_account_that_is_tied_to_it_and_no_other() {
    let (fake, kit) = site("").await;
    let mut client = Client::new(&kit);
    let page = client.get("/signin?next=%2Foutlets%3Fclass%3Dban").await;
    assert!(page.body.contains("href=\"/signin/oidc?next=%2Foutlets%3Fclass%3Dban\""), "{}", page.body);
    // Nobody is let in by a name alone, and the page says what to tie.
    let seen = sign_in(&fake, &mut client, json!({"sub": "5f1c<b>", "preferred_username": "li"})).await;
    assert_eq!(seen.status, StatusCode::FORBIDDEN);
    assert!(seen.body.contains("5f1c&#60;b&#62;") && !seen.body.contains("<b>"), "{}", seen.body);
    assert!(client.get("/outlets").await.location().starts_with("/signin"));
    kit.runs(&["account", "oidc", "li", "--subject", "5f1c"]);
    let seen = sign_in(&fake, &mut client, json!({"sub": "5f1c"})).await;
    assert_eq!((seen.status, seen.location()), (StatusCode::SEE_OTHER, "/outlets?class=ban"), "{}", seen.body);
    let page = client.get("/").await;
    assert!(page.status == StatusCode::OK && page.body.contains("人 li"), "{}", page.body);
    // Out again; the provider's own session is ended there.
    let out = client.post("/signout", &[]).await;
    assert_eq!(out.location(), "/signin?left=1");
    let page = client.get("/signin?left=1").await;
    let leave = format!("http://{}/end?client_id=outlets&#38;post_logout_redirect_uri=", fake.address);
    assert!(page.body.contains(&leave), "{}", page.body);
    assert!(client.get("/outlets").await.location().starts_with("/signin"));
    kit.runs(&["account", "disable", "li"]);
    let seen = sign_in(&fake, &mut client, json!({"sub": "5f1c"})).await;
    assert_eq!(seen.status, StatusCode::FORBIDDEN);
    kit.runs(&["account", "enable", "li"]);
    kit.runs(&["account", "oidc", "li", "--none"]);
    assert_eq!(sign_in(&fake, &mut client, json!({"sub": "5f1c"})).await.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn a_claim_ties_an_account_once_and_never_an_administrators() {
    let (fake, kit) = site("login_claim = \"preferred_username\"\n").await;
    let mut client = Client::new(&kit);
    for (subject, login) in [("1", "boss"), ("1", "nobody"), ("1", "")] {
        let seen = sign_in(&fake, &mut client, json!({"sub": subject, "preferred_username": login})).await;
        assert_eq!(seen.status, StatusCode::FORBIDDEN, "{login}");
    }
    let seen = sign_in(&fake, &mut client, json!({"sub": "1", "preferred_username": "LI"})).await;
    assert_eq!(seen.status, StatusCode::SEE_OTHER, "{}", seen.body);
    // The name has come to somebody else at the provider.
    let mut other = Client::new(&kit);
    let seen = sign_in(&fake, &mut other, json!({"sub": "2", "preferred_username": "li"})).await;
    assert_eq!(seen.status, StatusCode::FORBIDDEN);
    // And the first one's name has changed.
    let seen = sign_in(&fake, &mut other, json!({"sub": "1", "preferred_username": "boss"})).await;
    assert_eq!(seen.status, StatusCode::SEE_OTHER);
    let all = kit.engine.database().read(|tx| accounts::all(tx)).unwrap();
    assert_eq!(all.len(), 2, "nobody made an account");
}

#[tokio::test]
async fn an_answer_is_good_for_the_browser_that_asked_and_for_one_time() {
    let (fake, kit) = site("").await;
    kit.runs(&["account", "oidc", "li", "--subject", "7"]);
    fake.turn.lock().unwrap().claims = json!({"sub": "7"});
    let (mut mine, mut theirs) = (Client::new(&kit), Client::new(&kit));
    let back = follow(mine.get("/signin/oidc").await.location()).await;
    // Somebody is made to open the address of another's sign-in.
    assert_eq!(theirs.get(&back).await.status, StatusCode::BAD_REQUEST);
    theirs.get("/signin/oidc").await;
    assert_eq!(theirs.get(&back).await.status, StatusCode::BAD_REQUEST);
    assert_eq!(mine.get(&back).await.status, StatusCode::SEE_OTHER);
    assert_eq!(mine.get(&back).await.status, StatusCode::BAD_REQUEST, "the cookie is gone");
    let mut third = Client::new(&kit);
    let refused = follow(third.get("/signin/oidc").await.location()).await;
    let state = refused.split_once("state=").unwrap().1.to_owned();
    let seen = third.get(&format!("/signin/oidc/back?error=access_denied&state={state}")).await;
    assert_eq!(seen.status, StatusCode::FORBIDDEN);
    // A token with another attempt's nonce, or of another client.
    for claims in [json!({"sub": "7", "nonce": "x"}), json!({"sub": "7", "aud": "others"}), json!({"sub": ""})] {
        assert_eq!(sign_in(&fake, &mut third, claims.clone()).await.status, StatusCode::FORBIDDEN, "{claims}");
    }
}

#[tokio::test]
async fn a_new_key_of_the_provider_is_found_and_a_provider_that_is_away_is_said_to_be() {
    let (fake, kit) = site("").await;
    kit.runs(&["account", "oidc", "li", "--subject", "7"]);
    let mut client = Client::new(&kit);
    assert_eq!(sign_in(&fake, &mut client, json!({"sub": "7"})).await.status, StatusCode::SEE_OTHER);
    fake.turn.lock().unwrap().signer = Signer::new("k2");
    kit.wait(61_000);
    let mut again = Client::new(&kit);
    assert_eq!(sign_in(&fake, &mut again, json!({"sub": "7"})).await.status, StatusCode::SEE_OTHER);
    let free = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let away = Kit::with_config(&format!(
        "[oidc]\nissuer = \"http://{free}/realm\"\nclient_id = \"outlets\"\nurl = \"http://ledger\"\n"
    ));
    let seen = Client::new(&away).get("/signin/oidc").await;
    assert_eq!(seen.status, StatusCode::BAD_GATEWAY);
    assert!(!seen.body.contains("127.0.0.1"), "{}", seen.body);
}

#[tokio::test]
async fn without_a_provider_there_is_no_button_and_no_address() {
    let kit = Kit::new();
    let mut client = Client::new(&kit);
    assert!(!client.get("/signin").await.body.contains("/signin/oidc"));
    assert_eq!(client.get("/signin/oidc").await.status, StatusCode::NOT_FOUND);
    assert_eq!(client.get("/signin/oidc/back?code=1&state=2").await.status, StatusCode::NOT_FOUND);
}
