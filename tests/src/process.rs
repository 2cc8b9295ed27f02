//! The two binaries as child processes: hermetic homes, ports chosen by the system, everything
//! stopped when dropped.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;

/// Path of a binary of this workspace, beside the running test or bench.
///
/// # Panics
/// When it has not been built: `make test` builds both before the tests.
#[must_use]
pub fn binary(name: &str) -> PathBuf {
    let me = std::env::current_exe().expect("a running program has a path");
    let mut folder = me.parent().expect("a program lies in a folder").to_path_buf();
    if folder.ends_with("deps") {
        folder.pop();
    }
    let path = folder.join(name);
    assert!(path.is_file(), "{} is not built: run `cargo build --workspace --bins` first", path.display());
    path
}

fn hermetic(name: &str, home: &Path) -> Command {
    let mut command = Command::new(binary(name));
    command.env_clear().env("HOME", home).env("NO_COLOR", "1").env("TZ", "UTC").stdin(Stdio::null());
    command
}

/// What a command printed, with its exit code.
#[derive(Debug, Clone)]
pub struct Ran {
    /// The command line, for messages.
    pub line: String,
    /// Exit code; `None` when it was killed.
    pub code: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Ran {
    fn new(line: String, output: &Output) -> Self {
        Self {
            line,
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Itself, if the exit code is the expected one.
    ///
    /// # Panics
    /// With everything it printed, otherwise.
    #[track_caller]
    #[must_use]
    pub fn expect_code(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{}\nstdout: {}\nstderr: {}", self.line, self.stdout, self.stderr);
        self
    }

    /// Standard output as JSON.
    ///
    /// # Panics
    /// When it is not JSON.
    #[track_caller]
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("{}: {error}\nstdout: {}\nstderr: {}", self.line, self.stdout, self.stderr))
    }
}

fn run(mut command: Command, args: &[&str]) -> Ran {
    command.args(args);
    let line = format!("{} {}", command.get_program().to_string_lossy(), args.join(" "));
    let output = command.output().unwrap_or_else(|error| panic!("{line}: {error}"));
    Ran::new(line, &output)
}

/// A device: a home directory for `outlet`.
#[derive(Debug, Clone)]
pub struct Edge {
    /// Its store.
    pub home: PathBuf,
}

impl Edge {
    /// A device whose store will be at `home`.
    #[must_use]
    pub fn new(home: impl Into<PathBuf>) -> Self {
        Self { home: home.into() }
    }

    /// The command, not started.
    #[must_use]
    pub fn command(&self) -> Command {
        let mut command = hermetic("outlet", self.home.parent().unwrap_or(&self.home));
        command.arg("--home").arg(&self.home);
        command
    }

    /// Runs `outlet --home HOME args…` to its end.
    #[must_use]
    pub fn run(&self, args: &[&str]) -> Ran {
        run(self.command(), args)
    }

    /// Runs it and expects success.
    #[track_caller]
    pub fn ok(&self, args: &[&str]) -> Ran {
        self.run(args).expect_code(0)
    }

    /// Runs it with `--json`, expects success, and reads the answer.
    #[track_caller]
    #[must_use]
    pub fn json(&self, args: &[&str]) -> Value {
        let mut all = args.to_vec();
        all.push("--json");
        self.ok(&all).json()
    }
}

/// A server: a data folder, and the process while it is serving.
#[derive(Debug)]
pub struct Server {
    /// The data folder.
    pub data: PathBuf,
    child: Option<Child>,
    /// Where devices connect; meaningful after [`Server::serve`].
    pub quic: SocketAddr,
    /// Where devices connect when UDP is blocked, if it was asked for.
    pub tls: Option<SocketAddr>,
    /// Base address of the page.
    pub http: String,
}

impl Server {
    /// `outlet-server init`.
    #[must_use]
    pub fn init(data: impl Into<PathBuf>) -> Self {
        let server = Self::at(data);
        let _ = server.admin(&["init"]).expect_code(0);
        // How full the disk of this machine is decides no test.
        let settings = "[disk]\nwarn_percent = 0\nstop_percent = 0\n";
        std::fs::write(server.data.join("server.toml"), settings).expect("the settings can be written");
        server
    }

    /// A data folder that exists already.
    #[must_use]
    pub fn at(data: impl Into<PathBuf>) -> Self {
        Self {
            data: data.into(),
            child: None,
            quic: SocketAddr::from(([127, 0, 0, 1], 0)),
            tls: None,
            http: String::new(),
        }
    }

    fn command(&self) -> Command {
        hermetic("outlet-server", self.data.parent().unwrap_or(&self.data))
    }

    /// Runs an administrative command with `--data DIR`, also beside a serving process.
    #[must_use]
    pub fn admin(&self, args: &[&str]) -> Ran {
        let data = self.data.to_string_lossy();
        let mut all = args.to_vec();
        all.extend(["--data", data.as_ref()]);
        run(self.command(), &all)
    }

    /// The same with `--json`, expecting success.
    #[track_caller]
    #[must_use]
    pub fn admin_json(&self, args: &[&str]) -> Value {
        let mut all = args.to_vec();
        all.push("--json");
        self.admin(&all).expect_code(0).json()
    }

    /// Starts serving and waits for the line that says where. The first start takes free ports, a
    /// later one the same again, so that tickets stay valid.
    ///
    /// # Panics
    /// When it ends before it listens.
    pub fn serve(&mut self) {
        self.serve_with(&[]);
    }

    /// The same, with further arguments of `serve`.
    ///
    /// # Panics
    /// When it ends before it listens.
    pub fn serve_with(&mut self, more: &[&str]) {
        assert!(self.child.is_none(), "already serving");
        let http = self.http.trim_start_matches("http://").trim_end_matches('/');
        let http = if http.is_empty() { "127.0.0.1:0" } else { http };
        let log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(self.data.with_extension("log"))
            .expect("the log file beside the data folder can be written");
        let mut command = self.command();
        command
            .args(["serve", "--data"])
            .arg(&self.data)
            .args(["--quic", &self.quic.to_string(), "--http", http])
            .args(more)
            .stdout(Stdio::piped())
            .stderr(log);
        let mut child = command.spawn().expect("the server starts");
        let mut line = String::new();
        let stdout = child.stdout.take().expect("stdout is piped");
        BufReader::new(stdout).read_line(&mut line).expect("the server says where it listens");
        let word = |name: &str| line.split_whitespace().find_map(|word| word.strip_prefix(name)).map(str::to_owned);
        let (Some(quic), Some(http)) = (word("quic="), word("http=")) else {
            let _ = child.kill();
            panic!("the server did not say where it listens: {line:?}; see {:?}", self.data.with_extension("log"));
        };
        self.quic = quic.parse().expect("an address");
        self.tls = word("tls=").and_then(|tls| tls.parse().ok());
        self.http = http;
        self.child = Some(child);
    }

    /// A ticket, with further arguments of `outlet-server ticket`; `via` overrides the address.
    #[track_caller]
    #[must_use]
    pub fn ticket(&self, args: &[&str], via: Option<SocketAddr>) -> String {
        let address = format!("quic://{}", via.unwrap_or(self.quic));
        let mut all = vec!["ticket", "--address", &address];
        all.extend(args);
        if !args.contains(&"--person") {
            // Devices of one name are devices of several people here.
            all.extend(["--person", "new"]);
        }
        self.admin_json(&all)["ticket"].as_str().expect("a ticket is text").to_owned()
    }

    /// Of the process, while it is serving.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// Whether it is serving.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.child.is_some()
    }

    /// `kill -9`.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// SIGTERM and a graceful end.
    ///
    /// # Panics
    /// When the server does not end with 0.
    pub fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let pid = child.id().to_string();
            let sent = Command::new("kill").args(["-TERM", &pid]).status().expect("kill is there");
            assert!(sent.success());
            let status = child.wait().expect("the server ends");
            assert!(status.success(), "the server ended with {status}");
        }
    }

    /// `GET path` of the page, as text, by a plain HTTP/1.1 request.
    ///
    /// # Panics
    /// When nothing answers.
    #[must_use]
    pub fn get(&self, path: &str) -> String {
        get(self.http.trim_start_matches("http://").trim_end_matches('/'), path)
    }
}

/// The whole answer to a request to an address such as `127.0.0.1:8080`.
///
/// # Panics
/// When nobody answers there.
#[must_use]
pub fn get(address: &str, path: &str) -> String {
    use std::io::{Read, Write};
    let mut stream = std::net::TcpStream::connect(address).expect("the address answers");
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").expect("request sent");
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).expect("answer read");
    String::from_utf8_lossy(&bytes).into_owned()
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}
