//! Arguments of `codes`, `signs`, `consents` and `reports`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use outlet_core::ids::Collection;
use outlet_core::time::Day;

/// Systems of codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SystemArg {
    /// 国家.
    National,
    /// 省级.
    Provincial,
}

/// `codes`.
#[derive(Debug, Subcommand)]
pub enum CodesCommand {
    /// Record codes that the platform sent, with the paper they came with: all lines or none.
    ///
    /// FILE is a CSV or XLSX with the columns 排口 (id, temporary number or number in its list) and
    /// 编码, and if there is one 下发日期; English: outlet, code, issued_on.
    #[command(
        after_help = "Example:\n  outlet-server codes record codes.csv --document 平台回执0412 --document-dated 2023-02-20 --as wang --data /srv/outlets\n\nJSON: {\"given\": [{\"outlet\", \"code\", \"block\", \"findings\"}], \"known\", \"problems\"}"
    )]
    Record {
        /// CSV or XLSX.
        file: PathBuf,
        /// national | provincial.
        #[arg(long, value_enum, default_value = "national")]
        system: SystemArg,
        /// 文号 of the platform's reply.
        #[arg(long)]
        document: String,
        /// Its date.
        #[arg(long, value_name = "DATE")]
        document_dated: Option<Day>,
        /// Account that decides (city).
        #[arg(long = "as", value_name = "LOGIN")]
        by: String,
    },
    /// Assign national codes from the blocks that this server holds; a serial is given once.
    ///
    /// The decision and the serial are one transaction. An outlet that has a code, is closed, or
    /// whose type has no verified letters gets none, and then nobody does.
    #[command(
        after_help = "Example:\n  outlet-server codes assign 019a0c3e 019a0c4f --as wang --data /srv/outlets\n  outlet-server codes assign --collection 511902 --named --as wang --data /srv/outlets\n\nJSON: [{\"outlet\", \"code\", \"block\", \"findings\"}]"
    )]
    Assign {
        /// Outlets: ids or their first digits, or temporary numbers.
        #[arg(required_unless_present = "collection")]
        outlets: Vec<String>,
        /// All outlets of a county that have an approved name and no code.
        #[arg(long, conflicts_with = "outlets")]
        collection: Option<Collection>,
        /// Date of issue [default: today].
        #[arg(long, value_name = "DATE")]
        on: Option<Day>,
        /// Account that decides (city).
        #[arg(long = "as", value_name = "LOGIN")]
        by: String,
    },
    /// Codes that stand on more than one outlet.
    #[command(
        after_help = "Example:\n  outlet-server codes conflicts --data /srv/outlets\n\nJSON: [{\"code\", \"system\", \"outlets\", \"names\"}]; exit code 3 when there are any"
    )]
    Conflicts,
    /// Blocks of codes granted by the platform.
    #[command(subcommand)]
    Block(BlockCommand),
}

/// `codes block`.
#[derive(Debug, Subcommand)]
pub enum BlockCommand {
    /// Record a block that the platform granted to this server, and to no other.
    #[command(
        after_help = "Example:\n  outlet-server codes block grant B1 --county 511902 --from 1 --to 400 --document 川环函〔2023〕1号 --as wang --data /srv/outlets"
    )]
    Grant(BlockArgs),
    /// Take a block over after a restore: says from which serial on nothing was given.
    ///
    /// A restored database does not know what was assigned after its backup, so it may not assign
    /// until somebody has looked into the ledger of the platform.
    #[command(
        after_help = "Example:\n  outlet-server codes block take-over B1 --from 118 --as wang --data /srv/outlets"
    )]
    TakeOver {
        /// The block.
        id: String,
        /// First serial that was certainly not given.
        #[arg(long)]
        from: u16,
        /// Account that decides.
        #[arg(long = "as", value_name = "LOGIN")]
        by: Option<String>,
    },
    /// Withdraw a block: nothing more is assigned from it.
    #[command(after_help = "Example:\n  outlet-server codes block withdraw B1 --data /srv/outlets")]
    Withdraw {
        /// The block.
        id: String,
        /// Account that decides.
        #[arg(long = "as", value_name = "LOGIN")]
        by: Option<String>,
    },
    /// Blocks with what is free, and why one cannot be used here.
    #[command(
        after_help = "Example:\n  outlet-server codes block list --data /srv/outlets --json\n\nJSON: [{\"id\", \"basin\", \"county\", \"from\", \"to\", \"used\", \"document\", \"holder\", \"unusable\"}]"
    )]
    List,
}

/// `codes block grant`.
#[derive(Debug, Args)]
pub struct BlockArgs {
    /// Name of the block.
    pub id: String,
    /// GB/T 2260 code of the county.
    #[arg(long)]
    pub county: u32,
    /// First serial.
    #[arg(long)]
    pub from: u16,
    /// Last serial.
    #[arg(long)]
    pub to: u16,
    /// Basin letters.
    #[arg(long, default_value = "FA")]
    pub basin: String,
    /// 文号 of the grant.
    #[arg(long)]
    pub document: String,
    /// Its date.
    #[arg(long, value_name = "DATE")]
    pub document_dated: Option<Day>,
    /// Account that records it.
    #[arg(long = "as", value_name = "LOGIN")]
    pub by: Option<String>,
}

/// Formats of a QR code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum QrFormat {
    /// Vector drawing, for the sign maker.
    Svg,
    /// Picture.
    Png,
}

/// `signs`.
#[derive(Debug, Subcommand)]
pub enum SignsCommand {
    /// The text of an outlet's sign, from the ledger: sign and ledger say the same.
    #[command(
        after_help = "Example:\n  outlet-server signs text FA-511902-0001-GY-00 --data /srv/outlets\n\nJSON: {\"outlet\", \"code\", \"lines\": [{\"label\", \"text\"}], \"missing\", \"url\"}"
    )]
    Text {
        /// The outlet: id, temporary number or code.
        id: String,
    },
    /// The QR code of an outlet's sign: the address of its public page, or its code where no
    /// address is configured.
    #[command(
        after_help = "Example:\n  outlet-server signs qr FA-511902-0001-GY-00 --format svg -o sign.svg --data /srv/outlets"
    )]
    Qr {
        /// The outlet: id, temporary number or code.
        id: String,
        /// svg | png.
        #[arg(long, value_enum, default_value = "svg")]
        format: QrFormat,
        /// File to write; `-` is standard output.
        #[arg(short, long, value_name = "FILE", default_value = "-")]
        output: PathBuf,
    },
    /// State of the signs: coded outlets without one, damaged, missing, out of date.
    #[command(
        after_help = "Example:\n  outlet-server signs list --data /srv/outlets --json\n\nJSON: [{\"outlet\", \"code\", \"name\", \"sign\", \"on\"}]"
    )]
    List {
        /// Those that are in order too.
        #[arg(long)]
        all: bool,
    },
}

/// `consents`.
#[derive(Debug, Subcommand)]
pub enum ConsentsCommand {
    /// Outlets whose set-up nobody consented to or registered, as their type and date ask for.
    #[command(
        after_help = "Example:\n  outlet-server consents unapproved --data /srv/outlets\n\nJSON: [{\"outlet\", \"name\", \"type\", \"required\", \"approval_status\", \"set_up\", \"exists_from\", \"why\"}]"
    )]
    Unapproved,
    /// Where paper and reality differ: volume, regime, dates.
    #[command(
        after_help = "Example:\n  outlet-server consents differences --data /srv/outlets --json\n\nJSON: [{\"outlet\", \"name\", \"code\", \"detail\"}]"
    )]
    Differences,
}

/// `reports`.
#[derive(Debug, Subcommand)]
pub enum ReportsCommand {
    /// What the public reported, the oldest open ones first.
    #[command(
        after_help = "Example:\n  outlet-server reports list --data /srv/outlets --json\n\nJSON: [{\"number\", \"code\", \"outlet\", \"at\", \"text\", \"lon\", \"lat\", \"photo\", \"state\", \"answer\", \"decided_by\", \"promoted_to\"}]"
    )]
    List {
        /// Answered and rejected ones too.
        #[arg(long)]
        all: bool,
    },
    /// One report.
    #[command(after_help = "Example:\n  outlet-server reports show R7K2MX4Q --data /srv/outlets")]
    Show {
        /// Its number.
        number: String,
    },
    /// Answer a report; whoever has its number reads the answer.
    #[command(
        after_help = "Example:\n  outlet-server reports answer R7K2MX4Q '已核查，为雨水。' --as wang --data /srv/outlets"
    )]
    Answer {
        /// Its number.
        number: String,
        /// The answer, public.
        text: String,
        /// No problem of an outlet: closes it.
        #[arg(long)]
        reject: bool,
        /// Account that answers.
        #[arg(long = "as", value_name = "LOGIN")]
        by: Option<String>,
    },
    /// Make a suspected outlet of a report, or a proposal to re-open the outlet that it names.
    #[command(
        after_help = "Example:\n  outlet-server reports promote R7K2MX4Q --to suspected --collection 511902 --as wang --data /srv/outlets\n  outlet-server reports promote R7K2MX4Q --to reopen --as wang --data /srv/outlets"
    )]
    Promote {
        /// Its number.
        number: String,
        /// What it becomes.
        #[arg(long, value_enum)]
        to: PromoteTo,
        /// County of a new suspected outlet [default: that of the sign's outlet].
        #[arg(long)]
        collection: Option<Collection>,
        /// Account that decides.
        #[arg(long = "as", value_name = "LOGIN")]
        by: Option<String>,
    },
}

/// What a report becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum PromoteTo {
    /// 疑似排口.
    Suspected,
    /// Proposal to re-open (T17).
    Reopen,
}
