//! Debian's Chromium, headless, driven through chromedriver: started by whoever tests, ended with
//! them. Waits are for states of the page; only their end is a time.

use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use data_encoding::BASE64;
use fantoccini::elements::Element;
use fantoccini::wd::{Capabilities, WebDriverCompatibleCommand};
use fantoccini::{Client, ClientBuilder, Locator};
use serde_json::{Value, json};

/// Longest wait for a state: the machine may be busy with other tests.
const PATIENCE: Duration = Duration::from_secs(60);

/// Where axe-core is after `make web`.
const AXE: &str = "../web/node_modules/axe-core/axe.min.js";

/// A browser window.
#[derive(Debug)]
pub struct Browser {
    /// For what is not here.
    pub client: Client,
    driver: Child,
    base: String,
    axe: String,
    _profile: tempfile::TempDir,
}

/// A command of Chromium's own protocol.
#[derive(Debug)]
struct Chromium {
    method: &'static str,
    parameters: Value,
}

impl WebDriverCompatibleCommand for Chromium {
    fn endpoint(&self, base: &url::Url, session: Option<&str>) -> Result<url::Url, url::ParseError> {
        base.join(&format!("session/{}/goog/cdp/execute", session.unwrap_or_default()))
    }

    fn method_and_body(&self, _: &url::Url) -> (http::Method, Option<String>) {
        (http::Method::POST, Some(json!({ "cmd": self.method, "params": self.parameters }).to_string()))
    }
}

/// What the page wrote on its console.
#[derive(Debug)]
struct Log;

impl WebDriverCompatibleCommand for Log {
    fn endpoint(&self, base: &url::Url, session: Option<&str>) -> Result<url::Url, url::ParseError> {
        base.join(&format!("session/{}/se/log", session.unwrap_or_default()))
    }

    fn method_and_body(&self, _: &url::Url) -> (http::Method, Option<String>) {
        (http::Method::POST, Some(json!({ "type": "browser" }).to_string()))
    }
}

impl Browser {
    /// Starts driver and browser. `base` is the server's address, without the last slash.
    ///
    /// # Panics
    /// When one of them is not installed: `make prerequisites web` says what to do.
    pub async fn start(base: &str) -> Self {
        let axe = Path::new(env!("CARGO_MANIFEST_DIR")).join(AXE);
        let axe = std::fs::read_to_string(&axe)
            .unwrap_or_else(|error| panic!("{}: {error}; run `make web` first", axe.display()));
        let mut driver = Command::new("chromedriver")
            .args(["--port=0", "--allowed-ips=127.0.0.1"])
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("chromedriver: {error}; run `make prerequisites` first"));
        let port = port(&mut driver);
        let profile = tempfile::tempdir().expect("a folder for the browser's profile");
        let client = ClientBuilder::new(hyper_util_http())
            .capabilities(capabilities(profile.path()))
            .connect(&format!("http://127.0.0.1:{port}"))
            .await
            .unwrap_or_else(|error| panic!("no browser session: {error}"));
        Self { client, driver, base: base.trim_end_matches('/').to_owned(), axe, _profile: profile }
    }

    /// Opens a path of the server.
    pub async fn open(&self, path: &str) {
        self.client.goto(&format!("{}{path}", self.base)).await.unwrap_or_else(|error| panic!("{path}: {error}"));
    }

    /// Path and query of the page.
    pub async fn path(&self) -> String {
        let url = self.client.current_url().await.expect("the page has an address");
        url.as_str().trim_start_matches(&self.base).to_owned()
    }

    /// The element, once it is there.
    ///
    /// # Panics
    /// With the page's text, when it does not come.
    #[track_caller]
    pub fn see(&self, css: &str) -> impl Future<Output = Element> + use<'_> {
        let (css, caller) = (css.to_owned(), std::panic::Location::caller());
        async move {
            match self.client.wait().at_most(PATIENCE).for_element(Locator::Css(&css)).await {
                Ok(element) => element,
                Err(error) => panic!("{caller}: {css}: {error}\n{}", self.text().await),
            }
        }
    }

    /// Waits until the page's text holds the words.
    ///
    /// # Panics
    /// With the page's text, when it never does.
    #[track_caller]
    pub fn read(&self, words: &str) -> impl Future<Output = ()> + use<'_> {
        let (words, caller) = (words.to_owned(), std::panic::Location::caller());
        async move {
            // One wait of the driver's, for a state: the text.
            let xpath = format!("//body[contains(., '{words}')]");
            let found = self.client.wait().at_most(PATIENCE).for_element(Locator::XPath(&xpath)).await;
            if found.is_err() {
                panic!("{caller}: {words:?} is not on {}:\n{}", self.path().await, self.text().await);
            }
        }
    }

    /// The page's text as people see it.
    pub async fn text(&self) -> String {
        let text = self.client.execute("return document.body.innerText", vec![]).await;
        text.ok().and_then(|text| text.as_str().map(str::to_owned)).unwrap_or_default()
    }

    /// Fills a field in, whatever its kind.
    pub async fn fill(&self, css: &str, value: &str) {
        self.see(css).await;
        // A day is typed in the order of the browser's language: its value is not.
        let script = "const field = document.querySelector(arguments[0]); field.value = arguments[1]; \
                      field.dispatchEvent(new Event('input', { bubbles: true }));";
        self.client.execute(script, vec![json!(css), json!(value)]).await.expect("the field takes a value");
    }

    /// Clicks.
    pub async fn press(&self, css: &str) {
        self.see(css).await.click().await.unwrap_or_else(|error| panic!("{css}: {error}"));
    }

    /// Chooses the option of a select whose text holds the words.
    ///
    /// # Panics
    /// When there is none.
    pub async fn choose(&self, css: &str, words: &str) {
        self.see(css).await;
        let script = "const field = document.querySelector(arguments[0]); \
                      const option = [...field.options].find((one) => one.text.includes(arguments[1])); \
                      if (option) field.value = option.value; return option != null;";
        let chosen = self.client.execute(script, vec![json!(css), json!(words)]).await;
        assert!(chosen.is_ok_and(|chosen| chosen == json!(true)), "{css} has no {words:?}");
    }

    /// Puts a file into a field.
    pub async fn attach(&self, css: &str, file: &Path) {
        let field = self.see(css).await;
        field.send_keys(&file.display().to_string()).await.unwrap_or_else(|error| panic!("{css}: {error}"));
    }

    /// Presses a key where the page has it, with no field in use.
    pub async fn key(&self, key: &str) {
        let body = self.see("body").await;
        body.send_keys(key).await.unwrap_or_else(|error| panic!("{key}: {error}"));
    }

    /// The page on paper, as PDF; kept beside the pictures, too.
    pub async fn print(&self) -> Vec<u8> {
        let made = self.chromium("Page.printToPDF", json!({ "preferCSSPageSize": true })).await;
        let bytes = BASE64.decode(made["data"].as_str().unwrap_or_default().as_bytes()).expect("a PDF is base64");
        if let Some(folder) = std::env::var_os("OUTLET_SCREENSHOTS").map(PathBuf::from) {
            std::fs::create_dir_all(&folder).expect("the folder for pictures can be made");
            let name = self.path().await.split('/').next_back().unwrap_or("page").to_owned();
            std::fs::write(folder.join(format!("{name}.pdf")), &bytes).expect("the PDF can be written");
        }
        bytes
    }

    /// Signs in, from wherever the page is.
    pub async fn sign_in(&self, login: &str, password: &str) {
        self.client.delete_all_cookies().await.expect("cookies can be deleted");
        self.open("/").await;
        self.see("#login").await.send_keys(login).await.expect("the login is typed");
        self.see("#password").await.send_keys(password).await.expect("the password is typed");
        self.press("main form button").await;
        self.see("nav.menu").await;
    }

    /// Chinese or English, on the page that is open.
    pub async fn language(&self, to: &str) {
        let here = self.path().await;
        let next: String = here.replace('%', "%25").replace('?', "%3F").replace('&', "%26").replace('=', "%3D");
        self.open(&format!("/language?to={to}&next={next}")).await;
    }

    /// A window of this width.
    pub async fn width(&self, width: u32) {
        let parameters = json!({ "width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600 });
        self.chromium("Emulation.setDeviceMetricsOverride", parameters).await;
    }

    async fn chromium(&self, method: &'static str, parameters: Value) -> Value {
        let done = self.client.issue_cmd(Chromium { method, parameters }).await;
        done.unwrap_or_else(|error| panic!("{method}: {error}"))
    }

    /// The whole page as a picture, into a folder, where one is named by `OUTLET_SCREENSHOTS`.
    pub async fn keep_picture(&self, name: &str) {
        let Some(folder) = std::env::var_os("OUTLET_SCREENSHOTS").map(PathBuf::from) else { return };
        std::fs::create_dir_all(&folder).expect("the folder for pictures can be made");
        let size = self.chromium("Page.getLayoutMetrics", json!({})).await["cssContentSize"].clone();
        let height = size["height"].as_f64().unwrap_or(900.0).min(8000.0);
        let clip = json!({ "x": 0, "y": 0, "width": size["width"], "height": height, "scale": 1 });
        let made =
            self.chromium("Page.captureScreenshot", json!({ "captureBeyondViewport": true, "clip": clip })).await;
        let bytes = BASE64.decode(made["data"].as_str().unwrap_or_default().as_bytes()).expect("a picture is base64");
        std::fs::write(folder.join(format!("{name}.png")), bytes).expect("the picture can be written");
    }

    /// What a person with a screen reader, or without a mouse, would stumble over: axe-core's serious
    /// and critical violations, each with the first element.
    pub async fn barriers(&self) -> Vec<String> {
        let load = format!("{}; return typeof axe", self.axe.replace("typeof module", "typeof undefined"));
        self.client.execute(&format!("{load};"), vec![]).await.expect("axe-core loads");
        let run = "const done = arguments[0]; \
                   axe.run(document, { resultTypes: ['violations'] }).then((r) => done(r.violations), (e) => done(String(e)))";
        let found = self.client.execute_async(run, vec![]).await.expect("axe-core runs");
        let Some(violations) = found.as_array() else { panic!("axe-core: {found}") };
        let grave = violations.iter().filter(|one| matches!(one["impact"].as_str(), Some("serious" | "critical")));
        grave.map(|one| format!("{} at {}: {}", one["id"], one["nodes"][0]["html"], one["help"])).collect()
    }

    /// Is anything wider than the window, so that the whole page scrolls sideways?
    pub async fn overflows(&self) -> bool {
        let script = "return document.documentElement.scrollWidth > document.documentElement.clientWidth + 1";
        self.client.execute(script, vec![]).await.is_ok_and(|wide| wide == json!(true))
    }

    /// Tables that are made for a phone and are still wider than their place.
    pub async fn wide_tables(&self) -> Vec<String> {
        let script = "return [...document.querySelectorAll('.scroll')] \
                      .filter((place) => place.querySelector(':scope > table.flow')) \
                      .filter((place) => place.scrollWidth > place.clientWidth + 1) \
                      .map((place) => place.getAttribute('aria-label'))";
        let found = self.client.execute(script, vec![]).await.expect("the tables can be measured");
        found.as_array().into_iter().flatten().map(ToString::to_string).collect()
    }

    /// How near the map is looked at; nothing where the browser cannot draw it.
    pub async fn map_zoom(&self) -> Option<f64> {
        let script = "const map = document.querySelector('#map'); \
                      return map.dataset.state === 'ready' ? Number(map.dataset.zoom) : null";
        self.client.execute(script, vec![]).await.expect("the map's state can be read").as_f64()
    }

    /// Addresses of other hosts that the page asked for.
    pub async fn strangers(&self) -> Vec<String> {
        let script = "return performance.getEntriesByType('resource').map((entry) => entry.name)";
        let asked = self.client.execute(script, vec![]).await.expect("the page's requests can be listed");
        let all = asked.as_array().cloned().unwrap_or_default();
        let own = |address: &str| address.starts_with(&self.base) || address.starts_with("data:");
        all.iter().filter_map(Value::as_str).filter(|address| !own(address)).map(str::to_owned).collect()
    }

    /// Errors on the page's console since the last call.
    pub async fn complaints(&self) -> Vec<String> {
        let log = self.client.issue_cmd(Log).await.expect("the browser's log can be read");
        let lines = log.as_array().cloned().unwrap_or_default();
        let severe = lines.iter().filter(|line| line["level"] == "SEVERE");
        severe.filter_map(|line| line["message"].as_str().map(str::to_owned)).collect()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // A driver that is killed leaves its browser behind: both are one group.
        let _ = Command::new("kill").args(["-KILL", "--", &format!("-{}", self.driver.id())]).status();
        let _ = self.driver.wait();
    }
}

fn hyper_util_http() -> hyper_util::client::legacy::connect::HttpConnector {
    hyper_util::client::legacy::connect::HttpConnector::new()
}

/// The port that the driver says it took.
fn port(driver: &mut Child) -> u16 {
    let output = driver.stdout.take().expect("its output is piped");
    for line in BufReader::new(output).lines().map_while(Result::ok) {
        if let Some((_, rest)) = line.split_once("started successfully on port ") {
            return rest.trim_end_matches('.').parse().expect("a port is a number");
        }
    }
    panic!("chromedriver did not say on which port it listens");
}

fn capabilities(profile: &Path) -> Capabilities {
    let profile = format!("--user-data-dir={}", profile.display());
    let options = json!({
        "args": [
            "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
            "--disable-background-networking", "--disable-component-update", "--disable-sync",
            // WebGL in software, for the map.
            "--enable-unsafe-swiftshader", "--window-size=1440,900", profile,
        ]
    });
    let mut capabilities = Capabilities::new();
    capabilities.insert("goog:chromeOptions".into(), options);
    capabilities.insert("goog:loggingPrefs".into(), json!({ "browser": "ALL" }));
    capabilities
}
