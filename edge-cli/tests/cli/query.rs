//! Lists and views.

use insta::assert_snapshot;

use crate::device::{Device, Role};

fn three() -> Device {
    let mut device = Device::of("张三", Role::Inspector, None);
    device
        .does("add --lon 106.770 --lat 31.850 --number A --name 东兴食品厂排污口 --township 东城街道 --waterbody 巴河");
    device.does("add --lon 106.774 --lat 31.850 --number B --state suspected");
    device.does("add --lon 106.800 --lat 31.860 --number C --name 老桥排口 --township 东城街道");
    device.does("classify A ban");
    device
}

fn numbers(device: &mut Device, line: &str) -> Vec<String> {
    let found = device.json(line);
    found.as_array().unwrap().iter().map(|row| row["temporary_number"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn lists_filter_by_place_state_class_and_words() {
    let mut device = three();
    for (line, expect) in [
        ("list", vec!["A", "B", "C"]),
        ("list --township 东城街道", vec!["A", "C"]),
        ("list --waterbody 巴河", vec!["A"]),
        ("list --classification 取缔", vec!["A"]),
        ("list --state suspected", vec!["B"]),
        ("list --state on_device", vec!["A", "B", "C"]),
        ("list --state stored", vec![]),
        ("list 老桥", vec!["C"]),
        ("list --collection 511903", vec![]),
        ("list --near 106.7741,31.8500 --within 1km", vec!["B", "A"]),
        ("near --lon 106.7701 --lat 31.8500", vec!["A"]),
    ] {
        assert_eq!(numbers(&mut device, line), expect, "{line}");
    }
    assert_snapshot!(device.transcript(&["list", "near --lon 106.7701 --lat 31.8500 --within 500m"]), @"");
}

#[test]
fn wrong_filters_are_refused() {
    assert_snapshot!(three().transcript(&[
        "list --state lost",
        "list --near here",
        "list --near 31.85,106.77",
        "list --near 106.77,31.85 --within far",
        "near",
    ]), @"");
}

#[test]
fn the_shapes_that_scripts_rely_on() {
    let mut device = three();
    let row = device.json("list A")[0].clone();
    for key in ["id", "name", "lon", "lat", "collection", "classification", "state", "photos"] {
        assert!(row.get(key).is_some(), "{key}: {row}");
    }
    assert_eq!((row["state"].as_str(), row["photos"].as_u64()), (Some("on_device"), Some(0)));
    let status = device.json("status");
    assert_eq!(
        status["records"],
        serde_json::json!({"on_device": 3, "sent": 0, "stored": 0, "in_ledger": 0, "held": 0})
    );
    assert!(status["photos"].is_object() && status["last_proof"].is_null(), "{status}");
}

#[test]
fn a_record_is_shown_with_its_history() {
    let mut device = three();
    device.does("edit A --shape unknown --remark 雨后再看");
    assert_snapshot!(device.transcript(&["show A --history", "status", "conflicts"]), @"");
}
