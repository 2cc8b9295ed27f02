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
    ]), @r#"
    $ outlet add --lon 106.769215 --lat 31.851020 --accuracy 5 --name 巴中市巴州区东城街道东兴食品厂排污口 --bank 左岸 --entry-mode 管道
    UUID  TWH7YD-230603-001
    ! Saved on this device: TWH7YD-230603-001: new outlet.
    [exit 0]
    $ outlet add --lon 106.80 --lat 31.86 --number BZ-2
    UUID  BZ-2
    ! Saved on this device: BZ-2: new outlet.
    [exit 0]
    $ outlet add --lon 106.81 --lat 31.86 --number BZ-3 --json
    {"id":"UUID","temporary_number":"BZ-3","state":"on_device","collection":"511902","change":"SHA256","lon":106.81,"lat":31.86,"near":[],"warnings":[]}
    [exit 0]
    "#);
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
    ]), @r#"
    $ outlet add --lon 31.851020 --lat 106.769215
    ! error: longitude 31.85102 and latitude 106.769215 look swapped: did you mean longitude 106.769215, latitude 31.85102?
    ! hint: try --lon 106.769215 --lat 31.85102
    [exit 1]
    $ outlet add --lon 1067.69 --lat 31.85
    ! error: longitude 1067.69, latitude 31.85 is outside China: Bazhong lies near longitude 106.8, latitude 31.9; check digits and order
    ! hint: check the digits; --lon comes first in Bazhong: about 106.4 to 107.8, --lat 31.2 to 32.8
    [exit 1]
    $ outlet add --lon north --lat 31.85
    ! error: cannot read "north" as a coordinate: write decimal degrees such as 106.769215, or 106°46′09.2″
    ! hint: write --lon 106.769215 --lat 31.851020, or --lon 106°46′09.2″ --lat 31°51′03.7″
    [exit 1]
    $ outlet add --lon 106°61′ --lat 31.85
    ! error: minutes and seconds in "106°61′" must be below 60, and only the last part may have decimals
    ! hint: write --lon 106.769215 --lat 31.851020, or --lon 106°46′09.2″ --lat 31°51′03.7″
    [exit 1]
    $ outlet add --lon 106.77 --lat 31.85 --datum mars
    ! error: unknown datum "mars": use wgs84, cgcs2000, gcj02 (高德, 腾讯) or bd09 (百度)
    ! hint: use --datum wgs84 unless the pair was read from a map on a phone
    [exit 1]
    $ outlet add --lon 106.77 --lat 31.85 --accuracy -3
    ! error: --accuracy cannot be negative, got -3
    ! hint: check the sign; a value that was not measured is left out, not written as -1
    [exit 1]
    $ outlet add --lon 106.77 --lat 31.85 --source satellite
    ! error: "satellite" is not a source of coordinates
    ! hint: use --source gps, map, typed or photo
    [exit 1]
    $ outlet add --name x
    ! error: an outlet needs its position
    ! hint: add --lon and --lat, such as --lon 106.769215 --lat 31.851020
    [exit 1]
    $ outlet add --lon 106.77
    ! error: the following required arguments were not provided:
    !   --lat <LAT>
    ! 
    ! Usage: outlet add --lon <LON> --lat <LAT>
    ! 
    ! For more information, try '--help'.
    [exit 2]
    "#);
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
    ]), @r#"
    $ outlet add --lon 106.77 --lat 31.85 --bank up
    ! error: "up" is not a value of --bank
    ! hint: valid: left (左岸), right (右岸)
    [exit 1]
    $ outlet add --lon 106.77 --lat 31.85 --entry-mode 管到
    ! error: "管到" is not a value of --entry-mode
    ! hint: nearest: pipe (管道), open_channel (明渠), pump_station (泵站)
    ! hint: valid: open_channel (明渠), pipe (管道), pump_station (泵站), sluice (涵闸), gate_and_pump (闸泵联用), box_culvert (箱涵), submerged (潜没), other (其他)
    [exit 1]
    $ outlet add --lon 106.77 --lat 31.85 --township 东城
    ! error: "东城" is not a value of --township
    ! hint: nearest: 东城街道, 司城街道, 西城街道
    [exit 1]
    $ outlet add --lon 106.77 --lat 31.85 --type 工业排污
    ! error: "工业排污" is not a value of --type
    ! hint: nearest: industrial (工业排污口), industrial_enterprise (工业企业排污口), industrial_mining (工矿企业排污口)
    [exit 1]
    $ outlet add --lon 106.77 --lat 31.85 --exists-from 2018
    ! error: a date is YYYY-MM-DD such as 2022-12-31 (a time RFC 3339), got "2018"
    ! hint: write it like --exists-from 2018-05-01; if nobody knows, --exists-from unknown
    [exit 1]
    $ outlet add --lon 106.77 --lat 31.85 --volume-per-day many
    ! error: --volume-per-day is a number, got "many"
    ! hint: write it like --volume-per-day 12.5; if it could not be measured, --volume-per-day unknown
    [exit 1]
    $ outlet add --lon 106.77 --lat 31.85 --county 511902x
    ! error: a collection is a six-digit county code (GB/T 2260) such as 511902, got "511902x"
    ! hint: write --county 511902, or 511971 for 巴中经开区
    [exit 1]
    "#);
}

#[test]
fn a_neighbour_and_a_gcj02_shift_are_named_in_warnings() {
    let mut device = Device::with_outlet();
    assert_snapshot!(device.transcript(&[
        "add --lon 106.769415 --lat 31.851020 --number T-2",
        "add --lon 106.773315 --lat 31.848610 --number T-3",
        "add --lon 104.066 --lat 30.572 --accuracy 250 --number T-4",
    ]), @r#"
    $ outlet add --lon 106.769415 --lat 31.851020 --number T-2
    UUID  T-2
    ! warning: T-1 (东兴食品厂排污口) is 19 m away: if it is the same outlet, work on that record; two records of one outlet are joined by `outlet case duplicate`.
    ! Saved on this device: T-2: new outlet.
    [exit 0]
    $ outlet add --lon 106.773315 --lat 31.848610 --number T-3
    UUID  T-3
    ! warning: this is where a GCJ-02 map (高德, 腾讯) shows T-1 (东兴食品厂排污口): if the pair comes from such a map, record it with --datum gcj02.
    ! Saved on this device: T-3: new outlet.
    [exit 0]
    $ outlet add --lon 104.066 --lat 30.572 --accuracy 250 --number T-4
    UUID  T-4
    ! warning: the accuracy is worse than 100 m: take the fix again under open sky, or correct it with `outlet edit`.
    ! warning: 104.066000,30.572000 lies outside Bazhong: check digits and datum.
    ! Saved on this device: T-4: new outlet.
    [exit 0]
    "#);
}

#[test]
fn a_number_is_used_once_and_a_county_must_be_ones_own() {
    let mut device = Device::with_outlet();
    assert_snapshot!(device.transcript(&[
        "add --lon 106.80 --lat 31.86 --number T-1",
        "add --lon 106.80 --lat 31.86 --collection 511921",
        "add --lon 106.80 --lat 31.86 --collection 5119",
    ]), @r#"
    $ outlet add --lon 106.80 --lat 31.86 --number T-1
    ! error: the temporary number T-1 is taken by UUID
    ! hint: choose another one, or leave --number out
    [exit 1]
    $ outlet add --lon 106.80 --lat 31.86 --collection 511921
    ! error: you have no right to write in collection 511921
    ! hint: your membership covers 511902; ask the administrator for a ticket that covers 511921
    [exit 1]
    $ outlet add --lon 106.80 --lat 31.86 --collection 5119
    ! error: invalid value '5119' for '--collection <COLLECTION>': a collection is a six-digit county code (GB/T 2260) such as 511902, got "5119"
    ! 
    ! For more information, try '--help'.
    [exit 2]
    "#);
    let mut two = Device::covering("李四", Role::Inspector, None, &["511902", "511903"]);
    assert_snapshot!(two.transcript(&["add --lon 106.80 --lat 31.86"]), @r#"
    $ outlet add --lon 106.80 --lat 31.86
    ! error: you may write in several counties, so the record's county must be said
    ! hint: add --collection with one of 511902, 511903, or --township
    [exit 1]
    "#);
    two.does("add --lon 106.80 --lat 31.86 --collection 511903");
}

#[test]
fn a_viewer_and_a_device_that_is_not_enrolled_write_nothing() {
    assert_snapshot!(Device::of("王五", Role::Viewer, None).transcript(&["add --lon 106.80 --lat 31.86"]), @r#"
    $ outlet add --lon 106.80 --lat 31.86
    ! error: viewers read records and do not write them
    ! hint: ask the administrator for a ticket with --role inspector
    [exit 1]
    "#);
    assert_snapshot!(Device::fresh().transcript(&["add --lon 106.80 --lat 31.86", "list", "status"]), @r#"
    $ outlet add --lon 106.80 --lat 31.86
    ! error: there is no store in DIR/home
    ! hint: enrol with `outlet enroll TICKET` first
    [exit 1]
    $ outlet list
    ! error: there is no store in DIR/home
    ! hint: enrol with `outlet enroll TICKET` first
    [exit 1]
    $ outlet status
    ! error: there is no store in DIR/home
    ! hint: enrol with `outlet enroll TICKET` first
    [exit 1]
    "#);
}
