//! What supervisors and the administrator do on the pages.

use std::path::Path;

use outlet_tests::browser::Browser;
use outlet_tests::process::Server;

/// A list of suspected points comes from a file, with one bad line that is seen and left out.
pub(super) async fn import(browser: &Browser, folder: &Path) {
    let file = folder.join("疑似点位.csv");
    let text = "编号,名称,经度,纬度,乡镇\n1,疑似一号,106.7712,31.8512,东城街道\n2,疑似二号,106.7732,31.8522,东城街道\n\
                3,疑似三号,xyz,31.8522,东城街道\n";
    std::fs::write(&file, text).expect("the list");
    browser.open("/imports").await;
    browser.attach("#file", &file).await;
    browser.press("#upload button").await;
    browser.see("#columns").await;
    browser.read("疑似一号").await;
    browser.press("[name=act][value=check]").await;
    browser.see("#datum-error").await;
    browser.fill("[name=datum]", "wgs84").await;
    browser.fill("[name=collection]", "511902").await;
    browser.press("[name=act][value=check]").await;
    browser.see("#problems").await;
    browser.read("坐标无法识别").await;
    browser.press("[name=skip_bad]").await;
    browser.press("[name=act][value=run]").await;
    browser.read("导入完成").await;
}

/// The points are handed to an inspector.
pub(super) async fn assign(browser: &Browser, person: &str) {
    browser.open("/assignments").await;
    browser.fill("[name=list]", "疑似点位").await;
    browser.press("[name=act][value=count]").await;
    browser.read("符合条件的待排查点位：2 个").await;
    browser.choose("[name=to]", person).await;
    browser.press("[name=act][value=assign]").await;
    browser.read("已分派，设备下次同步时收到").await;
    browser.see("#loads").await;
}

/// The record in review, reached by the keyboard alone.
pub(super) async fn open_review(browser: &Browser) -> String {
    browser.open("/review").await;
    browser.see("html[data-ready=yes]").await;
    browser.key("?").await;
    browser.see("dialog#keys[open]").await;
    browser.press("dialog#keys button").await;
    browser.key("n").await;
    browser.see("#changes").await;
    browser.path().await
}

pub(super) async fn send_back(browser: &Browser) {
    open_review(browser).await;
    browser.press("[name=section][value=location]").await;
    browser.press("[name=reason][value=location_offset]").await;
    browser.press("[name=act][value=return]").await;
    browser.read("已退回").await;
}

pub(super) async fn settle(browser: &Browser) {
    browser.open("/conflicts").await;
    for words in ["排查员", "同事"] {
        browser.read(words).await;
    }
    browser.press("form.conflict tbody tr:last-child input[type=radio]").await;
    browser.press("form.conflict button").await;
    browser.read("已裁定").await;
}

pub(super) async fn approve(browser: &Browser) {
    open_review(browser).await;
    browser.press("[name=act][value=approve]").await;
    browser.read("已通过，十分钟内可以撤销").await;
}

pub(super) async fn link(browser: &Browser) {
    browser.open("/duplicates").await;
    browser.read("A2 是 A1 的重复记录").await;
    browser.press("[name=act][value=link]").await;
    browser.read("已标为重复记录").await;
}

/// What a rule suggests becomes the form, with its legal basis.
pub(super) async fn take_rule(browser: &Browser, outlet: &str) {
    browser.open(&format!("{outlet}/decide/classify")).await;
    browser.read("雨污未分流").await;
    browser.press("#rules a.button").await;
    let filled = browser.see("[name=basis_1]").await.prop("value").await.expect("the basis can be read");
    assert!(filled.is_some_and(|basis| basis.contains("水生态环境保护规划")), "the rule's basis is filled in");
}

/// A code from the block, and its sign on paper.
pub(super) async fn code_and_sign(browser: &Browser, outlet: &str) {
    browser.open("/codes").await;
    browser.press("#ready input[type=checkbox]").await;
    browser.fill("[name=on]", "2023-02-20").await;
    browser.press("[name=act][value=assign]").await;
    browser.see("#given").await;
    browser.read("FA-511902-0001-QT-00").await;
    browser.open(&format!("{outlet}/sign")).await;
    browser.see(".plate svg.qr").await;
    browser.read("FA-511902-0001-QT-00").await;
    let paper = browser.print().await;
    assert!(paper.starts_with(b"%PDF") && paper.len() > 5_000, "{} bytes of PDF", paper.len());
}

/// The page of each year's end says what the command line says.
pub(super) async fn read_milestones(browser: &Browser, server: &Server) {
    for day in ["2021-12-31", "2022-12-31", "2023-12-31"] {
        browser.open(&format!("/milestones?as_of={day}")).await;
        browser.see("#milestones").await;
        let script = "return [...document.querySelectorAll('#milestones tbody tr')] \
                      .map((row) => [...row.cells].map((cell) => cell.innerText.trim())).filter((row) => row[2] === '巴州区')";
        let shown = browser.client.execute(script, vec![]).await.expect("the table can be read");
        let told = server.admin_json(&["progress", "--as-of", day]);
        let mut compared = 0;
        for row in told.as_array().into_iter().flatten() {
            if row["group"] != "511902" || row["reading"] != "as_known_now" {
                continue;
            }
            let figures = format!("{} / {}", row["done"], row["of"]);
            let rows = shown.as_array().into_iter().flatten();
            let same = rows.filter(|one| one[0] == row["milestone"]).any(|one| one[4] == figures.as_str());
            assert!(same, "{day} {}: {figures} is not in {shown}", row["milestone"]);
            compared += 1;
        }
        assert_eq!(compared, 4, "four milestones as of {day}");
    }
}
