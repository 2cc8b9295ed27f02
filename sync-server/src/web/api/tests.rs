//! The interfaces as their clients see them: requests through the whole router.

use std::collections::BTreeSet;

use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Request};
use data_encoding::BASE64;
use outlet_core::identity::{Level, Role};
use outlet_core::ids::{Collection, PersonId};
use serde_json::{Value, json};
use tower::ServiceExt as _;

use super::*;
use crate::accounts::{self, NewAccount};
use crate::error::CommandError;
use crate::testing::{Device, Kit, county, outlet};
use crate::tokens::{self, TokenScope};

pub(super) const HTML: &str = "<script>alert('x')</script>&\"";

/// A server with outlets, accounts and tokens.
pub(super) struct Site {
    pub kit: Kit,
    router: Router,
    pub device: Device,
}

pub(super) struct Reply {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl Reply {
    pub(super) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(super) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
}

impl Site {
    pub(super) fn new(outlets: u8) -> Self {
        Self::with_config(outlets, "")
    }

    pub(super) fn with_config(outlets: u8, config: &str) -> Self {
        let kit = Kit::with_config(config);
        let mut device = kit.member(1, Role::Inspector, None);
        for number in 1..=outlets {
            let key = outlet(number);
            let lon = 106.7 + f64::from(number) / 1_000.0;
            let place = serde_json::json!({"lon": lon, "lat": 31.8, "raw_lon": lon, "raw_lat": 31.8, "datum": "wgs84", "source": "gps"});
            let runs = [
                device.fact(&key, "name", &format!("{HTML}{number}")),
                device.write(&key, serde_json::json!({"type": "fact", "field": "location", "value": place})),
            ];
            kit.push(&device, &runs);
        }
        let api = Api::new(Arc::clone(&kit.engine), None, false, None);
        let router = router(&api);
        Self { kit, router, device }
    }

    pub(super) fn account(&self, login: &str, role: Role, collections: &[u32]) {
        let new = NewAccount {
            login: login.into(),
            name: login.into(),
            person: PersonId([9; 16]),
            role,
            level: (role == Role::Supervisor).then_some(Level::City),
            collections: collections.iter().map(|code| Collection::from_code(*code).unwrap()).collect(),
        };
        accounts::add(self.kit.engine.database(), new, "a long enough secret 8", (accounts::COMMANDS, self.kit.now()))
            .unwrap();
    }

    pub(super) fn token(&self, login: &str, scopes: &[TokenScope]) -> String {
        let scopes: BTreeSet<TokenScope> = scopes.iter().copied().collect();
        let now = self.kit.now();
        let end = Some(now.plus_millis(1_000_000));
        let database = self.kit.engine.database();
        let token = database.write::<_, CommandError>(|tx| tokens::add(tx, login, "test", &scopes, now, end));
        token.unwrap().secret
    }

    /// A viewer of the county with a token for reading.
    pub(super) fn reader(&self) -> String {
        self.account("reader", Role::Viewer, &[county().code()]);
        self.token("reader", &[TokenScope::Read, TokenScope::Photos])
    }

    pub(super) async fn send(&self, request: Request<Body>) -> Reply {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = to_bytes(body, 1 << 24).await.unwrap().to_vec();
        Reply { status: parts.status.as_u16(), headers: parts.headers, body }
    }

    pub(super) async fn get(&self, path: &str, token: &str) -> Reply {
        self.get_with(path, &[("authorization", &format!("Bearer {token}"))]).await
    }

    pub(super) async fn get_with(&self, path: &str, headers: &[(&str, &str)]) -> Reply {
        let mut request = Request::get(path).header("host", "ledger.example:8080");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.send(request.body(Body::empty()).unwrap()).await
    }
}

/// A problem says what is wrong and nothing of how the server is made.
pub(super) fn check_problem(reply: &Reply, status: u16, code: &str) {
    assert_eq!(reply.status, status, "{}", reply.text());
    assert_eq!(reply.header("content-type"), "application/problem+json");
    assert_eq!(reply.header("x-content-type-options"), "nosniff");
    let body = reply.json();
    assert_eq!((body["code"].as_str(), body["status"].as_u64()), (Some(code), Some(u64::from(status))));
    let text = reply.text().to_lowercase();
    for inside in ["sqlite", "rusqlite", "select ", "panicked", "serde", "src/", "/tmp", "axum"] {
        assert!(!text.contains(inside), "{inside}: {text}");
    }
}

#[tokio::test]
async fn a_list_is_read_page_by_page_and_not_sent_again() {
    let site = Site::new(7);
    let token = site.reader();
    let mut seen = BTreeSet::new();
    let mut next = Some("/api/v1/outlets?limit=3&sort=name".to_owned());
    while let Some(path) = next {
        let reply = site.get(&path, &token).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        let tag = reply.header("etag").to_owned();
        let headers = [("authorization", format!("Bearer {token}")), ("if-none-match", tag)];
        let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let again = site.get_with(&path, &headers).await;
        assert_eq!((again.status, again.body.len()), (304, 0));
        let body = reply.json();
        assert_eq!((body["total"].as_u64(), body["total_is_exact"].as_bool()), (Some(7), Some(true)));
        for outlet in body["outlets"].as_array().unwrap() {
            assert!(outlet["row"]["name"].as_str().unwrap().starts_with(HTML));
            assert!(seen.insert(outlet["id"].as_str().unwrap().to_owned()), "each once");
        }
        next = body["next"].as_str().map(str::to_owned);
    }
    assert_eq!(seen.len(), 7);
    let one = site.get(&format!("/api/v1/outlets/{}", outlet(1).id), &token).await;
    assert_eq!((one.status, one.header("content-type")), (200, "application/json"));
    assert_eq!(one.header("x-content-type-options"), "nosniff");
}

#[tokio::test]
async fn parties_are_read_page_by_page_each_once() {
    let mut site = Site::new(4);
    for number in 1..=4 {
        let named = |name: &str| json!({"name": name});
        let trace = json!({"type": "trace", "conclusion": "concluded", "concluded_on": "2022-02-01",
            "primary_party": named(if number < 3 { "甲公司" } else { "乙公司" }), "other_parties": [named("丙公司")]});
        let run = site.device.write(&outlet(number), trace);
        site.kit.push(&site.device, &[run]);
    }
    let token = site.reader();
    let (mut seen, mut next) = (Vec::new(), Some("/api/v1/parties?limit=2".to_owned()));
    while let Some(path) = next {
        let reply = site.get(&path, &token).await;
        assert_eq!(reply.status, 200, "{path}: {}", reply.text());
        let tag = reply.header("etag").to_owned();
        let again = [("authorization", format!("Bearer {token}")), ("if-none-match", tag)];
        let again: Vec<(&str, &str)> = again.iter().map(|(name, value)| (*name, value.as_str())).collect();
        assert_eq!(site.get_with(&path, &again).await.status, 304);
        let body = reply.json();
        for party in body["parties"].as_array().unwrap() {
            seen.push((party["name"].as_str().unwrap().to_owned(), party["outlets"].as_array().unwrap().len()));
        }
        next = body["next"].as_str().map(str::to_owned);
    }
    let mut names = seen.clone();
    names.sort();
    assert_eq!(names, [("丙公司".to_owned(), 4), ("乙公司".to_owned(), 2), ("甲公司".to_owned(), 2)]);
    let outlets = site.get("/api/v1/outlets?limit=2", &token).await.json();
    let (_, cursor) = outlets["next"].as_str().unwrap().split_once("cursor=").unwrap();
    check_problem(&site.get(&format!("/api/v1/parties?cursor={cursor}"), &token).await, 400, "bad-request");
}

#[tokio::test]
async fn a_change_gives_the_list_a_new_tag() {
    let mut site = Site::new(2);
    let token = site.reader();
    let path = "/api/v1/outlets?class=";
    let first = site.get(path, &token).await;
    let run = site.device.fact(&outlet(1), "name", "新名称");
    site.kit.push(&site.device, &[run]);
    let second = site.get(path, &token).await;
    assert_ne!(first.header("etag"), second.header("etag"));
    assert!(second.text().contains("新名称"));
}

#[tokio::test]
async fn malformed_questions_are_answered_with_what_is_wrong() {
    let site = Site::new(1);
    let token = site.reader();
    for query in [
        "cursor=xx",
        "cursor=%00%ff",
        "bbox=1,2,3",
        "bbox=a,b,c,d",
        "bbox=NaN,NaN,NaN,NaN",
        "surveyed_on=2021-99-99",
        "limit=0",
        "limit=9999999999999999999999",
        "sort=;drop",
        "colour=red",
        "%00=1",
        "flag=%27%20OR%201=1",
    ] {
        let reply = site.get(&format!("/api/v1/outlets?{query}"), &token).await;
        check_problem(&reply, 400, "bad-request");
        assert!(!reply.json()["errors"][0]["reason"].as_str().unwrap().is_empty());
    }
    let all = site.get("/api/v1/outlets?limit=1&q=%27%22%3B--%00*", &token).await;
    assert_eq!(all.status, 200, "a text is only a text: {}", all.text());
    for (path, status, code) in [
        ("/api/v1/nothing", 404, "not-found"),
        ("/api/v1/outlets/x", 404, "not-found"),
        ("/api/v1/outlets/%2e%2e%2f", 404, "not-found"),
        ("/api/v1/progress?as_of=tomorrow", 400, "bad-request"),
        ("/api/v1/progress?by=colour", 400, "bad-request"),
        ("/api/v1/progress?set=none", 400, "bad-request"),
        ("/api/v1/exports/outlets.exe", 404, "not-found"),
        ("/api/v1/exports/outlets.csv?labels=fr", 400, "bad-request"),
        ("/tiles/99/0/0.mvt", 404, "not-found"),
        ("/tiles/1/2/0.mvt", 404, "not-found"),
        ("/tiles/1/0/0.png", 404, "not-found"),
        ("/tiles/base.json", 404, "not-found"),
    ] {
        check_problem(&site.get(path, &token).await, status, code);
    }
    let post = Request::post("/api/v1/outlets").header("authorization", format!("Bearer {token}"));
    check_problem(&site.send(post.body(Body::from(vec![b' '; 3 << 20])).unwrap()).await, 405, "method-not-allowed");
}

#[tokio::test]
async fn strangers_and_what_an_account_may_not_are_refused() {
    let site = Site::new(1);
    let token = site.reader();
    for headers in [
        vec![],
        vec![("authorization", "Bearer nonsense")],
        vec![("authorization", "Bearer outlet_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")],
        vec![("authorization", "Basic !!!!")],
        vec![("authorization", "Digest x")],
        vec![("authorization", "x")],
    ] {
        for path in ["/api/v1/outlets", "/ogc", "/tiles/0/0/0.mvt", "/metrics"] {
            let reply = site.get_with(path, &headers).await;
            check_problem(&reply, 401, "unauthorized");
            assert!(reply.header("www-authenticate").contains("Basic"));
        }
    }
    let basic = format!("Basic {}", BASE64.encode(format!("anybody:{token}").as_bytes()));
    assert_eq!(site.get_with("/api/v1/me", &[("authorization", &basic)]).await.status, 200);
    for path in ["/api/v1/devices", "/metrics"] {
        check_problem(&site.get(path, &token).await, 403, "forbidden");
    }
    site.account("admin", Role::Admin, &[]);
    let narrow = site.token("admin", &[TokenScope::Read]);
    check_problem(&site.get("/api/v1/devices", &narrow).await, 403, "forbidden");
    let wide = site.token("admin", &TokenScope::ALL);
    let devices = site.get("/api/v1/devices", &wide).await;
    let devices = devices.json();
    assert!(devices["devices"].as_array().unwrap().iter().any(|device| device["name"] == "person 1"));
    assert!(site.get("/metrics", &wide).await.text().contains("outlet_ledger_version"));
}

#[tokio::test]
async fn an_ended_token_or_a_closed_account_opens_nothing() {
    let site = Site::new(1);
    let token = site.reader();
    assert_eq!(site.get("/api/v1/me", &token).await.status, 200);
    let listed = site.kit.engine.database().read::<_, crate::db::DbError>(|tx| crate::db::tokens::all(tx)).unwrap();
    assert!(listed[0].used_at.is_some());
    site.kit.runs(&["token", "revoke", &listed[0].id.to_string()]);
    check_problem(&site.get("/api/v1/me", &token).await, 401, "unauthorized");
    let second = site.token("reader", &[TokenScope::Read]);
    assert_eq!(site.get("/api/v1/me", &second).await.status, 200);
    site.kit.wait(2_000_000);
    check_problem(&site.get("/api/v1/me", &second).await, 401, "unauthorized");
    let third = site.token("reader", &[TokenScope::Read]);
    assert_eq!(site.get("/api/v1/me", &third).await.status, 200);
    site.kit.runs(&["account", "disable", "reader"]);
    check_problem(&site.get("/api/v1/me", &third).await, 401, "unauthorized");
}

/// 404 and not 403: "forbidden" would tell a stranger that the outlet exists.
#[tokio::test]
async fn an_outlet_of_a_foreign_collection_does_not_exist() {
    let site = Site::new(1);
    site.account("elsewhere", Role::Supervisor, &[511_921]);
    let token = site.token("elsewhere", &TokenScope::ALL);
    let id = outlet(1).id;
    for path in [
        format!("/api/v1/outlets/{id}"),
        format!("/api/v1/outlets/{id}/history"),
        format!("/api/v1/outlets/{id}/documents"),
        format!("/api/v1/outlets/{id}/photos"),
        format!("/api/v1/outlets/{id}/explain?milestone=M4"),
        format!("/ogc/collections/outlets/items/{id}"),
    ] {
        check_problem(&site.get(&path, &token).await, 404, "not-found");
    }
    assert_eq!(site.get("/api/v1/outlets", &token).await.json()["total"], 0);
    assert_eq!(site.get("/api/v1/overview", &token).await.json()["total"], 0);
    assert_eq!(site.get("/ogc/collections/outlets/items", &token).await.json()["numberMatched"], 0);
    assert_eq!(site.get("/tiles/0/0/0.mvt", &token).await.status, 204);
    let csv = site.get("/api/v1/exports/outlets.csv", &token).await;
    assert_eq!(csv.text().lines().count(), 1, "a header and nothing else");
}

#[tokio::test]
async fn everything_about_an_outlet_can_be_read() {
    let site = Site::new(1);
    let token = site.reader();
    let id = outlet(1).id;
    let documents = site.get(&format!("/api/v1/outlets/{id}/documents"), &token).await.json();
    assert_eq!(documents["documents"][0]["kind"], "field");
    assert_eq!(documents["documents"][0]["heads"].as_array().unwrap().len(), 1);
    let history = site.get(&format!("/api/v1/outlets/{id}/history"), &token).await.json();
    let first = &history["entries"][0];
    assert_eq!((first["author"].as_str(), first["role"].as_str()), (Some("person 1"), Some("inspector")));
    assert!(first["received_at"].is_string() && first["content"]["type"] == "fact");
    let explained = site.get(&format!("/api/v1/outlets/{id}/explain?milestone=m1&as_of=2021-12-31"), &token).await;
    let readings = explained.json()["readings"].clone();
    let counted = [0, 1].map(|at| readings[at]["counted"].as_str().map(str::to_owned));
    assert_eq!(counted, [Some("in".to_owned()), Some("not_known_then".to_owned())], "{}", explained.text());
    check_problem(&site.get(&format!("/api/v1/outlets/{id}/explain"), &token).await, 400, "bad-request");
    let progress = site.get("/api/v1/progress?as_of=2022-12-31&by=county", &token).await;
    assert_eq!(progress.json()["as_of"], "2022-12-31");
    for path in ["/api/v1/milestones", "/api/v1/problems", "/api/v1/parties", "/api/v1/feed", "/api/v1/overview"] {
        assert_eq!(site.get(path, &token).await.status, 200, "{path}");
    }
    assert_eq!(site.get("/api/v1/feed", &token).await.json()["feeds"][0]["seq"], 2);
}

#[tokio::test]
async fn a_photo_is_asked_for_by_its_hash_and_by_nothing_else() {
    let site = Site::new(1);
    let token = site.reader();
    let id = outlet(1).id;
    for name in ["..%2f..%2fkeys%2froot.key", "....", "%00", "C:%5c", &"a".repeat(64), &"../".repeat(3)] {
        let path = format!("/api/v1/outlets/{id}/photos/{name}/original");
        check_problem(&site.get(&path, &token).await, 404, "not-found");
    }
    let narrow = site.token("reader", &[TokenScope::Read]);
    let path = format!("/api/v1/outlets/{id}/photos/{}/original", "a".repeat(64));
    check_problem(&site.get(&path, &narrow).await, 403, "forbidden");
}

#[tokio::test]
async fn exports_are_whole_files_in_three_formats() {
    let site = Site::new(3);
    let token = site.reader();
    let csv = site.get("/api/v1/exports/outlets.csv?labels=zh", &token).await;
    assert!(csv.text().starts_with("\u{feff}排口标识,") && csv.text().lines().count() == 4, "{}", csv.text());
    assert_eq!(csv.header("content-disposition"), "attachment; filename=\"outlets.csv\"");
    let geojson = site.get("/api/v1/exports/outlets.geojson?class=", &token).await.json();
    assert_eq!(geojson["features"].as_array().unwrap().len(), 3);
    let xlsx = site.get("/api/v1/exports/outlets.xlsx", &token).await;
    assert!(xlsx.body.starts_with(b"PK\x03\x04") && xlsx.body.len() > 4_000);
}

#[tokio::test]
async fn too_many_requests_are_told_when_to_come_back() {
    let site = Site::with_config(1, "[api]\nrequests_per_minute = 3\nfailures_per_minute = 2\n");
    let token = site.reader();
    for _ in 0..3 {
        assert_eq!(site.get("/api/v1/me", &token).await.status, 200);
    }
    let late = site.get("/api/v1/me", &token).await;
    check_problem(&late, 429, "too-many-requests");
    assert!(late.header("retry-after").parse::<u64>().unwrap() >= 1);
    for status in [401, 401, 429] {
        assert_eq!(site.get("/api/v1/me", "wrong").await.status, status);
    }
}

#[tokio::test]
async fn the_description_names_every_path_and_every_path_answers() {
    let site = Site::new(1);
    site.account("admin", Role::Admin, &[]);
    let token = site.token("admin", &TokenScope::ALL);
    let description = site.get_with("/api/v1/openapi.json", &[]).await.json();
    assert!(description["openapi"].as_str().unwrap().starts_with("3."));
    let paths = description["paths"].as_object().unwrap();
    assert!(paths.len() >= 15, "{:?}", paths.keys());
    for (path, operations) in paths {
        if operations.get("get").is_none() {
            continue;
        }
        let path = path
            .replace("{id}", &outlet(1).id.to_string())
            .replace("{file}", "outlets.csv")
            .replace("{sha256}", &"a".repeat(64))
            .replace("{form}", "preview");
        let query = match path.rsplit('/').next() {
            Some("explain" | "assess" | "rows") => "?milestone=M1",
            Some("difference") => "?milestone=M1&from=2021-12-31",
            _ => "",
        };
        let reply = site.get(&format!("{path}{query}"), &token).await;
        let absent = ["/photos/", "/seals/a", "{sheet}", "{name}"].iter().any(|part| path.contains(part));
        let wanted = if absent { 404 } else { 200 };
        assert_eq!(reply.status, wanted, "{path}: {}", reply.text());
    }
}

/// Two types of one name would describe each other's answers: the description has one of them.
#[test]
fn every_described_type_has_a_name_of_its_own() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/web/api");
    let mut names: Vec<String> = Vec::new();
    for file in std::fs::read_dir(folder).unwrap() {
        let text = std::fs::read_to_string(file.unwrap().path()).unwrap_or_default();
        for described in text.split("ToSchema)]").skip(1) {
            let (_, rest) = described.split_once("struct ").or_else(|| described.split_once("enum ")).unwrap();
            names.push(rest.chars().take_while(|c| c.is_alphanumeric()).collect());
        }
    }
    names.sort();
    assert!(names.len() > 20, "{names:?}");
    let twice: Vec<_> = names.windows(2).filter(|pair| pair[0] == pair[1]).collect();
    assert!(twice.is_empty(), "{twice:?}");
}

#[tokio::test]
async fn the_layer_follows_the_standard() {
    let site = Site::new(5);
    let token = site.reader();
    let landing = site.get("/ogc", &token).await.json();
    for rel in ["self", "service-desc", "conformance", "data"] {
        assert!(landing["links"].as_array().unwrap().iter().any(|link| link["rel"] == rel), "{rel}");
    }
    assert!(landing["links"][0]["href"].as_str().unwrap().starts_with("http://ledger.example:8080/ogc"));
    let api = site.get("/ogc/api", &token).await;
    assert_eq!(api.header("content-type"), "application/vnd.oai.openapi+json;version=3.0");
    assert_eq!(api.json()["openapi"], "3.0.3");
    let conformance = site.get("/ogc/conformance", &token).await.json();
    assert!(
        conformance["conformsTo"].as_array().unwrap().iter().any(|class| class.as_str().unwrap().ends_with("/core"))
    );
    let collection = site.get("/ogc/collections/outlets", &token).await.json();
    assert_eq!(collection["extent"]["spatial"]["bbox"][0].as_array().unwrap().len(), 4);
    check_problem(&site.get("/ogc/collections/others/items", &token).await, 404, "not-found");
    let items = "/ogc/collections/outlets/items";
    let page = site.get(&format!("{items}?limit=2"), &token).await;
    assert_eq!(page.header("content-type"), "application/geo+json");
    let mut body = page.json();
    assert_eq!((body["numberMatched"].as_u64(), body["numberReturned"].as_u64()), (Some(5), Some(2)));
    assert_eq!(body["features"][0]["geometry"]["type"], "Point");
    let mut seen = 2;
    loop {
        let next = body["links"].as_array().unwrap().iter().find(|link| link["rel"] == "next");
        let Some(next) = next.map(|link| link["href"].as_str().unwrap().to_owned()) else { break };
        body = site.get(next.strip_prefix("http://ledger.example:8080").unwrap(), &token).await.json();
        seen += body["numberReturned"].as_u64().unwrap();
    }
    assert_eq!(seen, 5);
    for (query, count) in [
        ("bbox=106.7,31.7,106.7025,31.9", 2),
        ("bbox=106.7,31.7,0,106.7025,31.9,0", 2),
        ("bbox=0,0,1,1", 0),
        ("datetime=2021-01-01/..", 0),
        ("datetime=../..", 5),
        ("state=surveying", 5),
        ("state=accepted", 0),
        ("limit=100000", 5),
    ] {
        let reply = site.get(&format!("{items}?{query}"), &token).await;
        assert_eq!(reply.json()["numberReturned"], count, "{query}: {}", reply.text());
    }
    for query in ["limit=0", "bbox=1,2,3", "datetime=soon", "colour=red", "cursor=AAAA", "f=xml"] {
        check_problem(&site.get(&format!("{items}?{query}"), &token).await, 400, "bad-request");
    }
    let headers = [("authorization", &*format!("Bearer {token}")), ("accept", "text/html,*/*")];
    let page = site.get_with(items, &headers).await;
    assert!(page.header("content-type").starts_with("text/html"));
    assert!(page.text().contains("alert(") && !page.text().contains("<script"), "{}", page.text());
}

#[tokio::test]
async fn the_layer_is_open_to_all_only_where_the_settings_say_so() {
    let site = Site::with_config(2, "[api]\npublic_layer = true\n");
    assert_eq!(site.get_with("/ogc/collections/outlets/items", &[]).await.json()["numberMatched"], 2);
    assert_eq!(site.get_with("/tiles/0/0/0.mvt", &[]).await.status, 200);
    check_problem(&site.get_with("/api/v1/outlets", &[]).await, 401, "unauthorized");
    check_problem(&site.get_with("/metrics", &[]).await, 403, "forbidden");
}

#[tokio::test]
async fn a_decision_is_written_once_per_key_and_never_over_a_newer_record() {
    let site = Site::new(1);
    site.account("chief", Role::Supervisor, &[county().code()]);
    let token = site.token("chief", &[TokenScope::Read, TokenScope::Decide]);
    let id = outlet(1).id;
    let path = format!("/api/v1/outlets/{id}/decisions");
    let documents = site.get(&format!("/api/v1/outlets/{id}/documents"), &token).await.json();
    let seen = serde_json::json!({"field": documents["documents"][0]["heads"], "case": []});
    let body = serde_json::json!({"seen": seen, "decisions": [{"type": "name", "name": "南江一号"}]}).to_string();
    let send = |token: &str, key: &'static str, body: &str| {
        let request = Request::post(&path).header("authorization", format!("Bearer {token}"));
        site.send(request.header("idempotency-key", key).body(Body::from(body.to_owned())).unwrap())
    };
    for (wrong, status, code) in [
        ("", 400, "bad-request"),
        ("[]", 400, "bad-request"),
        (&*body.replace("\"name\":", "\"title\":"), 400, "bad-request"),
        (&*format!("{}{}", " ".repeat(2 << 20), body), 413, "too-large"),
    ] {
        check_problem(&send(&token, "one", wrong).await, status, code);
    }
    let first = send(&token, "one", &body).await;
    assert_eq!(first.status, 201, "{}", first.text());
    let again = send(&token, "one", &body).await;
    assert_eq!((again.status, again.body, again.headers.contains_key("idempotent-replayed")), (201, first.body, true));
    check_problem(&send(&token, "one", &body.replace("一号", "二号")).await, 422, "unprocessable");
    let stale = send(&token, "two", &body).await;
    check_problem(&stale, 409, "conflict");
    assert!(stale.json()["extra"]["since"].as_array().is_some_and(|since| since.len() == 1), "{}", stale.text());
    let row = site.get(&format!("/api/v1/outlets/{id}"), &token).await.json();
    assert_eq!(row["row"]["name"], "南江一号");
    let reader = site.reader();
    check_problem(&send(&reader, "three", &body).await, 403, "forbidden");
    let narrow = site.token("chief", &[TokenScope::Read]);
    check_problem(&send(&narrow, "four", &body).await, 403, "forbidden");
}
