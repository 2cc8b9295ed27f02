//! `make demo`: the main job on embedded defaults, told line by line. Ends with the ledger's totals,
//! the milestones as of four days, the digests that replicas share, the address of the console, and
//! what to try next. On a terminal the server stays up until Enter is pressed.

use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use outlet_tests::generator::picture;
use outlet_tests::scenario::{OUTLETS, Scenario, Shot};
use outlet_tests::story::{PASSWORD, Story};
use serde_json::Value;

fn main() -> ExitCode {
    if std::env::args().len() > 1 {
        say("usage: demo (it takes no arguments; what it makes is in the folder `demo` beside the programs)");
        return ExitCode::from(2);
    }
    let workspace =
        Path::new(env!("CARGO_MANIFEST_DIR")).parent().map_or_else(|| PathBuf::from("."), Path::to_path_buf);
    let folder = target_folder().join("demo");
    if folder.exists() {
        std::fs::remove_dir_all(&folder).expect("the last demo's folder can be removed");
    }
    std::fs::create_dir_all(&folder).expect("a folder for the demo can be made");
    let started = Instant::now();
    say("\n== Setting up");
    let mut story = Story::begin(&folder, &workspace.join("fixtures"), &mut |line| say(line));
    say("\n== 2021 to 2023, by command lines only");
    let scenario = Scenario::new(OUTLETS);
    let real = RealPhotos::find(&workspace);
    say(&format!("photographs: {}", real.describe()));
    story.play(&scenario, &|shot| real.picture(shot), &mut |line| say(line));
    story.seal();
    say("ledgers and problem lists of 2021 are sealed, but for one county's problem list");
    story.accounts();
    story.review(&mut |line| say(line));
    say("\n== Second round: everybody syncs again");
    story.second_round(&mut |line| say(line));
    say("\n== The ledger (台账)");
    summary(&story);
    for day in ["2021-12-31", "2022-12-31", "2023-12-31", ""] {
        milestones(&story, day);
    }
    for (milestone, day) in [("M1", "2022-01-15"), ("M2", "2023-01-15"), ("M3", "2023-01-15"), ("M4", "2024-01-15")] {
        assessment(&story, milestone, day);
    }
    say(&format!("\nDone in {:.0} s. Everything is below {}", started.elapsed().as_secs_f64(), folder.display()));
    account(&folder, &story);
    next(&folder, &story);
    if std::io::stdin().is_terminal() {
        say("\nThe server stays up. Press Enter to stop it.");
        let _ = std::io::stdin().read_line(&mut String::new());
    } else {
        let page = story.server.get("/signin");
        assert!(page.starts_with("HTTP/1.1 200"), "the page answers: {}", page.lines().next().unwrap_or_default());
        say("(The server has been stopped: this is no terminal. Start it again with the first line above.)");
    }
    story.server.stop();
    ExitCode::SUCCESS
}

/// Accounts for the console, as an administrator makes them.
fn account(folder: &Path, story: &Story) {
    let file = folder.join("password.txt");
    std::fs::write(&file, PASSWORD).expect("the password file can be written");
    let file = file.display().to_string();
    let person = story.person("管理员");
    let args = ["account", "add", "admin", "--name", "管理员", "--role", "admin", "--person", &person];
    drop(story.server.admin(&[&args[..], &["--password-file", &file]].concat()).expect_code(0));
    say(&format!("\nThe console: {}   sign in as admin, county or city, password {PASSWORD}", story.server.http));
}

/// The real photographs beside the checkout, where they are; generated ones otherwise.
struct RealPhotos {
    bytes: Vec<Vec<u8>>,
}

impl RealPhotos {
    fn find(workspace: &Path) -> Self {
        let folder = workspace.join("../shared/data/photos");
        let names = ["DSCN0010.jpg", "DSCN0012.jpg", "DSCN0021.jpg", "DSCN0042.jpg"];
        Self { bytes: names.iter().filter_map(|name| std::fs::read(folder.join(name)).ok()).collect() }
    }

    fn describe(&self) -> String {
        match self.bytes.len() {
            0 => "all generated (no real ones beside the checkout)".to_owned(),
            count => {
                format!("{count} real ones (taken elsewhere: expect warnings about place and time), the rest generated")
            }
        }
    }

    /// The near shots of four ordinary outlets are real, everything else is generated.
    fn picture(&self, shot: &Shot) -> Vec<u8> {
        let real = shot.seed.checked_sub(100 * 16 + 4).filter(|beyond| beyond % 16 == 0).map(|beyond| beyond / 16);
        let real = real.and_then(|index| self.bytes.get(usize::try_from(index).ok()?));
        real.cloned().unwrap_or_else(|| picture(shot.lon, shot.lat, shot.taken_at, shot.seed))
    }
}

fn summary(story: &Story) {
    for by in ["type", "unit"] {
        let ran = story.server.admin(&["ledger", "summary", "--by", by]).expect_code(0);
        say(&ran.stdout);
    }
}

fn milestones(story: &Story, day: &str) {
    let mut args = vec!["progress"];
    if !day.is_empty() {
        args.extend(["--as-of", day]);
    }
    let rows = story.server.admin_json(&args);
    say(&format!("\nMilestones as of {}", if day.is_empty() { "today" } else { day }));
    say(&format!(
        "  {:<4} {:<11} {:<13} {:>5} {:>5} {:>8} {:>7}  state",
        "", "due", "reading", "done", "of", "share", "target"
    ));
    // The city; `outlet-server progress` shows each county and the economic zone as well.
    for row in rows.as_array().into_iter().flatten().filter(|row| row["group"] == "5119") {
        let share = row["share"].as_f64().map_or_else(|| "-".to_owned(), |share| format!("{share:.1} %"));
        say(&format!(
            "  {:<4} {:<11} {:<13} {:>5} {:>5} {share:>8} {:>5} %  {}",
            text(&row["milestone"]),
            text(&row["due"]),
            text(&row["reading"]),
            text(&row["done"]),
            text(&row["of"]),
            text(&row["target"]),
            text(&row["state"])
        ));
    }
}

/// Who is late, and with how much; `outlet-server assess` lists the outlets.
fn assessment(story: &Story, milestone: &str, day: &str) {
    let answer = story.server.admin_json(&["assess", "--milestone", milestone, "--as-of", day]);
    say(&format!("\nAssessment of {milestone} as of {day}"));
    for unit in answer["units"].as_array().into_iter().flatten() {
        let late = if unit["late"] == true { "late" } else { "" };
        let open = unit["missing"].as_array().map_or(0, Vec::len);
        say(&format!("  {:<5} {}: {} ({open} open)", late, text(&unit["addressee"]), text(&unit["verdict"])));
    }
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn next(folder: &Path, story: &Story) {
    let bin = target_folder().join(
        std::env::current_exe().ok().and_then(|me| Some(me.parent()?.file_name()?.to_owned())).unwrap_or_default(),
    );
    let (outlet, server) = (bin.join("outlet"), bin.join("outlet-server"));
    let (outlet, server) = (outlet.display(), server.display());
    let data = story.server.data.display();
    let home = story.inspectors[0].home.display();
    say("\nTry next:");
    say(&format!(
        "  {server} serve --data {data} --quic {} --http {}",
        story.server.quic,
        story.server.http.trim_start_matches("http://").trim_end_matches('/')
    ));
    say(&format!("  {server} explain BZ0016 --milestone M4 --data {data}"));
    say(&format!("  {outlet} --home {home} show BZ0001 --history"));
    say(&format!(
        "  {outlet} --home {home} photo BZ0001 {}/photos/BZ0016-near.jpg    # the same photo on two outlets",
        folder.display()
    ));
    say(&format!("  {server} ledger export --format csv --as-of 2022-12-31 -o ledger.csv --data {data}"));
}

fn target_folder() -> PathBuf {
    let me = std::env::current_exe().expect("a running program has a path");
    me.ancestors().nth(2).map_or_else(|| PathBuf::from("target"), Path::to_path_buf)
}

fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    // A reader that went away (`make demo | head`) is no reason to fail.
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}
