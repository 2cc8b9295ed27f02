//! Arguments of `import`, `assign`, `coverage` and `inspections`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use outlet_core::ids::Collection;
use outlet_core::time::Day;

/// `import`.
#[derive(Debug, Subcommand)]
pub enum ImportCommand {
    /// Check a file and show what its rows would become; nothing is written.
    ///
    /// Without a mapping the columns are shown and a mapping is suggested, to be corrected, saved
    /// with `import mapping save` and used by name. Exit code 3 when rows cannot be taken.
    #[command(
        after_help = "Example:\n  outlet-server import preview points.xlsx --data /srv/outlets\n  outlet-server import preview points.xlsx --mapping 遥感 --data /srv/outlets --json\n\nJSON: {\"list\", \"file\", \"columns\", \"unused\", \"notes\", \"rows\", \"good\", \"bad\", \"known\", \"by_collection\",\n\"counts\", \"problems\": [{\"line\", \"column\", \"code\", \"error\", \"message\"}], \"sample\": [..]}\nWithout --mapping: {\"columns\", \"notes\", \"mapping\": TOML}"
    )]
    Preview {
        /// CSV, XLSX, GeoJSON or shapefile.
        file: PathBuf,
        /// Name of a saved mapping, or a TOML file.
        #[arg(long, value_name = "NAME|FILE")]
        mapping: Option<String>,
    },
    /// Make a record of every row: all rows are checked before the first is written.
    ///
    /// Records are made in chunks of 500; a chunk is one transaction. An import that broke off is
    /// taken up by the same command: what is there stays, what is missing is made.
    #[command(
        after_help = "Example:\n  outlet-server import run points.csv --mapping 遥感 --data /srv/outlets\n\nJSON: {\"import\", \"list\", \"rows\", \"created\", \"known\", \"skipped\"}"
    )]
    Run {
        /// CSV, XLSX, GeoJSON or shapefile.
        file: PathBuf,
        /// Name of a saved mapping, or a TOML file.
        #[arg(long, value_name = "NAME|FILE")]
        mapping: String,
        /// Leave bad rows out instead of importing nothing.
        #[arg(long)]
        skip_bad: bool,
        /// Check only, as `preview` does.
        #[arg(long)]
        dry_run: bool,
        /// Account of whoever imports, as recorded in every record [default: whoever runs this command].
        #[arg(long = "as", value_name = "LOGIN")]
        by: Option<String>,
    },
    /// What was imported.
    #[command(
        after_help = "Example:\n  outlet-server import list --data /srv/outlets --json\n\nJSON: [{\"id\", \"list\", \"file_name\", \"file\", \"state\", \"rows\", \"created\", \"skipped\", \"by\", \"started_at\"}]"
    )]
    List,
    /// Saved mappings.
    #[command(subcommand)]
    Mapping(MappingCommand),
}

/// `import mapping`.
#[derive(Debug, Subcommand)]
pub enum MappingCommand {
    /// Check a mapping and keep it under its name; an older one of that name is replaced.
    #[command(after_help = "Example:\n  outlet-server import mapping save 遥感.toml --data /srv/outlets")]
    Save {
        /// TOML file.
        file: PathBuf,
        /// Account of whoever saves it [default: whoever runs this command].
        #[arg(long = "as", value_name = "LOGIN")]
        by: Option<String>,
    },
    /// Names of the saved mappings.
    #[command(after_help = "Example:\n  outlet-server import mapping list --data /srv/outlets")]
    List,
    /// A saved mapping as TOML.
    #[command(after_help = "Example:\n  outlet-server import mapping show 遥感 --data /srv/outlets > 遥感.toml")]
    Show {
        /// Its name.
        name: String,
    },
}

/// Kinds of work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum TaskArg {
    /// 排查.
    #[default]
    Survey,
    /// 三级排查.
    #[value(name = "level_3")]
    Level3,
    /// 日常检查.
    Inspection,
    /// 监督性监测.
    Sampling,
}

impl TaskArg {
    /// The code in the document.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Survey => "survey",
            Self::Level3 => "level_3",
            Self::Inspection => "inspection",
            Self::Sampling => "sampling",
        }
    }
}

/// `assign`.
#[derive(Debug, Subcommand)]
pub enum AssignCommand {
    /// Hand records to a person; their device shows them after its next sync (`outlet tasks`).
    ///
    /// Which records: ids, or all open points of a list, township or river. A record that somebody
    /// else had goes to the new person.
    #[command(
        after_help = "Example:\n  outlet-server assign to 张三 --township 东城街道 --list 遥感 --due 2021-10-31 --data /srv/outlets\n\nJSON: {\"to\", \"name\", \"assigned\", \"collections\"}"
    )]
    To(AssignArgs),
    /// Take records back from whoever has them.
    #[command(after_help = "Example:\n  outlet-server assign withdraw --township 东城街道 --data /srv/outlets")]
    Withdraw(SelectionArgs),
    /// Who has what, and how much of it is open.
    #[command(
        after_help = "Example:\n  outlet-server assign list --data /srv/outlets --json\n\nJSON: [{\"person\", \"name\", \"task\", \"assigned\", \"open\", \"due\", \"overdue\"}]"
    )]
    List,
}

/// Which records.
#[derive(Debug, Clone, Default, Args)]
pub struct SelectionArgs {
    /// Outlets: ids or their first digits, temporary numbers, or codes.
    #[arg(long = "outlet", value_name = "ID")]
    pub outlets: Vec<String>,
    /// Points of this list.
    #[arg(long)]
    pub list: Option<String>,
    /// Points of this township (as the ledger names it).
    #[arg(long)]
    pub township: Option<String>,
    /// Points on this river.
    #[arg(long)]
    pub waterbody: Option<String>,
    /// Records of this county.
    #[arg(long)]
    pub collection: Option<Collection>,
    /// What is to be done.
    #[arg(long, value_enum, default_value = "survey")]
    pub task: TaskArg,
    /// Account of whoever decides it [default: whoever runs this command].
    #[arg(long = "as", value_name = "LOGIN")]
    pub by: Option<String>,
}

/// `assign to`.
#[derive(Debug, Args)]
pub struct AssignArgs {
    /// Name of the person as in their ticket, or their id (`device list` shows both).
    pub to: String,
    /// Which records.
    #[command(flatten)]
    pub selection: SelectionArgs,
    /// Until when.
    #[arg(long, value_name = "DATE")]
    pub due: Option<Day>,
    /// Free text for the person.
    #[arg(long)]
    pub note: Option<String>,
}

/// Groupings of `coverage`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum CoverageArg {
    /// 乡镇.
    Township,
    /// 水体.
    River,
    /// 县（区）.
    County,
    /// List that the points came in.
    List,
    /// Bank walked, by reach.
    Walks,
}

/// `inspections`.
#[derive(Debug, Subcommand)]
pub enum InspectionsCommand {
    /// What is due and overdue by the schedule of types, the most overdue first.
    #[command(
        after_help = "Example:\n  outlet-server inspections due --ahead 14 --data /srv/outlets --json\n\nJSON: [{\"outlet\", \"kind\", \"on\", \"state\", \"days\", \"last\", \"name\", \"township\"}]"
    )]
    Due {
        /// Count from this day [default: today].
        #[arg(long, value_name = "DATE")]
        on: Option<Day>,
        /// Days to look ahead.
        #[arg(long, default_value_t = 7)]
        ahead: i64,
        /// Only what has passed.
        #[arg(long)]
        overdue: bool,
    },
    /// Outlets whose inspection was bad and whose re-opening nobody has decided (T17).
    #[command(
        after_help = "Example:\n  outlet-server inspections proposals --data /srv/outlets\n\nDecide on a supervisor's device: outlet case reopen ID --observed-on DATE --observation TEXT\n\nJSON: [{\"outlet\", \"name\", \"state\", \"observed_on\", \"permit_limits\"}]"
    )]
    Proposals,
}
