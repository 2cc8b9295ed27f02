//! The command line: names, options and help texts. No decisions here; each command has its
//! function in `commands`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use outlet_core::identity::{Level, Role};
use outlet_core::ids::{Collection, PublicKey};
use outlet_core::time::Day;

mod account;
mod desk;
mod milestones;

pub use account::{AccountAdd, AccountCommand, AccountRole, PasswordArgs, PersonArg};
pub use desk::{
    AsArgs, ConflictsCommand, DecideArgs, DuplicatesCommand, LinkArgs, ReviewCommand, SeenArgs, VerdictOnArgs,
};

pub use milestones::{
    AssessArgs, DiffArgs, NoticeCommand, NoticeKind, ProgressArgs, ProgressBy, ProgressCommand, ReadingArg, RowsArgs,
    SealArgs, SealCommand, SealWhat,
};
pub mod codes;
pub mod worklist;
pub mod zones;

/// Server of the discharge-outlet inventory (入河排污口): sync endpoint, ledger (台账), milestones, exports.
#[derive(Debug, Parser)]
#[command(name = "outlet-server", version, arg_required_else_help = true)]
#[command(
    after_help = "Example:\n  outlet-server init --data /srv/outlets && outlet-server serve --data /srv/outlets\n\nExit codes: 0 ok, 1 input or state in the way, 2 usage, 3 done in part, 70 internal."
)]
pub struct Cli {
    /// Data folder [default: $OUTLET_SERVER_DATA].
    #[arg(long, global = true, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Print data as JSON, errors too.
    #[arg(long, global = true)]
    pub json: bool,
    /// Log format on stderr [default: the configuration's].
    #[arg(long, global = true, value_enum, value_name = "FORMAT")]
    pub log: Option<LogFormat>,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Log formats.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object per line.
    Json,
}

/// All commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make a new data folder: authority root key, server key, database, commented settings.
    #[command(after_help = "Example:\n  outlet-server init --data /srv/outlets")]
    Init,
    /// Listen for devices (QUIC) and show the page (HTTP); prints one line once listening.
    #[command(
        after_help = "Example:\n  outlet-server serve --data /srv/outlets --quic 0.0.0.0:4433\n\nPrints: listening quic=ADDR http=http://ADDR/ (and tls=ADDR with --tls)"
    )]
    Serve(ServeArgs),
    /// Issue a one-time ticket for a device. Works while `serve` runs.
    #[command(
        after_help = "Example:\n  outlet-server ticket --data /srv/outlets --role inspector --collection 511902 --name 张三 --qr\n\nA second device, or a device of somebody with an account: --person ID, login or name."
    )]
    Ticket(TicketArgs),
    /// Devices: list, show, revoke.
    #[command(subcommand)]
    Device(DeviceCommand),
    /// Accounts of people who decide at this server: add, list, show, password, disable, enable.
    #[command(subcommand)]
    Account(AccountCommand),
    /// Tokens of the interfaces (REST, OGC, tiles): add, list, revoke.
    #[command(subcommand)]
    Token(TokenCommand),
    /// Review of records: queue, claims, sheets, approval, return, undo, audit.
    #[command(subcommand)]
    Review(ReviewCommand),
    /// Conflicting values of one fact: list, settle.
    #[command(subcommand)]
    Conflicts(ConflictsCommand),
    /// Records that may be of one outlet (重复记录): scan, list, link, lift, dismiss.
    #[command(subcommand)]
    Duplicates(DuplicatesCommand),
    /// Write any decision of the life cycle, as JSON (class, plan, acceptance, extension, …).
    #[command(
        after_help = "Example:\n  echo '{\"type\": \"extend\", \"until\": \"2024-06-30\", \"authority\": \"巴中市人民政府\", \"document\": {\"number\": \"巴府函〔2023〕88号\"}}' | outlet-server decide BZ0012 --as wang.wu"
    )]
    Decide(DecideArgs),
    /// The server's clock and its receipts: show, accept a clock that was once far ahead.
    #[command(subcommand)]
    Clock(ClockCommand),
    /// Changes held for a decision: list, show, release, reject.
    #[command(subcommand)]
    Quarantine(QuarantineCommand),
    /// Keys of the server.
    #[command(subcommand)]
    Key(KeyCommand),
    /// Write database, photos and keys to one file sealed by a passphrase. Works while `serve` runs.
    #[command(
        after_help = "Example:\n  outlet-server backup --data /srv/outlets --passphrase-file pass.txt outlets.tar.age\n\nThe file is an age file around a tar: `age -d outlets.tar.age | tar t` lists it."
    )]
    Backup(ArchiveArgs),
    /// Make a data folder from a backup. Starts a new epoch: devices compare everything once.
    #[command(
        after_help = "Example:\n  outlet-server restore --data /srv/outlets2 --passphrase-file pass.txt outlets.tar.age"
    )]
    Restore(ArchiveArgs),
    /// Bundles on a USB stick: what devices could not send, and what they could not fetch.
    #[command(subcommand)]
    Bundle(BundleCommand),
    /// Each change of an outlet: who wrote it, whose device carried it here, when it was received.
    #[command(
        after_help = "Example:\n  outlet-server history 019a0c3e --data /srv/outlets\n\nJSON: [{\"document\", \"change\", \"author\", \"author_key\", \"carrier\", \"carrier_key\", \"device_time\", \"received_at\", \"state\"}]"
    )]
    History(HistoryArgs),
    /// Load milestone sets, dictionaries, townships, rivers (TOML) into the reference documents.
    #[command(after_help = "Example:\n  outlet-server load-reference --data /srv/outlets fixtures/reference/*.toml")]
    LoadReference(LoadReferenceArgs),
    /// The ledger (台账).
    #[command(subcommand)]
    Ledger(LedgerCommand),
    /// How far each milestone is (时限节点); `progress rows` shows the outlets behind a figure, `progress
    /// diff` what changed between two days.
    #[command(
        args_conflicts_with_subcommands = true,
        after_help = "Example:\n  outlet-server progress --data /srv/outlets --as-of 2022-12-31 --by unit --json\n  outlet-server progress rows --milestone M1 --group 511902 --figure open\n  outlet-server progress diff --milestone M3 --from 2022-06-30 --to 2022-12-31"
    )]
    Progress(ProgressArgs),
    /// Assessment of a milestone (考核): per unit what it reached, what is missing and whose, how late.
    #[command(
        after_help = "Example:\n  outlet-server assess --milestone M4 --as-of 2024-01-15 --xlsx m4.xlsx\n\nAddressed to 县（区）人民政府 or 经开区管委会."
    )]
    Assess(AssessArgs),
    /// Register of 通报, 约谈, 表扬.
    #[command(subcommand)]
    Notice(NoticeCommand),
    /// Why an outlet is done or not: each condition, its date, its evidence, who decided.
    #[command(
        after_help = "Example:\n  outlet-server explain 019a0c3e-7b1d-7c3a-9f00-0123456789ab --milestone M4 --data /srv/outlets"
    )]
    Explain(ExplainArgs),
    /// Problem list (问题清单).
    #[command(subcommand)]
    Problems(ExportCommand),
    /// List of responsible parties (责任主体清单).
    #[command(subcommand)]
    Parties(ExportCommand),
    /// Seal a ledger or problem list (M1 needs both): the exact export is kept, its SHA-256 signed.
    #[command(
        args_conflicts_with_subcommands = true,
        after_help = "Example:\n  outlet-server seal --data /srv/outlets --what ledger --unit 511902 --on 2021-12-20 --document 巴州环〔2021〕9号\n  outlet-server seal verify ledger-511902.csv\n  outlet-server seal list --json"
    )]
    Seal(SealArgs),
    /// Lists of suspected points and foreign inventories: CSV, XLSX, GeoJSON, shapefile.
    #[command(subcommand)]
    Import(worklist::ImportCommand),
    /// Who is to visit what.
    #[command(subcommand)]
    Assign(worklist::AssignCommand),
    /// What suspected points have come to, and how much bank was walked.
    #[command(
        after_help = "Example:\n  outlet-server coverage --by township --data /srv/outlets\n  outlet-server coverage --by walks --data /srv/outlets --json\n\nJSON: [{\"group\", \"points\", \"surveyed\", \"not_an_outlet\", \"needs_level_3\", \"elsewhere\", \"open\", \"reasons\"}]\nwalks: [{\"waterbody\", \"reach\", \"bank\", \"scope_m\", \"walked_m\", \"walks\", \"nothing_found\", \"found\", \"last_on\"}]"
    )]
    Coverage {
        /// Grouping.
        #[arg(long, value_enum, default_value = "township")]
        by: worklist::CoverageArg,
    },
    /// Protection zones and other areas as polygons.
    #[command(subcommand)]
    Zones(zones::ZonesCommand),
    /// Suggestions of a class by rules, with legal basis and layer.
    #[command(subcommand)]
    Rules(zones::RulesCommand),
    /// Official codes: record received ones, assign from granted blocks, find conflicts.
    #[command(subcommand)]
    Codes(codes::CodesCommand),
    /// Signs (标识牌): text, QR code, state.
    #[command(subcommand)]
    Signs(codes::SignsCommand),
    /// Consent to set up an outlet (审核制): who has none, where paper and reality differ.
    #[command(subcommand)]
    Consents(codes::ConsentsCommand),
    /// What the public reported behind the signs' QR codes.
    #[command(subcommand)]
    Reports(codes::ReportsCommand),
    /// Routine inspections (日常检查) and supervisory sampling (监督性监测).
    #[command(subcommand)]
    Inspections(worklist::InspectionsCommand),
    /// Settings.
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Print a completion script for a shell.
    #[command(after_help = "Example:\n  outlet-server completions bash > /etc/bash_completion.d/outlet-server")]
    Completions {
        /// Which shell.
        shell: clap_complete::Shell,
    },
    /// Write manual pages into a folder.
    #[command(after_help = "Example:\n  outlet-server man target/man")]
    Man {
        /// The folder; it is made if missing.
        dir: PathBuf,
    },
}

/// `clock`.
#[derive(Debug, Subcommand)]
pub enum ClockCommand {
    /// Show the clock and the last receipt.
    #[command(
        after_help = "Example:\n  outlet-server clock show --data /srv/outlets\n\nJSON: {\"now\", \"last_receipt\" or null, \"ahead_ms\", \"gives_receipts\"}"
    )]
    Show,
    /// The clock was once far ahead, and receipts would wait until that date: go on from the present.
    /// Check the clock first. What was signed stays as it is; the step is kept in the audit.
    #[command(
        after_help = "Example:\n  outlet-server clock accept --reason \"battery of the main board was empty\" --data /srv/outlets\n\nJSON: as `clock show`"
    )]
    Accept {
        /// Why the clock was wrong; kept in the audit.
        #[arg(long)]
        reason: String,
    },
}

/// `serve`.
#[derive(Debug, Args)]
pub struct ServeArgs {
    /// Address for devices; port 0 takes a free one.
    #[arg(long, value_name = "ADDR")]
    pub quic: Option<String>,
    /// Address for devices in networks that block UDP (TLS over TCP) [default: off].
    #[arg(long, value_name = "ADDR")]
    pub tls: Option<String>,
    /// Address of the page; port 0 takes a free one.
    #[arg(long, value_name = "ADDR")]
    pub http: Option<String>,
}

/// Roles as given on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum RoleArg {
    /// Reads.
    Viewer,
    /// Writes field records.
    Inspector,
    /// Writes case files.
    Supervisor,
    /// Writes reference documents.
    Admin,
}

impl From<RoleArg> for Role {
    fn from(role: RoleArg) -> Self {
        match role {
            RoleArg::Viewer => Self::Viewer,
            RoleArg::Inspector => Self::Inspector,
            RoleArg::Supervisor => Self::Supervisor,
            RoleArg::Admin => Self::Admin,
        }
    }
}

/// Levels as given on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LevelArg {
    /// 县级.
    County,
    /// 市级.
    City,
}

impl From<LevelArg> for Level {
    fn from(level: LevelArg) -> Self {
        match level {
            LevelArg::County => Self::County,
            LevelArg::City => Self::City,
        }
    }
}

/// `ticket`.
#[derive(Debug, Args)]
pub struct TicketArgs {
    /// What the person may do.
    #[arg(long, value_enum)]
    pub role: RoleArg,
    /// Level of a supervisor (an admin is of the city).
    #[arg(long, value_enum)]
    pub level: Option<LevelArg>,
    /// County code that the person may read and write; repeat for more.
    #[arg(long = "collection", required = true, value_name = "CODE")]
    pub collections: Vec<Collection>,
    /// Name of the person, as shown beside what they write.
    #[arg(long)]
    pub name: String,
    /// Whoever has a device or an account: their id, login or name; `new` for somebody who has neither
    /// and shares the name of somebody who has [default: new, where nobody has this name].
    #[arg(long, value_name = "ID|LOGIN|NAME|new")]
    pub person: Option<PersonArg>,
    /// How long the ticket can be used [default: the configuration's, 7d].
    #[arg(long, value_parser = humantime::parse_duration, value_name = "DURATION")]
    pub expires: Option<Duration>,
    /// Address for the device such as `quic://host:4433`; repeat in order of trial.
    #[arg(long = "address", value_name = "URL")]
    pub addresses: Vec<String>,
    /// Draw the ticket as a QR code too (on stderr).
    #[arg(long)]
    pub qr: bool,
}

/// `device`.
#[derive(Debug, Subcommand)]
pub enum DeviceCommand {
    /// All devices with role, collections, state.
    #[command(after_help = "Example:\n  outlet-server device list --data /srv/outlets --json")]
    List,
    /// One device.
    #[command(after_help = "Example:\n  outlet-server device show 3f9a --data /srv/outlets")]
    Show {
        /// Key of the device, or its first digits.
        key: String,
    },
    /// Revoke a device: what the server has stays, what comes later is held.
    #[command(after_help = "Example:\n  outlet-server device revoke 3f9a --reason lost --data /srv/outlets")]
    Revoke {
        /// Key of the device, or its first digits.
        key: String,
        /// Why.
        #[arg(long, default_value = "revoked by the administrator")]
        reason: String,
    },
}

/// `quarantine`.
#[derive(Debug, Subcommand)]
pub enum QuarantineCommand {
    /// All held runs of changes, each with why and what it waits for.
    #[command(after_help = "Example:\n  outlet-server quarantine list --data /srv/outlets")]
    List,
    /// One held run.
    #[command(after_help = "Example:\n  outlet-server quarantine show 5e1c0a --data /srv/outlets")]
    Show {
        /// Hash of the run's last change, or its first digits.
        run: String,
    },
    /// Admit held runs and what waited for them.
    #[command(after_help = "Example:\n  outlet-server quarantine release 5e1c0a --by 李四 --data /srv/outlets")]
    Release(VerdictArgs),
    /// Refuse held runs for good; devices re-issue what honest authors built on them.
    #[command(after_help = "Example:\n  outlet-server quarantine reject 5e1c0a --by 李四 --data /srv/outlets")]
    Reject(VerdictArgs),
}

/// `quarantine release|reject`.
#[derive(Debug, Args)]
pub struct VerdictArgs {
    /// Hash of a run's last change, or its first digits; repeat for more.
    #[arg(required_unless_present_any = ["author", "all"])]
    pub runs: Vec<String>,
    /// All held runs of this device.
    #[arg(long, value_name = "KEY")]
    pub author: Option<PublicKey>,
    /// All held runs.
    #[arg(long, conflicts_with = "author")]
    pub all: bool,
    /// Who decides, as recorded in the ruling.
    #[arg(long, default_value = "administrator")]
    pub by: String,
}

/// `key`.
#[derive(Debug, Subcommand)]
pub enum KeyCommand {
    /// Make a new server key, signed by the root key, and use it from the next start on.
    #[command(after_help = "Example:\n  outlet-server key rotate --root-key /media/usb/root.key --data /srv/outlets")]
    Rotate {
        /// The root key's file [default: keys/root.key in the data folder].
        #[arg(long, value_name = "FILE")]
        root_key: Option<PathBuf>,
    },
}

/// `backup`, `restore`.
#[derive(Debug, Args)]
pub struct ArchiveArgs {
    /// The backup file.
    pub file: PathBuf,
    /// File whose first line is the passphrase [default: $OUTLET_PASSPHRASE].
    #[arg(long, value_name = "FILE")]
    pub passphrase_file: Option<PathBuf>,
}

/// `bundle`.
#[derive(Debug, Subcommand)]
pub enum BundleCommand {
    /// Take a bundle that `outlet bundle export` made. Works while `serve` runs; repeated, it changes nothing.
    #[command(
        after_help = "Example:\n  outlet-server bundle import /media/usb/week-12.outlet --data /srv/outlets\n\nIt is read to its end and checked before anything of it is used. Exit code 3: some parts were not taken."
    )]
    Import {
        /// The file.
        file: PathBuf,
    },
    /// Write all of some counties for the members who may read them.
    #[command(
        after_help = "Example:\n  outlet-server bundle export week-12.outlet --collection 511902 --photos previews --data /srv/outlets"
    )]
    Export {
        /// The file; it must not exist yet.
        file: PathBuf,
        /// County code; repeat for more.
        #[arg(long = "collection", required = true, value_name = "CODE")]
        collections: Vec<Collection>,
        /// Photos and attachments.
        #[arg(long, value_enum, default_value = "none")]
        photos: BundlePhotos,
    },
}

/// Which files go into a bundle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum BundlePhotos {
    /// All.
    All,
    /// Previews.
    Previews,
    /// None.
    None,
}

/// `history`.
#[derive(Debug, Args)]
pub struct HistoryArgs {
    /// The outlet: id (or its first digits), temporary number, or official code.
    pub id: String,
}

/// `load-reference`.
#[derive(Debug, Args)]
pub struct LoadReferenceArgs {
    /// TOML files.
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
}

/// `ledger`.
#[derive(Debug, Subcommand)]
pub enum LedgerCommand {
    /// One row (or feature) per outlet.
    #[command(
        after_help = "Example:\n  outlet-server ledger export --data /srv/outlets --format csv --as-of 2022-12-31 -o ledger.csv"
    )]
    Export(LedgerExportArgs),
    /// Number, distribution, way of discharge (数量、分布、排放方式).
    #[command(after_help = "Example:\n  outlet-server ledger summary --data /srv/outlets --by township")]
    Summary {
        /// Grouping.
        #[arg(long, value_enum)]
        by: SummaryBy,
        /// What was true at the end of this day.
        #[arg(long, value_name = "DATE")]
        as_of: Option<Day>,
    },
    /// Drop the derived rows and build them again from the changes.
    #[command(after_help = "Example:\n  outlet-server ledger rebuild --data /srv/outlets")]
    Rebuild,
}

/// Formats of the ledger export.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ExportFormat {
    /// Comma-separated, UTF-8 with BOM.
    Csv,
    /// GeoJSON feature collection.
    Geojson,
}

/// Languages of headers and values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Labels {
    /// Codes as stored, for scripts.
    Codes,
    /// Chinese.
    Zh,
    /// English.
    En,
}

/// `ledger export`.
#[derive(Debug, Args)]
pub struct LedgerExportArgs {
    /// csv | geojson.
    #[arg(long, value_enum, default_value = "csv")]
    pub format: ExportFormat,
    /// What was true at the end of this day (evidence dates).
    #[arg(long, value_name = "DATE")]
    pub as_of: Option<Day>,
    /// What the server knew at the end of this day.
    #[arg(long, value_name = "DATE")]
    pub known_as_of: Option<Day>,
    /// Headers and values as codes, or as labels for people.
    #[arg(long, value_enum, default_value = "codes")]
    pub labels: Labels,
    /// File to write; `-` is standard output.
    #[arg(short, long, value_name = "FILE", default_value = "-")]
    pub output: PathBuf,
}

/// Groupings of `ledger summary`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SummaryBy {
    /// 类型.
    Type,
    /// 管理单元.
    Unit,
    /// 乡镇.
    Township,
    /// 水体.
    Waterbody,
    /// 入河方式.
    EntryMode,
    /// 排放方式.
    Pattern,
}

/// `explain`.
#[derive(Debug, Args)]
pub struct ExplainArgs {
    /// The outlet: id (or its first digits), temporary number, or official code.
    pub id: String,
    /// Which milestone.
    #[arg(long, value_name = "M1..M4")]
    pub milestone: String,
    /// What was true at the end of this day [default: today].
    #[arg(long, value_name = "DATE")]
    pub as_of: Option<Day>,
}

/// `problems`, `parties`.
#[derive(Debug, Subcommand)]
pub enum ExportCommand {
    /// Write the list as CSV (UTF-8 with BOM), or as JSON with `--json`.
    #[command(after_help = "Example:\n  outlet-server problems export --data /srv/outlets -o problems.csv")]
    Export {
        /// File to write; `-` is standard output.
        #[arg(short, long, value_name = "FILE", default_value = "-")]
        output: PathBuf,
        /// What was true at the end of this day.
        #[arg(long, value_name = "DATE")]
        as_of: Option<Day>,
        /// Headers and values as codes, or as labels for people.
        #[arg(long, value_enum, default_value = "codes")]
        labels: Labels,
    },
}

/// `config`.
#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Print every setting with its default and a comment.
    #[command(after_help = "Example:\n  outlet-server config default > server.toml")]
    Default,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        use clap::CommandFactory as _;
        Cli::command().debug_assert();
    }
}

/// `token`.
#[derive(Debug, Subcommand)]
pub enum TokenCommand {
    /// Make a token for an account; it is shown once.
    #[command(
        after_help = "Example:\n  outlet-server token add --as li.si --name QGIS --scope read --expires 365d --data /srv/outlets"
    )]
    Add(TokenAddArgs),
    /// All tokens, without their secrets.
    #[command(after_help = "Example:\n  outlet-server token list --json --data /srv/outlets")]
    List,
    /// End a token at once.
    #[command(after_help = "Example:\n  outlet-server token revoke 7 --data /srv/outlets")]
    Revoke {
        /// Its number, as `token list` shows it.
        id: i64,
    },
}

/// `token add`.
#[derive(Debug, Args)]
pub struct TokenAddArgs {
    /// The account it belongs to: the token can do no more.
    #[arg(long = "as", value_name = "LOGIN")]
    pub login: String,
    /// What it is for.
    #[arg(long)]
    pub name: String,
    /// What it may be used for; several times for several.
    #[arg(long = "scope", value_enum, default_value = "read", value_delimiter = ',')]
    pub scopes: Vec<ScopeArg>,
    /// How long it is valid, such as 90d [default: until revoked].
    #[arg(long, value_parser = humantime::parse_duration, value_name = "TIME")]
    pub expires: Option<Duration>,
}

/// Scopes as given on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ScopeArg {
    /// Outlets, lists, milestones, exports, map.
    Read,
    /// Bytes of photos.
    Photos,
    /// Decisions, as the account.
    Decide,
    /// Devices and the state of the server.
    Admin,
}
