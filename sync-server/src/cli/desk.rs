//! `review`, `conflicts`, `duplicates`, `decide`: what supervisors do at this server.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use outlet_core::ids::{Collection, EntryId};
use outlet_core::ledger::ReviewState;

use crate::engine::Seen;

/// In whose name.
#[derive(Debug, Clone, Args)]
pub struct AsArgs {
    /// Login of the account that decides; the server signs as its witness.
    #[arg(long = "as", value_name = "LOGIN")]
    pub login: String,
}

/// What was looked at.
#[derive(Debug, Clone, Args)]
pub struct SeenArgs {
    /// What was seen, as `review show` prints it: a record that moved on since is not decided on
    /// [default: the record as it is now].
    #[arg(long, value_name = "HEADS")]
    pub seen: Option<Seen>,
}

/// `review`.
#[derive(Debug, Subcommand)]
pub enum ReviewCommand {
    /// Records that wait: the gravest findings first, then the longest wait.
    #[command(
        after_help = "Example:\n  outlet-server review queue --as li.si --collection 511902\n\nJSON: [{\"id\", \"outlet\", \"number\", \"name\", \"county\", \"inspector\", \"review\", \"again\", \"errors\", \"warnings\", \"conflicts\", \"duplicates\", \"submitted_at\", \"waiting_hours\", \"claimed_by\"}]"
    )]
    Queue {
        /// In whose name.
        #[command(flatten)]
        who: AsArgs,
        /// Only this county code.
        #[arg(long, value_name = "CODE")]
        collection: Option<Collection>,
        /// State in review: submitted, returned, partly_approved, approved_amended, gated, approved, draft.
        #[arg(long)]
        state: Option<ReviewState>,
        /// Only records without errors, warnings, conflicts and possible duplicates.
        #[arg(long)]
        clean: bool,
        /// Lines at most.
        #[arg(long, default_value_t = 50)]
        limit: u64,
    },
    /// One record: what changed since the last review, findings, conflicts, possible duplicates.
    #[command(after_help = "Example:\n  outlet-server review show BZ0012 --json")]
    Show {
        /// Id (or its first digits), temporary number or code.
        id: String,
    },
    /// Take a record for twenty minutes, so that nobody else reviews it meanwhile.
    #[command(after_help = "Example:\n  outlet-server review claim BZ0012 --as li.si")]
    Claim {
        /// Id, number or code.
        id: String,
        /// In whose name.
        #[command(flatten)]
        who: AsArgs,
        /// Give it back.
        #[arg(long)]
        release: bool,
    },
    /// Approve a record, or sections of it, as it was seen.
    #[command(after_help = "Example:\n  outlet-server review approve BZ0012 --as li.si --section survey")]
    Approve(VerdictOnArgs),
    /// Return a record, or sections of it, with reasons; its inspector's device shows them.
    #[command(
        after_help = "Example:\n  outlet-server review return BZ0012 --as li.si --section location --reason location_offset --note '定位偏移，请到口门处重新定位'"
    )]
    Return(VerdictOnArgs),
    /// Take back one's own last decision on a record, within ten minutes.
    #[command(after_help = "Example:\n  outlet-server review undo BZ0012 --as li.si")]
    Undo {
        /// Id, number or code.
        id: String,
        /// In whose name.
        #[command(flatten)]
        who: AsArgs,
    },
    /// Put clean records on a sheet for approval in bulk; a drawn sample must be opened in full.
    #[command(after_help = "Example:\n  outlet-server review sheet --as li.si --size 60")]
    Sheet {
        /// In whose name.
        #[command(flatten)]
        who: AsArgs,
        /// Records at most.
        #[arg(long, default_value_t = 60)]
        size: u64,
        /// Seed of the sample [default: drawn by the system].
        #[arg(long)]
        seed: Option<u64>,
    },
    /// Open a record of a sheet in full.
    #[command(after_help = "Example:\n  outlet-server review open 3 BZ0012 --as li.si")]
    Open {
        /// Number of the sheet.
        sheet: i64,
        /// Id, number or code.
        id: String,
        /// In whose name.
        #[command(flatten)]
        who: AsArgs,
    },
    /// Approve the records of a sheet in one go.
    #[command(after_help = "Example:\n  outlet-server review approve-sheet 3 --as li.si --except BZ0044")]
    ApproveSheet {
        /// Number of the sheet.
        sheet: i64,
        /// In whose name.
        #[command(flatten)]
        who: AsArgs,
        /// Leave this record out; repeat for more.
        #[arg(long, value_name = "ID")]
        except: Vec<String>,
    },
    /// Pace of the last seven days, waiting time, days until the queue is empty.
    #[command(after_help = "Example:\n  outlet-server review pace --as li.si --json")]
    Pace {
        /// In whose name.
        #[command(flatten)]
        who: AsArgs,
    },
    /// Who decided what, on which evidence, from which values; with --verify, the chain of what this
    /// server witnessed.
    #[command(after_help = "Example:\n  outlet-server review audit BZ0012\n  outlet-server review audit --verify")]
    Audit {
        /// Only this record.
        id: Option<String>,
        /// Only this account.
        #[arg(long, value_name = "LOGIN")]
        account: Option<String>,
        /// Lines at most.
        #[arg(long, default_value_t = 50)]
        limit: u64,
        /// Follow the chain through all case files.
        #[arg(long)]
        verify: bool,
    },
}

/// `review approve|return`.
#[derive(Debug, Args)]
pub struct VerdictOnArgs {
    /// Id (or its first digits), temporary number or code.
    pub id: String,
    /// In whose name.
    #[command(flatten)]
    pub who: AsArgs,
    /// What was looked at.
    #[command(flatten)]
    pub seen: SeenArgs,
    /// survey|sample|trace|identity|location|photos [default: all]; repeat for several.
    #[arg(long)]
    pub section: Vec<String>,
    /// Reason of a return (dictionary return_reason); repeat for several.
    #[arg(long)]
    pub reason: Vec<String>,
    /// Free text.
    #[arg(long)]
    pub note: Option<String>,
}

/// `conflicts`.
#[derive(Debug, Subcommand)]
pub enum ConflictsCommand {
    /// Gated facts with several values, side by side.
    #[command(after_help = "Example:\n  outlet-server conflicts list --as li.si --json")]
    List {
        /// In whose name.
        #[command(flatten)]
        who: AsArgs,
        /// Only this county code.
        #[arg(long, value_name = "CODE")]
        collection: Option<Collection>,
        /// Conflicts at most.
        #[arg(long, default_value_t = 50)]
        limit: u64,
    },
    /// End a conflict: pick one of its values, or write another one. All are overruled by name.
    #[command(
        after_help = "Example:\n  outlet-server conflicts settle BZ0012 scale --pick 5b1c0d… --as li.si\n  outlet-server conflicts settle BZ0012 state --value not_an_outlet --reason bridge_road_drain --as wang.wu\n  outlet-server conflicts settle BZ0012 location --value '{\"lon\": 106.7, \"lat\": 31.8, …}' --as li.si"
    )]
    Settle {
        /// Id, number or code.
        id: String,
        /// classification | state | scale | location | county | management_unit.
        field: String,
        /// In whose name.
        #[command(flatten)]
        who: AsArgs,
        /// What was looked at.
        #[command(flatten)]
        seen: SeenArgs,
        /// Entry of the value picked.
        #[arg(long, value_name = "ENTRY", conflicts_with = "value", required_unless_present = "value")]
        pick: Option<EntryId>,
        /// Another value: a code, or JSON.
        #[arg(long)]
        value: Option<String>,
        /// Reason code, where the dictionary asks for one.
        #[arg(long)]
        reason: Option<String>,
        /// Free text.
        #[arg(long)]
        note: Option<String>,
    },
}

/// `duplicates`.
#[derive(Debug, Subcommand)]
pub enum DuplicatesCommand {
    /// Compare what is new; says how many records and pairs there are.
    #[command(after_help = "Example:\n  outlet-server duplicates scan --json")]
    Scan,
    /// Pairs that may be one outlet, the likeliest first, each with what speaks for it.
    #[command(after_help = "Example:\n  outlet-server duplicates list --as li.si --json")]
    List {
        /// In whose name.
        #[command(flatten)]
        who: AsArgs,
        /// Only pairs with a record of this county code.
        #[arg(long, value_name = "CODE")]
        collection: Option<Collection>,
        /// Show pairs that were told apart, too.
        #[arg(long)]
        dismissed: bool,
        /// Pairs at most.
        #[arg(long, default_value_t = 50)]
        limit: usize,
    },
    /// Declare a record a duplicate of another one (重复记录); both stay, one counts.
    #[command(after_help = "Example:\n  outlet-server duplicates link BZ0015 --of BZ0012 --as li.si")]
    Link(LinkArgs),
    /// Lift that link again.
    #[command(after_help = "Example:\n  outlet-server duplicates lift BZ0015 --of BZ0012 --as li.si")]
    Lift(LinkArgs),
    /// These are two outlets: the pair is not proposed again.
    #[command(
        after_help = "Example:\n  outlet-server duplicates dismiss BZ0015 BZ0012 --reason '两个口，相距6米' --as li.si"
    )]
    Dismiss {
        /// One record.
        id: String,
        /// The other one.
        other: String,
        /// In whose name.
        #[command(flatten)]
        who: AsArgs,
        /// Why.
        #[arg(long, required_unless_present = "restore")]
        reason: Option<String>,
        /// Propose the pair again.
        #[arg(long, conflicts_with = "reason")]
        restore: bool,
    },
}

/// `duplicates link|lift`.
#[derive(Debug, Args)]
pub struct LinkArgs {
    /// The record that goes.
    pub id: String,
    /// The record that stays.
    #[arg(long)]
    pub of: String,
    /// In whose name.
    #[command(flatten)]
    pub who: AsArgs,
    /// What was looked at.
    #[command(flatten)]
    pub seen: SeenArgs,
    /// Free text.
    #[arg(long)]
    pub note: Option<String>,
}

/// `decide`.
#[derive(Debug, Args)]
pub struct DecideArgs {
    /// Id (or its first digits), temporary number or code.
    pub id: String,
    /// In whose name.
    #[command(flatten)]
    pub who: AsArgs,
    /// What was looked at.
    #[command(flatten)]
    pub seen: SeenArgs,
    /// File with one decision as JSON, or a list of them; `-` is standard input.
    #[arg(long, value_name = "FILE", default_value = "-")]
    pub entry: PathBuf,
}
