//! Help, completions, manual pages, usage errors.

use insta::assert_snapshot;

use crate::device::Device;

#[test]
fn the_commands_are_listed() {
    assert_snapshot!(Device::fresh().transcript(&["--help"]), @r#"
    $ outlet --help
    Record river discharge outlets (入河排污口) in the field, offline, and sync them when there is a link.

    Data goes to stdout, messages to stderr. Exit codes: 0 done, 1 your input or the surroundings, 2 the
    command line, 3 incomplete (photos pending, changes held), 70 a fault of the program.

    Usage: outlet [OPTIONS] <COMMAND>

    Commands:
      enroll         Enrol this device with a ticket from the administrator.
      add            Record a new outlet. Works without any network.
      edit           Change facts of an outlet. Only what is given is written; what it replaces is
                     named.
      move           Move a record that was created in the wrong county: a successor is made in the
                     right one, with
                     the same facts, and the two name each other. The ledger counts one.
      suggest        Suggest a class by rules, with legal basis and zone layer; offline. A person
                     decides.
      classify       Propose a class for an outlet: 取缔, 合并, 规范, 无需整治 or 未定.
      not-an-outlet  Propose that a spot is not an outlet (非排口), with a reason of the closed list.
      survey         Record a visit to an outlet (排查).
      sample         Record a sample (监测): a quick test, a laboratory sample, or why none could be
                     taken.
      trace          Record source tracing (溯源): the chain 水体—排污口—管线—污染源 and the responsible party.
      plan-note      Write a note for the rectification plan (一口一策), a difficulty, or a plain note.
      submit         Hand a record in for review.
      recall         Take a submitted record back before somebody opened it.
      photo          Add photographs. The original bytes are kept untouched and hashed into the signed
                     record; the
                     EXIF is read, a preview is made, and what looks odd is a warning, never a refusal.
      attach         Attach files other than pictures: laboratory reports, papers, videos. They are kept
                     untouched,
                     hashed into the signed record, and synced like photos.
      withdraw       Withdraw a photo or attachment: every replica removes the bytes, the hash stays.
      progress       Report progress of the rectification, for the responsible party (T14).
      recheck        Record a look at the site after closure or completion.
      sign           Record what was seen of a sign (标识牌).
      consent        Record a set-up consent or registration as found on paper (设置审批/登记).
      inspect        Record a routine inspection, or supervisory sampling with its results.
      walk           Record a stretch of bank that was walked (有口皆查), outlets found or nothing.
      case           Decide on an outlet: for supervisors, by role and level; never on a record you
                     authored.
      tasks          List the records assigned to you that are still to be visited.
      list           List the outlets of this device, those of other inspectors included once they were
                     synced.
      near           List known outlets around a place, nearest first.
      show           Show an outlet: facts, visits, samples, traces, photos, decisions, conflicts.
      status         Say what is safe: records and photos on this device, sent, stored by the server, in
                     the ledger.
      conflicts      List gated facts in conflict: two people said different things, and a supervisor
                     decides.
      sync           Sync with the server: send what is new here, fetch what others did, prove that both
                     sides hold
                     the same.
      peer           Exchange with another device directly
      bundle         Carry records and photos on a USB stick
      doctor         Examine the whole store: every frame of the journal, the index, every file.
      backup         Write a backup of the whole store, keys included, into one file.
      restore        Restore a backup into an empty home.
      batch          Run a file of command lines in one open store: one line, one command, without
                     `outlet`.
      completions    Print completions for a shell.
      man            Write the manual pages, one per command.
      help           Print this message or the help of the given subcommand(s)

    Options:
          --home <DIR>
              The store [default: $OUTLET_HOME, else ~/.outlet]

          --json
              Data as JSON on stdout; errors as JSON on stderr

      -q, --quiet
              Only data, warnings and errors

          --accept-weak-storage
              Accept a file system that cannot lock or sync: what is saved there may be lost

      -h, --help
              Print help (see a summary with '-h')

      -V, --version
              Print version
    [exit 0]
    "#);
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
        // What does not start a command goes on with the one before, whether we or the terminal broke it.
        match (line.trim().starts_with("outlet ") || line.trim().starts_with("printf "), lines.last_mut()) {
            (false, Some(last)) => last.push_str(&format!(" {}", line.trim())),
            _ => lines.push(line.trim().to_owned()),
        }
    }
    assert!(!lines.is_empty(), "{help}");
    for line in lines.iter().filter_map(|line| line.strip_prefix("outlet ")) {
        let line = line.split(" > ").next().unwrap().split(" < ").next().unwrap();
        let line = line.replace("4f2a…", &"0".repeat(64)).replace("5b1c…", &"0".repeat(32)).replace("~/", "DIR/");
        // The harness names a home of its own.
        let line = line.strip_prefix("--home ").and_then(|rest| rest.split_once(' ')).map_or(&*line, |(_, rest)| rest);
        let shown = device.transcript(&[line]);
        assert!(!shown.contains("[exit 2]"), "{shown}");
    }
}

#[test]
fn usage_errors_exit_with_two() {
    assert_snapshot!(Device::fresh().transcript(&["", "fly", "add --colour red", "case", "survey"]), @r#"
    $ outlet 
    ! error: 'outlet' requires a subcommand but one was not provided
    !   [subcommands: enroll, add, edit, move, suggest, classify, not-an-outlet, survey, sample, trace, plan-note, submit, recall, photo, attach, withdraw, progress, recheck, sign, consent, inspect, walk, case, tasks, list, near, show, status, conflicts, sync, peer, bundle, doctor, backup, restore, batch, completions, man, help]
    ! 
    ! Usage: outlet [OPTIONS] <COMMAND>
    ! 
    ! For more information, try '--help'.
    [exit 2]
    $ outlet fly
    ! error: unrecognized subcommand 'fly'
    ! 
    ! Usage: outlet [OPTIONS] <COMMAND>
    ! 
    ! For more information, try '--help'.
    [exit 2]
    $ outlet add --colour red
    ! error: unexpected argument '--colour' found
    ! 
    !   tip: a similar argument exists: '--control-unit'
    ! 
    ! Usage: outlet add --control-unit <CONTROL_UNIT>
    ! 
    ! For more information, try '--help'.
    [exit 2]
    $ outlet case
    ! Decide on an outlet: for supervisors, by role and level; never on a record you authored.
    ! 
    ! Usage: outlet case [OPTIONS] <COMMAND>
    ! 
    ! Commands:
    !   review         Review a record: open it, approve it, return it with reasons, revoke an approval.
    !   settle         End a conflict of a gated fact, or set it by decision.
    !   duplicate      Declare a record a duplicate of another one (重复记录), or lift that again.
    !   decide         Decide the class of an outlet (city), or endorse the proposal (county, --endorse).
    !   plan           Draft (county) or approve (city, --approve) the rectification plan of an outlet
    !                  (一口一策).
    !   complete       Report the works as complete (申请销号), or take the report back.
    !   accept         First check (county) or acceptance (city) of the works (验收销号).
    !   reopen         Re-open an outlet after a relapse or a failed check, or close a re-opening as
    !                  unfounded.
    !   extend         Record an extension (延期) or a suspension, by the authority that set the deadline.
    !   name           Approve the name of an outlet; what looks wrong in it is a warning.
    !   code           Record an official code (received from the platform or assigned from a granted
    !                  block).
    !   sign           Record the state of the sign as decided or reported (标识牌).
    !   party          Designate or change the responsible parties; the old ones stay with their dates.
    !   exempt         Exempt an outlet from a condition, for a reason of the closed list (city).
    !   enforcement    Record an enforcement lead (线索) and its way.
    !   known-from     Name the dated document by which imported facts were known (admin).
    !   approve-known  Approve a `known-from` entry (city).
    !   help           Print this message or the help of the given subcommand(s)
    ! 
    ! Options:
    !       --home <DIR>           The store [default: $OUTLET_HOME, else ~/.outlet]
    !       --json                 Data as JSON on stdout; errors as JSON on stderr
    !   -q, --quiet                Only data, warnings and errors
    !       --accept-weak-storage  Accept a file system that cannot lock or sync: what is saved there may
    !                              be lost
    !   -h, --help                 Print help (see more with '--help')
    [exit 2]
    $ outlet survey
    ! error: the following required arguments were not provided:
    !   <ID>
    ! 
    ! Usage: outlet survey <ID>
    ! 
    ! For more information, try '--help'.
    [exit 2]
    "#);
}

#[test]
fn completions_and_manual_pages_are_made() {
    let mut device = Device::fresh();
    assert!(device.does("completions bash").contains("_outlet()"));
    let pages = device.json(&format!("man {}", device.path("man")));
    let pages: Vec<&str> = pages["pages"].as_array().unwrap().iter().filter_map(|page| page.as_str()).collect();
    assert!(pages.contains(&"outlet-survey.1") && pages.contains(&"outlet-case-decide.1"), "{pages:?}");
    std::fs::write(device.path("file"), "").unwrap();
    assert_snapshot!(device.transcript(&["man DIR/file", "completions tcsh"]), @r#"
    $ outlet man DIR/file
    ! error: cannot write manual pages into DIR/file
    !   because: File exists (os error 17)
    ! hint: name a directory that you may write
    [exit 1]
    $ outlet completions tcsh
    ! error: invalid value 'tcsh' for '<SHELL>'
    !   [possible values: bash, elvish, fish, powershell, zsh]
    ! 
    !   tip: a similar value exists: 'zsh'
    ! 
    ! For more information, try '--help'.
    [exit 2]
    "#);
}

#[test]
fn errors_are_json_too_when_asked() {
    assert_snapshot!(Device::with_outlet().transcript(&["classify T-1 close --json"]), @r#"
    $ outlet classify T-1 close --json
    ! {"error":{"kind":"user","message":"\"close\" is not a value of the class","causes":[],"hints":["nearest: none_needed (无需整治), merge (合并), undecided (未定)","valid: ban (取缔), merge (合并), regulate (规范), none_needed (无需整治), undecided (未定)"]}}
    [exit 1]
    "#);
}

#[test]
fn usage_errors_are_json_where_json_was_asked_for() {
    let lines = ["fly --json", "--json add --lon 106.7", "add --colour red --json", "case --json", "add -- --json"];
    assert_snapshot!(Device::fresh().transcript(&lines), @r#"
    $ outlet fly --json
    ! {"error":{"kind":"usage","message":"unrecognized subcommand 'fly'","causes":[],"hints":["Usage: outlet [OPTIONS] <COMMAND>","For more information, try '--help'."]}}
    [exit 2]
    $ outlet --json add --lon 106.7
    ! {"error":{"kind":"usage","message":"the following required arguments were not provided: --lat <LAT>","causes":[],"hints":["Usage: outlet add --lon <LON> --lat <LAT>","For more information, try '--help'."]}}
    [exit 2]
    $ outlet add --colour red --json
    ! {"error":{"kind":"usage","message":"unexpected argument '--colour' found","causes":[],"hints":["a similar argument exists: '--control-unit'","Usage: outlet add --control-unit <CONTROL_UNIT>","For more information, try '--help'."]}}
    [exit 2]
    $ outlet case --json
    ! {"error":{"kind":"usage","message":"'outlet case' requires a subcommand but one was not provided [subcommands: review, settle, duplicate, decide, plan, complete, accept, reopen, extend, name, code, sign, party, exempt, enforcement, known-from, approve-known, help]","causes":[],"hints":["Usage: outlet case [OPTIONS] <COMMAND>","For more information, try '--help'."]}}
    [exit 2]
    $ outlet add -- --json
    ! error: unexpected argument '--json' found
    ! 
    ! Usage: outlet add [OPTIONS]
    ! 
    ! For more information, try '--help'.
    [exit 2]
    "#);
}
