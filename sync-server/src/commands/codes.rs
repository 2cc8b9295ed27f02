//! `codes record|assign|conflicts|block`.

use outlet_core::domain::block::standing;
use outlet_core::domain::field::DocumentRef;
use outlet_core::domain::reference::{CodeBlock, ReferenceEntry};
use outlet_core::identity::Role;
use outlet_core::ids::DocKey;
use outlet_core::import::SourceRow;

use super::Outcome;
use crate::cli::codes::{BlockArgs, BlockCommand, CodesCommand, SystemArg};
use crate::codes::{self, BlockLine, CodesError, Conflict, Given, Received};
use crate::engine::{Acting, Engine, Via};
use crate::error::{CommandError, Exit};
use crate::import::{self, Item, ReadOptions};
use crate::report;
use crate::ui::{self, Ui};

impl From<CodesError> for CommandError {
    fn from(error: CodesError) -> Self {
        match error {
            CodesError::Decide(error) => error.into(),
            CodesError::Engine(error) => error.into(),
            CodesError::NoBlock { ref blocks, .. } => {
                let failed =
                    blocks.iter().fold(Self::user(error.to_string()), |failed, block| failed.hint(block.clone()));
                failed.hint("record what the platform granted: `outlet-server codes block grant`")
            }
            error => Self::user(error.to_string()).hint("nothing was written; correct that, or leave the outlet out"),
        }
    }
}

pub(super) fn codes(command: &CodesCommand, engine: &Engine, ui: &mut Ui) -> Outcome {
    match command {
        CodesCommand::Record { file, system, document, document_dated, by } => {
            let document = DocumentRef { number: document.clone(), dated: *document_dated, file: None };
            let system = match system {
                SystemArg::National => "national",
                SystemArg::Provincial => "provincial",
            };
            let recorded = codes::record(engine, &acting(by), system, &read(file)?, &document)?;
            ui.show(&recorded, |recorded| {
                let mut lines: Vec<String> = recorded.problems.iter().map(ToString::to_string).collect();
                lines.push(format!("{} codes recorded, {} were there", recorded.given.len(), recorded.known));
                lines.extend(recorded.given.iter().flat_map(odd));
                lines.join("\n")
            })?;
            if recorded.problems.is_empty() {
                return Ok(Exit::Ok);
            }
            Err(CommandError::user(format!("{} lines are wrong; nothing was recorded", recorded.problems.len()))
                .hint("correct them and run the command again: what is there is left alone"))
        }
        CodesCommand::Assign { outlets, collection, on, by } => {
            let keys: Vec<DocKey> = match collection {
                Some(collection) => codes::ready(engine, |row| row.collection == *collection)?,
                None => outlets.iter().map(|text| super::find(engine, text)).collect::<Result<_, _>>()?,
            };
            if keys.is_empty() {
                return Err(CommandError::user("no outlet there has an approved name and no code")
                    .hint("approve names first (outlet case name), or name outlets"));
            }
            let on = on.unwrap_or_else(|| engine.folder.now().day_in_shanghai());
            let given = codes::assign(engine, &acting(by), &keys, on)?;
            ui.show(&given, |given| {
                let line = |one: &Given| format!("{}  {}", one.outlet.id, one.code);
                given.iter().map(line).chain(given.iter().flat_map(odd)).collect::<Vec<_>>().join("\n")
            })?;
            Ok(Exit::Ok)
        }
        CodesCommand::Conflicts => {
            let found = codes::conflicts(&report::current_rows(engine)?);
            ui.show(&found, |found| {
                if found.is_empty() {
                    return "no code stands on two outlets".to_owned();
                }
                let line = |conflict: &Conflict| {
                    let ids: Vec<String> = conflict.outlets.iter().map(|key| key.id.to_string()).collect();
                    format!("{} ({}): {}", conflict.code, conflict.system, ids.join(", "))
                };
                found.iter().map(line).collect::<Vec<_>>().join("\n")
            })?;
            Ok(if found.is_empty() { Exit::Ok } else { Exit::Incomplete })
        }
        CodesCommand::Block(command) => block(command, engine, ui),
    }
}

fn acting(login: &str) -> Acting {
    Acting { login: login.to_owned(), via: Via::Cli, session: None }
}

fn odd(given: &Given) -> Vec<String> {
    given.findings.iter().map(|finding| format!("note: {}: {finding}", given.code)).collect()
}

/// Columns of a list of codes.
const OUTLET: [&str; 5] = ["排口", "outlet", "编号", "排口临时编号", "id"];
const CODE: [&str; 4] = ["编码", "code", "排污口编码", "国家编码"];
const ISSUED: [&str; 3] = ["下发日期", "issued_on", "发放日期"];

fn read(file: &std::path::Path) -> Result<Vec<Received>, CommandError> {
    let options = ReadOptions { header_rows: 1, ..ReadOptions::default() };
    let (mut head, mut rows): (Vec<String>, Vec<SourceRow>) = (Vec::new(), Vec::new());
    import::read(file, &options, &mut |item| {
        match item {
            Item::Head(columns) => head = columns,
            Item::Row(row) => rows.push(row),
            Item::Note(_) => {}
        }
        rows.len() <= codes::AT_ONCE
    })
    .map_err(|error| {
        CommandError::user(error.to_string()).hint(format!("at most {} lines are read", codes::AT_ONCE))
    })?;
    let place = |names: &[&str]| names.iter().find_map(|name| head.iter().position(|column| column == name));
    let (Some(outlet), Some(code)) = (place(&OUTLET), place(&CODE)) else {
        return Err(CommandError::user(format!("{} lacks a column", file.display()))
            .hint("it needs 排口 and 编码 (or outlet and code), and may have 下发日期 (issued_on)"));
    };
    let issued = place(&ISSUED);
    let received = rows.iter().map(|row| {
        let text = |at: usize| row.cell(at).text().unwrap_or_default();
        let issued_on = issued.map(text).filter(|text| !text.is_empty());
        let issued_on = issued_on.map(|text| text.replace('/', "-").parse()).transpose().map_err(|error| {
            CommandError::user(format!("line {}: {error}", row.line)).hint("write dates like 2023-02-20")
        })?;
        Ok(Received { line: row.line, outlet: text(outlet), code: text(code), issued_on })
    });
    received.collect()
}

fn block(command: &BlockCommand, engine: &Engine, ui: &mut Ui) -> Outcome {
    match command {
        BlockCommand::Grant(args) => grant(args, engine, ui),
        BlockCommand::TakeOver { id, from, by } => {
            let by = super::who(engine, by.as_deref(), Role::Admin)?;
            let old = known(engine, id)?;
            if *from < old.from || *from > old.to {
                return Err(CommandError::user(format!("{from} is not in the block {id}: {} to {}", old.from, old.to)));
            }
            put(engine, CodeBlock { from: *from, by, ..old }, ui)
        }
        BlockCommand::Withdraw { id, by } => {
            let by = super::who(engine, by.as_deref(), Role::Admin)?;
            let old = known(engine, id)?;
            put(engine, CodeBlock { from: 1, to: 0, by, ..old }, ui)
        }
        BlockCommand::List => list(engine, ui),
    }
}

fn known(engine: &Engine, id: &str) -> Result<CodeBlock, CommandError> {
    let entries = codes::block_entries(engine)?;
    let newest = entries.into_iter().rev().find_map(|entry| match entry {
        ReferenceEntry::CodeBlock(block) if block.id == id => Some(block),
        _ => None,
    });
    newest.ok_or_else(|| {
        CommandError::user(format!("there is no block {id:?}")).hint("`outlet-server codes block list` shows all")
    })
}

/// Writes a version of a block as held by this server in this life of its database.
fn put(engine: &Engine, block: CodeBlock, ui: &mut Ui) -> Outcome {
    let epoch = engine.folder.epoch()?;
    let block = CodeBlock { holder: engine.folder.key().public(), epoch, at: engine.folder.now(), ..block };
    codes::put_block(engine, block.clone())?;
    codes::audit_block(engine, &block.by, &format!("{} {}-{}", block.id, block.from, block.to))?;
    ui.show(&block, |block| {
        if block.from > block.to {
            return format!("block {} is withdrawn", block.id);
        }
        format!(
            "block {}: {}-{:06}-{:04} to {:04}, held by this server",
            block.id, block.basin, block.county, block.from, block.to
        )
    })?;
    Ok(Exit::Ok)
}

fn grant(args: &BlockArgs, engine: &Engine, ui: &mut Ui) -> Outcome {
    let by = super::who(engine, args.by.as_deref(), Role::Admin)?;
    if args.from == 0 || args.from > args.to || args.to > 9_999 {
        return Err(CommandError::usage(format!("{} to {} is no range of serials", args.from, args.to))
            .hint("serials run from 1 to 9999"));
    }
    let block = CodeBlock {
        id: args.id.clone(),
        basin: args.basin.to_ascii_uppercase(),
        county: args.county,
        from: args.from,
        to: args.to,
        document: DocumentRef { number: args.document.clone(), dated: args.document_dated, file: None },
        holder: engine.folder.key().public(),
        epoch: engine.folder.epoch()?,
        by,
        at: engine.folder.now(),
    };
    block.code(block.from, "QT").map_err(|error| CommandError::user(error.to_string()))?;
    let mut entries = codes::block_entries(engine)?;
    if entries.iter().any(|entry| matches!(entry, ReferenceEntry::CodeBlock(other) if other.id == block.id)) {
        return Err(CommandError::user(format!("there is a block {:?} already", block.id))
            .hint("choose another name; `codes block withdraw` ends the old one"));
    }
    entries.push(ReferenceEntry::CodeBlock(block.clone()));
    let judged = standing(&entries, &block.holder, &block.epoch);
    if let Some(why) = judged.iter().find(|one| one.block.id == block.id).and_then(|one| one.unusable) {
        return Err(CommandError::user(format!("the block {} cannot be held here: {why}", block.id))
            .hint("two servers must not hold one serial: withdraw the other block first, or grant another range"));
    }
    put(engine, block, ui)
}

fn list(engine: &Engine, ui: &mut Ui) -> Outcome {
    let listed = codes::blocks(engine)?;
    ui.show(&listed, |listed| {
        let line = |block: &BlockLine| {
            vec![
                block.id.clone(),
                format!("{}-{:06}", block.basin, block.county),
                format!("{:04}-{:04}", block.from, block.to),
                block.used.to_string(),
                block.holder.clone(),
                block.unusable.clone().unwrap_or_else(|| "usable here".to_owned()),
            ]
        };
        ui::table(
            &["block", "place", "serials", "used", "holder", "state"],
            &listed.iter().map(line).collect::<Vec<_>>(),
        )
    })?;
    Ok(Exit::Ok)
}
