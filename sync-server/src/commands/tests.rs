//! Commands as scripts and people see them: exit code, data on stdout, hint on stderr.

use std::io::Write;
use std::sync::{Arc, Mutex};

use outlet_core::identity::{Role, Ticket};
use serde_json::Value;

use crate::testing::{Kit, outlet};

#[derive(Clone, Default)]
struct Buffer(Arc<Mutex<Vec<u8>>>);

impl Write for Buffer {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

pub(super) struct Ran {
    pub(super) code: u8,
    pub(super) out: String,
    pub(super) err: String,
}

impl Ran {
    #[track_caller]
    pub(super) fn json(&self) -> Value {
        assert_eq!(self.code, 0, "{}", self.err);
        serde_json::from_str(&self.out).unwrap()
    }

    #[track_caller]
    pub(super) fn fails(&self, code: u8, message: &str, hint: &str) {
        assert_eq!((self.code, self.out.as_str()), (code, ""), "{}", self.err);
        assert!(self.err.contains(message) && self.err.contains(&format!("hint: {hint}")), "{}", self.err);
    }
}

pub(super) fn run(kit: &Kit, args: &[&str]) -> Ran {
    let (out, err) = (Buffer::default(), Buffer::default());
    let env = crate::Env {
        vars: [("OUTLET_SERVER_DATA".to_owned(), kit.place.path().display().to_string())].into(),
        stdin: Box::new(std::io::Cursor::new(b"piped in password\n".to_vec())),
        stdout: Box::new(out.clone()),
        stderr: Box::new(err.clone()),
        clock: kit.engine.folder.clock.clone(),
        install_logs: false,
    };
    let code = crate::run_code(std::iter::once("outlet-server").chain(args.iter().copied()).map(Into::into), env);
    let text = |buffer: &Buffer| String::from_utf8(buffer.0.lock().unwrap().clone()).unwrap();
    Ran { code, out: text(&out), err: text(&err) }
}

fn with_outlet() -> Kit {
    let kit = Kit::new();
    let mut device = kit.member(1, Role::Inspector, None);
    let runs = [device.fact(&outlet(1), "name", "甲口"), device.fact(&outlet(1), "classification", "ban")];
    kit.push(&device, &runs);
    kit
}

#[test]
fn a_ticket_in_json_is_one_that_devices_read() {
    let kit = Kit::new();
    let ran = run(
        &kit,
        &[
            "ticket",
            "--role",
            "supervisor",
            "--level",
            "city",
            "--collection",
            "511902",
            "--name",
            "李四",
            "--expires",
            "2d",
            "--address",
            "quic://example.org:4433",
            "--json",
        ],
    );
    let value = ran.json();
    let ticket: Ticket = value["ticket"].as_str().unwrap().parse().unwrap();
    assert_eq!((ticket.name.as_str(), ticket.role), ("李四", Role::Supervisor));
    assert_eq!(value["expires"], ticket.expires_at.to_string());
    assert_eq!(ticket.expires_at, kit.now().plus_millis(2 * 86_400_000));
    assert_eq!(ticket.addresses[0].to_string(), "quic://example.org:4433");
    assert_eq!(ticket.server, kit.engine.folder.key().public());
}

#[test]
fn a_second_device_is_of_the_same_person_and_a_namesake_has_to_be_told_apart() {
    let kit = Kit::new();
    let _first = kit.member(1, Role::Inspector, None);
    let pw = kit.place.path().join("pw.txt");
    std::fs::write(&pw, "correct horse\n").unwrap();
    let account = ["account", "add", "Wang.Wu", "--name", "王五", "--role", "viewer", "--collection", "511902"];
    kit.runs(&[&account[..], &["--password-file", &pw.display().to_string()]].concat());
    let ticket = |name: &str, more: &[&str]| {
        let args = ["ticket", "--role", "inspector", "--collection", "511902", "--address", "quic://a:1"];
        run(&kit, &[&args[..], &["--name", name], more].concat())
    };
    let person = |name: &str, more: &[&str]| {
        ticket(name, &[more, &["--json"]].concat()).json()["person"].as_str().unwrap().to_owned()
    };
    let known = outlet_core::ids::PersonId([1; 16]).to_string();
    ticket("person 1", &[]).fails(1, "is that the same human being?", &format!("the same: --person {known}"));
    assert_eq!(person("person 1", &["--person", &known]), known);
    assert_eq!(person("person 1", &["--person", "person 1"]), known);
    assert_ne!(person("person 1", &["--person", "new"]), known);
    let of_account = run(&kit, &["account", "show", "wang.wu", "--json"]).json()["person"].as_str().unwrap().to_owned();
    ticket(" 王五 ", &[]).fails(1, "is that the same human being?", &format!("the same: --person {of_account}"));
    assert_eq!(person("王五", &["--person", "wang.WU"]), of_account, "by login, in whatever case");
    assert_ne!(person("赵六", &[]), person("赵六", &[]), "a ticket that nobody used makes no person");
    ticket("x", &["--person", "nobody"]).fails(1, "the id, login or name \"nobody\"", "`outlet-server device list`");
    let second = crate::testing::Device::new(2);
    kit.enrol(&second, 2, Role::Inspector, None, &[crate::testing::county()]);
    let third = crate::testing::Device::new(3);
    let grant = crate::db::devices::Grant {
        role: Role::Inspector,
        level: None,
        collections: vec![crate::testing::county()],
        name: "person 2".to_owned(),
        person: outlet_core::ids::PersonId([3; 16]),
    };
    let folder = &kit.engine.folder;
    let issue = |tx: &rusqlite::Transaction<'_>| {
        crate::folder::issue(tx, &folder.config, folder.key(), third.key.public(), &grant, None, kit.now())
    };
    kit.engine.database().write::<_, crate::db::DbError>(issue).unwrap();
    ticket("x", &["--person", "person 2"]).fails(1, "several people are called person 2", "give the id of one");
}

#[test]
fn wrong_ticket_options_say_what_to_do() {
    let kit = Kit::new();
    let ticket = |more: &[&str]| run(&kit, &[&["ticket", "--name", "x", "--collection", "511902"], more].concat());
    ticket(&["--role", "supervisor"]).fails(2, "a supervisor needs a level", "add --level county");
    ticket(&["--role", "inspector", "--level", "city"]).fails(2, "only supervisors", "leave --level away");
    ticket(&["--role", "viewer", "--collection", "000000"]).fails(2, "reference documents", "name the counties");
    let bad_address = ticket(&["--role", "viewer", "--address", "example.org"]);
    assert_eq!(bad_address.code, 2);
    assert!(bad_address.err.contains("quic://host:port"));
    assert_eq!(run(&kit, &["ticket", "--role", "boss"]).code, 2);
}

#[test]
fn a_missing_folder_and_a_second_init_are_explained() {
    let kit = Kit::new();
    let missing = kit.place.path().join("nothing").display().to_string();
    run(&kit, &["--data", &missing, "device", "list"]).fails(1, "does not exist", "make a new data folder");
    run(&kit, &["init"]).fails(1, "is a data folder already", "start it with");
    let error = run(&kit, &["--json", "init"]);
    let value: Value = serde_json::from_str(&error.err).unwrap();
    assert_eq!(value["error"]["code"], 1);
}

#[test]
fn devices_are_listed_and_found_by_their_first_digits() {
    let kit = Kit::new();
    let device = kit.member(1, Role::Inspector, None);
    let list = run(&kit, &["device", "list", "--json"]).json();
    assert_eq!(list.as_array().unwrap().len(), 2);
    let shown = run(&kit, &["device", "show", &device.public().short(), "--json"]).json();
    assert_eq!((&shown["role"], &shown["name"]), (&"inspector".into(), &"person 1".into()));
    kit.wait(10);
    assert_eq!(run(&kit, &["device", "revoke", &device.public().short()]).code, 0);
    assert_eq!(run(&kit, &["device", "revoke", &device.public().short()]).code, 1);
    run(&kit, &["device", "show", "zz"]).fails(1, "no device has a key", "`outlet-server device list`");
    let server = kit.engine.folder.key().public().to_string();
    run(&kit, &["device", "revoke", &server]).fails(1, "the server's own key", "`outlet-server key rotate`");
}

#[test]
fn the_ledger_exports_its_first_columns_with_a_byte_order_mark() {
    let kit = with_outlet();
    let csv = run(&kit, &["ledger", "export", "--format", "csv", "-o", "-"]);
    let first = "\u{feff}id,national_code,provincial_code,temporary_number,name,lon,lat,county,township,waterbody,\
                 classification,classification_proposed,decided_on,decision_document,review_state,entry_mode,\
                 discharge_pattern,scale,scale_basis,primary_party,competent_department,problem_count";
    assert!(csv.out.starts_with(first), "{}", csv.out);
    assert_eq!(csv.out.lines().count(), 2);
    assert!(csv.out.contains("甲口"));
    let file = kit.place.path().join("ledger.geojson");
    let path = file.display().to_string();
    let ran = run(&kit, &["ledger", "export", "--format", "geojson", "--as-of", "2022-12-31", "-o", &path]);
    assert_eq!((ran.code, ran.out.as_str()), (0, ""));
    let value: Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    assert_eq!(value["type"], "FeatureCollection");
    let before = run(&kit, &["ledger", "export", "--known-as-of", "2021-01-01"]);
    assert!(!before.out.contains("甲口"), "nobody knew it then: {}", before.out);
}

#[test]
fn progress_explain_and_lists_have_their_shapes() {
    let kit = with_outlet();
    let rows = run(&kit, &["progress", "--as-of", "2022-12-31", "--by", "county", "--json"]).json();
    let row = &rows[0];
    for key in [
        "milestone",
        "due",
        "as_of",
        "reading",
        "group",
        "done",
        "of",
        "share",
        "target",
        "parts",
        "grades",
        "excluded",
        "state",
    ] {
        assert!(!row[key].is_null() || key == "share", "{key}: {row}");
    }
    let id = outlet(1).id.to_string();
    let both = run(&kit, &["explain", &id[24..], "--milestone", "m4", "--as-of", "2023-12-31", "--json"]).json();
    assert_eq!(both.as_array().unwrap().len(), 2);
    assert_eq!((&both[0]["done"], &both[0]["milestone"]), (&false.into(), &"M4".into()));
    assert!(run(&kit, &["explain", &id, "--milestone", "M4"]).out.contains("not done"));
    run(&kit, &["explain", "nobody", "--milestone", "M4"]).fails(
        1,
        "no outlet in the ledger",
        "`outlet-server ledger export`",
    );
    run(&kit, &["explain", &id, "--milestone", "M9"]).fails(1, "has no M9", "it has M1, M2, M3, M4");
    let summary = run(&kit, &["ledger", "summary", "--by", "unit", "--json"]).json();
    assert_eq!(summary[0]["outlets"].as_u64().unwrap() + summary[0]["suspected"].as_u64().unwrap(), 1);
    assert!(run(&kit, &["problems", "export"]).out.starts_with('\u{feff}'));
    assert!(run(&kit, &["parties", "export", "--json"]).json().is_array());
    run(&kit, &["progress", "--set", "nothing"]).fails(1, "no such milestone set", "known are bazhong-14fyp");
}

#[test]
fn reference_files_are_checked_before_anything_is_written() {
    let kit = Kit::new();
    let file = |name: &str, text: &str| {
        let path = kit.place.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let rivers = file("rivers.toml", "version = \"2\"\n[[river]]\nname = \"巴河\"\n");
    let strange = file("strange.toml", "x = 1\n");
    run(&kit, &["load-reference", &rivers, &strange]).fails(1, "no data set that this program knows", "it needs kind");
    let loaded = run(&kit, &["load-reference", &rivers, "--json"]).json();
    assert_eq!(
        (&loaded[0]["kind"], &loaded[0]["version"], &loaded[0]["changed"]),
        (&"rivers".into(), &"2".into(), &true.into())
    );
    assert_eq!(run(&kit, &["load-reference", &rivers, "--json"]).json()[0]["changed"], false);
    run(&kit, &["seal", "--what", "ledger", "--unit", "Bazhong", "--on", "2021-12-20"]).fails(
        2,
        "no management unit",
        "give a county code",
    );
    let sealed = run(
        &kit,
        &["seal", "--what", "problem_list", "--unit", "511902", "--on", "2021-12-20", "--document", "文1", "--json"],
    )
    .json();
    assert_eq!((&sealed["what"], &sealed["document"]["number"]), (&"problem_list".into(), &"文1".into()));
}

#[test]
fn a_backup_needs_a_passphrase_and_keys_rotate_with_the_root_key_only() {
    let kit = Kit::new();
    let file = kit.place.path().join("b.age").display().to_string();
    run(&kit, &["backup", &file]).fails(2, "passphrase of at least 8", "give --passphrase-file");
    let old = kit.engine.folder.key().public();
    let rotated = run(&kit, &["key", "rotate", "--json"]).json();
    assert_eq!(rotated["old"], old.to_string());
    let reopened = crate::testing::open(kit.place.path(), &kit.clock);
    assert_eq!(reopened.folder.key().public().to_string(), rotated["new"]);
    let roster = reopened.database().read::<_, crate::db::DbError>(|tx| reopened.folder.roster(tx)).unwrap();
    assert!(roster.is_server(&old), "what the old key signed stands");
    assert!(!roster.active_servers().contains(&old));
    let missing = kit.place.path().join("no.key").display().to_string();
    run(&kit, &["key", "rotate", "--root-key", &missing]).fails(1, "no.key failed", "check the path");
}

#[test]
fn held_work_is_listed_and_released_on_the_command_line() {
    let kit = Kit::with_config("[quota]\nchanges = 1\n");
    let mut device = kit.member(1, Role::Inspector, None);
    let runs = [device.fact(&outlet(1), "name", "甲"), device.fact(&outlet(2), "name", "乙")];
    kit.push(&device, &runs);
    let list = run(&kit, &["quarantine", "list", "--json"]).json();
    assert_eq!((&list[0]["reason"], list.as_array().unwrap().len()), (&"quota".into(), 1));
    let name = list[0]["run"].as_str().unwrap();
    assert!(run(&kit, &["quarantine", "show", &name[..8]]).out.contains("quota"));
    let decided = run(&kit, &["quarantine", "release", &name[..8], "--by", "李四", "--json"]).json();
    assert_eq!(decided["released"][0], name);
    run(&kit, &["quarantine", "release", &name[..8]]).fails(1, "no held run", "`outlet-server quarantine list`");
    assert_eq!(run(&kit, &["quarantine", "list"]).out, "nothing is held\n");
}

#[test]
fn settings_completions_and_manual_pages_are_printed() {
    let kit = Kit::new();
    assert!(run(&kit, &["config", "default"]).out.contains("photo_bytes = 5_368_709_120"));
    assert!(run(&kit, &["completions", "bash"]).out.contains("quarantine"));
    let pages = kit.place.path().join("man");
    assert_eq!(run(&kit, &["man", &pages.display().to_string()]).code, 0);
    assert!(pages.join("outlet-server.1").exists());
    let version = run(&kit, &["--version"]);
    assert!(version.code == 0 && version.out.starts_with("outlet-server "));
}

#[test]
fn accounts_are_made_listed_and_shut_and_passwords_never_come_from_the_command_line() {
    let kit = Kit::new();
    let file = kit.place.path().join("pw.txt");
    std::fs::write(&file, "correct horse\r\nsecond line\n").unwrap();
    let file = file.display().to_string();
    let add = ["account", "add", "li.si", "--name", "李四", "--role", "supervisor", "--level", "county"];
    let add = |login: &'static str, more: &[&str]| {
        let mut args = [&add[..], &["--collection", "511902", "--json"], more].concat();
        args[2] = login;
        run(&kit, &args)
    };
    let made = add("li.si", &["--password-file", &file]).json();
    assert_eq!((made["login"].as_str(), made["level"].as_str()), (Some("li.si"), Some("county")));
    assert!(made.get("password").is_none());
    let database = kit.engine.database();
    assert!(crate::accounts::sign_in(database, "LI.SI", "correct horse").is_ok());
    let taken = add("LI.si", &[]);
    assert_eq!(taken.code, 1);
    assert!(taken.err.contains("already"), "{}", taken.err);
    let piped = run(&kit, &["account", "password", "li.si"]);
    assert_eq!(piped.code, 0, "{}", piped.err);
    assert!(crate::accounts::sign_in(database, "li.si", "piped in password").is_ok());
    run(&kit, &["account", "disable", "li.si"]);
    assert!(run(&kit, &["account", "list"]).out.contains("disabled"));
    assert_eq!(run(&kit, &["account", "enable", "li.si", "--json"]).json()["disabled_at"], Value::Null);
    run(&kit, &["account", "show", "nobody"]).fails(1, "there is no account", "`outlet-server account list`");
    let argv = run(&kit, &["account", "add", "x.y", "--name", "x", "--role", "viewer", "--password", "secret"]);
    assert_eq!(argv.code, 2);
    // Somebody whose device is enrolled under this name: the same human being?
    let mut device = kit.member(9, Role::Inspector, None);
    let p9 = |login: &'static str, more: &[&str]| {
        let args = ["account", "add", login, "--name", "person 9", "--role", "supervisor", "--level", "city"];
        run(&kit, &[&args[..], &["--collection", "511902", "--json"], more].concat())
    };
    let same = "09090909090909090909090909090909";
    let which = p9("p9", &[]);
    assert_eq!(which.code, 1);
    assert!(which.err.contains("somebody called person 9 has a device"), "{}", which.err);
    assert!(which.err.contains(&format!("the same: --person {same}")), "{}", which.err);
    assert_eq!(p9("p9", &["--person", same]).json()["person"], same);
    assert_ne!(p9("other", &["--person", "new"]).json()["person"], same);
    let nobody = p9("third", &["--person", "nobody"]);
    assert!(nobody.code == 1 && nobody.err.contains("nobody with a device or an account"), "{}", nobody.err);
    // Who is the same person on device and account decides on nothing that they recorded.
    let written = device.fact(&outlet(1), "state", "outlet");
    let submitted = device.write(&outlet(1), serde_json::json!({"type": "submit"}));
    kit.push(&device, &[written, submitted]);
    let id = outlet(1).id.to_string();
    let approve = |login: &str| run(&kit, &["review", "approve", &id, "--as", login]);
    let own = approve("p9");
    assert_eq!(own.code, 1);
    assert!(own.err.contains("nobody decides on a record they wrote in"), "{}", own.err);
    assert_eq!(approve("other").code, 0);
}

#[test]
fn a_clock_that_was_far_ahead_is_accepted_with_a_reason_and_an_audit() {
    let kit = Kit::new();
    let mut device = kit.member(1, Role::Inspector, None);
    let day = 86_400_000;
    run(&kit, &["clock", "accept", "--reason", "x"]).fails(
        1,
        "there is nothing to accept",
        "`outlet-server clock show`",
    );
    kit.wait(400 * day);
    let early = device_fact(&mut device, 1);
    kit.push(&device, &[early]);
    kit.wait(-400 * day);
    let late = device_fact(&mut device, 2);
    let items = [outlet_core::sync::replica::FeedItem::Run(late.clone())];
    let refused = kit.engine.admit(&device.key.public(), &items).unwrap_err();
    assert!(refused.to_string().contains("it takes nothing until the clock is right"), "{refused}");
    let shown = run(&kit, &["clock", "show", "--json"]).json();
    assert_eq!((&shown["gives_receipts"], shown["ahead_ms"].as_i64()), (&false.into(), Some(400 * day)));
    run(&kit, &["clock", "accept", "--reason", " "]).fails(2, "the reason is empty", "say why the clock was wrong");
    let accepted = run(&kit, &["clock", "accept", "--reason", "empty battery", "--json"]).json();
    assert_eq!((&accepted["gives_receipts"], &accepted["ahead_ms"]), (&true.into(), &0.into()));
    assert_eq!(kit.push(&device, &[late]).receipts.len(), 1);
    let audit: String = kit
        .engine
        .database()
        .read::<_, crate::db::DbError>(|tx| {
            Ok(tx.query_row("SELECT detail FROM audit WHERE action = 'clock accept'", [], |row| row.get(0))?)
        })
        .unwrap();
    assert!(audit.contains("empty battery") && audit.contains("2023-04"), "{audit}");
}

fn device_fact(device: &mut crate::testing::Device, number: u8) -> outlet_core::identity::SignedRun {
    device.fact(&outlet(number), "name", "甲")
}
