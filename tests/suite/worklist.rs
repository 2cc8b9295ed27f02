//! From a list to visits: import, assignment, the device's list by distance, coverage, walks,
//! inspections, with the real binaries.

use outlet_tests::process::{Edge, Server};
use serde_json::json;

fn text(value: &serde_json::Value) -> &str {
    value.as_str().unwrap_or_default()
}

#[test]
fn a_list_is_imported_assigned_visited_and_covered() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut server = Server::init(folder.path().join("server"));
    let fixtures = super::fixtures();
    let path = |name: &str| fixtures.join(name).display().to_string();
    server.serve();
    let device = Edge::new(folder.path().join("device"));
    let ticket = ["--role", "inspector", "--name", "张三", "--collection", "511902"];
    let _ = device.ok(&["enroll", &server.ticket(&ticket, None)]);

    let (table, mapping) = (path("tables/foreign-inventory.csv"), path("tables/foreign-inventory.toml"));
    let preview = server.admin_json(&["import", "preview", &table, "--mapping", &mapping]);
    assert_eq!((&preview["good"], &preview["bad"]), (&json!(5), &json!(0)), "{preview}");
    assert_eq!(preview["by_collection"], json!({"511902": 3, "511903": 2}));
    let done = server.admin_json(&["import", "run", &table, "--mapping", &mapping]);
    assert_eq!(done["created"], 5);

    // The foreign inventory holds outlets; a list of suspected points is what is handed out.
    let points = folder.path().join("points.csv");
    let rows = "编号,经度,纬度\n1,106.7692,31.8510\n2,106.7792,31.8510\n3,106.7720,31.8510\n";
    std::fs::write(&points, rows).expect("a file");
    let suspects = folder.path().join("suspects.toml");
    let toml = "format = 1\nname = \"遥感\"\nsource_id = \"编号\"\ncollection = \"511902\"\n\
                [[position]]\nlon = \"经度\"\nlat = \"纬度\"\ndatum = \"wgs84\"\n";
    std::fs::write(&suspects, toml).expect("a file");
    let (points, suspects) = (points.display().to_string(), suspects.display().to_string());
    assert_eq!(server.admin_json(&["import", "run", &points, "--mapping", &suspects])["created"], 3);
    let given = server.admin_json(&["assign", "to", "张三", "--list", "遥感", "--due", "2026-12-31"]);
    assert_eq!(given["assigned"], 3);

    let _ = outlet_tests::story::sync(&device).expect_code(0);
    let tasks = device.json(&["tasks", "--near", "106.7692,31.8510"]);
    let distances: Vec<f64> =
        tasks.as_array().expect("a list").iter().filter_map(|task| task["distance_m"].as_f64()).collect();
    assert_eq!(distances.len(), 3);
    assert!(distances[0] < 1.0 && distances.is_sorted() && distances[2] > 900.0, "{tasks}");

    // One is an outlet, one is none, one stays open.
    let id = |at: usize| text(&tasks[at]["id"]).to_owned();
    let _ = device.ok(&["survey", &id(0), "--on", "2026-11-01", "--outcome", "complete", "--state", "outlet"]);
    let _ = device.ok(&["not-an-outlet", &id(1), "--reason", "gully_seepage"]);
    let walk =
        ["walk", "--waterbody", "巴河", "--reach", "巴河城区段", "--bank", "left", "--from-m", "0", "--to-m", "600"];
    let _ = device.ok(&[&walk[..], &["--nothing-found"]].concat());
    assert_eq!(device.json(&["tasks"]).as_array().map(Vec::len), Some(1));
    let _ = outlet_tests::story::sync(&device).expect_code(0);

    let coverage = server.admin_json(&["coverage", "--by", "list"]);
    let line = coverage.as_array().expect("a list").iter().find(|line| line["group"] == "遥感").expect("the list");
    // A proposal of 非排口 closes no point: it waits for the county (lifecycle.md section 2, T4).
    assert_eq!((&line["points"], &line["surveyed"], &line["open"]), (&json!(3), &json!(1), &json!(2)), "{line}");
    assert_eq!((&line["not_an_outlet"], &line["reasons"]), (&json!(0), &json!({})), "{line}");
    let scope = path("schedules/walk-scope.toml");
    let _ = server.admin(&["load-reference", &scope]).expect_code(0);
    let walks = server.admin_json(&["coverage", "--by", "walks"]);
    assert_eq!((&walks[0]["walked_m"], &walks[0]["nothing_found"]), (&json!(600.0), &json!(1)), "{walks}");
    assert_eq!(server.admin_json(&["assign", "list"])[0]["open"], 2);
    server.stop();
}
