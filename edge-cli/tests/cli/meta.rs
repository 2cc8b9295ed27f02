//! Help, completions, manual pages, usage errors.

use insta::assert_snapshot;

use crate::device::Device;

#[test]
fn the_commands_are_listed() {
    assert_snapshot!(Device::fresh().transcript(&["--help"]), @"");
}

/// Every command says what it prints with `--json` and shows an example.
#[test]
fn every_help_has_an_example_and_the_json_shape() {
    let mut device = Device::fresh();
    let (mut seen, mut waiting) = (0, vec![String::new()]);
    while let Some(path) = waiting.pop() {
        let help = device.does(&format!("{path} --help"));
        let commands: Vec<&str> = help
            .lines()
            .skip_while(|line| !line.starts_with("Commands:"))
            .skip(1)
            .take_while(|line| !line.is_empty())
            .filter_map(|line| line.strip_prefix("  ").filter(|line| !line.starts_with(' '))?.split_whitespace().next())
            .filter(|name| *name != "help")
            .collect();
        if commands.is_empty() {
            assert!(help.contains("Example:"), "{path}: no example\n{help}");
            assert!(path.contains("case") || help.contains("JSON:"), "{path}: no JSON shape\n{help}");
            examples(&mut device, &help);
            seen += 1;
        }
        waiting.extend(commands.iter().map(|name| format!("{path} {name}")));
    }
    assert!(seen > 40, "{seen}");
}

/// The examples of a help text are command lines that the program accepts.
fn examples(device: &mut Device, help: &str) {
    let mut lines: Vec<String> = Vec::new();
    for line in
        help.lines().skip_while(|line| !line.starts_with("Example:")).skip(1).take_while(|line| !line.is_empty())
    {
        match (line.strip_prefix("      "), lines.last_mut()) {
            (Some(more), Some(last)) => last.push_str(&format!(" {}", more.trim())),
            _ => lines.push(line.trim().to_owned()),
        }
    }
    assert!(!lines.is_empty(), "{help}");
    for line in lines.iter().filter_map(|line| line.strip_prefix("outlet ")) {
        let line = line.split(" > ").next().unwrap().split(" < ").next().unwrap();
        let line = line.replace("4f2a…", &"0".repeat(64)).replace("5b1c…", &"0".repeat(32)).replace("~/", "DIR/");
        let shown = device.transcript(&[&line]);
        assert!(!shown.contains("[exit 2]"), "{shown}");
    }
}

#[test]
fn usage_errors_exit_with_two() {
    assert_snapshot!(Device::fresh().transcript(&["", "fly", "add --colour red", "case", "survey"]), @"");
}

#[test]
fn completions_and_manual_pages_are_made() {
    let mut device = Device::fresh();
    assert!(device.does("completions bash").contains("_outlet()"));
    let pages = device.json(&format!("man {}", device.path("man")));
    let pages: Vec<&str> = pages["pages"].as_array().unwrap().iter().filter_map(|page| page.as_str()).collect();
    assert!(pages.contains(&"outlet-survey.1") && pages.contains(&"outlet-case-decide.1"), "{pages:?}");
    std::fs::write(device.path("file"), "").unwrap();
    assert_snapshot!(device.transcript(&["man DIR/file", "completions tcsh"]), @"");
}

#[test]
fn errors_are_json_too_when_asked() {
    assert_snapshot!(Device::with_outlet().transcript(&["classify T-1 close --json"]), @"");
}
