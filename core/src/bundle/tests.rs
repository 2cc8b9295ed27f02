//! Bundles that are whole, cut, bent, and imported twice.

use sha2::{Digest as _, Sha256};

use super::*;
use crate::identity::{Purpose, SecretKey};
use crate::ids::{BlobHash, DocKey};
use crate::sync::replica::{Batch, BlobClass, BlobOffer, FeedItem, Sealed};
use crate::time::Timestamp;

fn maker() -> SecretKey {
    SecretKey::from_bytes([3; 32])
}

fn header() -> Header {
    Header {
        maker: maker().public(),
        made_at: Timestamp::from_millis(1_640_000_000_000),
        collections: vec!["511902".parse().unwrap()],
        certificate: None,
        server_certificate: None,
    }
}

fn offer(bytes: &[u8]) -> BlobOffer {
    let doc: DocKey = "field/511902/019a0c3e-7b1d-7c3a-9f00-0123456789ab".parse().unwrap();
    let hash = BlobHash(Sha256::digest(bytes).into());
    BlobOffer { hash, bytes: bytes.len() as u64, class: BlobClass::Original, doc, original: None }
}

fn bundle() -> Vec<u8> {
    let mut writer = Writer::new(Vec::new(), &header()).unwrap();
    writer.batch(&Batch { items: vec![FeedItem::Certificate(Sealed(vec![1, 2, 3]))], cursors: Vec::new() }).unwrap();
    writer.batch(&Batch::default()).unwrap();
    let photo = vec![7; 100_000];
    writer.file(&offer(&photo), &mut &photo[..]).unwrap();
    writer.file(&offer(b""), &mut &b""[..]).unwrap();
    writer.finish(&maker()).unwrap()
}

#[test]
fn a_whole_bundle_says_what_it_holds() {
    let contents = check(&bundle()[..]).unwrap();
    assert_eq!((contents.files, contents.file_bytes, contents.header), (2, 100_000, header()));
}

#[test]
fn every_cut_is_noticed_before_anything_is_used() {
    let whole = bundle();
    for end in (0..whole.len()).step_by(97).chain(whole.len() - 90..whole.len()) {
        let error = check(&whole[..end]).unwrap_err();
        let expected = matches!(error, BundleError::Truncated) || end < MAGIC.len();
        assert!(expected, "cut at {end}: {error}");
    }
}

#[test]
fn every_bent_byte_is_noticed() {
    let whole = bundle();
    for at in (0..whole.len()).step_by(61).chain(whole.len() - 120..whole.len()) {
        let mut bent = whole.clone();
        bent[at] ^= 0x10;
        assert!(check(&bent[..]).is_err(), "byte {at}");
    }
    let mut longer = whole.clone();
    longer.push(0);
    assert!(matches!(check(&longer[..]), Err(BundleError::Damaged("something follows its end"))));
    assert!(matches!(check(&b"PK\x03\x04 a zip file, not a bundle"[..]), Err(BundleError::NotABundle)));
}

#[test]
fn a_bundle_signed_by_another_than_its_maker_is_refused() {
    let writer = Writer::new(Vec::new(), &header()).unwrap();
    let forged = writer.finish(&SecretKey::from_bytes([4; 32])).unwrap();
    assert!(matches!(check(&forged[..]), Err(BundleError::Damaged("its signature is not of its maker"))));
}

#[test]
fn a_file_that_is_not_what_it_is_named_after_spoils_the_bundle() {
    let mut writer = Writer::new(Vec::new(), &header()).unwrap();
    writer.file(&offer(b"right"), &mut &b"wrong"[..]).unwrap();
    let spoilt = writer.finish(&maker()).unwrap();
    assert!(matches!(check(&spoilt[..]), Err(BundleError::Damaged(text)) if text.contains("named after")));
    let mut writer = Writer::new(Vec::new(), &header()).unwrap();
    assert!(writer.file(&offer(b"right"), &mut &b"shor"[..]).is_err(), "changed while it was exported");
    assert!(writer.file(&offer(b"right"), &mut &b"longer"[..]).is_err());
}

#[test]
fn sizes_are_refused_before_memory_is_taken() {
    let mut bytes = MAGIC.to_vec();
    bytes.extend_from_slice(&u32::MAX.to_be_bytes());
    assert!(matches!(check(&bytes[..]), Err(BundleError::Damaged("a part is larger than any may be"))));
}

#[test]
fn parts_out_of_order_are_refused() {
    let mut writer = Writer::new(Vec::new(), &header()).unwrap();
    writer.file(&offer(b"abc"), &mut &b"abc"[..]).unwrap();
    writer.batch(&Batch { items: vec![FeedItem::Certificate(Sealed(vec![1]))], cursors: Vec::new() }).unwrap();
    let mixed = writer.finish(&maker()).unwrap();
    assert!(matches!(check(&mixed[..]), Err(BundleError::Damaged("its parts are out of order"))));
}

#[test]
fn the_purpose_of_the_signature_is_its_own() {
    assert_eq!(Purpose::Bundle.tag(), "outlet/1 bundle");
}
