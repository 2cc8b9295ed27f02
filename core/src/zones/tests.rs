//! Layers as bureaus deliver them, whole and broken.

use super::*;
use crate::domain::field::DocumentRef;
use crate::domain::reference::{DataSet, ReferenceEntry};
use crate::geo::{Bounds, Datum, GeoPoint};
use crate::time::{Day, Timestamp};

fn day(text: &str) -> Day {
    text.parse().unwrap()
}

fn head(kind: ZoneKind) -> LayerHead {
    LayerHead {
        name: "水源地".to_owned(),
        version: "2020".to_owned(),
        kind,
        datum: Datum::Wgs84,
        document: DocumentRef {
            number: "川府函〔2020〕1号".to_owned(), dated: Some(day("2020-03-01")), file: None
        },
        established_on: Some(day("2020-03-01")),
    }
}

fn square(name: &str, west: f64, south: f64, size: f64) -> RawZone {
    let (east, north) = (west + size, south + size);
    let ring = vec![[west, south], [east, south], [east, north], [west, north], [west, south]];
    RawZone { name: name.to_owned(), polygons: vec![vec![ring]], ..RawZone::default() }
}

#[track_caller]
fn codes(head: &LayerHead, raw: Vec<RawZone>, before: &[Layer], expected: &[(&str, bool)]) -> Option<Layer> {
    let (layer, problems) = check(head, raw, Bounds::BAZHONG, before);
    let found: Vec<(&str, bool)> = problems.iter().map(|problem| (problem.code, problem.error)).collect();
    assert_eq!(found, expected, "{problems:#?}");
    assert_eq!(layer.is_some(), !expected.iter().any(|(_, error)| *error));
    layer
}

fn stored(layer: &Layer) -> Vec<ReferenceEntry> {
    let entry = |text: String| {
        ReferenceEntry::DataSet(DataSet {
            kind: "zone_layer".to_owned(),
            name: layer.name.clone(),
            version: layer.version.clone(),
            text,
            at: Timestamp::from_millis(0),
        })
    };
    layer.to_parts().unwrap().into_iter().map(entry).collect()
}

#[test]
fn a_point_is_inside_outside_or_nobody_can_tell() {
    let layer =
        codes(&head(ZoneKind::DrinkingWater1), vec![square("化成水库", 106.70, 31.80, 0.02)], &[], &[]).unwrap();
    let (layers, errors) = Layers::from_entries(&stored(&layer));
    assert!(errors.is_empty());
    let point = |lon, lat| GeoPoint::new(lon, lat).ok();
    let Inside::Inside { hits } = layers.inside(ZoneKind::DrinkingWater1, point(106.71, 31.81)) else { panic!() };
    assert_eq!((hits[0].zone.as_str(), hits[0].version.as_str()), ("化成水库", "2020"));
    assert_eq!((hits[0].document.as_str(), hits[0].established_on), ("川府函〔2020〕1号", Some(day("2020-03-01"))));
    let edge = layers.inside(ZoneKind::DrinkingWater1, point(106.70, 31.81));
    assert!(matches!(edge, Inside::Inside { .. }), "the edge belongs to the zone");
    let outside = layers.inside(ZoneKind::DrinkingWater1, point(106.75, 31.81));
    assert_eq!(outside, Inside::Outside { layers: vec!["水源地 2020".to_owned()] });
    for (kind, point) in [(ZoneKind::NatureReserve, point(106.71, 31.81)), (ZoneKind::DrinkingWater1, None)] {
        assert!(matches!(layers.inside(kind, point), Inside::Unknown { .. }), "never \"not inside\"");
    }
}

#[test]
fn a_picture_of_a_zone_leaves_out_what_does_not_stand_out() {
    let mut zone = square("保护区", 106.6, 31.7, 0.2);
    zone.polygons[0][0].insert(1, [106.7, 31.700_01]);
    zone.polygons[0][0].insert(1, [106.65, 31.7]);
    let tiny = 0.000_01;
    zone.polygons.push(square("", 106.9, 31.7, tiny).polygons.remove(0));
    let layer = codes(&head(ZoneKind::DrinkingWater1), vec![zone], &[], &[]).unwrap();
    let outline = layer.zones[0].outline(0.000_02);
    assert_eq!(outline[0], [vec![[106.6, 31.7], [106.8, 31.7], [106.8, 31.9], [106.6, 31.9], [106.6, 31.7]]]);
    assert_eq!(outline[1][0].len(), 5, "one that is nothing else keeps its shape");
}

#[test]
fn broken_polygons_are_refused_with_the_zone_and_what_to_do() {
    let zone =
        |ring: Vec<[f64; 2]>| RawZone { name: "甲".to_owned(), polygons: vec![vec![ring]], ..RawZone::default() };
    let (a, b, c, d) = ([106.7, 31.8], [106.8, 31.9], [106.8, 31.8], [106.7, 31.9]);
    let head = head(ZoneKind::NatureReserve);
    codes(&head, vec![zone(vec![a, b, c, d, a])], &[], &[("self_intersection", true)]);
    codes(&head, vec![zone(vec![a, c, b, d])], &[], &[("ring_open", true)]);
    codes(&head, vec![zone(vec![a, c, a])], &[], &[("ring_short", true)]);
    codes(&head, vec![zone(vec![a, [f64::NAN, 31.8], b, a])], &[], &[("coordinate_wrong", true)]);
    codes(&head, vec![RawZone { not_a_polygon: true, ..zone(vec![]) }], &[], &[("not_a_polygon", true)]);
    codes(&head, Vec::new(), &[], &[("empty", true)]);
    codes(&head, vec![square("成都", 104.0, 30.6, 0.1)], &[], &[("outside_city", true)]);
    codes(&head, vec![square("边界", 106.25, 31.5, 0.1)], &[], &[("across_border", false)]);
    let swapped = square("反", 31.8, 106.7, 0.02);
    codes(&head, vec![swapped], &[], &[("coordinate_wrong", true)]);
    let undated = LayerHead { established_on: None, ..head.clone() };
    codes(&undated, vec![square("甲", 106.7, 31.8, 0.02)], &[], &[("no_date", false)]);
    let unapproved = LayerHead { document: DocumentRef::default(), ..head };
    codes(&unapproved, vec![square("甲", 106.7, 31.8, 0.02)], &[], &[("no_approval", true)]);
}

#[test]
fn a_declared_gcj_layer_is_converted_with_the_raw_kept_and_an_undeclared_one_is_suspected() {
    let gcj = |zone: RawZone| {
        let shown = |[lon, lat]: &[f64; 2]| {
            let (lon, lat) = GeoPoint::new(*lon, *lat).unwrap().shown_in(Datum::Gcj02);
            [lon, lat]
        };
        let polygons =
            zone.polygons.iter().map(|rings| rings.iter().map(|ring| ring.iter().map(shown).collect()).collect());
        RawZone { polygons: polygons.collect(), ..zone }
    };
    let truth = square("化成水库", 106.70, 31.80, 0.02);
    let head = head(ZoneKind::DrinkingWater2);
    let declared = LayerHead { datum: Datum::Gcj02, ..head.clone() };
    let layer = codes(&declared, vec![gcj(truth.clone())], &[], &[]).unwrap();
    assert_eq!((layer.datum.as_str(), layer.zones[0].raw.as_ref().unwrap()), ("gcj02", &gcj(truth.clone()).polygons));
    let corner = layer.zones[0].shape.0[0].exterior().0[0];
    assert!((corner.x - 106.70).abs() < 1e-6 && (corner.y - 31.80).abs() < 1e-6, "{corner:?}");
    let older = codes(&head, vec![truth.clone()], &[], &[]).unwrap();
    codes(&head, vec![gcj(truth)], &[older], &[("gcj02_suspected", true)]);
}

#[test]
fn parts_are_joined_and_the_newest_complete_version_holds() {
    let many = |version: &str, count: usize| {
        let zones = (0..count).map(|at| {
            let mut zone = square(&format!("区{at}"), 106.5 + at as f64 * 1e-3, 31.5, 5e-4);
            let ring = &mut zone.polygons[0][0];
            // Points along the first side, so that a zone is a few kilobytes.
            let (from, to) = (ring[0], ring[1]);
            let side: Vec<[f64; 2]> =
                (1..200).map(|step| [from[0] + (to[0] - from[0]) * f64::from(step) / 200.0, from[1]]).collect();
            ring.splice(1..1, side);
            zone
        });
        let head = LayerHead { version: version.to_owned(), ..head(ZoneKind::Fishery) };
        codes(&head, zones.collect(), &[], &[]).unwrap()
    };
    let (old, new) = (many("2020", 3), many("2021", 60));
    let (one, parts) = (stored(&old), stored(&new));
    assert!(parts.len() > 1, "a large layer travels in parts");
    let read = |entries: Vec<ReferenceEntry>| Layers::from_entries(&entries).0.all().to_vec();
    let all = read([one.clone(), parts.clone()].concat());
    assert_eq!((all.len(), all[0].version.as_str(), all[0].zones.len()), (1, "2021", 60));
    let incomplete = read([one, parts[1..].to_vec()].concat());
    assert_eq!(incomplete[0].version, "2020", "half a layer is none");
}

#[test]
fn geojson_of_a_gis_is_read_with_its_chinese_properties() {
    let text = r#"{"type":"FeatureCollection","features":[
        {"type":"Feature","properties":{"名称":"双桥水库一级","水源地":"双桥水库","批复时间":"2019/05/06"},
         "geometry":{"type":"MultiPolygon","coordinates":[[[[106.7,31.8],[106.8,31.8],[106.8,31.9],[106.7,31.8]]]]}},
        {"type":"Feature","properties":{},"geometry":{"type":"Point","coordinates":[106.7,31.8]}}]}"#;
    let zones = from_geojson(text).unwrap();
    assert_eq!((zones[0].name.as_str(), zones[0].of.as_deref()), ("双桥水库一级", Some("双桥水库")));
    assert_eq!((zones[0].established_on, zones[0].polygons[0][0].len()), (Some(day("2019-05-06")), 4));
    assert!(zones[1].not_a_polygon && zones[1].name == "feature 2");
    assert!(from_geojson("{}").is_err());
    assert!(from_geojson(r#"{"type":"Point","coordinates":[1,2]}"#).is_err());
}
