//! The main job from end to end, and the milestone tables through the command line, cell by cell.

use std::collections::BTreeMap;

use outlet_tests::generator::picture;
use outlet_tests::scenario::Scenario;
use outlet_tests::story::Story;
use serde_json::Value;

/// Cell of lifecycle 1.2/1.3, and whether its outlet is done for M1, M2, M3, M4 as of 2024-12-31
/// (`None`: not in the denominator).
const CELLS: [(&str, [Option<bool>; 4]); 47] = {
    const Y: Option<bool> = Some(true);
    const N: Option<bool> = Some(false);
    const X: Option<bool> = None;
    [
        ("1.2 suspect, open", [N, N, X, X]),
        ("1.2 suspect, not reached", [N, N, X, X]),
        ("1.2 suspect, level 3 pending", [N, N, X, X]),
        ("1.2 not an outlet", [X, X, X, X]),
        ("1.2 pending review", [N, N, X, N]),
        ("1.2 returned", [N, N, X, N]),
        ("1.2 survivor of a duplicate", [Y, Y, X, Y]),
        ("1.2 duplicate", [X, X, X, X]),
        ("1.2 set up after the cut-off", [X, X, X, X]),
        ("1.2 altered outlet stays in", [Y, Y, X, Y]),
        ("1.2 sealed at the first survey", [Y, Y, X, Y]),
        ("1.2 abandoned at the first survey", [Y, Y, X, Y]),
        ("1.2 scale undetermined", [Y, Y, X, Y]),
        ("1.2 extended", [Y, Y, X, N]),
        ("1.2 found in 2022, existed in 2021", [Y, Y, X, Y]),
        ("1.3 ban, closed", [Y, Y, Y, Y]),
        ("1.3 ban, only decided", [Y, Y, X, N]),
        ("1.3 ban, without dry re-check", [Y, Y, X, N]),
        ("1.3 ban, source not ended", [Y, Y, X, N]),
        ("1.3 ban, without after-photos", [Y, Y, X, N]),
        ("1.3 merge into an outlet", [Y, Y, Y, Y]),
        ("1.3 merge into a sewer", [Y, Y, X, Y]),
        ("1.3 the surviving outlet of a merge", [Y, Y, X, Y]),
        ("1.3 merge into a plant", [Y, Y, X, Y]),
        ("1.3 merge, old mouth not sealed", [Y, Y, X, N]),
        ("1.3 merge, not connected", [Y, Y, X, N]),
        ("1.3 regulate, accepted without a sign", [Y, Y, Y, N]),
        ("1.3 regulate, complete", [Y, Y, Y, Y]),
        ("1.3 regulate, an item of construction missing", [Y, Y, X, N]),
        ("1.3 regulate, a measure open", [Y, Y, X, N]),
        ("1.3 regulate, without a code", [Y, Y, X, N]),
        ("1.3 regulate, sign without a photo", [Y, Y, X, N]),
        ("1.3 none needed, with sign", [Y, Y, Y, Y]),
        ("1.3 none needed, without an archive", [Y, Y, X, N]),
        ("1.3 none needed, exempt from the sign", [Y, Y, X, Y]),
        ("1.3 regulate, completed late", [Y, Y, Y, Y]),
        ("1.3 undecided", [Y, Y, X, N]),
        ("1.3 under way", [Y, Y, X, N]),
        ("1.3 completion reported", [Y, Y, X, N]),
        ("1.3 county check only", [Y, Y, X, N]),
        ("1.3 acceptance rejected", [Y, Y, X, N]),
        ("1.3 re-opened", [Y, Y, X, N]),
        ("1.3 ban re-opened", [Y, Y, X, N]),
        ("1.3 sign damaged later", [Y, Y, X, Y]),
        ("1.3 survey only", [N, N, X, N]),
        ("1.3 sampled, not traced", [N, N, X, N]),
        ("1.3 sampled late", [Y, Y, X, Y]),
    ]
};

fn done(answer: &Value) -> Option<bool> {
    answer["in_denominator"].as_bool().filter(|counted| *counted)?;
    answer["done"].as_bool()
}

#[test]
fn the_story_of_three_years_reaches_the_ledger_cell_by_cell() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut quiet = |_: &str| {};
    let story = Story::begin(folder.path(), &super::fixtures(), &mut quiet);
    let scenario = Scenario::new(0);
    story.play(&scenario, &|shot| picture(shot.lon, shot.lat, shot.taken_at, shot.seed), &mut quiet);
    story.seal();
    story.accounts();
    story.review(&mut quiet);
    story.second_round(&mut quiet);

    let expected: BTreeMap<_, _> = CELLS.into_iter().collect();
    let mut wrong = Vec::new();
    for case in &scenario.cases {
        let Some(cells) = expected.get(case.cell) else { continue };
        for (milestone, want) in ["M1", "M2", "M3", "M4"].iter().zip(cells) {
            let answer =
                story.server.admin_json(&["explain", &case.number, "--milestone", milestone, "--as-of", "2024-12-31"]);
            let answer = &answer[0];
            if done(answer) != *want {
                wrong.push(format!("{} {milestone}: want {want:?}, got {:?}: {answer}", case.cell, done(answer)));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    desk(&story, &scenario);
    assessments(&story);
    exports(&story, scenario.cases.len());
}

/// A record that was returned says so on its inspector's device; one that waits is returned and that
/// taken back; what a county may not decide is refused in words.
fn desk(story: &Story, scenario: &Scenario) {
    let number = |cell: &str| {
        let case = scenario.cases.iter().find(|case| case.cell == cell).expect("the scenario has every cell");
        case.number.clone()
    };
    let returned = number("1.2 returned");
    let lists: Vec<Value> = story.inspectors.iter().map(|device| device.json(&["list", "--returned"])).collect();
    let mine = lists.iter().flat_map(|list| list.as_array().into_iter().flatten());
    let row = mine.into_iter().find(|row| row["temporary_number"] == *returned).expect("on its inspector's device");
    assert!(row["returned"]["reasons"].as_array().is_some_and(|reasons| !reasons.is_empty()), "{row}");
    let pending = number("1.2 pending review");
    let queue = story.server.admin_json(&["review", "queue", "--as", "county", "--state", "submitted"]);
    let waits = queue.as_array().into_iter().flatten().any(|line| line["number"] == *pending);
    assert!(waits, "{queue}");
    let act = |args: &[&str]| story.server.admin(&[args, &["--as", "county"]].concat());
    let _ = act(&["review", "return", &pending, "--reason", "location_offset", "--note", "定位偏移"]).expect_code(0);
    let _ = act(&["review", "undo", &pending]).expect_code(0);
    let row = story.server.admin_json(&["review", "show", &pending]);
    assert_eq!(row["row"]["review_state"], "submitted");
    let above = act(&["conflicts", "settle", &returned, "state", "--value", "not_an_outlt"]).expect_code(1);
    assert!(above.stderr.contains("not_an_outlet"), "{}", above.stderr);
    let entry = story.server.data.join("class.json");
    std::fs::write(&entry, r#"{"type": "classify", "step": "decide", "classification": "regulate"}"#).expect("written");
    let entry = entry.display().to_string();
    let level = act(&["decide", &pending, "--entry", &entry]).expect_code(1);
    assert!(level.stderr.contains("for the city to decide"), "{}", level.stderr);
    let verified = story.server.admin_json(&["seal", "verify"]);
    let states: Vec<&Value> = verified.as_array().into_iter().flatten().map(|seal| &seal["state"]).collect();
    assert!(states.len() == 13 && states.iter().all(|state| *state == "as_sealed"), "{verified}");
}

/// `assess` names the late units of each milestone, and whatever it calls open is open for `explain`.
fn assessments(story: &Story) {
    for (milestone, as_of) in [("M1", "2022-01-15"), ("M2", "2023-01-15"), ("M3", "2023-01-15"), ("M4", "2024-01-15")] {
        let answer = story.server.admin_json(&["assess", "--milestone", milestone, "--as-of", as_of]);
        let units = answer["units"].as_array().expect("units");
        assert!(units.len() >= 5, "{answer}");
        assert!(units.iter().any(|unit| unit["late"] == true), "{milestone}: somebody is late in this story");
        for unit in units {
            let addressee = unit["addressee"].as_str().unwrap_or_default();
            assert!(addressee.ends_with("人民政府") || addressee.ends_with("管委会"), "{addressee}");
            let open = unit["missing"].as_array().expect("a list");
            assert_eq!(Some(open.len() as u64), unit["headline"]["open"].as_u64());
            for outlet in open.iter().take(2) {
                assert!(outlet["missing"].as_array().is_some_and(|all| !all.is_empty()), "{outlet}");
                let id = outlet["id"].as_str().unwrap_or_default();
                let explained = story.server.admin_json(&["explain", id, "--milestone", milestone, "--as-of", as_of]);
                assert_eq!(done(&explained[0]), Some(false), "{explained}");
            }
        }
    }
    let sheet = story.server.data.join("m4.xlsx");
    let file = sheet.display().to_string();
    let _ =
        story.server.admin(&["assess", "--milestone", "M4", "--as-of", "2024-01-15", "--xlsx", &file]).expect_code(0);
    assert!(std::fs::read(&sheet).is_ok_and(|bytes| bytes.starts_with(b"PK")), "a spreadsheet");
}

fn exports(story: &Story, outlets: usize) {
    let csv = story.server.admin(&["ledger", "export", "--format", "csv", "-o", "-"]).expect_code(0).stdout;
    assert!(csv.starts_with('\u{feff}'), "a BOM for spreadsheets");
    let header = csv.trim_start_matches('\u{feff}').lines().next().expect("a header");
    let first = "id,national_code,provincial_code,temporary_number,name,lon,lat,county,township,waterbody,classification,classification_proposed,decided_on,decision_document,review_state,entry_mode,discharge_pattern,scale,scale_basis,primary_party,competent_department,problem_count";
    assert!(header.starts_with(first), "{header}");
    assert_eq!(csv.lines().count(), outlets + 1, "one row per outlet");
    let page = story.server.get("/");
    assert!(page.starts_with("HTTP/1.1 303"), "{}", page.lines().next().unwrap_or_default());
    let page = story.server.get("/signin");
    assert!(page.starts_with("HTTP/1.1 200") && page.contains("入河排污口台账"), "{page}");
}
