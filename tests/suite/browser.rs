//! The console in a real browser: the story of one outlet from an inspector's walk to its acceptance,
//! and every page looked at for barriers, for what it asks of other hosts, and for its width.

use outlet_core::time::Timestamp;
use outlet_tests::browser::Browser;
use outlet_tests::generator::picture;
use outlet_tests::process::{Edge, Server};

use crate::fixtures;

const PASSWORD: &str = "bazhong-2021-test";

/// A server with accounts, and an inspector who has enrolled.
fn begin(folder: &std::path::Path) -> (Server, Edge) {
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
    server.serve();
    let inspector = Edge::new(folder.join("inspector"));
    let ticket = server.ticket(&["--role", "inspector", "--name", "排查员", "--collection", "511902"], None);
    drop(inspector.ok(&["enroll", &ticket]));
    (server, inspector)
}

/// The inspector walks, and hands the record in.
fn walk(folder: &std::path::Path, inspector: &Edge) {
    let (lon, lat) = (106.769_215, 31.851_020);
    let taken = Timestamp::from_millis(1_622_511_000_000);
    for (seed, slot) in [(1, "near"), (2, "surroundings")] {
        std::fs::write(folder.join(format!("{slot}.jpg")), picture(lon, lat, taken, seed)).expect("a photo");
    }
    let photo = |slot: &str| folder.join(format!("{slot}.jpg")).display().to_string();
    let (near, far) = (photo("near"), photo("surroundings"));
    let name = "巴中市巴州区东城街道滨河路城镇雨洪排口";
    for line in [
        &[
            "add",
            "--number",
            "A1",
            "--lon",
            "106.769215",
            "--lat",
            "31.851020",
            "--accuracy",
            "5",
            "--name",
            name,
            "--waterbody",
            "巴河",
            "--township",
            "东城街道",
            "--bank",
            "left",
            "--type",
            "城镇雨洪排口",
            "--entry-mode",
            "管道",
        ][..],
        &["photo", "A1", &near, "--slot", "near"],
        &["photo", "A1", &far, "--slot", "far"],
        &[
            "survey",
            "A1",
            "--on",
            "2021-06-01",
            "--rain-48h",
            "no",
            "--discharge",
            "flowing",
            "--dry-weather-discharge",
            "yes",
        ],
        &["sample", "A1", "quick", "--result", "ph=7.4", "--result", "cod=31", "--person", "张三", "--person", "王五"],
        &[
            "trace",
            "A1",
            "concluded",
            "--node",
            "1:outlet",
            "--node",
            "2:source",
            "--source",
            "滨河路小区",
            "--party-name",
            "某某物业有限公司",
        ],
        &["classify", "A1", "regulate"],
        &["submit", "A1"],
        &["sync"],
    ] {
        drop(inspector.ok(line));
    }
}

/// Fills a decision's form in and sends it; the outlet's page says that it is done.
async fn decide(browser: &Browser, outlet: &str, what: &str, fields: &[(&str, &str)], ticks: &[&str]) {
    browser.open(&format!("{outlet}/decide/{what}")).await;
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
                }
                browser.keep_picture(&format!("{name}-{language}-{width}")).await;
                assert!(!browser.overflows().await, "{path} is wider than {width} px in {language}");
            }
            let barriers = browser.barriers().await;
            assert!(barriers.is_empty(), "{path} in {language}: {barriers:#?}");
            assert_eq!(browser.strangers().await, Vec::<String>::new(), "{path} asked other hosts");
        }
        browser.language("zh").await;
        browser.width(1440).await;
    }
}

#[test]
fn an_outlet_goes_from_the_inspectors_walk_to_its_acceptance_in_the_browser() {
    let folder = tempfile::tempdir().expect("a folder");
    let (server, inspector) = begin(folder.path());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let browser = Browser::start(&server.http).await;
        browser.open("/").await;
        browser.see("#login").await;
        look(&browser, &[("signin", "/signin".into())]).await;

        // The record appears while the page is open.
        browser.sign_in("county", PASSWORD).await;
        browser.see("#live [data-count=total]").await;
        browser.read("还没有记录").await;
        let open = browser.client.execute("window.still = 'the same page'; return 1", vec![]).await;
        open.expect("a mark on the page");
        walk(folder.path(), &inspector);
        browser.see("#latest tr.new").await;
        browser.read("A1").await;
        let mark = browser.client.execute("return window.still", vec![]).await.expect("the mark");
        assert_eq!(mark, "the same page", "it came without a reload");
        browser.press("#latest tbody a").await;
        browser.see("#state").await;
        let outlet = browser.path().await;
        for words in ["排查员", "某某物业有限公司", "滨河路小区", "近景"] {
            browser.read(words).await;
        }
        browser.see(".photos img").await;

        // A wrong form keeps what was typed.
        browser.open(&format!("{outlet}/decide/plan")).await;
        browser.fill("[name=criteria]", "按事项核查").await;
        browser.press("main form.stack button").await;
        browser.see("#due-error").await;
        browser.read("按事项核查").await;

        // Endorsed and drafted by the county, decided and approved by the city.
        let basis = [
            ("classification", "regulate"),
            ("basis_1", "水污染防治法"),
            ("article_1", "第七十五条"),
            ("on", "2021-08-20"),
        ];
        decide(&browser, &outlet, "classify", &basis, &[]).await;
        let plan = [("criteria", "按事项核查"), ("due", "2022-06-30"), ("on", "2021-09-05")];
        let measures = ["[name=measures][value=standardisation]", "[name=items][value=archive]"];
        decide(&browser, &outlet, "plan", &plan, &measures).await;
        browser.sign_in("city", PASSWORD).await;
        let paper = [("document", "巴环函〔2021〕12号"), ("document_dated", "2021-09-01"), ("on", "2021-09-01")];
        decide(&browser, &outlet, "classify", &[&basis[..3], &paper].concat(), &[]).await;
        // The county's draft is filled in already.
        decide(&browser, &outlet, "plan", &[("on", "2021-09-20")], &[]).await;
        browser.sign_in("county", PASSWORD).await;
        let built = ["[name=measures][value=standardisation]", "[name=items][value=archive]"];
        decide(&browser, &outlet, "complete", &[("completed_on", "2022-04-13"), ("on", "2022-04-14")], &built).await;
        drop(inspector.ok(&["recheck", "A1", "--on", "2022-05-03", "--discharge", "no", "--dry-weather", "yes"]));
        drop(inspector.ok(&["sync"]));
        // Whoever reported cannot check: the page says so, and the checker does.
        let check = [("recheck_on", "2022-05-03"), ("on", "2022-05-08")];
        browser.open(&format!("{outlet}/decide/accept")).await;
        browser.press("[name=passed][value=yes]").await;
        browser.press("main form.stack button").await;
        browser.read("完工是您申报的").await;
        browser.sign_in("checker", PASSWORD).await;
        decide(&browser, &outlet, "accept", &check, &["[name=passed][value=yes]"]).await;
        browser.sign_in("city", PASSWORD).await;
        decide(&browser, &outlet, "accept", &[check[0], ("on", "2022-05-18")], &["[name=passed][value=yes]"]).await;
        browser.read("2022-04-13").await;
        let row =
            &server.admin_json(&["ledger", "export", "--format", "geojson", "-o", "-"])["features"][0]["properties"];
        assert_eq!((row["accepted_on"].as_str(), row["plan_due"].as_str()), (Some("2022-05-18"), Some("2022-06-30")));

        // Every page, as everybody who may open it sees it.
        browser.sign_in("admin", PASSWORD).await;
        let decide = |what: &str| format!("{outlet}/decide/{what}");
        look(
            &browser,
            &[
                ("dashboard", "/".into()),
                ("map", "/map".into()),
                ("outlets", "/outlets".into()),
                ("outlet", outlet.clone()),
                ("classify", decide("classify")),
                ("plan", decide("plan")),
                ("complete", decide("complete")),
                ("accept", decide("accept")),
                ("extend", decide("extend")),
                ("exports", "/exports".into()),
                ("devices", "/devices".into()),
                ("quarantine", "/quarantine".into()),
                ("accounts", "/accounts".into()),
                ("audit", "/audit".into()),
                ("missing", "/no-such-page".into()),
            ],
        )
        .await;
        let complaints = browser.complaints().await;
        let expected = |line: &String| line.contains("404") || line.contains("422") || line.contains("409");
        let unexpected: Vec<String> = complaints.into_iter().filter(|line| !expected(line)).collect();
        assert!(unexpected.is_empty(), "{unexpected:#?}");
    });
}
