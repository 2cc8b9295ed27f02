//! Accounts: logins, passwords, rights.

use super::*;
use crate::testing::{Kit, county};

fn new(login: &str) -> NewAccount {
    NewAccount {
        login: login.to_owned(),
        name: "李四".to_owned(),
        person: PersonId([7; 16]),
        role: Role::Supervisor,
        level: Some(Level::County),
        collections: vec![county()],
    }
}

#[test]
fn a_login_is_unique_whatever_its_case_and_signs_in_with_its_password_only() {
    let kit = Kit::new();
    let database = kit.engine.database();
    let added = add(database, new("Li.Si"), "correct horse", (COMMANDS, kit.now())).unwrap();
    assert!(matches!(add(database, new("li.si"), "correct horse", (COMMANDS, kit.now())), Err(AccountError::Taken(_))));
    assert_eq!(sign_in(database, "LI.SI", "correct horse").unwrap(), added);
    for (login, password) in [("li.si", "correct hors"), ("li.si", ""), ("nobody", "correct horse")] {
        assert!(matches!(sign_in(database, login, password), Err(AccountError::Wrong)), "{login} {password}");
    }
    let stored = database.read::<_, DbError>(|tx| rows::find(tx, "li.si")).unwrap().unwrap();
    assert!(stored.password.starts_with("$argon2id$"), "{}", stored.password);
    assert!(!stored.password.contains("correct"));
}

#[test]
fn a_new_password_replaces_the_old_one_and_a_disabled_account_is_shut() {
    let kit = Kit::new();
    let database = kit.engine.database();
    add(database, new("li"), "correct horse", (COMMANDS, kit.now())).unwrap();
    kit.wait(1_000);
    let changed = set_password(database, "Li", "battery staple", (COMMANDS, kit.now())).unwrap();
    assert_eq!(changed.password_at, kit.now(), "sessions from before end");
    assert!(matches!(sign_in(database, "li", "correct horse"), Err(AccountError::Wrong)));
    assert!(sign_in(database, "li", "battery staple").is_ok());
    set_enabled(database, "li", false, (COMMANDS, kit.now())).unwrap();
    assert!(matches!(sign_in(database, "li", "battery staple"), Err(AccountError::Disabled { .. })));
    assert!(matches!(sign_in(database, "li", "guess a password"), Err(AccountError::Wrong)), "says nothing to others");
    let shut = database.read(|tx| usable(tx, "li"));
    assert!(matches!(shut, Err(AccountError::Disabled { .. })));
    set_enabled(database, "li", true, (COMMANDS, kit.now())).unwrap();
    assert!(sign_in(database, "li", "battery staple").is_ok());
}

#[test]
fn what_cannot_be_an_account_is_refused_in_words() {
    let kit = Kit::new();
    let database = kit.engine.database();
    for (password, why) in [
        ("short", "too short"),
        ("aaaaaaaaaaaa", "repeats"),
        ("Zhang.SanSan", "is the login"),
        (&"x".repeat(300), "too long"),
    ] {
        let error = add(database, new("zhang.sansan"), password, (COMMANDS, kit.now())).unwrap_err().to_string();
        assert!(error.contains(why), "{error}");
    }
    for reserved in RESERVED.into_iter().filter(|name| !name.contains(' ')) {
        let error = add(database, new(&reserved.to_uppercase()), "correct horse", (COMMANDS, kit.now()));
        assert!(matches!(error, Err(AccountError::Login(_))), "{reserved} would hide behind the commands");
    }
    let refused = |new: NewAccount| add(database, new, "correct horse", (COMMANDS, kit.now())).unwrap_err().to_string();
    assert!(refused(new("a b")).contains("is no login"));
    assert!(refused(NewAccount { level: None, ..new("li") }).contains("county or city"));
    assert!(refused(NewAccount { collections: vec![], ..new("li") }).contains("collections"));
    assert!(refused(NewAccount { role: Role::Inspector, ..new("li") }).contains("ticket"));
    let admin = NewAccount { role: Role::Admin, level: None, collections: vec![], ..new("root") };
    let admin = add(database, admin, "correct horse", (COMMANDS, kit.now())).unwrap();
    assert!(admin.covers(county()), "an admin without collections has all");
}
