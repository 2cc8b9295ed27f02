//! `outlet add`: coordinates, names, codes, neighbours.

use insta::assert_snapshot;

use crate::device::{Device, Role};

fn inspector() -> Device {
    Device::of("张三", Role::Inspector, None)
}

#[test]
fn a_new_outlet_gets_an_id_and_a_temporary_number() {
    assert_snapshot!(inspector().transcript(&[
        "add --lon 106.769215 --lat 31.851020 --accuracy 5 --name 巴中市巴州区东城街道东兴食品厂排污口 --bank 左岸 --entry-mode 管道",
        "add --lon 106.80 --lat 31.86 --number BZ-2",
        "add --lon 106.81 --lat 31.86 --number BZ-3 --json",
    ]), @"");
}

#[test]
fn coordinates_are_read_in_every_spelling_and_the_raw_pair_is_kept() {
    let mut device = inspector();
    for (number, pair) in [
        ("A", "--lon １０６．７６９２１５ --lat ３１．８５１０２"),
        ("B", "--lon 106°46′09.174″ --lat 31°51′03.672″"),
        ("C", "--lon 106.769215 --lat 31.85102 --datum cgcs2000"),
    ] {
        device.does(&format!("add {pair} --number {number}"));
        let shown = device.json(&format!("show {number}"));
        let place = &shown["facts"]["location"]["value"];
        assert!((place["lon"].as_f64().unwrap() - 106.769_215).abs() < 1e-6, "{place}");
        assert!((place["lat"].as_f64().unwrap() - 31.851_02).abs() < 1e-6, "{place}");
    }
    device.does("add --lon 106.773102 --lat 31.848583 --datum gcj02 --number G");
    let place = device.json("show G")["facts"]["location"]["value"].clone();
    assert_eq!(place["raw_lon"], 106.773_102);
    assert_eq!(place["datum"], "gcj02");
    assert!((place["lon"].as_f64().unwrap() - 106.769).abs() < 0.001, "{place}");
}

#[test]
fn wrong_coordinates_are_refused_with_the_way_out() {
    let mut device = inspector();
    assert_snapshot!(device.transcript(&[
        "add --lon 31.851020 --lat 106.769215",
        "add --lon 1067.69 --lat 31.85",
        "add --lon north --lat 31.85",
        "add --lon 106°61′ --lat 31.85",
        "add --lon 106.77 --lat 31.85 --datum mars",
        "add --lon 106.77 --lat 31.85 --accuracy -3",
        "add --lon 106.77 --lat 31.85 --source satellite",
        "add --name x",
        "add --lon 106.77",
    ]), @"");
    assert_eq!(device.json("list").as_array().unwrap().len(), 0, "nothing is half-written");
}

#[test]
fn unknown_codes_and_townships_name_the_nearest() {
    assert_snapshot!(inspector().transcript(&[
        "add --lon 106.77 --lat 31.85 --bank up",
        "add --lon 106.77 --lat 31.85 --entry-mode 管到",
        "add --lon 106.77 --lat 31.85 --township 东城",
        "add --lon 106.77 --lat 31.85 --type 工业排污",
        "add --lon 106.77 --lat 31.85 --exists-from 2018",
        "add --lon 106.77 --lat 31.85 --volume-per-day many",
        "add --lon 106.77 --lat 31.85 --county 511902x",
    ]), @"");
}

#[test]
fn a_neighbour_and_a_gcj02_shift_are_named_in_warnings() {
    let mut device = Device::with_outlet();
    assert_snapshot!(device.transcript(&[
        "add --lon 106.769415 --lat 31.851020 --number T-2",
        "add --lon 106.773315 --lat 31.848610 --number T-3",
        "add --lon 104.066 --lat 30.572 --accuracy 250 --number T-4",
    ]), @"");
}

#[test]
fn a_number_is_used_once_and_a_county_must_be_ones_own() {
    let mut device = Device::with_outlet();
    assert_snapshot!(device.transcript(&[
        "add --lon 106.80 --lat 31.86 --number T-1",
        "add --lon 106.80 --lat 31.86 --collection 511921",
        "add --lon 106.80 --lat 31.86 --collection 5119",
    ]), @"");
    let mut two = Device::covering("李四", Role::Inspector, None, &["511902", "511903"]);
    assert_snapshot!(two.transcript(&["add --lon 106.80 --lat 31.86"]), @"");
    two.does("add --lon 106.80 --lat 31.86 --collection 511903");
}

#[test]
fn a_viewer_and_a_device_that_is_not_enrolled_write_nothing() {
    assert_snapshot!(Device::of("王五", Role::Viewer, None).transcript(&["add --lon 106.80 --lat 31.86"]), @"");
    assert_snapshot!(Device::fresh().transcript(&["add --lon 106.80 --lat 31.86", "list", "status"]), @"");
}
