//! The README's tours, typed as they stand: the shell lines are taken out of the README itself, so
//! that a line that no longer works fails here. Only what a reader has to fill in is filled in:
//! tickets, two photographs, free ports.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::net::{TcpListener, UdpSocket};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use outlet_tests::generator::picture;
use outlet_tests::process::binary;
use serde_json::Value;

/// One command line of a tour, and on whose device it is typed.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Line {
    person: String,
    text: String,
}

/// The lines of every tour, in order. A comment line `# person: …` changes the device.
fn tours(readme: &str) -> Vec<Line> {
    let (mut lines, mut person, mut inside, mut touring) = (Vec::<Line>::new(), String::new(), false, false);
    for text in readme.lines() {
        if let Some(heading) = text.strip_prefix("## ") {
            touring = heading.starts_with("Five minutes");
            person = heading.rsplit(' ').next().unwrap_or_default().to_owned();
        } else if text.starts_with("```") {
            inside = !inside;
        } else if inside && touring {
            let unfinished = lines.last_mut().filter(|line| line.text.ends_with('\\'));
            if let Some(last) = unfinished {
                last.text.pop();
                last.text.push_str(text.trim_start());
            } else if let Some((who, _)) = text.strip_prefix("# ").and_then(|comment| comment.split_once(':')) {
                who.clone_into(&mut person);
            } else if !text.trim().is_empty() {
                lines.push(Line { person: person.clone(), text: text.trim_end().to_owned() });
            }
        }
    }
    lines
}

/// Types lines: one folder, one home per person, one server.
struct Typist {
    folder: tempfile::TempDir,
    server: Option<Child>,
    enrolled: BTreeMap<String, u32>,
}

impl Drop for Typist {
    fn drop(&mut self) {
        if let Some(server) = &mut self.server {
            let _ = server.kill();
            let _ = server.wait();
        }
    }
}

impl Typist {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        std::os::unix::fs::symlink(super::fixtures().canonicalize().expect("fixtures"), folder.path().join("fixtures"))
            .expect("a link to the fixtures");
        for (seed, name) in [(1, "near.jpg"), (2, "far.jpg")] {
            let taken = "2021-06-03T09:00:00+08:00".parse().expect("an instant");
            std::fs::write(folder.path().join(name), picture(106.769_215, 31.851_020, taken, seed)).expect("a photo");
        }
        Self { folder, server: None, enrolled: BTreeMap::new() }
    }

    fn shell(&self, person: &str, text: &str) -> Command {
        let home = self.folder.path().join("homes").join(person);
        std::fs::create_dir_all(&home).expect("a home");
        let bin = binary("outlet").parent().map(Path::to_path_buf).unwrap_or_default();
        let mut command = Command::new("sh");
        command.args(["-c", text]).current_dir(self.folder.path()).stdin(Stdio::null());
        command.env_clear().env("HOME", home).env("PATH", format!("{}:/usr/local/bin:/usr/bin:/bin", bin.display()));
        command
    }

    /// Runs a line; answers what it printed.
    #[track_caller]
    fn type_line(&mut self, line: &Line) -> String {
        let Line { person, text } = line;
        if let Some(serve) = text.split('#').next().map(str::trim_end).and_then(|text| text.strip_suffix('&')) {
            self.serve(person, serve);
            return String::new();
        }
        let text = if text.contains("'outlet1:…'") {
            text.replace("outlet1:…", &self.ticket(person))
        } else {
            text.clone()
        };
        let output = self.shell(person, &text).output().expect("a shell");
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{person}: {text}\n{}\nstdout: {out}\nstderr: {err}", output.status);
        if text.starts_with("outlet-server init") {
            self.take_free_ports();
        }
        out.into_owned()
    }

    fn serve(&mut self, person: &str, text: &str) {
        let mut child = self
            .shell(person, &format!("exec {text}"))
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("a shell");
        let mut said = String::new();
        BufReader::new(child.stdout.take().expect("piped")).read_line(&mut said).expect("the server speaks");
        self.server = Some(child);
        assert!(said.starts_with("listening quic="), "{text}: {said}");
    }

    /// The documented ports belong to whoever runs the tests, and how full the disk is decides no test.
    fn take_free_ports(&self) {
        let file = self.folder.path().join("srv/server.toml");
        let settings = std::fs::read_to_string(&file).expect("init writes the settings");
        let udp = UdpSocket::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("a free port");
        let tcp = TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("a free port");
        let (quic, http) = ("# quic = \"127.0.0.1:4433\"", "# http = \"127.0.0.1:8080\"");
        assert!(settings.contains(quic) && settings.contains(http), "{settings}");
        let settings = settings.replace("# warn_percent = 10", "warn_percent = 0");
        let settings = settings.replace("# stop_percent = 5", "stop_percent = 0");
        assert!(settings.contains("\nwarn_percent = 0") && settings.contains("\nstop_percent = 0"), "{settings}");
        let settings = settings.replace(quic, &format!("quic = \"{udp}\"")).replace(http, &format!("http = \"{tcp}\""));
        std::fs::write(file, settings).expect("settings");
    }

    fn ticket(&mut self, person: &str) -> String {
        let number = self.enrolled.len() as u32 + 1;
        assert!(self.enrolled.insert(person.to_owned(), number).is_none(), "{person} enrols once");
        let role = match person.split(',').next() {
            Some("inspector") => "--role inspector",
            Some(level @ ("county" | "city")) => &format!("--role supervisor --level {level}"),
            _ => panic!("the README enrols {person}: which role is that?"),
        };
        let line = format!("outlet-server ticket --data srv {role} --collection 511902 --name 某{number} --json");
        let output = self.shell("admin", &line).output().expect("a shell");
        let value: Value = serde_json::from_slice(&output.stdout).expect("a ticket in JSON");
        value["ticket"].as_str().expect("a ticket").to_owned()
    }
}

#[test]
fn the_three_tours_of_the_readme_work_line_by_line() {
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md");
    let lines = tours(&std::fs::read_to_string(readme).expect("the README"));
    assert!(lines.len() > 40, "the tours were found: {lines:#?}");
    let mut typist = Typist::new();
    for line in &lines {
        let _ = typist.type_line(line);
    }
    // Where the tours lead: an outlet that is done, by facts that three levels signed.
    let explain = Line {
        person: "admin".to_owned(),
        text: "outlet-server explain A1 --milestone M4 --data srv --json".to_owned(),
    };
    let answer = typist.type_line(&explain);
    let value: Value = serde_json::from_str(&answer).expect("JSON");
    let now = value.as_array().and_then(|readings| readings.first()).unwrap_or(&value);
    assert_eq!(now["done"], true, "{answer}");
    for file in ["ledger.csv", "problems.csv", "backup.age"] {
        assert!(typist.folder.path().join(file).is_file(), "{file}");
    }
}

#[test]
fn lines_go_on_after_a_backslash_and_comments_change_the_device() {
    let text = "## Five minutes as an admin\n```\na \\\n   b\n# city: decides\nc # why\n```\n## Other\n```\nd\n```\n";
    let line = |person: &str, text: &str| Line { person: person.to_owned(), text: text.to_owned() };
    assert_eq!(tours(text), [line("admin", "a b"), line("city", "c # why")]);
}
