//! `seal`, `seal list|verify|export`, `notice add|list`.

use outlet_core::domain::field::DocumentRef;
use outlet_core::domain::reference::{Notice, ReferenceEntry, Seal};
use outlet_core::identity::Role;

use super::Outcome;
use super::desk::account;
use super::ledger::write_out;
use crate::cli::{NoticeCommand, NoticeKind, SealArgs, SealCommand, SealWhat};
use crate::engine::Engine;
use crate::error::{CommandError, Exit, IoContext};
use crate::seals::{self, SealError, Sealed, Verified};
use crate::ui::{self, Ui};

impl From<SealError> for CommandError {
    fn from(error: SealError) -> Self {
        match error {
            SealError::Engine(error) => error.into(),
            SealError::Export(error) => error.into(),
        }
    }
}

pub(super) fn seal(args: &SealArgs, engine: &Engine, ui: &mut Ui) -> Outcome {
    match &args.command {
        None => make(args, engine, ui),
        Some(SealCommand::List) => list(engine, ui),
        Some(SealCommand::Verify { file }) => verify(file.as_deref(), engine, ui),
        Some(SealCommand::Export { sha256, output }) => {
            let sealed = seals::file(engine, sha256)?.ok_or_else(|| {
                CommandError::user(format!("no sealed file has the hash {sha256}"))
                    .hint("`outlet-server seal list` shows all")
            })?;
            write_out(output, &sealed.bytes, ui)?;
            Ok(Exit::Ok)
        }
    }
}

fn make(args: &SealArgs, engine: &Engine, ui: &mut Ui) -> Outcome {
    let (Some(what), Some(unit), Some(on)) = (args.what, &args.unit, args.on) else {
        return Err(CommandError::usage("what, which unit and which day?").hint("give --what, --unit and --on"));
    };
    check_unit(unit)?;
    if on > engine.folder.now().day_in_shanghai() {
        return Err(CommandError::user(format!("{on} is in the future: a seal is recorded when it is there")));
    }
    let what = match what {
        SealWhat::Ledger => "ledger",
        SealWhat::ProblemList => "problem_list",
    };
    let sealed = match &args.file {
        _ if args.paper => None,
        Some(file) => {
            let bytes = std::fs::read(file).context(format_args!("reading {}", file.display()))?;
            Some(Sealed { bytes, collections: None })
        }
        None => {
            let reference = engine.database().read(|tx| engine.reference(tx))?;
            Some(seals::snapshot(engine, &reference, what, unit, on)?)
        }
    };
    let seal = seals::seal(engine, (what, unit, on), args.document.clone(), sealed.as_ref())?;
    ui.show(&seal, |seal| {
        let hash = seal.sha256.map_or_else(|| "paper only".to_owned(), |hash| format!("sha256 {hash}"));
        format!("recorded: {} of {} sealed on {} ({hash})", seal.what, seal.unit, seal.on)
    })?;
    Ok(Exit::Ok)
}

fn check_unit(unit: &str) -> Result<(), CommandError> {
    if seals::is_unit(unit) {
        return Ok(());
    }
    Err(CommandError::usage(format!("{unit:?} is no management unit"))
        .hint("give a county code such as 511902, 511971 for 巴中经开区, or 5119 for the city"))
}

fn list(engine: &Engine, ui: &mut Ui) -> Outcome {
    ui.show(&seals::all(engine)?, |all| {
        let row = |seal: &Seal| {
            vec![
                seal.on.to_string(),
                seal.unit.clone(),
                seal.what.clone(),
                seal.document.as_ref().map(|document| document.number.clone()).unwrap_or_default(),
                seal.sha256.map_or_else(|| "paper only".to_owned(), |hash| hash.to_string()),
            ]
        };
        ui::table(&["on", "unit", "what", "document", "sha256"], &all.iter().map(row).collect::<Vec<_>>())
    })?;
    Ok(Exit::Ok)
}

fn verify(file: Option<&std::path::Path>, engine: &Engine, ui: &mut Ui) -> Outcome {
    let held =
        file.map(|file| seals::sha256_of(file).context(format_args!("reading {}", file.display()))).transpose()?;
    let verified = seals::verify(engine, held)?;
    if let (Some(held), true) = (held, verified.is_empty()) {
        return Err(CommandError::user(format!("no seal names this file: its SHA-256 is {held}"))
            .hint("it was changed after it was sealed, or never sealed; `outlet-server seal list` shows all seals"));
    }
    let good = verified.iter().all(|one| one.state == "as_sealed");
    ui.show(&verified, |verified| {
        let row = |one: &Verified| {
            let signer = one.signed_by.map_or_else(|| "nobody".to_owned(), |key| key.short());
            vec![
                one.state.to_owned(),
                one.on.to_string(),
                one.unit.clone(),
                one.what.clone(),
                signer,
                one.sha256.to_string(),
            ]
        };
        let head = ["state", "on", "unit", "what", "signed by", "sha256"];
        ui::table(&head, &verified.iter().map(row).collect::<Vec<_>>())
    })?;
    Ok(if good { Exit::Ok } else { Exit::User })
}

pub(super) fn notice(command: &NoticeCommand, engine: &Engine, ui: &mut Ui) -> Outcome {
    match command {
        NoticeCommand::Add { kind, unit, milestone, on, document, note, who } => {
            check_unit(unit)?;
            let account = account(engine, who)?;
            if account.role < Role::Supervisor {
                return Err(CommandError::user("a viewer reads: a supervisor or an admin records notices"));
            }
            let kind = match kind {
                NoticeKind::Circular => "circular",
                NoticeKind::Talk => "talk",
                NoticeKind::Commend => "commend",
            };
            let notice = Notice {
                kind: kind.to_owned(),
                unit: unit.clone(),
                milestone: milestone.clone().map(|id| id.to_uppercase()),
                on: *on,
                document: DocumentRef { number: document.clone(), dated: Some(*on), file: None },
                note: note.clone(),
                by: account.login,
                at: engine.folder.now(),
            };
            engine.write_reference(seals::notices_key(), &[ReferenceEntry::Notice(notice.clone())])?;
            ui.show(&notice, |notice| format!("recorded: {} of {} on {}", notice.kind, notice.unit, notice.on))?;
        }
        NoticeCommand::List { unit } => {
            let mut all = seals::notices(engine)?;
            all.retain(|notice| unit.as_ref().is_none_or(|unit| *unit == notice.unit));
            ui.show(&all, |all| {
                let row = |notice: &Notice| {
                    vec![
                        notice.on.to_string(),
                        notice.kind.clone(),
                        notice.unit.clone(),
                        notice.milestone.clone().unwrap_or_default(),
                        notice.document.number.clone(),
                        notice.note.clone().unwrap_or_default(),
                        notice.by.clone(),
                    ]
                };
                let head = ["on", "kind", "unit", "milestone", "document", "note", "by"];
                ui::table(&head, &all.iter().map(row).collect::<Vec<_>>())
            })?;
        }
    }
    Ok(Exit::Ok)
}
