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
    assert_snapshot!(device.transcript(&["batch DIR/script.txt", "list"]), @r#"
    $ outlet batch DIR/script.txt
    UUID  A1
    UUID  A2
    ! Saved on this device: A1: new outlet.
    ! Saved on this device: A1: proposed class ban.
    ! Saved on this device: A2: new outlet.
    ! Commands done: 3.
    [exit 0]
    $ outlet list
    UUID  A1  -  ban  -  on_device  0 photos
    UUID  A2  -  -  -  on_device  0 photos
    ! 2 outlets.
    [exit 0]
    "#);
}

#[test]
fn the_first_error_stops_and_names_its_line() {
    let mut device = inspector();
    let script =
        "add --lon 106.77 --lat 31.85 --number A1\nclassify A1 close\nadd --lon 106.78 --lat 31.85 --number A2\n";
    std::fs::write(device.path("script.txt"), script).unwrap();
    assert_snapshot!(device.transcript(&["batch DIR/script.txt"]), @r#"
    $ outlet batch DIR/script.txt
    UUID  A1
    ! Saved on this device: A1: new outlet.
    ! error: line 2 of DIR/script.txt: classify A1 close
    !   because: "close" is not a value of the class
    ! hint: nearest: none_needed (无需整治), merge (合并), undecided (未定)
    ! hint: valid: ban (取缔), merge (合并), regulate (规范), none_needed (无需整治), undecided (未定)
    ! hint: commands done and saved before it: 1; correct the line and run the rest, from line 2
    [exit 1]
    "#);
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
    ]), @r#"
    $ outlet batch DIR/quote
    ! error: line 1 of DIR/quote: add --name 'x
    !   because: the line has a quote that is not closed
    ! hint: quote words with spaces: survey T-1 --note 'seen from the bridge'
    ! hint: commands done and saved before it: 0; correct the line and run the rest, from line 1
    [exit 2]
    $ outlet batch DIR/nested
    ! error: line 1 of DIR/nested: batch other.txt
    !   because: a batch cannot run a batch
    ! hint: join the files
    ! hint: commands done and saved before it: 0; correct the line and run the rest, from line 1
    [exit 2]
    $ outlet batch DIR/word
    ! error: line 1 of DIR/word: fly
    !   because: unrecognized subcommand 'fly'
    ! 
    ! Usage: outlet [OPTIONS] <COMMAND>
    ! 
    ! For more information, try '--help'.
    ! hint: commands done and saved before it: 0; correct the line and run the rest, from line 1
    [exit 2]
    $ outlet batch DIR/json
    ! error: line 1 of DIR/json: list --json
    !   because: --home and --json belong to `outlet batch` itself, not to a line of the file
    ! hint: write: outlet --home DIR --json batch FILE
    ! hint: commands done and saved before it: 0; correct the line and run the rest, from line 1
    [exit 2]
    $ outlet batch DIR/missing
    ! error: cannot read DIR/missing
    !   because: No such file or directory (os error 2)
    ! hint: name a text file (UTF-8), or - for standard input
    [exit 1]
    "#);
}

#[test]
fn a_dash_reads_standard_input() {
    let mut device = inspector();
    device.env.set_stdin("add --lon 106.77 --lat 31.85 --number A1\n");
    assert_snapshot!(device.transcript(&["batch -"]), @r#"
    $ outlet batch -
    UUID  A1
    ! Saved on this device: A1: new outlet.
    ! Commands done: 1.
    [exit 0]
    "#);
}
