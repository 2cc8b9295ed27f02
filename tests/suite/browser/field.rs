//! What inspectors do meanwhile, on their own devices.

use std::path::Path;

use outlet_core::time::Timestamp;
use outlet_tests::generator::picture;
use outlet_tests::process::{Edge, Server};

/// Where the outlet of the story is.
pub(super) const PLACE: (f64, f64) = (106.769_215, 31.851_020);
pub(super) const NAME: &str = "巴中市巴州区东城街道滨河路城镇雨洪排口";

/// A device that is enrolled.
pub(super) fn device(folder: &Path, server: &Server, name: &str) -> Edge {
    let device = Edge::new(folder.join(name));
    let ticket = server.ticket(&["--role", "inspector", "--name", name, "--collection", "511902"], None);
    drop(device.ok(&["enroll", &ticket]));
    device
}

fn run(device: &Edge, lines: &[&str]) {
    for line in lines {
        let words: Vec<&str> = line.split_whitespace().collect();
        drop(device.ok(&words));
    }
}

/// The inspector walks, and hands the record in.
pub(super) fn walk(folder: &Path, device: &Edge) {
    let (lon, lat) = (PLACE.0.to_string(), PLACE.1.to_string());
    let add = ["add", "--number", "A1", "--lon", &lon, "--lat", &lat, "--accuracy", "5", "--name", NAME];
    let more = ["--waterbody", "巴河", "--township", "东城街道", "--bank", "left", "--type", "城镇雨洪排口"];
    drop(device.ok(&[&add[..], &more, &["--entry-mode", "管道"]].concat()));
    let taken = Timestamp::from_millis(1_622_511_000_000);
    for (seed, slot) in [(1, "near"), (2, "far")] {
        let file = folder.join(format!("{slot}.jpg"));
        std::fs::write(&file, picture(PLACE.0, PLACE.1, taken, seed)).expect("a photo");
        drop(device.ok(&["photo", "A1", &file.display().to_string(), "--slot", slot]));
    }
    run(
        device,
        &[
            "survey A1 --on 2021-06-01 --rain-48h no --discharge flowing --dry-weather-discharge yes --mixed yes",
            "sample A1 quick --result ph=7.4 --result cod=31 --person 张三 --person 王五",
            "trace A1 concluded --node 1:outlet --node 2:source --source 滨河路小区 --party-name 某某物业有限公司",
            "classify A1 regulate",
            "submit A1",
            "sync",
        ],
    );
}

/// The record comes back with its reason, is corrected and handed in again.
pub(super) fn correct(device: &Edge) {
    drop(device.ok(&["sync"]));
    let returned = device.json(&["list", "--returned"]);
    assert_eq!(returned[0]["returned"]["reasons"][0], "location_offset", "the reason is on the device: {returned}");
    run(device, &["edit A1 --lon 106.769230 --lat 31.851030 --accuracy 3", "submit A1", "sync"]);
}

/// Two people say different things of one outlet, neither knowing of the other.
pub(super) fn disagree(one: &Edge, other: &Edge) {
    drop(other.ok(&["sync"]));
    drop(one.ok(&["edit", "A1", "--scale", "below"]));
    drop(other.ok(&["edit", "A1", "--scale", "above"]));
    drop(one.ok(&["sync"]));
    drop(other.ok(&["sync"]));
}

/// Somebody records the same outlet a second time.
pub(super) fn record_again(device: &Edge) {
    let add = ["add", "--number", "A2", "--lon", "106.769232", "--lat", "31.851028", "--accuracy", "5", "--name", NAME];
    let more = ["--waterbody", "巴河", "--township", "东城街道", "--bank", "left", "--type", "城镇雨洪排口"];
    drop(device.ok(&[&add[..], &more].concat()));
    drop(device.ok(&["sync"]));
}
