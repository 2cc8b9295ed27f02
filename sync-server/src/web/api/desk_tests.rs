//! Review, conflicts and duplicates through the router: what supervisors decide, and what is refused.

use axum::body::Body;
use axum::http::Request;
use outlet_core::identity::{Level, Role};
use outlet_core::ids::{Collection, DocKey, PersonId};
use serde_json::{Value, json};

use super::tests::{Reply, Site, check_problem};
use crate::accounts::{self, NewAccount};
use crate::testing::{Device, county, outlet};
use crate::tokens::TokenScope;

const BOTH: [TokenScope; 2] = [TokenScope::Read, TokenScope::Decide];

impl Site {
    /// A supervisor of the county with a token for everything that supervisors do.
    pub(super) fn supervisor(&self, login: &str, person: u8, level: Level) -> String {
        let new = NewAccount {
            login: login.into(),
            name: format!("名 {login}"),
            person: PersonId([person; 16]),
            role: Role::Supervisor,
            level: Some(level),
            collections: vec![county()],
        };
        accounts::add(self.kit.engine.database(), new, "a long enough secret 8", (accounts::COMMANDS, self.kit.now()))
            .unwrap();
        self.token(login, &BOTH)
    }

    pub(super) async fn call(&self, method: &str, path: &str, token: &str, body: impl Into<Body>) -> Reply {
        let request = Request::builder().method(method).uri(format!("/api/v1{path}"));
        let request = request.header("authorization", format!("Bearer {token}"));
        self.send(request.body(body.into()).unwrap()).await
    }

    pub(super) async fn post(&self, path: &str, token: &str, body: &Value) -> Reply {
        self.call("POST", path, token, body.to_string()).await
    }

    async fn seen(&self, key: &DocKey, token: &str) -> Value {
        self.get(&format!("/api/v1/outlets/{}/review", key.id), token).await.json()["seen"].clone()
    }

    /// A record without warnings, handed in; `east` metres from the others.
    pub(super) fn hand_in(&mut self, number: u8, east: f64) -> DocKey {
        let key = outlet(number);
        hand_in(&self.kit, &mut self.device, &key, east);
        key
    }
}

fn location(east: f64) -> Value {
    let lon = 106.75 + east / 94_600.0;
    json!({"lon": lon, "lat": 31.86, "raw_lon": lon, "raw_lat": 31.86, "datum": "wgs84", "accuracy_m": 4.0})
}

fn hand_in(kit: &crate::testing::Kit, device: &mut Device, key: &DocKey, east: f64) {
    let facts = [
        ("state", json!("outlet")),
        ("location", location(east)),
        ("county", json!(key.collection.to_string())),
        ("waterbody", json!("巴河")),
        ("bank", json!("left")),
    ];
    let mut runs: Vec<_> = facts
        .into_iter()
        .map(|(field, value)| device.write(key, json!({"type": "fact", "field": field, "value": value})))
        .collect();
    runs.push(device.write(key, json!({"type": "submit"})));
    kit.push(device, &runs);
}

#[tokio::test]
async fn a_record_is_claimed_approved_undone_and_returned_with_its_witness_naming_the_interface() {
    let mut site = Site::new(0);
    let (one, _) = (site.hand_in(1, 0.0), site.hand_in(2, 5_000.0));
    let (li, wu) = (site.supervisor("li", 30, Level::County), site.supervisor("wu", 31, Level::County));
    let queue = site.get("/api/v1/review/queue?limit=10", &li).await;
    assert_eq!(queue.json()["lines"].as_array().unwrap().len(), 2);
    assert_eq!(queue.json()["pace"]["waiting"], 2);
    let tag = queue.header("etag").to_owned();
    let headers = [("authorization", &*format!("Bearer {li}")), ("if-none-match", tag.as_str())];
    assert_eq!(site.get_with("/api/v1/review/queue?limit=10", &headers).await.status, 304);
    for wrong in ["colour=red", "state=red", "limit=0", "clean=2"] {
        check_problem(&site.get(&format!("/api/v1/review/queue?{wrong}"), &li).await, 400, "bad-request");
    }

    let path = format!("/outlets/{}/review", one.id);
    let claim = site.call("PUT", &format!("{path}/claim"), &li, Body::empty()).await;
    assert_eq!((claim.status, &claim.json()["by"]), (200, &json!("名 li")), "{}", claim.text());
    let verdict = json!({"seen": site.seen(&one, &wu).await});
    check_problem(&site.post(&format!("{path}/approve"), &wu, &verdict).await, 409, "conflict");
    assert_eq!(site.call("DELETE", &format!("{path}/claim"), &li, Body::empty()).await.status, 204);

    let approved = site.post(&format!("{path}/approve"), &wu, &verdict).await;
    assert_eq!(approved.status, 201, "{}", approved.text());
    let audit = site.get(&format!("/api/v1{path}/audit"), &li).await.json();
    let decided = &audit["decisions"][0];
    assert_eq!((&decided["content"]["action"], &decided["witnessed"]), (&json!("approve"), &json!(true)));
    assert_eq!(decided["content"]["witness"]["via"], "api");
    assert!(decided["content"]["witness"]["session"].as_str().unwrap().starts_with("token "));
    assert_eq!(site.get(&format!("/api/v1{path}"), &li).await.json()["row"]["review_state"], "approved");

    let stale = site.post(&format!("{path}/return"), &li, &json!({"seen": verdict["seen"], "reasons": []})).await;
    check_problem(&stale, 409, "conflict");
    let extra = &stale.json()["extra"];
    assert_eq!(extra["seen"], verdict["seen"], "both are shown: what was seen, and what is there");
    assert_eq!((&extra["now"], extra["since"].as_array().unwrap().len()), (&approved.json()["seen"], 1));

    check_problem(&site.post(&format!("{path}/undo"), &li, &json!({})).await, 422, "unprocessable");
    assert_eq!(site.post(&format!("{path}/undo"), &wu, &json!({})).await.status, 201);
    let seen = site.seen(&one, &li).await;
    let back = json!({"seen": seen, "sections": ["location"], "reasons": ["location_offset"], "note": "移到河边"});
    assert_eq!(site.post(&format!("{path}/return"), &li, &back).await.status, 201);
    let brief = site.get(&format!("/api/v1{path}"), &li).await.json();
    assert_eq!(brief["returned_for"], json!(["location_offset"]));
    let all = site.get("/api/v1/review/audit?account=li", &li).await.json();
    assert_eq!(all["decisions"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn who_may_not_decide_is_told_so_and_nothing_is_written() {
    let mut site = Site::new(0);
    let key = site.hand_in(1, 0.0);
    let li = site.supervisor("li", 30, Level::County);
    let author = site.supervisor("author", 1, Level::City);
    let path = format!("/outlets/{}/review", key.id);
    let verdict = json!({"seen": site.seen(&key, &li).await});
    let approve = format!("{path}/approve");
    let narrow = site.token("li", &[TokenScope::Read]);
    check_problem(&site.post(&approve, &narrow, &verdict).await, 403, "forbidden");
    let reader = site.reader();
    check_problem(&site.post(&approve, &reader, &verdict).await, 403, "forbidden");
    check_problem(&site.call("PUT", &format!("{path}/claim"), &reader, Body::empty()).await, 403, "forbidden");
    site.account("elsewhere", Role::Supervisor, &[511_921]);
    let elsewhere = site.token("elsewhere", &BOTH);
    check_problem(&site.post(&approve, &elsewhere, &verdict).await, 404, "not-found");
    check_problem(&site.get(&format!("/api/v1{path}"), &elsewhere).await, 404, "not-found");
    assert_eq!(site.get("/api/v1/review/queue", &elsewhere).await.json()["lines"], json!([]));
    assert_eq!(site.get("/api/v1/review/audit", &elsewhere).await.json()["decisions"], json!([]));

    let own = site.post(&approve, &author, &verdict).await;
    check_problem(&own, 422, "unprocessable");
    assert_eq!(own.json()["errors"][0]["reason"], "own_record");
    let class = json!({"seen": verdict["seen"], "decisions": [{"type": "classify", "step": "decide", "classification": "regulate", "document": {"number": "文号"}}]});
    let level = site.post(&format!("/outlets/{}/decisions", key.id), &li, &class).await;
    check_problem(&level, 422, "unprocessable");
    assert_eq!(level.json()["errors"][0]["reason"], "level", "a class is the city's");
    let reasons = json!({"seen": verdict["seen"], "reasons": ["because"]});
    check_problem(&site.post(&format!("{path}/return"), &li, &reasons).await, 422, "unprocessable");
    check_problem(&site.post(&approve, &li, &json!({"seen": verdict["seen"], "colour": 1})).await, 400, "bad-request");
    let audit = site.get(&format!("/api/v1{path}/audit"), &li).await.json();
    assert_eq!(audit["decisions"], json!([]));
}

#[tokio::test]
async fn a_sheet_is_approved_after_its_sample_was_opened_and_is_nobody_elses() {
    let mut site = Site::new(0);
    for number in 1..=4 {
        site.hand_in(number, f64::from(number) * 4_000.0);
    }
    let (li, wu) = (site.supervisor("li", 30, Level::County), site.supervisor("wu", 31, Level::County));
    check_problem(&site.post("/review/sheets", &li, &json!({"size": 0})).await, 400, "bad-request");
    check_problem(&site.post("/review/sheets", &li, &json!({"seed": u64::MAX})).await, 400, "bad-request");
    let sheet = site.post("/review/sheets", &li, &json!({"seed": 7})).await;
    assert_eq!(sheet.status, 201, "{}", sheet.text());
    let sheet = sheet.json();
    let path = format!("/review/sheets/{}", sheet["id"]);
    check_problem(&site.get(&format!("/api/v1{path}"), &wu).await, 404, "not-found");
    check_problem(&site.post(&format!("{path}/approve"), &wu, &json!({})).await, 404, "not-found");
    check_problem(&site.post(&format!("{path}/approve"), &li, &json!({})).await, 422, "unprocessable");
    let lines = sheet["lines"].as_array().unwrap();
    for line in lines.iter().filter(|line| line["sample"] == true) {
        let opened = site.post(&format!("{path}/open/{}", line["id"].as_str().unwrap()), &li, &json!({})).await;
        assert_eq!(opened.status, 200, "{}", opened.text());
    }
    let done = site.post(&format!("{path}/approve"), &li, &json!({"except": [lines[0]["id"]]})).await;
    assert_eq!(done.status, 201, "{}", done.text());
    assert_eq!(done.json()["approved"].as_array().unwrap().len(), 3);
    assert_eq!(done.json()["left_out"][0][0], lines[0]["id"]);
    assert_eq!(site.get("/api/v1/review/queue", &li).await.json()["lines"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_conflict_is_settled_by_a_pick_that_names_what_it_overrules() {
    let mut site = Site::new(0);
    let key = site.hand_in(1, 0.0);
    let mut other = site.kit.member(2, Role::Inspector, None);
    let rival = other.write(&key, json!({"type": "fact", "field": "location", "value": location(80.0)}));
    site.kit.push(&other, &[rival]);
    let li = site.supervisor("li", 30, Level::County);
    let found = site.get("/api/v1/conflicts", &li).await.json();
    let conflict = &found["conflicts"][0];
    assert_eq!((&conflict["field"], conflict["sides"].as_array().unwrap().len()), (&json!("location"), 2));
    let path = format!("/outlets/{}/conflicts", key.id);
    assert_eq!(site.get(&format!("/api/v1{path}"), &li).await.json(), found);
    let side = conflict["sides"].as_array().unwrap().iter().find(|side| side["by"] == "person 2").unwrap();
    let settle = format!("{path}/location");
    let pick = json!({"seen": conflict["seen"], "pick": side["entry"]});
    let both = json!({"seen": conflict["seen"], "pick": side["entry"], "value": 1});
    check_problem(&site.post(&settle, &li, &both).await, 400, "bad-request");
    let author = site.supervisor("author", 2, Level::City);
    assert_eq!(site.post(&settle, &author, &pick).await.json()["errors"][0]["reason"], "own_record");
    site.account("elsewhere", Role::Supervisor, &[511_921]);
    let elsewhere = site.token("elsewhere", &BOTH);
    check_problem(&site.post(&settle, &elsewhere, &pick).await, 404, "not-found");
    assert_eq!(site.get("/api/v1/conflicts", &elsewhere).await.json()["conflicts"], json!([]));
    let reader = site.reader();
    check_problem(&site.post(&settle, &reader, &pick).await, 403, "forbidden");
    let done = site.post(&settle, &li, &pick).await;
    assert_eq!(done.status, 201, "{}", done.text());
    assert_eq!(site.get("/api/v1/conflicts", &li).await.json()["conflicts"], json!([]));
    let audit = site.get(&format!("/api/v1/outlets/{}/review/audit", key.id), &li).await.json();
    assert_eq!(audit["decisions"][0]["overruled"].as_array().unwrap().len(), 2, "{audit}");
    check_problem(&site.post(&settle, &li, &pick).await, 409, "conflict");
}

#[tokio::test]
async fn a_pair_is_told_apart_proposed_again_linked_and_lifted() {
    let mut site = Site::new(0);
    let (one, two) = (site.hand_in(1, 0.0), site.hand_in(2, 5.0));
    let li = site.supervisor("li", 30, Level::County);
    let pairs = async |query: &str| {
        let found = site.get(&format!("/api/v1/duplicates{query}"), &li).await.json();
        found["pairs"].as_array().unwrap().len()
    };
    assert_eq!(pairs("").await, 1);
    let apart = |reason: &str| json!({"one": one.id, "other": two.id, "reason": reason});
    check_problem(&site.post("/duplicates/dismiss", &li, &apart(" ")).await, 400, "bad-request");
    let told = site.post("/duplicates/dismiss", &li, &apart("两个口")).await;
    assert_eq!((told.status, &told.json()["dismissed"]), (201, &json!("li: 两个口")), "{}", told.text());
    assert_eq!((pairs("").await, pairs("?dismissed=true").await), (0, 1));
    assert_eq!(site.post("/duplicates/restore", &li, &apart("")).await.status, 201);
    assert_eq!(pairs("").await, 1);

    let link = async |token: &str, path: &str| {
        let same = json!({"seen": site.seen(&two, &li).await, "of": one.id});
        site.post(&format!("/outlets/{}/{path}", two.id), token, &same).await
    };
    let reader = site.reader();
    check_problem(&link(&reader, "same-as").await, 403, "forbidden");
    site.account("elsewhere", Role::Supervisor, &[511_921]);
    let elsewhere = site.token("elsewhere", &BOTH);
    check_problem(&link(&elsewhere, "same-as").await, 404, "not-found");
    check_problem(&site.post("/duplicates/dismiss", &elsewhere, &apart("x")).await, 404, "not-found");
    let unknown = json!({"seen": site.seen(&two, &li).await, "of": outlet(99).id});
    check_problem(&site.post(&format!("/outlets/{}/same-as", two.id), &li, &unknown).await, 404, "not-found");
    let author = site.supervisor("author", 1, Level::City);
    assert_eq!(link(&author, "same-as").await.json()["errors"][0]["reason"], "own_record");
    let linked = link(&li, "same-as").await;
    assert_eq!(linked.status, 201, "{}", linked.text());
    let state = async || site.get(&format!("/api/v1/outlets/{}", two.id), &li).await.json()["row"]["state"].clone();
    assert_eq!(state().await, "duplicate");
    assert_eq!(link(&li, "same-as/lift").await.status, 201);
    assert_ne!(state().await, "duplicate");
}

#[tokio::test]
async fn a_twin_in_a_foreign_collection_is_not_told_of() {
    let mut site = Site::new(0);
    let key = site.hand_in(1, 0.0);
    let foreign = DocKey { collection: Collection::from_code(511_903).unwrap(), ..outlet(2) };
    let mut device = Device::new(7);
    site.kit.enrol(&device, 7, Role::Inspector, None, &[foreign.collection]);
    hand_in(&site.kit, &mut device, &foreign, 5.0);
    let li = site.supervisor("li", 30, Level::County);
    let brief = site.get(&format!("/api/v1/outlets/{}/review", key.id), &li).await.json();
    assert_eq!(brief["duplicates"], json!([]));
    site.account("admin", Role::Admin, &[]);
    let admin = site.token("admin", &TokenScope::ALL);
    let brief = site.get(&format!("/api/v1/outlets/{}/review", key.id), &admin).await.json();
    assert_eq!(brief["duplicates"].as_array().unwrap().len(), 1, "there is one");
}
