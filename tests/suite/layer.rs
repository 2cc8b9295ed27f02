//! GDAL as the foreign client of the OGC layer: `ogrinfo` and `ogr2ogr` open the ledger of a running
//! server, page by page, by box and by property.

use std::path::Path;
use std::process::Command;

use outlet_tests::process::{Edge, Server};
use outlet_tests::story::sync;

/// Outlets of the layer; more than two pages of ten.
const OUTLETS: usize = 25;

fn gdal(program: &str, args: &[&str]) -> String {
    let output = Command::new(program)
        .args(args)
        .env("GDAL_HTTP_TIMEOUT", "60")
        .env("CPL_CURL_VERBOSE", "NO")
        .env_remove("http_proxy")
        .env_remove("HTTP_PROXY")
        .output()
        .unwrap_or_else(|error| panic!("{program} does not start ({error}): run `make prerequisites`"));
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {args:?}: {text}");
    text
}

fn count(text: &str) -> usize {
    let line = text.lines().find_map(|line| line.strip_prefix("Feature Count: "));
    line.and_then(|number| number.parse().ok()).unwrap_or_else(|| panic!("no count in {text}"))
}

/// A server with outlets in a row from west to east, and a token for reading.
fn served(folder: &Path) -> (Server, String) {
    let mut server = Server::init(folder.join("server"));
    server.serve();
    let edge = Edge::new(folder.join("edge"));
    let ticket = server.ticket(&["--role", "inspector", "--name", "排查员", "--collection", "511902"], None);
    let _ = edge.ok(&["enroll", &ticket]);
    let lines: Vec<String> = (0..OUTLETS)
        .map(|number| format!("add --number L{number:02} --lon 106.7{number:02} --lat 31.85 --name 南江{number}号排口"))
        .collect();
    std::fs::write(folder.join("lines.txt"), lines.join("\n") + "\n").expect("the script can be written");
    let script = folder.join("lines.txt").to_string_lossy().into_owned();
    let _ = edge.ok(&["batch", &script]);
    let _ = sync(&edge);
    std::fs::write(folder.join("password"), "a long enough secret 8\n").expect("written");
    let password = folder.join("password").to_string_lossy().into_owned();
    let account = ["account", "add", "gis", "--name", "GIS", "--role", "viewer", "--collection", "511902"];
    let _ = server.admin(&[&account[..], &["--password-file", &password]].concat()).expect_code(0);
    let token = server.admin_json(&["token", "add", "--as", "gis", "--name", "QGIS", "--scope", "read"]);
    (server, token["token"].as_str().expect("a token is text").to_owned())
}

#[test]
fn gdal_reads_the_live_layer_in_pages_by_box_and_by_property() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (server, token) = served(folder.path());
    let layer = format!("OAPIF:{}/ogc", server.http.trim_end_matches('/'));
    let basic = format!("anybody:{token}");
    let open = ["--config", "GDAL_HTTP_USERPWD", &basic, "-ro", "-so", "-oo", "PAGE_SIZE=10"];
    let all = gdal("ogrinfo", &[&open[..], &[&layer, "outlets"]].concat());
    assert_eq!(count(&all), OUTLETS, "{all}");
    assert!(all.contains("Geometry: Point") && all.contains("temporary_number: String"), "{all}");
    let boxed =
        gdal("ogrinfo", &[&open[..], &["-spat", "106.7005", "31.8", "106.7035", "31.9", &layer, "outlets"]].concat());
    assert_eq!(count(&boxed), 3, "{boxed}");
    let chosen = gdal("ogrinfo", &[&open[..], &["-where", "temporary_number = 'L07'", &layer, "outlets"]].concat());
    assert_eq!(count(&chosen), 1, "{chosen}");
    // By header, into a file: every page is followed.
    let bearer = format!("Authorization: Bearer {token}");
    let target = folder.path().join("out.geojson").to_string_lossy().into_owned();
    let copy =
        ["--config", "GDAL_HTTP_HEADERS", &bearer, "-oo", "PAGE_SIZE=10", "-f", "GeoJSON", &target, &layer, "outlets"];
    let _ = gdal("ogr2ogr", &copy);
    let text = std::fs::read_to_string(&target).expect("ogr2ogr wrote it");
    let read: serde_json::Value = serde_json::from_str(&text).expect("GeoJSON");
    let features = read["features"].as_array().expect("features");
    let mut numbers: Vec<&str> =
        features.iter().map(|feature| feature["properties"]["temporary_number"].as_str().expect("a number")).collect();
    numbers.sort_unstable();
    numbers.dedup();
    assert_eq!(numbers.len(), OUTLETS, "each outlet once");
    assert!(text.contains("南江7号排口"));
    // Nobody else reads it.
    let strangers = Command::new("ogrinfo").args(["-ro", &layer]).output().expect("ogrinfo starts");
    assert!(!String::from_utf8_lossy(&strangers.stdout).contains("outlets ("), "a token is needed");
}
