//! The console in a real browser: the story from a list of suspected points to an outlet's code, its
//! sign and the milestones of three years, and every page looked at for barriers, for what it asks of
//! other hosts, and for its width.

mod desk;
mod field;

use outlet_tests::browser::Browser;
use outlet_tests::process::{Edge, Server};

use crate::fixtures;

const PASSWORD: &str = "bazhong-2021-test";

/// A server with accounts and a block of codes, and two inspectors who have enrolled.
fn begin(folder: &std::path::Path) -> (Server, Edge, Edge) {
    let mut server = Server::init(folder.join("server"));
    let mut load = vec!["load-reference".to_owned()];
    for entry in std::fs::read_dir(fixtures().join("milestones")).expect("milestone sets") {
        load.push(entry.expect("an entry").path().display().to_string());
    }
    let load: Vec<&str> = load.iter().map(String::as_str).collect();
    drop(server.admin(&load).expect_code(0));
    let file = folder.join("password.txt");
    std::fs::write(&file, PASSWORD).expect("the password file");
    let file = file.display().to_string();
    for (login, rights) in [
        ("admin", &["--role", "admin"][..]),
        ("county", &["--role", "supervisor", "--level", "county", "--collection", "511902"]),
        ("checker", &["--role", "supervisor", "--level", "county", "--collection", "511902"]),
        ("city", &["--role", "supervisor", "--level", "city", "--collection", "511902"]),
        ("viewer", &["--role", "viewer", "--collection", "511902"]),
    ] {
        let mut args = vec!["account", "add", login, "--name", login, "--password-file", &file];
        args.extend(rights);
        drop(server.admin(&args).expect_code(0));
    }
    let block = ["codes", "block", "grant", "B1", "--county", "511902", "--from", "1", "--to", "50"];
    drop(server.admin(&[&block[..], &["--document", "川环函〔2023〕1号"]].concat()).expect_code(0));
    server.serve();
    let inspector = field::device(folder, &server, "排查员");
    let colleague = field::device(folder, &server, "同事");
    (server, inspector, colleague)
}

/// Fills a decision's form in and sends it; the outlet's page says that it is done.
async fn decide(browser: &Browser, outlet: &str, what: &str, fields: &[(&str, &str)], ticks: &[&str]) {
    browser.open(&format!("{outlet}/decide/{what}")).await;
    fill_in(browser, fields, ticks).await;
}

/// Fills the form in that is open, and sends it.
async fn fill_in(browser: &Browser, fields: &[(&str, &str)], ticks: &[&str]) {
    for (name, value) in fields {
        browser.fill(&format!("[name={name}]"), value).await;
    }
    for tick in ticks {
        browser.press(tick).await;
    }
    browser.press("main form.stack button").await;
    browser.read("决定已记入案卷").await;
}

/// Looks at every page as a stranger to it would: barriers, width, other hosts, both languages.
async fn look(browser: &Browser, pages: &[(&str, String)]) {
    for (name, path) in pages {
        for language in ["zh", "en"] {
            browser.open(path).await;
            browser.language(language).await;
            browser.see("html[data-ready=yes]").await;
            for width in [1440, 390] {
                browser.width(width).await;
                if *name == "map" {
                    browser.see("#map[data-state]").await;
                    let zoom = browser.map_zoom().await;
                    assert!(zoom.is_none_or(|zoom| zoom > 5.0), "the map shows the world, not the city: {zoom:?}");
                }
                browser.keep_picture(&format!("{name}-{language}-{width}")).await;
                assert!(!browser.overflows().await, "{path} is wider than {width} px in {language}");
                let wide = if width < 600 { browser.wide_tables().await } else { Vec::new() };
                assert!(wide.is_empty(), "{path} has tables to be scrolled sideways at {width} px: {wide:?}");
            }
            let barriers = browser.barriers().await;
            assert!(barriers.is_empty(), "{path} in {language}: {barriers:#?}");
            assert_eq!(browser.strangers().await, Vec::<String>::new(), "{path} asked other hosts");
        }
        browser.language("zh").await;
        browser.width(1440).await;
    }
}

/// Endorsed and drafted by the county, decided and approved by the city, built, checked, accepted.
async fn rectify(browser: &Browser, outlet: &str, inspector: &Edge) {
    // A wrong form keeps what was typed.
    browser.open(&format!("{outlet}/decide/plan")).await;
    browser.fill("[name=criteria]", "按事项核查").await;
    browser.press("main form.stack button").await;
    browser.see("#due-error").await;
    browser.read("按事项核查").await;

    desk::take_rule(browser, outlet).await;
    fill_in(browser, &[("on", "2021-08-20")], &[]).await;
    let plan = [("criteria", "按事项核查"), ("due", "2022-06-30"), ("on", "2021-09-05")];
    let measures = ["[name=measures][value=standardisation]", "[name=items][value=archive]"];
    decide(browser, outlet, "plan", &plan, &measures).await;
    browser.sign_in("city", PASSWORD).await;
    desk::take_rule(browser, outlet).await;
    let paper = [("document", "巴环函〔2021〕12号"), ("document_dated", "2021-09-01"), ("on", "2021-09-01")];
    fill_in(browser, &paper, &[]).await;
    // The county's draft is filled in already.
    decide(browser, outlet, "plan", &[("on", "2021-09-20")], &[]).await;
    browser.sign_in("county", PASSWORD).await;
    decide(browser, outlet, "complete", &[("completed_on", "2022-04-13"), ("on", "2022-04-14")], &measures).await;
    drop(inspector.ok(&["recheck", "A1", "--on", "2022-05-03", "--discharge", "no", "--dry-weather", "yes"]));
    drop(inspector.ok(&["sync"]));
    // Whoever reported cannot check: the page says so, and the checker does.
    let check = [("recheck_on", "2022-05-03"), ("on", "2022-05-08")];
    browser.open(&format!("{outlet}/decide/accept")).await;
    browser.press("[name=passed][value=yes]").await;
    browser.press("main form.stack button").await;
    browser.read("完工是您申报的").await;
    browser.sign_in("checker", PASSWORD).await;
    decide(browser, outlet, "accept", &check, &["[name=passed][value=yes]"]).await;
    browser.sign_in("city", PASSWORD).await;
    decide(browser, outlet, "accept", &[check[0], ("on", "2022-05-18")], &["[name=passed][value=yes]"]).await;
    browser.read("2022-04-13").await;
}

/// The record appears while the page is open; the outlet's page has everything.
async fn arrives(browser: &Browser, folder: &std::path::Path, inspector: &Edge) -> String {
    browser.open("/").await;
    browser.see("#live [data-count=total]").await;
    let open = browser.client.execute("window.still = 'the same page'; return 1", vec![]).await;
    open.expect("a mark on the page");
    field::walk(folder, inspector);
    browser.see("#latest tr.new").await;
    browser.read("A1").await;
    let mark = browser.client.execute("return window.still", vec![]).await.expect("the mark");
    assert_eq!(mark, "the same page", "it came without a reload");
    browser.press("#latest tbody a").await;
    browser.see("#state").await;
    for words in ["排查员", "某某物业有限公司", "滨河路小区", "近景"] {
        browser.read(words).await;
    }
    browser.see(".photos img").await;
    browser.path().await
}

/// Every page that an administrator may open.
fn pages(outlet: &str, review: &str) -> Vec<(&'static str, String)> {
    let decide = ["classify", "plan", "complete", "accept", "name", "sign", "extend", "reopen"];
    let decide = decide.map(|what| (what, format!("{outlet}/decide/{what}")));
    let lists = ["outlets", "worklists", "milestones", "assess", "review", "sheets", "conflicts", "duplicates"];
    let more = ["assignments", "codes", "reports", "imports", "zones", "exports", "devices", "quarantine"];
    let last = ["accounts", "audit", "no-such-page", "map"];
    let all = lists.into_iter().chain(more).chain(last).map(|name| (name, format!("/{name}")));
    let own = [
        ("dashboard", "/".to_owned()),
        ("outlet", outlet.to_owned()),
        ("plate", format!("{outlet}/sign")),
        ("record", review.to_owned()),
    ];
    own.into_iter().chain(decide).chain(all).collect()
}

#[test]
fn the_whole_story_is_told_in_the_browser() {
    let folder = tempfile::tempdir().expect("a folder");
    let (server, inspector, colleague) = begin(folder.path());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let browser = Browser::start(&server.http).await;
        browser.open("/").await;
        browser.see("#login").await;
        look(&browser, &[("signin", "/signin".into())]).await;

        browser.sign_in("admin", PASSWORD).await;
        desk::import(&browser, folder.path()).await;
        browser.sign_in("county", PASSWORD).await;
        desk::assign(&browser, "排查员").await;
        drop(inspector.ok(&["sync"]));
        assert_eq!(inspector.json(&["tasks"]).as_array().map(Vec::len), Some(2), "the list is on the device");
        let outlet = arrives(&browser, folder.path(), &inspector).await;
        desk::send_back(&browser).await;
        field::correct(&inspector);
        field::disagree(&inspector, &colleague);
        desk::settle(&browser).await;
        desk::approve(&browser).await;
        field::record_again(&colleague);
        desk::link(&browser).await;
        rectify(&browser, &outlet, &inspector).await;
        decide(&browser, &outlet, "name", &[("on", "2022-06-01")], &[]).await;
        desk::code_and_sign(&browser, &outlet).await;
        desk::read_milestones(&browser, &server).await;
        let all = server.admin_json(&["ledger", "export", "--format", "geojson", "-o", "-"]);
        let features = all["features"].as_array().cloned().unwrap_or_default();
        let row = features.iter().map(|one| &one["properties"]).find(|row| row["temporary_number"] == "A1");
        let row = row.expect("the outlet is in the ledger");
        assert_eq!((row["accepted_on"].as_str(), row["plan_due"].as_str()), (Some("2022-05-18"), Some("2022-06-30")));

        // Every page, as everybody who may open it sees it.
        browser.sign_in("admin", PASSWORD).await;
        look(&browser, &pages(&outlet, &outlet.replace("/outlets/", "/review/"))).await;
        let complaints = browser.complaints().await;
        let expected = |line: &String| line.contains("404") || line.contains("422") || line.contains("409");
        let unexpected: Vec<String> = complaints.into_iter().filter(|line| !expected(line)).collect();
        assert!(unexpected.is_empty(), "{unexpected:#?}");
    });
}
