//! Pages in the words of whoever reads them, and with what they are about on them.

use axum::http::{StatusCode, header};
use outlet_core::identity::{Level, Role};
use outlet_core::ids::{BlobHash, Collection, DocKey};
use outlet_core::sync::replica::{BlobClass, BlobOffer};
use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::outlets::address;
use super::tests::Client;
use crate::db::DbError;
use crate::reports::{self, NewReport};
use crate::testing::{Device, Kit, outlet};

const JPEG: &[u8] = &[0xff, 0xd8, 0xff, 0xe0, 1, 2, 3];

async fn english(client: &mut Client) {
    client.get("/language?to=en&next=%2F").await;
}

#[tokio::test]
async fn what_a_sign_lacks_is_said_in_the_language_of_the_page() {
    let kit = Kit::new();
    let mut device = kit.member(1, Role::Inspector, None);
    let run = device.fact(&outlet(1), "name", "某排口");
    kit.push(&device, &[run]);
    let mut client = Client::signed_in(&kit, Role::Viewer, None).await;
    let plate = format!("{}/sign", address(&outlet(1)));
    let chinese = client.get(&plate).await.body;
    assert!(chinese.contains("还需要：编码、排污口类型、受纳水体、责任主体、主管部门、监督电话"), "{chinese}");
    english(&mut client).await;
    let page = client.get(&plate).await.body;
    let words = "code, outlet type, receiving water, responsible party, competent department, hotline";
    assert!(page.contains(words), "{page}");
}

#[tokio::test]
async fn a_record_under_review_says_what_was_sent_in_pairs() {
    let kit = Kit::new();
    let mut device = kit.member(1, Role::Inspector, None);
    let key = outlet(1);
    let sample = json!({
        "type": "sample", "kind": "quick", "sampled_on": "2021-06-02", "persons": ["甲", "乙"],
        "results": [{"parameter": "ph", "value": 7.4, "unit": "1"}, {"parameter": "cod", "value": 31.0, "unit": "mg/L"}],
    });
    let runs = [
        device.fact(&key, "state", "outlet"),
        device.write(&key, sample),
        device.write(&key, json!({"type": "submit"})),
    ];
    kit.push(&device, &runs);
    let mut client = Client::signed_in(&kit, Role::Supervisor, Some(Level::County)).await;
    let page = format!("/review/{}/{}", key.collection.code(), key.id);
    let chinese = client.get(&page).await.body;
    for words in [
        "<dt>采样日期</dt> <dd>2021-06-02</dd>",
        "<dt>结果</dt> <dd>pH 7.4；化学需氧量 31 mg/L</dd>",
        "<dt>监测人</dt> <dd>甲、乙</dd>",
    ] {
        assert!(chinese.contains(words), "{words}: {chinese}");
    }
    english(&mut client).await;
    let page = client.get(&page).await.body;
    assert!(page.contains("<dd>pH 7.4; chemical oxygen demand 31 mg/L</dd>"), "{page}");
    assert!(page.contains("<dt>sampled by</dt> <dd>甲, 乙</dd>"), "{page}");
    // The same entry in the timeline, where a fact's own name stands before its value.
    let file = client.get(&address(&key)).await.body;
    assert!(file.contains("<dd>pH 7.4; chemical oxygen demand 31 mg/L</dd>"), "{file}");
    assert!(file.contains("<dt>state</dt> <dd>outlet</dd>"), "{file}");
}

#[tokio::test]
async fn an_extension_offers_the_milestones_in_force_with_their_dates() {
    let kit = Kit::new();
    let mut device = kit.member(1, Role::Inspector, None);
    let run = device.fact(&outlet(1), "state", "outlet");
    kit.push(&device, &[run]);
    let mut client = Client::signed_in(&kit, Role::Supervisor, Some(Level::City)).await;
    let form = client.get(&format!("{}/decide/extend", address(&outlet(1)))).await.body;
    assert!(form.contains(r#"<option value="M3">M3（2022-12-31 到期）</option>"#), "{form}");
    english(&mut client).await;
    let rules = client.get(&format!("{}/decide/classify", address(&outlet(1)))).await.body;
    assert!(
        rules.contains("no layer of this kind is loaded: Drinking water, class 1") && !rules.contains("一级保护区"),
        "{rules}"
    );
    client.get("/language?to=zh&next=%2F").await;
    for page in ["/", "/milestones"] {
        let shown = client.get(page).await.body;
        assert!(shown.contains("<dt>M2</dt> <dd>2022年底前全面完成溯源排查任务</dd>"), "{page}: {shown}");
    }
    let source = client.get("/assess?milestone=M1&as_of=2022-01-15").await.body;
    assert!(source.contains("（原文未明确，本系统按此理解）") && !source.contains("[I]"), "{source}");
}

/// Brings the bytes of a file, as a device does, under the record that it first came with.
fn store(kit: &Kit, device: &Device, doc: DocKey, bytes: &[u8]) -> BlobHash {
    let hash = BlobHash(Sha256::digest(bytes).into());
    let mut incoming = kit.engine.photos.receive(hash).unwrap().unwrap();
    incoming.write(0, bytes).unwrap();
    assert!(incoming.finish().unwrap().is_some());
    let offer = BlobOffer { hash, bytes: bytes.len() as u64, class: BlobClass::Original, doc, original: None };
    let (carrier, now) = (device.public(), kit.now());
    let insert = |tx: &rusqlite::Transaction<'_>| crate::db::files::insert(tx, &offer, &carrier, now, b"receipt");
    kit.engine.database().write::<_, DbError>(|tx| insert(tx)).unwrap();
    hash
}

/// The same file may be on two records, and a small one has no preview: a sheet shows it on both.
#[tokio::test]
async fn a_sheet_shows_a_picture_on_every_record_that_names_it() {
    let kit = Kit::new();
    let mut device = kit.member(1, Role::Inspector, None);
    let hash = store(&kit, &device, outlet(1), JPEG);
    let absent = BlobHash([9; 32]);
    let photo = |hash: BlobHash, mime: &str| json!({"type": "photo", "sha256": hash, "bytes": 7, "mime": mime, "slot": "near", "at": crate::testing::START});
    let named = [photo(hash, "image/jpeg"), photo(hash, "image/jpeg"), photo(absent, "image/jpeg")];
    for (number, named) in (1..).zip(named) {
        let run = device.write(&outlet(number), named);
        kit.push(&device, &[run]);
    }
    let keys = [outlet(1), outlet(2), outlet(3)];
    let shown = crate::desk::thumbnails(&kit.engine, &keys).unwrap();
    assert_eq!(keys.map(|key| shown[&key].clone()), [vec![hash], vec![hash], vec![]]);
    let film = device.write(&outlet(4), photo(hash, "video/mp4"));
    kit.push(&device, &[film]);
    assert_eq!(crate::desk::thumbnails(&kit.engine, &[outlet(4)]).unwrap()[&outlet(4)], vec![], "no picture");
}

#[tokio::test]
async fn the_photo_of_a_report_is_seen_by_those_who_see_the_report() {
    let kit = Kit::new();
    let mut device = kit.member(1, Role::Inspector, None);
    let run = device.fact(&outlet(1), "state", "outlet");
    kit.push(&device, &[run]);
    let new = |outlet, photo: Option<&[u8]>| NewReport {
        code: "X-1".to_owned(),
        outlet,
        text: "黑水".to_owned(),
        photo: photo.map(<[u8]>::to_vec),
        ..NewReport::default()
    };
    let away: Collection = "511903".parse().unwrap();
    let take = |outlet, photo| reports::take(&kit.engine, &new(outlet, photo), 9).unwrap();
    let own = take(Some(outlet(1)), Some(JPEG));
    let foreign = take(Some(DocKey { collection: away, ..outlet(1) }), Some(JPEG));
    let bare = take(None, None);
    let mut client = Client::signed_in(&kit, Role::Supervisor, Some(Level::County)).await;
    let page = client.get("/reports").await.body;
    let of = |number: &str| format!("/reports/{number}/photo");
    assert!(page.contains(&of(&own)) && !page.contains(&of(&bare)) && !page.contains(&foreign), "{page}");
    let seen = client.get(&of(&own)).await;
    assert_eq!((seen.status, seen.headers[header::CONTENT_TYPE].to_str().unwrap()), (StatusCode::OK, "image/jpeg"));
    for number in [&foreign, &bare, "R0000000"] {
        assert_eq!(client.get(&of(number)).await.status, StatusCode::NOT_FOUND, "{number}");
    }
    let mut viewer = Client::signed_in(&kit, Role::Viewer, None).await;
    assert_eq!(viewer.get(&of(&own)).await.status, StatusCode::FORBIDDEN);
}
