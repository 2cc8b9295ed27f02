//! Pages and interfaces together: what a session of the console opens of the interfaces.

use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use outlet_core::identity::{Level, Role};
use outlet_core::ids::Collection;
use rusqlite::{Connection, params};

use super::tests::{Client, Seen, account};
use crate::testing::{Kit, county, outlet};
use crate::tiles::base::BaseMap;

async fn signed_in(kit: &Kit, login: &str, base: Option<BaseMap>) -> Client {
    let mut client = Client::of_all(kit, base);
    client.get("/signin").await;
    let seen = client.post("/signin", &[("login", login), ("password", "correct horse")]).await;
    assert_eq!(seen.status, StatusCode::SEE_OTHER, "{}", seen.body);
    client.get("/outlets").await;
    client
}

async fn decide(client: &mut Client, headers: &[(&str, &str)]) -> Seen {
    let path = format!("/api/v1/outlets/{}/decisions", outlet(1).id);
    let mut request = Request::post(path).header(header::CONTENT_TYPE, "application/json");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    client.send(request.body(Body::from(r#"{"seen": {"field": [], "case": []}, "decisions": []}"#)).unwrap()).await
}

#[tokio::test]
async fn a_session_reads_the_interfaces_and_writes_only_from_a_page_of_this_server() {
    let kit = Kit::new();
    let mut device = kit.member(1, Role::Inspector, None);
    let run = device.fact(&outlet(1), "name", "一号排口");
    kit.push(&device, &[run]);
    account(&kit, "li", Role::Supervisor, Some(Level::County), vec![county()]);
    account(&kit, "far", Role::Viewer, None, vec![Collection::from_code(511_921).unwrap()]);
    let mut stranger = Client::of_all(&kit, None);
    assert_eq!(stranger.get("/api/v1/outlets").await.status, StatusCode::UNAUTHORIZED);
    let mut client = signed_in(&kit, "li", None).await;
    for path in ["/api/v1/outlets", "/ogc/collections", "/api/v1/exports/outlets.csv"] {
        assert_eq!(client.get(path).await.status, StatusCode::OK, "{path}");
    }
    assert!(client.get("/api/v1/outlets").await.body.contains("一号排口"));
    let mut far = signed_in(&kit, "far", None).await;
    assert!(!far.get("/api/v1/outlets").await.body.contains("一号排口"), "the scope is the account's");
    // A form or script of another site sends the cookie, not the token.
    let token = client.token();
    assert_eq!(decide(&mut client, &[]).await.status, StatusCode::FORBIDDEN);
    assert_eq!(decide(&mut client, &[("x-csrf-token", "guessed")]).await.status, StatusCode::FORBIDDEN);
    let foreign = [("x-csrf-token", token.as_str()), ("host", "ledger"), ("origin", "https://evil.example")];
    assert_eq!(decide(&mut client, &foreign).await.status, StatusCode::FORBIDDEN);
    let sent_by_other = [("x-csrf-token", token.as_str()), ("sec-fetch-site", "cross-site")];
    assert_eq!(decide(&mut client, &sent_by_other).await.status, StatusCode::FORBIDDEN);
    let own = [("x-csrf-token", token.as_str()), ("host", "ledger"), ("origin", "http://ledger")];
    let seen = decide(&mut client, &own).await;
    // It is read: there is nothing in it to decide.
    assert!(
        matches!(seen.status, StatusCode::BAD_REQUEST | StatusCode::UNPROCESSABLE_ENTITY | StatusCode::CONFLICT),
        "{} {}",
        seen.status,
        seen.body
    );
    client.post("/signout", &[]).await;
    assert_eq!(client.get("/api/v1/outlets").await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn the_map_of_a_session_has_the_base_that_the_settings_name() {
    let kit = Kit::new();
    account(&kit, "li", Role::Viewer, None, vec![county()]);
    let path = kit.place.path().join("base.mbtiles");
    let file = Connection::open(&path).unwrap();
    file.execute_batch(
        "CREATE TABLE metadata (name TEXT, value TEXT); INSERT INTO metadata VALUES ('format', 'png'); \
         CREATE TABLE tiles (zoom_level INTEGER, tile_column INTEGER, tile_row INTEGER, tile_data BLOB);",
    )
    .unwrap();
    file.execute("INSERT INTO tiles VALUES (1, 0, 0, ?1)", params![&b"\x89PNG"[..]]).unwrap();
    drop(file);
    let base = BaseMap::open(&path, "图源").await.unwrap();
    let mut stranger = Client::of_all(&kit, Some(base.clone()));
    assert_eq!(stranger.get("/tiles/base/1/0/1").await.status, StatusCode::UNAUTHORIZED);
    let mut client = signed_in(&kit, "li", Some(base)).await;
    assert!(client.get("/tiles/base.json").await.body.contains("图源"));
    let tile = client.get("/tiles/base/1/0/1").await;
    assert_eq!((tile.status, &tile.headers[header::CONTENT_TYPE]), (StatusCode::OK, &"image/png".parse().unwrap()));
    assert_eq!(client.get("/tiles/base/1/0/0").await.status, StatusCode::NO_CONTENT);
    for path in ["/tiles/base/1/2/0", "/tiles/base/99/0/0", "/tiles/base/1/0/..%2f..%2fkeys", "/tiles/base/-1/0/0"] {
        assert_eq!(client.get(path).await.status, StatusCode::NOT_FOUND, "{path}");
    }
    let mut bare = signed_in(&kit, "li", None).await;
    assert_eq!(bare.get("/tiles/base.json").await.status, StatusCode::NOT_FOUND);
}
