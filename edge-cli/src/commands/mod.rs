//! The commands: one file per group, each with its `…Args` (the doc comment is the help) and a
//! function that reads arguments, calls core, and reports.

pub(crate) mod add;
pub(crate) mod batch;
pub(crate) mod bundle;
pub(crate) mod case;
pub(crate) mod doctor;
pub(crate) mod edit;
pub(crate) mod enroll;
pub(crate) mod facts;
pub(crate) mod fetch;
pub(crate) mod files;
pub(crate) mod inspect;
pub(crate) mod list;
pub(crate) mod meta;
pub(crate) mod party;
pub(crate) mod peer;
pub(crate) mod photo;
pub(crate) mod propose;
pub(crate) mod sample;
pub(crate) mod show;
pub(crate) mod status;
pub(crate) mod suggest;
pub(crate) mod survey;
pub(crate) mod sync;
pub(crate) mod tasks;
pub(crate) mod trace;
pub(crate) mod walk;
mod watch;
pub(crate) mod works;

use clap::Subcommand;

use crate::context::Context;
use crate::error::Result;
use crate::input::choice::Dictionaries;

/// How a command that did not fail ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Exit code 0.
    Done,
    /// Something remains: photos pending, changes held. Exit code 3.
    Incomplete,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Enroll(enroll::EnrollArgs),
    Add(add::AddArgs),
    Edit(edit::EditArgs),
    Move(edit::MoveArgs),
    Suggest(suggest::SuggestArgs),
    Classify(propose::ClassifyArgs),
    NotAnOutlet(propose::NotAnOutletArgs),
    Survey(Box<survey::SurveyArgs>),
    Sample(sample::SampleArgs),
    Trace(trace::TraceArgs),
    PlanNote(propose::PlanNoteArgs),
    Submit(propose::SubmitArgs),
    Recall(propose::RecallArgs),
    Photo(photo::PhotoArgs),
    Attach(files::AttachArgs),
    Withdraw(files::WithdrawArgs),
    Progress(works::ProgressArgs),
    Recheck(works::RecheckArgs),
    Sign(works::SignArgs),
    Consent(works::ConsentArgs),
    Inspect(inspect::InspectArgs),
    Walk(walk::WalkArgs),
    Case(Box<case::CaseArgs>),
    Tasks(tasks::TasksArgs),
    List(list::ListArgs),
    Near(list::NearArgs),
    Show(show::ShowArgs),
    Status(status::StatusArgs),
    Conflicts(status::ConflictsArgs),
    Sync(sync::SyncArgs),
    Peer(peer::PeerArgs),
    Bundle(bundle::BundleArgs),
    Doctor(doctor::DoctorArgs),
    Backup(doctor::BackupArgs),
    Restore(doctor::RestoreArgs),
    Batch(batch::BatchArgs),
    Completions(meta::CompletionsArgs),
    Man(meta::ManArgs),
}

/// Runs a command.
pub(crate) fn run(ctx: &mut Context<'_>, command: &Command) -> Result<Outcome> {
    match command {
        Command::Enroll(args) => enroll::run(ctx, args),
        Command::Add(args) => add::run(ctx, args),
        Command::Edit(args) => edit::edit(ctx, args),
        Command::Move(args) => edit::relocate(ctx, args),
        Command::Suggest(args) => suggest::run(ctx, args),
        Command::Classify(args) => propose::classify(ctx, args),
        Command::NotAnOutlet(args) => propose::not_an_outlet(ctx, args),
        Command::Survey(args) => survey::run(ctx, args),
        Command::Sample(args) => sample::run(ctx, args),
        Command::Trace(args) => trace::run(ctx, args),
        Command::PlanNote(args) => propose::plan_note(ctx, args),
        Command::Submit(args) => propose::submit(ctx, args),
        Command::Recall(args) => propose::recall(ctx, args),
        Command::Photo(args) => photo::run(ctx, args),
        Command::Attach(args) => files::attach(ctx, args),
        Command::Withdraw(args) => files::withdraw(ctx, args),
        Command::Progress(args) => works::progress(ctx, args),
        Command::Recheck(args) => works::recheck(ctx, args),
        Command::Sign(args) => works::sign(ctx, args),
        Command::Consent(args) => works::consent(ctx, args),
        Command::Inspect(args) => inspect::run(ctx, args),
        Command::Walk(args) => walk::run(ctx, args),
        Command::Case(args) => case::run(ctx, args),
        Command::Tasks(args) => tasks::run(ctx, args),
        Command::List(args) => list::list(ctx, args),
        Command::Near(args) => list::near(ctx, args),
        Command::Show(args) => show::run(ctx, args),
        Command::Status(args) => status::status(ctx, args),
        Command::Conflicts(args) => status::conflicts(ctx, args),
        Command::Sync(args) => sync::run(ctx, args),
        Command::Peer(args) => peer::run(ctx, args),
        Command::Bundle(args) => bundle::run(ctx, args),
        Command::Doctor(args) => doctor::doctor(ctx, args),
        Command::Backup(args) => doctor::backup(ctx, args),
        Command::Restore(args) => doctor::restore(ctx, args),
        Command::Batch(args) => batch::run(ctx, args),
        Command::Completions(args) => meta::completions(ctx, args),
        Command::Man(args) => meta::man(ctx, args),
    }
}

/// One optional code of a dictionary.
fn one_code(dictionaries: &Dictionaries, option: &str, dictionary: &str, text: Option<&str>) -> Result<Option<String>> {
    text.map(|text| dictionaries.code(option, dictionary, text)).transpose()
}

/// Several codes of a dictionary; each may itself be a comma-separated list.
fn all_codes(dictionaries: &Dictionaries, option: &str, dictionary: &str, texts: &[String]) -> Result<Vec<String>> {
    let parts = texts.iter().flat_map(|text| text.split([',', '，', '、'])).map(str::trim);
    parts.filter(|part| !part.is_empty()).map(|part| dictionaries.code(option, dictionary, part)).collect()
}
