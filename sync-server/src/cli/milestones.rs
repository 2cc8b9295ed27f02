//! `progress`, `assess`, `seal`, `notice`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use outlet_core::ids::BlobHash;
use outlet_core::ledger::{GroupBy, Reading};
use outlet_core::time::Day;

/// Groupings of `progress`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ProgressBy {
    /// 管理单元 (with the city as their union).
    Unit,
    /// 县（区）.
    County,
    /// 乡镇.
    Township,
    /// 流域.
    Basin,
    /// 水体.
    Waterbody,
    /// 水功能区.
    WaterFunctionZone,
    /// 控制单元.
    ControlUnit,
    /// 断面.
    Section,
    /// 河段.
    Reach,
    /// 河长.
    Chief,
    /// 主要责任主体.
    Party,
}

impl From<ProgressBy> for GroupBy {
    fn from(by: ProgressBy) -> Self {
        match by {
            ProgressBy::Unit => Self::Unit,
            ProgressBy::County => Self::County,
            ProgressBy::Township => Self::Township,
            ProgressBy::Basin => Self::Basin,
            ProgressBy::Waterbody => Self::Waterbody,
            ProgressBy::WaterFunctionZone => Self::WaterFunctionZone,
            ProgressBy::ControlUnit => Self::ControlUnit,
            ProgressBy::Section => Self::Section,
            ProgressBy::Reach => Self::Reach,
            ProgressBy::Chief => Self::Chief,
            ProgressBy::Party => Self::Party,
        }
    }
}

/// Readings as given on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ReadingArg {
    /// 按现有认识.
    #[value(name = "as_known_now", alias = "as-known-now")]
    AsKnownNow,
    /// 按当时台账.
    #[value(name = "as_reported", alias = "as-reported")]
    AsReported,
}

impl From<ReadingArg> for Reading {
    fn from(reading: ReadingArg) -> Self {
        match reading {
            ReadingArg::AsKnownNow => Self::AsKnownNow,
            ReadingArg::AsReported => Self::AsReported,
        }
    }
}

/// `progress`.
#[derive(Debug, Args)]
pub struct ProgressArgs {
    /// What else of it.
    #[command(subcommand)]
    pub command: Option<ProgressCommand>,
    /// What was true at the end of this day [default: today].
    #[arg(long, value_name = "DATE")]
    pub as_of: Option<Day>,
    /// Grouping.
    #[arg(long, value_enum, default_value = "unit")]
    pub by: ProgressBy,
    /// Milestone set [default: the enabled one].
    #[arg(long, value_name = "NAME")]
    pub set: Option<String>,
}

/// `progress rows|diff`.
#[derive(Debug, Subcommand)]
pub enum ProgressCommand {
    /// The outlets behind a figure, each with what is missing and whose turn it is.
    #[command(
        after_help = "Figures: of, done, open, on_time, late, pending_review, open_suspects, extended, awaiting_acceptance, scale_undetermined,\n  excluded:REASON, exempt:NAME, grade:GRADE, part:CONDITION, of:CONDITION\nExample:\n  outlet-server progress rows --milestone M1 --group 511902 --figure open --as-of 2021-12-31 --json"
    )]
    Rows(RowsArgs),
    /// Outlets that count differently on a later day, and why.
    #[command(after_help = "Example:\n  outlet-server progress diff --milestone M3 --from 2022-06-30 --to 2022-12-31")]
    Diff(DiffArgs),
}

/// `progress rows`.
#[derive(Debug, Args)]
pub struct RowsArgs {
    /// Milestone such as M1.
    #[arg(long)]
    pub milestone: String,
    /// What was true at the end of this day [default: today].
    #[arg(long, value_name = "DATE")]
    pub as_of: Option<Day>,
    /// Grouping.
    #[arg(long, value_enum, default_value = "unit")]
    pub by: ProgressBy,
    /// Only this group [default: all].
    #[arg(long)]
    pub group: Option<String>,
    /// Only the outlets of this figure [default: all].
    #[arg(long)]
    pub figure: Option<String>,
    /// Which reading [default: the official one of the set].
    #[arg(long, value_enum)]
    pub reading: Option<ReadingArg>,
    /// Milestone set [default: the enabled one].
    #[arg(long, value_name = "NAME")]
    pub set: Option<String>,
}

/// `progress diff`.
#[derive(Debug, Args)]
pub struct DiffArgs {
    /// Milestone such as M1.
    #[arg(long)]
    pub milestone: String,
    /// The earlier day.
    #[arg(long, value_name = "DATE")]
    pub from: Day,
    /// The later day [default: today].
    #[arg(long, value_name = "DATE")]
    pub to: Option<Day>,
    /// Grouping.
    #[arg(long, value_enum, default_value = "unit")]
    pub by: ProgressBy,
    /// Which reading [default: the official one of the set].
    #[arg(long, value_enum)]
    pub reading: Option<ReadingArg>,
    /// Milestone set [default: the enabled one].
    #[arg(long, value_name = "NAME")]
    pub set: Option<String>,
}

/// `assess`.
#[derive(Debug, Args)]
pub struct AssessArgs {
    /// Milestone such as M4.
    #[arg(long)]
    pub milestone: String,
    /// What was true at the end of this day [default: today].
    #[arg(long, value_name = "DATE")]
    pub as_of: Option<Day>,
    /// Milestone set [default: the enabled one].
    #[arg(long, value_name = "NAME")]
    pub set: Option<String>,
    /// Write a spreadsheet too.
    #[arg(long, value_name = "FILE")]
    pub xlsx: Option<PathBuf>,
    /// Write the units and their open outlets as CSV (UTF-8 with BOM) too; `-` is standard output.
    #[arg(long, value_name = "FILE")]
    pub csv: Option<PathBuf>,
}

/// What is sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SealWhat {
    /// 台账.
    #[value(name = "ledger")]
    Ledger,
    /// 问题清单.
    #[value(name = "problem_list", alias = "problem-list")]
    ProblemList,
}

/// `seal`.
#[derive(Debug, Args)]
pub struct SealArgs {
    /// What else of it.
    #[command(subcommand)]
    pub command: Option<SealCommand>,
    /// ledger | problem_list.
    #[arg(long, value_enum, required = true)]
    pub what: Option<SealWhat>,
    /// Management unit: county code, 511971 for 巴中经开区, 5119 for the city.
    #[arg(long, required = true)]
    pub unit: Option<String>,
    /// Day of the seal: the export is as of this day.
    #[arg(long, value_name = "DATE", required = true)]
    pub on: Option<Day>,
    /// 文号.
    #[arg(long, value_name = "NUMBER")]
    pub document: Option<String>,
    /// Seal this file as it is instead of an export.
    #[arg(long, value_name = "FILE", conflicts_with = "paper")]
    pub file: Option<PathBuf>,
    /// Only record that a paper was sealed; there is no file.
    #[arg(long)]
    pub paper: bool,
}

/// `seal list|verify|export`.
#[derive(Debug, Subcommand)]
pub enum SealCommand {
    /// All seals.
    List,
    /// Whether sealed files are as they were sealed, and who signed the seals.
    Verify {
        /// This file [default: every sealed file that is kept].
        file: Option<PathBuf>,
    },
    /// Write a sealed file as it was sealed.
    Export {
        /// Its SHA-256, as `seal list` shows it.
        sha256: BlobHash,
        /// File to write; `-` is standard output.
        #[arg(short, long, value_name = "FILE", default_value = "-")]
        output: PathBuf,
    },
}

/// Kinds of notices.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum NoticeKind {
    /// 通报.
    Circular,
    /// 约谈.
    Talk,
    /// 表扬.
    Commend,
}

/// `notice`.
#[derive(Debug, Subcommand)]
pub enum NoticeCommand {
    /// Record a notice with its document.
    #[command(
        after_help = "Example:\n  outlet-server notice add --kind circular --unit 511922 --milestone M3 --on 2023-02-01 --document 巴环函〔2023〕7号 --as wang.wu"
    )]
    Add {
        /// 通报, 约谈 or 表扬.
        #[arg(long, value_enum)]
        kind: NoticeKind,
        /// Unit that it is addressed to.
        #[arg(long)]
        unit: String,
        /// Milestone such as M3.
        #[arg(long)]
        milestone: Option<String>,
        /// The day.
        #[arg(long, value_name = "DATE")]
        on: Day,
        /// 文号.
        #[arg(long, value_name = "NUMBER")]
        document: String,
        /// Free text.
        #[arg(long)]
        note: Option<String>,
        /// In whose name.
        #[command(flatten)]
        who: super::AsArgs,
    },
    /// The register, newest first.
    #[command(after_help = "Example:\n  outlet-server notice list --json")]
    List {
        /// Only this unit.
        #[arg(long)]
        unit: Option<String>,
    },
}
