//! `outlet walk`: bank walked, outlets found or not.

use clap::Args;
use outlet_core::domain::field::{FieldEntry, Walk};
use outlet_core::domain::reference::ReferenceEntry;
use outlet_core::ids::{Collection, DocKey, DocKind, EntryId, OutletId};
use outlet_core::time::Day;

use super::Outcome;
use super::facts::FactArgs;
use crate::context::Context;
use crate::error::{CommandError, Result};
use crate::input::answer::quantity;
use crate::input::day;
use crate::ui::Warning;

/// Record a stretch of bank that was walked (有口皆查), outlets found or nothing.
///
/// What was found is recorded as outlets of its own; here stands that the bank was looked at.
///
/// Example:
///   outlet walk --waterbody 巴河 --reach 巴河城区段 --bank left --from-m 0 --to-m 1800 --found 3
///       --on 2021-05-12 --team 张三 --team 李四
///   outlet walk --waterbody 恩阳河 --bank right --from 恩阳大桥 --to 登科码头 --length-m 950 --nothing-found
///
/// JSON: {"id", "change", "entries": [..], "state": "on_device", "warnings": [{"code", "message"}]}
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct WalkArgs {
    /// River.
    #[arg(long)]
    waterbody: String,
    /// Reach of the scope, by name.
    #[arg(long)]
    reach: Option<String>,
    /// left|right|both (左岸/右岸/两岸), facing downstream.
    #[arg(long)]
    bank: String,
    /// Metres from the beginning of the reach where the walk began.
    #[arg(long, requires_all = ["to_m", "reach"])]
    from_m: Option<String>,
    /// And where it ended.
    #[arg(long, requires = "from_m")]
    to_m: Option<String>,
    /// Where it began, in words.
    #[arg(long)]
    from: Option<String>,
    /// Where it ended, in words.
    #[arg(long)]
    to: Option<String>,
    /// Length walked in metres, where the reach has no marks.
    #[arg(long, conflicts_with = "from_m")]
    length_m: Option<String>,
    /// The day [default: today].
    #[arg(long, value_parser = day)]
    on: Option<Day>,
    /// Who walked; repeat for several.
    #[arg(long)]
    team: Vec<String>,
    /// Outlets and suspected outlets found.
    #[arg(long, required_unless_present = "nothing_found")]
    found: Option<u32>,
    /// Nothing was found.
    #[arg(long, conflicts_with = "found")]
    nothing_found: bool,
    /// County (GB/T 2260) [default: the only one you may write].
    #[arg(long)]
    collection: Option<Collection>,
    /// Free text.
    #[arg(long)]
    note: Option<String>,
    /// Entry id of the walk that this one corrects.
    #[arg(long)]
    corrects: Option<EntryId>,
}

const BANKS: [(&str, &str); 3] = [("left", "左岸"), ("right", "右岸"), ("both", "两岸")];

/// Runs `outlet walk`.
pub(crate) fn run(ctx: &mut Context<'_>, args: &WalkArgs) -> Result<Outcome> {
    let now = ctx.now();
    let mut warnings = Vec::new();
    ctx.check_day("--on", args.on, &mut warnings);
    let collection = ctx.collection(args.collection, &FactArgs::default())?;
    let metres = |text: &Option<String>, option: &str| text.as_deref().map(|text| quantity(text, option)).transpose();
    let (from_m, to_m) = (metres(&args.from_m, "--from-m")?, metres(&args.to_m, "--to-m")?);
    let length = metres(&args.length_m, "--length-m")?;
    let length_m = length.or_else(|| from_m.zip(to_m).map(|(from, to)| (to - from).abs()));
    if length_m.is_none() {
        return Err(CommandError::user("how far was walked is missing, and coverage counts metres")
            .hint("add --from-m and --to-m along the reach, or --length-m"));
    }
    let dictionaries = ctx.dictionaries()?;
    let bank = dictionaries.choice("--bank", &BANKS, &args.bank)?;
    let waterbody = dictionaries.waterbody(&args.waterbody, &mut warnings);
    drop(dictionaries);
    if let Some(reach) = &args.reach {
        warnings.extend(unknown_reach(ctx, reach)?);
    }
    let walk = Walk {
        waterbody,
        reach: args.reach.clone(),
        bank,
        from_m,
        to_m,
        from: args.from.clone(),
        to: args.to.clone(),
        length_m,
        on: Some(args.on.unwrap_or_else(|| now.day_in_shanghai())),
        team: args.team.clone(),
        found: if args.nothing_found { Some(0) } else { args.found },
        note: args.note.clone(),
        corrects: args.corrects,
        at: now,
    };
    let id = OutletId::walk_log(&ctx.workspace()?.device());
    let key = DocKey { kind: DocKind::Field, collection, id };
    let saved = ctx.save_field(&key, &[FieldEntry::Walk(Box::new(walk))], None, warnings)?;
    ctx.report(&saved, "bank walked")
}

fn unknown_reach(ctx: &mut Context<'_>, reach: &str) -> Result<Option<Warning>> {
    let scopes = ctx.reference_entries()?;
    let scope = scopes.iter().rev().find_map(|entry| match entry {
        ReferenceEntry::DataSet(set) if set.kind == "walk_scope" => Some(&set.text),
        _ => None,
    });
    let known = scope.is_none_or(|text| text.contains(&format!("\"{reach}\"")));
    Ok((!known).then(|| {
        Warning::new(
            "reach_unknown",
            format!("{reach} is no reach in scope: the walk is kept, but counts outside the scope."),
        )
    }))
}
