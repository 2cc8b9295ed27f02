//! The bytes of photos, as clients get them.

use outlet_core::identity::Role;
use outlet_core::ids::BlobHash;
use outlet_core::sync::replica::{BlobClass, BlobOffer};
use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::tests::{Site, check_problem};
use crate::db::DbError;
use crate::testing::{START, outlet};
use crate::tokens::TokenScope;

/// Brings the bytes of a file, as a device does.
fn store(site: &Site, bytes: &[u8], class: BlobClass) -> BlobHash {
    let hash = BlobHash(Sha256::digest(bytes).into());
    let photos = &site.kit.engine.photos;
    let mut incoming = photos.receive(hash).unwrap().unwrap();
    incoming.write(0, bytes).unwrap();
    assert!(incoming.finish().unwrap().is_some());
    let offer = BlobOffer { hash, bytes: bytes.len() as u64, class, doc: outlet(1), original: None };
    let (carrier, now) = (site.device.public(), site.kit.now());
    let database = site.kit.engine.database();
    database.write::<_, DbError>(|tx| crate::db::files::insert(tx, &offer, &carrier, now, b"receipt")).unwrap();
    hash
}

/// One photo with its preview.
fn photo(site: &mut Site) -> (Vec<u8>, BlobHash) {
    let original: Vec<u8> = [&[0xff, 0xd8, 0xff, 0xe0][..], &(0..=255).collect::<Vec<u8>>()].concat();
    let preview = [&[0xff, 0xd8, 0xff, 0xe1][..], b"small"].concat();
    let hash = store(site, &original, BlobClass::Original);
    let small = store(site, &preview, BlobClass::Preview);
    let entry = json!({
        "type": "photo", "sha256": hash, "bytes": original.len(), "mime": "image/jpeg", "slot": "mouth", "at": START,
        "preview": {"sha256": small, "bytes": preview.len()},
    });
    let run = site.device.write(&outlet(1), entry);
    site.kit.push(&site.device, &[run]);
    (original, hash)
}

#[tokio::test]
async fn a_photo_comes_whole_or_in_part_and_is_not_sent_again() {
    let mut site = Site::new(2);
    let token = site.reader();
    let (original, hash) = photo(&mut site);
    let base = format!("/api/v1/outlets/{}/photos", outlet(1).id);
    let list = site.get(&base, &token).await.json();
    assert_eq!(list["photos"][0]["original"], "stored", "{list}");
    assert_eq!(list["photos"][0]["preview"], "stored");
    let path = format!("{base}/{hash}/original");
    let whole = site.get(&path, &token).await;
    assert_eq!((whole.status, whole.header("content-type")), (200, "image/jpeg"));
    assert_eq!((whole.header("accept-ranges"), whole.header("x-content-type-options")), ("bytes", "nosniff"));
    assert_eq!(whole.body, original);
    assert!(site.get(&format!("{base}/{hash}/preview"), &token).await.body.ends_with(b"small"));

    let tag = whole.header("etag").to_owned();
    let bearer = format!("Bearer {token}");
    let known = [("authorization", bearer.as_str()), ("if-none-match", tag.as_str())];
    assert_eq!(site.get_with(&path, &known).await.status, 304);
    for (range, wanted) in [
        ("bytes=0-3", Some(0..4)),
        ("bytes=250-", Some(250..260)),
        ("bytes=-5", Some(255..260)),
        ("bytes=-999", Some(0..260)),
        ("bytes=259-99999999999", Some(259..260)),
        ("bytes=5-2", None),
        ("bytes=0-1,4-5", None),
        ("lines=0-1", None),
        ("bytes=a-b", None),
    ] {
        let reply = site.get_with(&path, &[("authorization", &bearer), ("range", range)]).await;
        match wanted {
            Some(wanted) => {
                let said = format!("bytes {}-{}/260", wanted.start, wanted.end - 1);
                assert_eq!((reply.status, reply.header("content-range")), (206, said.as_str()), "{range}");
                assert_eq!(reply.body, original[wanted]);
            }
            None => assert_eq!((reply.status, reply.body.len()), (200, 260), "{range}"),
        }
    }
    for range in ["bytes=260-", "bytes=-0"] {
        let reply = site.get_with(&path, &[("authorization", &bearer), ("range", range)]).await;
        check_problem(&reply, 416, "range");
        assert_eq!(reply.header("content-range"), "bytes */260");
    }
    let other = [("authorization", bearer.as_str()), ("range", "bytes=0-3"), ("if-range", "\"older\"")];
    assert_eq!(site.get_with(&path, &other).await.status, 200);
}

#[tokio::test]
async fn a_photo_is_reached_through_its_own_outlet_only_and_not_after_its_withdrawal() {
    let mut site = Site::new(2);
    let token = site.reader();
    let (_, hash) = photo(&mut site);
    let of = |number| format!("/api/v1/outlets/{}/photos/{hash}/original", outlet(number).id);
    check_problem(&site.get(&of(2), &token).await, 404, "not-found");
    site.account("elsewhere", Role::Viewer, &[511_921]);
    let stranger = site.token("elsewhere", &[TokenScope::Read, TokenScope::Photos]);
    check_problem(&site.get(&of(1), &stranger).await, 404, "not-found");
    // Bytes that are here, and named by nobody.
    let loose = store(&site, b"\x89PNG\r\n\x1a\nloose", BlobClass::Original);
    let path = format!("/api/v1/outlets/{}/photos/{loose}/original", outlet(1).id);
    check_problem(&site.get(&path, &token).await, 404, "not-found");
    let ground = json!({"type": "withdrawn", "sha256": hash, "ground": "个人信息保护法 47"});
    let run = site.device.write(&outlet(1), ground);
    // Removing bytes waits for the disk: the server does it on a thread of its own, too.
    std::thread::scope(|scope| {
        let (kit, device) = (&site.kit, &site.device);
        scope.spawn(move || kit.push(device, &[run])).join().unwrap();
    });
    check_problem(&site.get(&of(1), &token).await, 410, "withdrawn");
}

#[tokio::test]
async fn what_is_no_picture_is_saved_and_never_shown() {
    let mut site = Site::new(1);
    let token = site.reader();
    let page = b"<html><script>alert(1)</script>";
    let hash = store(&site, page, BlobClass::Original);
    let entry = json!({
        "type": "photo", "sha256": hash, "bytes": page.len(), "mime": "text/html", "slot": "mouth", "at": START,
    });
    let run = site.device.write(&outlet(1), entry);
    site.kit.push(&site.device, &[run]);
    let reply = site.get(&format!("/api/v1/outlets/{}/photos/{hash}/original", outlet(1).id), &token).await;
    assert_eq!((reply.status, reply.header("content-type")), (200, "application/octet-stream"));
    assert!(reply.header("content-disposition").starts_with("attachment"));
    assert!(reply.header("content-security-policy").contains("sandbox"));
}
