//! Pages without a browser: who gets in, who sees what, what is refused, and that everything is
//! escaped.

use axum::body::{Body, to_bytes};
use axum::extract::ConnectInfo;
use axum::http::{HeaderMap, Request, StatusCode, header};
use outlet_core::identity::{Level, Role};
use outlet_core::ids::{Collection, PersonId};
use tower::ServiceExt as _;

use super::*;
use crate::accounts::{self, NewAccount};
use crate::testing::{Kit, county, outlet};
use crate::web::listen::Remote;

const PASSWORD: &str = "correct horse";

/// A browser without a network: cookies, and the token of the last page.
pub(super) struct Client {
    router: Router,
    cookies: std::collections::BTreeMap<String, String>,
    csrf: String,
}

/// What came back.
pub(super) struct Seen {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: String,
}

impl Seen {
    pub(super) fn location(&self) -> &str {
        self.headers.get(header::LOCATION).map_or("", |to| to.to_str().unwrap())
    }
}

impl Client {
    pub(super) fn new(kit: &Kit) -> Self {
        let console = Arc::new(Console::new(Arc::clone(&kit.engine), false));
        Self { router: router(console), cookies: std::collections::BTreeMap::new(), csrf: String::new() }
    }

    /// Of everything that the server answers, the interfaces, too.
    pub(super) fn of_all(kit: &Kit, base: Option<crate::tiles::base::BaseMap>) -> Self {
        Self { router: crate::web::router(Arc::clone(&kit.engine), base, false), ..Self::new(kit) }
    }

    /// Another door of the same server; the session stays.
    pub(super) fn opens(&mut self, router: Router) {
        self.router = router;
    }

    /// What scripts send in the header.
    pub(super) fn token(&self) -> String {
        self.csrf.clone()
    }

    /// Somebody with this role who has signed in.
    pub(super) async fn signed_in(kit: &Kit, role: Role, level: Option<Level>) -> Self {
        let login = format!("{role:?}{level:?}").to_lowercase().replace(['(', ')'], ".");
        account(kit, &login, role, level, vec![county()]);
        let mut client = Self::new(kit);
        client.get("/signin").await;
        let seen = client.post("/signin", &[("login", &login), ("password", PASSWORD)]).await;
        assert_eq!((seen.status, seen.location()), (StatusCode::SEE_OTHER, "/"), "{}", seen.body);
        client.get("/").await;
        client
    }

    pub(super) async fn send(&mut self, request: Request<Body>) -> Seen {
        let (mut parts, body) = request.into_parts();
        let cookies: Vec<_> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        if !cookies.is_empty() {
            parts.headers.insert(header::COOKIE, cookies.join("; ").parse().unwrap());
        }
        parts.extensions.insert(ConnectInfo(Remote("127.0.0.1:5000".parse().unwrap())));
        let response = self.router.clone().oneshot(Request::from_parts(parts, body)).await.unwrap();
        let (parts, body) = response.into_parts();
        for set in parts.headers.get_all(header::SET_COOKIE) {
            let (name, rest) = set.to_str().unwrap().split_once('=').unwrap();
            let value = rest.split(';').next().unwrap();
            self.cookies.insert(name.to_owned(), value.to_owned());
        }
        let body = to_bytes(body, 64 << 20).await.unwrap();
        let body = String::from_utf8_lossy(&body).into_owned();
        if let Some((_, rest)) = body.split_once(r#"name="csrf" content=""#) {
            self.csrf = rest.split('"').next().unwrap().to_owned();
        }
        Seen { status: parts.status, headers: parts.headers, body }
    }

    pub(super) async fn get(&mut self, path: &str) -> Seen {
        self.send(Request::get(path).body(Body::empty()).unwrap()).await
    }

    pub(super) async fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> Seen {
        let token = self.csrf.clone();
        self.post_with(path, &[fields, &[("csrf", token.as_str())]].concat(), &[]).await
    }

    pub(super) async fn post_with(
        &mut self,
        path: &str,
        fields: &[(&str, &str)],
        headers: &[(&'static str, &str)],
    ) -> Seen {
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        let mut request = Request::post(path).header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.send(request.body(Body::from(body)).unwrap()).await
    }
}

pub(super) fn account(kit: &Kit, login: &str, role: Role, level: Option<Level>, collections: Vec<Collection>) {
    let person = PersonId(blake3::hash(login.as_bytes()).as_bytes()[..16].try_into().unwrap());
    let new = NewAccount { login: login.into(), name: format!("人 {login}"), person, role, level, collections };
    accounts::add(kit.engine.database(), new, PASSWORD, (accounts::COMMANDS, kit.now())).unwrap();
}

#[tokio::test]
async fn nobody_sees_a_page_before_signing_in_and_everybody_returns_to_where_they_were() {
    let kit = Kit::new();
    account(&kit, "li", Role::Viewer, None, vec![county()]);
    let mut client = Client::new(&kit);
    let seen = client.get("/outlets?county=511902&sort=name").await;
    assert_eq!(seen.status, StatusCode::SEE_OTHER);
    assert_eq!(seen.location(), "/signin?next=%2Foutlets%3Fcounty%3D511902%26sort%3Dname");
    let to = seen.location().to_owned();
    let form = client.get(&to).await;
    assert!(form.body.contains(r#"value="/outlets?county=511902&#38;sort=name""#), "{}", form.body);
    let next = "/outlets?county=511902&sort=name";
    let seen = client.post("/signin", &[("login", "LI"), ("password", PASSWORD), ("next", next)]).await;
    assert_eq!((seen.status, seen.location()), (StatusCode::SEE_OTHER, next));
    let cookie = seen.headers[header::SET_COOKIE].to_str().unwrap();
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Lax"), "{cookie}");
    assert_eq!(client.get("/").await.status, StatusCode::OK);
    let seen = client.post("/signin", &[("login", "li"), ("password", PASSWORD), ("next", "//evil.example/")]).await;
    assert_eq!(seen.location(), "/");
}

#[tokio::test]
async fn a_session_ends_by_itself_by_signing_out_and_with_a_new_password() {
    let kit = Kit::new();
    let mut client = Client::signed_in(&kit, Role::Viewer, None).await;
    kit.wait(3_600_000);
    assert_eq!(client.get("/").await.status, StatusCode::OK, "in use");
    kit.wait(2 * 3_600_000 + 1);
    let seen = client.get("/live?since=0").await;
    assert_eq!(seen.location(), "/signin?next=%2Flive%3Fsince%3D0", "idle for two hours");
    let part =
        Request::get("/live?since=0").header("hx-request", "true").header("hx-current-url", "http://x/outlets?a=1");
    let seen = client.send(part.body(Body::empty()).unwrap()).await;
    assert_eq!(seen.headers["hx-redirect"], "/signin?next=%2Foutlets%3Fa%3D1", "a part leads back to its page");

    let again = async |client: &mut Client| {
        client.get("/signin").await;
        client.post("/signin", &[("login", "viewernone"), ("password", PASSWORD)]).await;
        assert_eq!(client.get("/").await.status, StatusCode::OK);
    };
    again(&mut client).await;
    let stolen = client.cookies.clone();
    assert_eq!(client.post("/signout", &[]).await.location(), "/signin");
    client.cookies = stolen;
    assert_eq!(client.get("/").await.status, StatusCode::SEE_OTHER, "the cookie is worth nothing any more");

    again(&mut client).await;
    kit.wait(1);
    accounts::set_password(kit.engine.database(), "viewernone", "battery staple", (accounts::COMMANDS, kit.now()))
        .unwrap();
    assert_eq!(client.get("/").await.status, StatusCode::SEE_OTHER, "a new password ends old sessions");
}

#[tokio::test]
async fn the_fifth_wrong_password_begins_a_wait_that_the_right_one_does_not_shorten() {
    let kit = Kit::new();
    account(&kit, "li", Role::Viewer, None, vec![county()]);
    let mut client = Client::new(&kit);
    client.get("/signin").await;
    for _ in 0..5 {
        let seen = client.post("/signin", &[("login", "li"), ("password", "wrong wrong")]).await;
        assert_eq!(seen.status, StatusCode::UNPROCESSABLE_ENTITY);
        assert!(seen.body.contains("账号或密码不正确") && seen.body.contains(r#"value="li""#), "{}", seen.body);
        assert!(!seen.body.contains("wrong wrong"), "a password is never sent back");
    }
    let right = [("login", "li"), ("password", PASSWORD)];
    assert!(client.post("/signin", &right).await.body.contains("请 1 分钟后再试"));
    kit.wait(31_000);
    assert_eq!(client.post("/signin", &right).await.status, StatusCode::SEE_OTHER);
    client.cookies.clear();
    client.get("/signin").await;
    // Other accounts from the same address wait only when very many were tried.
    let mut tried = 0;
    let waited = loop {
        tried += 1;
        let seen = client.post("/signin", &[("login", &format!("guess{tried}")), ("password", "wrong wrong")]).await;
        if seen.body.contains("分钟后再试") {
            break tried;
        }
        assert!(tried < 40);
    };
    assert!((10..=25).contains(&waited), "{waited}");
}

#[tokio::test]
async fn a_form_without_its_token_or_from_another_site_changes_nothing() {
    let kit = Kit::new();
    let mut client = Client::signed_in(&kit, Role::Viewer, None).await;
    let token = client.csrf.clone();
    for (fields, headers) in [
        (vec![], vec![]),
        (vec![("csrf", "AAAA")], vec![]),
        (vec![("csrf", token.as_str())], vec![("origin", "https://evil.example"), ("host", "outlets.example")]),
        (vec![("csrf", token.as_str())], vec![("origin", "null"), ("host", "outlets.example")]),
        (vec![("csrf", token.as_str())], vec![("sec-fetch-site", "cross-site")]),
    ] {
        let seen = client.post_with("/signout", &fields, &headers).await;
        assert_eq!(seen.status, StatusCode::FORBIDDEN, "{fields:?} {headers:?}");
        assert!(seen.body.contains("没有保存任何内容"), "{}", seen.body);
    }
    assert_eq!(client.get("/").await.status, StatusCode::OK, "still signed in");
    let own = [("origin", "https://outlets.example"), ("host", "outlets.example"), ("sec-fetch-site", "same-origin")];
    assert_eq!(client.post_with("/signout", &[("csrf", &token)], &own).await.status, StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn a_body_that_is_too_large_is_refused_in_words() {
    let kit = Kit::new();
    let mut client = Client::signed_in(&kit, Role::Viewer, None).await;
    let large = "x".repeat(FORM_LIMIT + 1);
    let seen = client.post("/signout", &[("text", &large)]).await;
    assert_eq!(seen.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert!(seen.body.contains("超过了允许的大小"), "{}", seen.body);
}

#[tokio::test]
async fn every_answer_carries_the_security_headers_and_unknown_pages_say_so_in_the_language_chosen() {
    let kit = Kit::new();
    let mut client = Client::signed_in(&kit, Role::Viewer, None).await;
    client.get("/language?to=en&next=/outlets").await;
    for path in ["/", "/signin", "/no-such-page", "/assets/none.js"] {
        let seen = client.get(path).await;
        let policy = seen.headers["content-security-policy"].to_str().unwrap();
        assert!(policy.starts_with("default-src 'none'") && !policy.contains("unsafe"), "{path}: {policy}");
        assert_eq!(seen.headers["x-content-type-options"], "nosniff");
        assert_eq!(seen.headers["cache-control"], "no-store");
        assert!(!seen.body.contains("<style") && !seen.body.contains(" style=") && !seen.body.contains(" onclick="));
    }
    let seen = client.get("/no-such-page").await;
    assert_eq!(seen.status, StatusCode::NOT_FOUND);
    assert!(seen.body.contains("There is no such page or record"), "{}", seen.body);
}

#[tokio::test]
async fn new_records_reach_an_open_page_and_nothing_is_sent_when_nothing_moved() {
    let kit = Kit::new();
    let mut client = Client::signed_in(&kit, Role::Viewer, None).await;
    let page = client.get("/").await.body;
    let since = page.split_once("/live?since=").unwrap().1.split('"').next().unwrap().to_owned();
    let part = format!("/live?since={since}");
    assert_eq!(client.get(&part).await.status, StatusCode::NO_CONTENT);
    let mut device = kit.member(1, Role::Inspector, None);
    let run = device.fact(&outlet(1), "name", "一号排口");
    kit.push(&device, &[run]);
    let seen = client.get(&part).await;
    assert_eq!(seen.status, StatusCode::OK);
    assert!(seen.body.contains(r#"data-count="total">1<"#), "{}", seen.body);
}

#[tokio::test]
async fn a_list_keeps_its_state_in_the_address_and_says_what_it_cannot_read() {
    let kit = Kit::new();
    let mut device = kit.member(1, Role::Inspector, None);
    let runs: Vec<_> = (1..=3).map(|number| device.fact(&outlet(number), "name", &format!("{number}号排口"))).collect();
    kit.push(&device, &runs);
    let mut client = Client::signed_in(&kit, Role::Viewer, None).await;
    let seen = client.get("/outlets?sort=-name&limit=2").await;
    assert_eq!(seen.status, StatusCode::OK);
    assert!(seen.body.contains("3号排口") && !seen.body.contains("1号排口") && seen.body.contains("共 3 条"));
    let next =
        seen.body.split_once(r#"rel="next""#).unwrap().0.rsplit_once("href=\"").unwrap().1.split('"').next().unwrap();
    let next = next.replace("&#38;", "&");
    let seen = client.get(&format!("{next}&limit=2")).await;
    assert!(seen.body.contains("1号排口"), "{next}");
    let seen = client.get("/outlets?colour=red").await;
    assert_eq!(seen.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(seen.body.contains("“colour”无法识别") && seen.body.contains("3号排口"));
    let seen = client.get("/outlets?class=-").await;
    assert!(seen.body.contains("共 3 条"), "nothing decided is a filter");

    client.post("/views", &[("name", "我的 <b>视图"), ("query", "sort=-name&limit=2&cursor=x"), ("act", "keep")]).await;
    let seen = client.get("/outlets").await;
    assert!(seen.body.contains("/outlets?limit=2&#38;sort=-name") && seen.body.contains("我的 &#60;b&#62;视图"));
}

#[tokio::test]
async fn an_outlet_is_on_one_page_with_everything_escaped_and_hidden_from_other_counties() {
    let kit = Kit::new();
    let mut device = kit.member(1, Role::Inspector, None);
    let evil = "<script>alert(1)</script>\"'<img src=x onerror=alert(2)>";
    let key = outlet(1);
    let mut runs = Vec::new();
    for field in ["name", "waterbody", "township", "address", "temporary_number", "remark", "outlet_type", "bank"] {
        runs.push(device.fact(&key, field, evil));
    }
    runs.push(device.write(&key, serde_json::json!({ "type": "note", "kind": evil, "text": evil })));
    runs.push(device.write(
        &key,
        serde_json::json!({ "type": "trace", "conclusion": "concluded", "sources": [evil],
            "nodes": [{ "serial": 1, "kind": evil, "name": evil }] }),
    ));
    kit.push(&device, &runs);
    let address = format!("/outlets/{}/{}", key.collection.code(), key.id);
    let mut client = Client::signed_in(&kit, Role::Viewer, None).await;
    for path in [address.as_str(), "/", "/outlets"] {
        let seen = client.get(path).await;
        assert_eq!(seen.status, StatusCode::OK, "{path}");
        assert!(seen.body.contains("alert(1)"), "{path}");
        assert!(!seen.body.contains("<script>") && !seen.body.contains("<img src=x"), "{path}");
        assert!(!seen.body.contains("'<img"), "{path}");
    }
    let seen = client.get(&address).await;
    assert!(seen.body.contains("<svg class=\"chain\"") && seen.body.contains("person 1"));

    account(&kit, "elsewhere", Role::Viewer, None, vec![Collection::from_code(511_921).unwrap()]);
    let mut other = Client::new(&kit);
    other.get("/signin").await;
    other.post("/signin", &[("login", "elsewhere"), ("password", PASSWORD)]).await;
    assert_eq!(other.get(&address).await.status, StatusCode::NOT_FOUND);
    assert!(!other.get("/outlets").await.body.contains("alert(1)"));
    for path in ["/outlets/511902/none", "/outlets/x/y", "/outlets/000000/019a0c3e-7b1d-7c3a-9f00-0123456789ab"] {
        assert_eq!(client.get(path).await.status, StatusCode::NOT_FOUND, "{path}");
    }
    let hash = "00".repeat(32);
    assert_eq!(client.get(&format!("{address}/files/{hash}")).await.status, StatusCode::NOT_FOUND);
}

/// The value of a hidden field.
fn hidden<'b>(body: &'b str, name: &str) -> &'b str {
    let needle = format!(r#"name="{name}" value=""#);
    body.split_once(&needle).unwrap_or_else(|| panic!("{body}")).1.split('"').next().unwrap()
}

#[tokio::test]
async fn a_stale_page_shows_both_and_overwrites_nothing() {
    let kit = Kit::new();
    let mut device = kit.member(1, Role::Inspector, None);
    let run = device.fact(&outlet(1), "name", "一号排口");
    kit.push(&device, &[run]);
    let mut one = Client::signed_in(&kit, Role::Supervisor, Some(Level::County)).await;
    let mut two = Client::signed_in(&kit, Role::Admin, None).await;
    let address = format!("/outlets/{}/{}", county().code(), outlet(1).id);
    let form = format!("{address}/decide/name");
    let (first, second) = (one.get(&form).await.body, two.get(&form).await.body);
    let (first, second) = (hidden(&first, "seen").to_owned(), hidden(&second, "seen").to_owned());
    assert_eq!(first, second);
    let seen = one.post(&form, &[("name", "巴河 <b>一号</b>"), ("seen", &first)]).await;
    assert_eq!((seen.status, seen.location()), (StatusCode::SEE_OTHER, format!("{address}?done=decided").as_str()));
    let seen = two.post(&form, &[("name", "另一个名称"), ("seen", &second), ("note", "我的说明")]).await;
    assert_eq!(seen.status, StatusCode::CONFLICT, "{}", seen.body);
    assert!(seen.body.contains("没有被覆盖") && seen.body.contains("巴河 &#60;b&#62;一号"), "theirs: {}", seen.body);
    assert!(seen.body.contains("另一个名称") && seen.body.contains("我的说明"), "mine is kept");
    let shown = one.get(&address).await.body;
    assert!(shown.contains("人 supervisor") && !shown.contains("另一个名称"), "{shown}");
    let now = hidden(&seen.body, "seen").to_owned();
    let seen = two.post(&form, &[("name", "另一个名称"), ("seen", &now)]).await;
    assert_eq!(seen.status, StatusCode::SEE_OTHER, "{}", seen.body);
}

#[tokio::test]
async fn a_form_error_stands_beside_its_field_with_what_was_typed() {
    let kit = Kit::new();
    let mut device = kit.member(1, Role::Inspector, None);
    let run = device.fact(&outlet(1), "name", "一号排口");
    kit.push(&device, &[run]);
    let mut client = Client::signed_in(&kit, Role::Supervisor, Some(Level::County)).await;
    let form = format!("/outlets/{}/{}/decide/plan", county().code(), outlet(1).id);
    let seen = hidden(&client.get(&form).await.body, "seen").to_owned();
    let typed = [("step", "draft"), ("criteria", "<i>标准</i>"), ("due", "明天"), ("seen", seen.as_str())];
    let answer = client.post(&form, &typed).await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(answer.body.contains(r#"id="due-error">请填写日期"#), "{}", answer.body);
    assert!(answer.body.contains(r#"id="measures-error""#) && answer.body.contains("&#60;i&#62;标准"));
    assert!(answer.body.contains(r#"value="明天""#));
    // What the rules say comes in the page's words.
    let typed = [("step", "approve"), ("measures", "ban"), ("due", "2022-10-01"), ("seen", seen.as_str())];
    let answer = client.post(&form, &typed).await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(answer.body.contains("这项决定由市级作出"), "{}", answer.body);
    let typed = [("step", "draft"), ("measures", "no-such"), ("due", "2022-10-01"), ("seen", seen.as_str())];
    assert!(client.post(&form, &typed).await.body.contains("“no-such”不在字典中"));
    let typed =
        [("step", "draft"), ("measures", "rain_sewage_separation"), ("due", "2024-10-01"), ("seen", seen.as_str())];
    assert!(client.post(&form, &typed).await.body.contains("晚于法定时限"));
}

#[tokio::test]
async fn who_decides_about_held_changes_sees_what_they_say_and_of_which_record() {
    let kit = Kit::new();
    let mut device = kit.member(1, Role::Inspector, None);
    let known = device.fact(&outlet(1), "name", "一号排口");
    kit.push(&device, &[known]);
    kit.revoke(&device);
    let again = device.fact(&outlet(1), "village", "<b>大桥村</b>");
    let first = device.fact(&outlet(2), "name", "二号排口");
    kit.push(&device, &[again, first]);
    let mut admin = Client::signed_in(&kit, Role::Admin, None).await;
    let seen = admin.get("/quarantine").await.body;
    let link = format!("<a href=\"/outlets/{}/{}\">一号排口</a>", county().code(), outlet(1).id);
    assert!(seen.contains(&link), "{seen}");
    assert!(seen.contains("二号排口") && seen.contains(&outlet(2).id.to_string()), "not in the ledger, but shown");
    assert!(!seen.contains(&format!("/{}\"", outlet(2).id)), "there is no page of it yet");
    assert!(seen.contains("大桥村") && !seen.contains("<b>大桥村"), "{seen}");
}

#[tokio::test]
async fn an_address_above_ones_right_is_refused_whatever_the_way() {
    let kit = Kit::new();
    let mut device = kit.member(1, Role::Inspector, None);
    let run = device.fact(&outlet(1), "name", "一号排口");
    kit.push(&device, &[run]);
    let decide = format!("/outlets/{}/{}/decide/plan", county().code(), outlet(1).id);
    let admin = ["/devices", "/quarantine", "/accounts", "/audit", "/imports"];
    let mut viewer = Client::signed_in(&kit, Role::Viewer, None).await;
    let desk =
        ["/review", "/review/next", "/sheets", "/conflicts", "/duplicates", "/assignments", "/codes", "/reports"];
    let upload = format!("/imports/{}", "0".repeat(32));
    for path in admin.iter().chain(&desk).copied().chain([decide.as_str(), &upload, "/sheets/1"]) {
        let seen = viewer.get(path).await;
        assert_eq!(seen.status, StatusCode::FORBIDDEN, "{path}");
        assert!(
            seen.body.contains("您的账号没有这项权限") && !seen.body.contains("隔离的修改"),
            "{path}: {}",
            seen.body
        );
    }
    let posts =
        ["/tickets", "/accounts", "/accounts/viewernone", "/quarantine", "/devices/00/revoke", "/imports", "/zones"];
    let decisions = ["/sheets", "/sheets/1", "/assignments", "/codes", "/duplicates", "/reports"];
    for path in posts.into_iter().chain(decisions).chain([decide.as_str(), &upload]) {
        assert_eq!(viewer.post(path, &[("act", "enable")]).await.status, StatusCode::FORBIDDEN, "{path}");
    }
    let mut supervisor = Client::signed_in(&kit, Role::Supervisor, Some(Level::City)).await;
    assert_eq!(supervisor.get(&decide).await.status, StatusCode::OK);
    assert_eq!(supervisor.get("/accounts").await.status, StatusCode::FORBIDDEN);
    let mut admin_client = Client::signed_in(&kit, Role::Admin, None).await;
    for path in admin {
        assert_eq!(admin_client.get(path).await.status, StatusCode::OK, "{path}");
    }
}

#[tokio::test]
async fn an_administrator_issues_tickets_makes_accounts_and_shuts_them() {
    let kit = Kit::new();
    let mut client = Client::signed_in(&kit, Role::Admin, None).await;
    let seen = client.post("/tickets", &[("name", ""), ("role", "inspector")]).await;
    assert_eq!(seen.status, StatusCode::UNPROCESSABLE_ENTITY);
    let grant = [("name", "张 <三>"), ("role", "inspector"), ("collections", "511902")];
    let seen = client.post("/tickets", &grant).await;
    assert_eq!(seen.status, StatusCode::OK, "{}", seen.body);
    assert!(seen.body.contains("张 &#60;三&#62;") && seen.body.contains(r#"class="qr""#));
    let new =
        [("login", "wang"), ("name", "王五"), ("role", "county"), ("collections", "511902"), ("password", "short")];
    let seen = client.post("/accounts", &new).await;
    assert!(seen.body.contains(r#"id="password-error""#) && !seen.body.contains(r#"value="short""#), "{}", seen.body);
    let new =
        [("login", "wang"), ("name", "王五"), ("role", "county"), ("collections", "511902"), ("password", PASSWORD)];
    assert_eq!(client.post("/accounts", &new).await.location(), "/accounts?done=account-added");
    let mut wang = Client::new(&kit);
    wang.get("/signin").await;
    let sign_in = [("login", "wang"), ("password", PASSWORD)];
    assert_eq!(wang.post("/signin", &sign_in).await.location(), "/");
    assert_eq!(client.post("/accounts/wang", &[("act", "disable")]).await.status, StatusCode::SEE_OTHER);
    assert_eq!(wang.get("/").await.status, StatusCode::SEE_OTHER, "the session ends at once");
    wang.get("/signin").await;
    assert!(wang.post("/signin", &sign_in).await.body.contains("已停用"));
    let own = client.post("/accounts/adminnone", &[("act", "disable")]).await;
    assert_eq!(own.location(), "/accounts?done=account-own");
    let log = client.get("/audit").await.body;
    assert!(log.contains("停用账号") && log.contains("adminnone") && log.contains("生成凭证"), "{log}");
}

#[tokio::test]
async fn an_administrator_of_one_county_gives_no_right_beyond_it() {
    let kit = Kit::new();
    account(&kit, "chief", Role::Admin, None, Vec::new());
    let elsewhere = Collection::from_code(511_903).unwrap();
    account(&kit, "beyond", Role::Viewer, None, vec![county(), elsewhere]);
    let mut client = Client::signed_in(&kit, Role::Admin, None).await;
    let ticket = [
        ("name", "x"),
        ("role", "admin"),
        ("collections", "511902"),
        ("collections", "511903"),
        // Somebody else than the account of this name.
        ("person", "new"),
    ];
    assert_eq!(client.post("/tickets", &ticket).await.status, StatusCode::FORBIDDEN);
    let everything = [("login", "li"), ("name", "x"), ("role", "admin"), ("password", PASSWORD)];
    assert_eq!(client.post("/accounts", &everything).await.status, StatusCode::FORBIDDEN);
    for login in ["chief", "beyond"] {
        let password = [("act", "password"), ("password", "another long one")];
        assert_eq!(client.post(&format!("/accounts/{login}"), &password).await.status, StatusCode::FORBIDDEN);
    }
    let mut chief = Client::new(&kit);
    chief.get("/signin").await;
    assert_eq!(chief.post("/signin", &[("login", "chief"), ("password", PASSWORD)]).await.location(), "/");
    chief.get("/").await;
    assert_eq!(chief.post("/accounts", &everything).await.location(), "/accounts?done=account-added");
    assert_eq!(chief.post("/tickets", &ticket).await.status, StatusCode::OK);
}

#[tokio::test]
async fn exports_hold_only_what_the_account_sees() {
    let kit = Kit::new();
    let mut device = kit.member(1, Role::Inspector, None);
    let run = device.fact(&outlet(1), "name", "一号排口");
    kit.push(&device, &[run]);
    let mut client = Client::signed_in(&kit, Role::Viewer, None).await;
    let seen = client.get("/exports/ledger.csv").await;
    assert!(seen.headers["content-disposition"].to_str().unwrap().contains("ledger-2022-03-01.csv"));
    assert!(seen.body.contains("排污口名称") && seen.body.contains("一号排口"));
    account(&kit, "elsewhere", Role::Viewer, None, vec![Collection::from_code(511_921).unwrap()]);
    let mut other = Client::new(&kit);
    other.get("/signin").await;
    other.post("/signin", &[("login", "elsewhere"), ("password", PASSWORD)]).await;
    assert!(!other.get("/exports/ledger.csv").await.body.contains("一号排口"));
    assert_eq!(client.get("/exports/ledger.csv?as_of=x").await.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(client.get("/exports/keys.csv").await.status, StatusCode::NOT_FOUND);
}
