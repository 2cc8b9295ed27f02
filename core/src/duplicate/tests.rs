//! What makes a pair, what does not, and that the index finds what comparing all would find.

use proptest::prelude::*;

use super::*;
use crate::geo::Datum;
use crate::ids::{Collection, DocKind, OutletId};
use crate::time::Timestamp;

fn key(number: u16) -> DocKey {
    let mut random = [0; 10];
    random[8..].copy_from_slice(&number.to_be_bytes());
    let collection = Collection::from_code(511_902).unwrap();
    DocKey { kind: DocKind::Field, collection, id: OutletId::new(Timestamp::from_millis(0), random) }
}

fn here() -> GeoPoint {
    GeoPoint::new(106.769, 31.851).unwrap()
}

fn feature(number: u16, point: GeoPoint) -> Feature {
    Feature {
        key: key(number),
        point: Some(point),
        accuracy_m: Some(5.0),
        waterbody: Some("巴河".to_owned()),
        bank: Some("left".to_owned()),
        name: None,
        codes: Vec::new(),
        photos: Vec::new(),
    }
}

fn reasons(pair: &Candidate) -> Vec<String> {
    let word = |reason: &Reason| serde_json::to_value(reason).unwrap()["reason"].as_str().unwrap().to_owned();
    pair.reasons.iter().map(word).collect()
}

#[test]
fn within_both_accuracies_on_one_bank_is_a_pair_and_across_the_river_is_not() {
    let one = feature(1, here());
    let near = feature(2, here().moved_m(6.0, 3.0));
    let pair = compare(&one, &near).unwrap();
    assert_eq!(reasons(&pair), ["near", "same_waterbody", "same_bank"]);
    assert_eq!((pair.a, pair.b), (key(1), key(2)));
    assert!((pair.distance_m.unwrap() - 6.7).abs() < 0.2, "{pair:?}");
    let across = Feature { bank: Some("right".to_owned()), ..near.clone() };
    assert_eq!(compare(&one, &across), None);
    let far = feature(3, here().moved_m(60.0, 0.0));
    assert_eq!(compare(&one, &far), None);
    // The same sixty metres with a bad fix on one side.
    let vague = Feature { accuracy_m: Some(60.0), name: Some("城东排污口".to_owned()), ..far };
    let named = Feature { name: Some("城东排口".to_owned()), ..one };
    assert!(compare(&named, &vague).is_some());
}

#[test]
fn a_gcj02_pair_taken_for_wgs84_is_recognised_by_its_vector() {
    let (lon, lat) = here().shown_in(Datum::Gcj02);
    let named = |feature: Feature| Feature { name: Some("化成水库排污口".to_owned()), ..feature };
    let contaminated = named(feature(2, GeoPoint::new(lon, lat).unwrap().moved_m(3.0, -2.0)));
    let pair = compare(&named(feature(1, here())), &contaminated).unwrap();
    assert_eq!(reasons(&pair)[0], "gcj02_offset");
    assert!(pair.distance_m.unwrap() > 300.0);
    // As far, in another direction.
    let offset = here().offset_m(GeoPoint::new(lon, lat).unwrap());
    let elsewhere = named(feature(3, here().moved_m(-offset.1, offset.0)));
    assert_eq!(compare(&named(feature(1, here())), &elsewhere), None);
}

#[test]
fn codes_and_photographs_pair_records_however_far_apart() {
    let with = |number: u16, east: f64| Feature {
        codes: vec!["FE-511902-0001-SH-00".to_owned()],
        ..feature(number, here().moved_m(east, 0.0))
    };
    assert!(reasons(&compare(&with(1, 0.0), &with(2, 5_000.0)).unwrap()).contains(&"same_code".to_owned()));
    let photo = BlobHash([7; 32]);
    let shot = |number: u16, east: f64, picture: u64| Feature {
        photos: vec![(BlobHash([u8::try_from(number).unwrap(); 32]), Some(PictureHash(picture)))],
        ..feature(number, here().moved_m(east, 0.0))
    };
    let same =
        |number: u16, east: f64| Feature { photos: vec![(photo, None)], ..feature(number, here().moved_m(east, 0.0)) };
    assert!(reasons(&compare(&same(1, 0.0), &same(2, 9_000.0)).unwrap()).contains(&"same_photo".to_owned()));
    let pattern = 0x00ff_00ff_0f0f_3333;
    let alike = compare(&shot(1, 0.0, pattern), &shot(2, 8.0, pattern ^ 0b111)).unwrap();
    let plain = compare(&shot(1, 0.0, pattern), &shot(2, 8.0, !pattern)).unwrap();
    assert!(alike.score > plain.score);
    assert!(reasons(&alike).contains(&"like_photos".to_owned()));
    assert!(
        !reasons(&compare(&shot(1, 0.0, 0), &shot(2, 8.0, 0)).unwrap()).contains(&"like_photos".to_owned()),
        "two black pictures"
    );
}

#[test]
fn a_record_is_no_pair_with_itself_and_one_without_a_position_does_not_fail() {
    let one = feature(1, here());
    assert_eq!(compare(&one, &one), None);
    let nowhere = |number| Feature { point: None, codes: vec!["X".to_owned()], ..feature(number, here()) };
    let pair = compare(&nowhere(1), &nowhere(2)).unwrap();
    assert_eq!(pair.distance_m, None);
}

proptest! {
    #[test]
    fn the_index_finds_what_comparing_everything_finds(
        places in proptest::collection::vec((-900.0..900.0_f64, -900.0..900.0_f64, 1.0..80.0_f64, 0_u8..4), 2..40)
    ) {
        let mut index = Index::default();
        let mut all = Vec::new();
        for (number, (east, north, accuracy, code)) in places.into_iter().enumerate() {
            let mut feature = feature(u16::try_from(number).unwrap(), here().moved_m(east, north));
            feature.accuracy_m = Some(accuracy);
            feature.name = Some("口".to_owned());
            if code == 0 {
                feature.codes.push("C".to_owned());
            }
            all.push(feature.clone());
            index.put(feature);
        }
        let mut expected: Vec<Candidate> = Vec::new();
        for (at, one) in all.iter().enumerate() {
            expected.extend(all[at + 1..].iter().filter_map(|other| compare(one, other)));
        }
        expected.sort_by_key(|pair| (pair.a, pair.b));
        prop_assert_eq!(index.all(), expected);
        index.remove(&all[0].key);
        prop_assert!(index.all().iter().all(|pair| pair.a != all[0].key && pair.b != all[0].key));
        prop_assert_eq!(index.len(), all.len() - 1);
    }
}
