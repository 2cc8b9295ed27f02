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
    assert_snapshot!(device.transcript(&["list", "near --lon 106.7701 --lat 31.8500 --within 500m"]), @r#"
    $ outlet list
    UUID  A  东兴食品厂排污口  ban  东城街道  on_device  0 photos
    UUID  B  -  -  -  on_device  0 photos
    UUID  C  老桥排口  -  东城街道  on_device  0 photos
    ! 3 outlets.
    [exit 0]
    $ outlet near --lon 106.7701 --lat 31.8500 --within 500m
        9.4 m  UUID  A (东兴食品厂排污口)
      368.4 m  UUID  B
    ! 2 outlets within 500m.
    [exit 0]
    "#);
}

#[test]
fn wrong_filters_are_refused() {
    assert_snapshot!(three().transcript(&[
        "list --state lost",
        "list --near here",
        "list --near 31.85,106.77",
        "list --near 106.77,31.85 --within far",
        "near",
    ]), @r#"
    $ outlet list --state lost
    ! error: "lost" is not a value of --state
    ! hint: nearest: outlet (入河排污口), suspected (疑似排口), not_an_outlet (非排口)
    ! hint: valid: suspected (疑似排口), outlet (入河排污口), not_an_outlet (非排口), needs_level_3 (需三级排查)
    ! hint: or, by sync: on_device, sent, stored, in_ledger, held
    [exit 1]
    $ outlet list --near here
    ! error: cannot read "here" as a coordinate: write decimal degrees such as 106.769215, or 106°46′09.2″
    ! hint: write --lon 106.769215 --lat 31.851020, or --lon 106°46′09.2″ --lat 31°51′03.7″
    [exit 1]
    $ outlet list --near 31.85,106.77
    ! error: longitude 31.85 and latitude 106.77 look swapped: did you mean longitude 106.77, latitude 31.85?
    ! hint: try --lon 106.77 --lat 31.85
    [exit 1]
    $ outlet list --near 106.77,31.85 --within far
    ! error: "far" is not a distance
    ! hint: write --within 30m or 1.5km
    [exit 1]
    $ outlet near
    ! error: near what? a place is needed
    ! hint: add --lon and --lat
    [exit 2]
    "#);
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
    assert_snapshot!(device.transcript(&["show A --history", "status", "conflicts"]), @r#"
    $ outlet show A --history
    A  UUID
    collection 511902  state on_device
      classification: ban
      county: 511902
      location: 106.77,31.85 (wgs84)
      management_unit: 511902
      name: 东兴食品厂排污口
      shape: (cannot determine)
      state: outlet
      temporary_number: A
      township: 东城街道
      waterbody: 巴河
      remark: 雨后再看
    history:
      field  entries=ENTRY,ENTRY,ENTRY,ENTRY,ENTRY,ENTRY,ENTRY,ENTRY  by 张三 at 2023-06-03T09:00:00Z  [SHA256]
      field  entries=ENTRY  by 张三 at 2023-06-03T09:00:00Z  [SHA256]
      field  entries=ENTRY registers=remark  by 张三 at 2023-06-03T09:00:00Z  [SHA256]
    [exit 0]
    $ outlet status
    records: 3 on device, 0 sent, 0 stored, 0 in ledger, 0 held
    photos: 0 on device, 0 sent, 0 stored, 0 in ledger, 0 held
    attachments: 0 on device, 0 sent, 0 stored, 0 in ledger, 0 held
    to send: 5 changes, 0 files
    last proof: none yet; `outlet sync` makes one
    member: 张三 until 2027-06-06T09:00:00Z
    server: quic://127.0.0.1:9
    [exit 0]
    $ outlet conflicts
    ! No conflicts.
    [exit 0]
    "#);
}
