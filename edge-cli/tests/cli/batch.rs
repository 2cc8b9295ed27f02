//! Many commands in one open store.

use insta::assert_snapshot;

use crate::device::{Device, Role};

fn inspector() -> Device {
    Device::of("张三", Role::Inspector, None)
}

#[test]
fn a_file_of_commands_runs_in_one_store() {
    let mut device = inspector();
    let script = "# two outlets\nadd --lon 106.77 --lat 31.85 --number A1\n\noutlet classify A1 '取缔' --basis \"第 64 条\"\nadd --lon 106.78 --lat 31.85 --number A2\n";
    std::fs::write(device.path("script.txt"), script).unwrap();
    assert_snapshot!(device.transcript(&["batch DIR/script.txt", "list"]), @"");
}

#[test]
fn the_first_error_stops_and_names_its_line() {
    let mut device = inspector();
    let script =
        "add --lon 106.77 --lat 31.85 --number A1\nclassify A1 close\nadd --lon 106.78 --lat 31.85 --number A2\n";
    std::fs::write(device.path("script.txt"), script).unwrap();
    assert_snapshot!(device.transcript(&["batch DIR/script.txt"]), @"");
    assert_eq!(device.json("list").as_array().unwrap().len(), 1, "what came before stays, what comes after is not run");
}

#[test]
fn a_broken_line_is_a_usage_error() {
    let mut device = inspector();
    for (name, line) in
        [("quote", "add --name 'x"), ("nested", "batch other.txt"), ("word", "fly"), ("json", "list --json")]
    {
        std::fs::write(device.path(name), line).unwrap();
    }
    assert_snapshot!(device.transcript(&[
        "batch DIR/quote", "batch DIR/nested", "batch DIR/word", "batch DIR/json", "batch DIR/missing",
    ]), @"");
}

#[test]
fn a_dash_reads_standard_input() {
    let mut device = inspector();
    device.env.set_stdin("add --lon 106.77 --lat 31.85 --number A1\n");
    assert_snapshot!(device.transcript(&["batch -"]), @"");
}
