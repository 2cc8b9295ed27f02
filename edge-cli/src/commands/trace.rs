//! `outlet trace`: where the water comes from and who is responsible (溯源).

use clap::Args;
use outlet_core::domain::field::{DocumentRef, FieldEntry, Party, Trace, TraceNode, TracePipe};
use outlet_core::ids::{BlobHash, EntryId};
use outlet_core::time::{Day, Timestamp};

use super::party::{PartyArgs, parse_party};
use super::{Outcome, all_codes, one_code};
use crate::context::Context;
use crate::error::{CommandError, Result};
use crate::input::answer::quantity;
use crate::input::choice::Dictionaries;
use crate::input::{day, half_width};
use crate::ui::Warning;

/// Record source tracing (溯源): the chain 水体—排污口—管线—污染源 and the responsible party.
///
/// Nodes are SERIAL:KIND[:NAME[:LON,LAT]], pipes FROM>TO[:MATERIAL[:LENGTH_M]]. A permit's own
/// discharge point (DW001) belongs to a node: SERIAL=DW001.
///
/// Example:
///   outlet trace T-12 concluded --on 2021-07-02 --method on_foot --mean qv
///       --node 1:outlet --node '2:source:东兴食品厂:106.7701,31.8500' --pipe '2>1:concrete:140'
///       --permit-point 2=DW001 --party-name 东兴食品有限公司 --party-uscc 91110000600037341L
///   outlet trace T-13 government_fallback --party-name 巴州区人民政府 --document 巴州府函〔2021〕7号
///
/// JSON: {"id", "change", "entries": [..], "state": "on_device", "warnings": [{"code", "message"}]}
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct TraceArgs {
    /// Outlet: UUID, unique prefix of it, or temporary number.
    id: String,
    /// walking|difficult|concluded|government_fallback (溯源中/疑难/已查明/政府兜底).
    conclusion: String,
    /// Day of the conclusion [default: today, when there is one].
    #[arg(long, value_parser = day)]
    on: Option<Day>,
    /// 溯源方式: documents|on_foot|technical; repeat for several.
    #[arg(long)]
    method: Vec<String>,
    /// Means: qv, tracer, endoscope, …; repeat for several.
    #[arg(long)]
    mean: Vec<String>,
    /// SERIAL:KIND[:NAME[:LON,LAT]]; repeat for each node.
    #[arg(long)]
    node: Vec<String>,
    /// SERIAL=SHA256 of a photo already added; repeat for several.
    #[arg(long)]
    node_photo: Vec<String>,
    /// SERIAL=DW001: the permit's own discharge point at a node.
    #[arg(long)]
    permit_point: Vec<String>,
    /// FROM>TO[:MATERIAL[:LENGTH_M]]; repeat for each pipe.
    #[arg(long)]
    pipe: Vec<String>,
    /// A source in words; repeat for several.
    #[arg(long)]
    source: Vec<String>,
    #[command(flatten)]
    party: PartyArgs,
    /// Another party of a shared outlet: NAME[:USCC[:PERMIT]]; repeat for several.
    #[arg(long)]
    other_party: Vec<String>,
    /// 主管部门.
    #[arg(long)]
    department: Option<String>,
    /// 文号 of the paper that designates the government or a party.
    #[arg(long)]
    document: Option<String>,
    /// Its date.
    #[arg(long, value_parser = day, requires = "document")]
    document_dated: Option<Day>,
    /// What makes it difficult (疑难).
    #[arg(long)]
    difficult_note: Option<String>,
    /// Entry id of the trace that this one corrects.
    #[arg(long)]
    corrects: Option<EntryId>,
}

/// Runs `outlet trace`.
pub(crate) fn run(ctx: &mut Context<'_>, args: &TraceArgs) -> Result<Outcome> {
    let key = ctx.outlet(&args.id)?;
    let now = ctx.now();
    let mut warnings = Vec::new();
    let trace = trace(&*ctx.dictionaries()?, args, now, &mut warnings)?;
    ctx.check_day("--on", trace.concluded_on, &mut warnings);
    let photos: Vec<BlobHash> = trace.nodes.iter().flat_map(|node| node.photos.clone()).collect();
    ctx.check_evidence(&key, &photos)?;
    let what = format!("trace ({})", trace.conclusion);
    let saved = ctx.save_field(&key, &[FieldEntry::Trace(Box::new(trace))], None, warnings)?;
    ctx.report(&saved, &what)
}

fn trace(dictionaries: &Dictionaries, args: &TraceArgs, now: Timestamp, warnings: &mut Vec<Warning>) -> Result<Trace> {
    let conclusion = dictionaries.code("the conclusion", "trace_conclusion", &args.conclusion)?;
    let final_word = conclusion == "concluded" || conclusion == "government_fallback";
    let mut primary_party = args.party.party(warnings)?;
    if conclusion == "government_fallback" {
        let Some(party) = primary_party.as_mut() else {
            return Err(CommandError::user("政府兜底 needs the government that stands in")
                .hint("add --party-name 巴州区人民政府 and --document with the 文号 that designates it"));
        };
        party.government_fallback = true;
        if args.document.is_none() {
            warnings.push(Warning::new(
                "document_missing",
                "政府兜底 counts only with the designating document: correct this entry with --document.",
            ));
        }
    }
    if conclusion == "concluded" && primary_party.is_none() {
        return Err(CommandError::user("a concluded trace needs its responsible party (责任主体)").hint(
            "add --party-name; if the source is known but nobody is found, record `difficult` with --difficult-note",
        ));
    }
    let document = args.document.as_ref().map(|number| DocumentRef {
        number: number.clone(),
        dated: args.document_dated,
        file: None,
    });
    let nodes = nodes(dictionaries, args)?;
    Ok(Trace {
        at: now,
        concluded_on: args.on.or(final_word.then(|| now.day_in_shanghai())),
        methods: all_codes(dictionaries, "--method", "trace_method", &args.method)?,
        means: all_codes(dictionaries, "--mean", "trace_means", &args.mean)?,
        pipes: pipes(dictionaries, args, &nodes)?,
        nodes,
        sources: args.source.clone(),
        primary_party,
        other_parties: args
            .other_party
            .iter()
            .map(|text| parse_party(text, warnings))
            .collect::<Result<Vec<Party>>>()?,
        competent_department: args.department.clone(),
        document,
        difficult_note: args.difficult_note.clone(),
        corrects: args.corrects,
        conclusion,
    })
}

fn nodes(dictionaries: &Dictionaries, args: &TraceArgs) -> Result<Vec<TraceNode>> {
    let mut nodes: Vec<TraceNode> = Vec::new();
    for text in &args.node {
        let node = node(dictionaries, text)?;
        if nodes.iter().any(|other| other.serial == node.serial) {
            return Err(CommandError::user(format!("node {} is given twice", node.serial))
                .hint("number the nodes of the chain 1, 2, 3, … from the outlet up"));
        }
        nodes.push(node);
    }
    for text in &args.node_photo {
        let (node, hash) = at_node(&mut nodes, "--node-photo", text)?;
        node.photos.push(hash.parse().map_err(|error| CommandError::because(format!("--node-photo {text}"), error))?);
    }
    for text in &args.permit_point {
        let (node, point) = at_node(&mut nodes, "--permit-point", text)?;
        node.permit_discharge_point = Some(point.to_owned());
    }
    Ok(nodes)
}

fn node(dictionaries: &Dictionaries, text: &str) -> Result<TraceNode> {
    let bad = || {
        CommandError::user(format!("{text:?} is not a node"))
            .hint("write SERIAL:KIND[:NAME[:LON,LAT]], such as --node '2:source:东兴食品厂:106.7701,31.8500'")
    };
    let mut parts = text.splitn(4, [':', '：']);
    let serial = parts.next().and_then(|serial| half_width(serial).parse().ok()).ok_or_else(bad)?;
    let kind = dictionaries.code("--node", "node_kind", parts.next().ok_or_else(bad)?)?;
    let name = parts.next().filter(|name| !name.is_empty()).map(str::to_owned);
    let (lon, lat) = match parts.next().map(half_width) {
        None => (None, None),
        Some(pair) => {
            let (lon, lat) = pair.split_once(',').ok_or_else(bad)?;
            let place = crate::input::place::point(lon, lat)?;
            (Some(place.lon()), Some(place.lat()))
        }
    };
    Ok(TraceNode { serial, kind, name, lon, lat, photos: Vec::new(), permit_discharge_point: None })
}

fn at_node<'n, 't>(nodes: &'n mut [TraceNode], option: &str, text: &'t str) -> Result<(&'n mut TraceNode, &'t str)> {
    let found = text.split_once('=').and_then(|(serial, rest)| {
        let serial: u32 = half_width(serial).parse().ok()?;
        nodes.iter_mut().find(|node| node.serial == serial).map(|node| (node, rest))
    });
    found.ok_or_else(|| {
        CommandError::user(format!("{option} {text:?} names no node of this trace"))
            .hint(format!("write {option} SERIAL=VALUE with the SERIAL of one of the --node options"))
    })
}

fn pipes(dictionaries: &Dictionaries, args: &TraceArgs, nodes: &[TraceNode]) -> Result<Vec<TracePipe>> {
    args.pipe.iter().map(|text| pipe(dictionaries, text, nodes)).collect()
}

fn pipe(dictionaries: &Dictionaries, text: &str, nodes: &[TraceNode]) -> Result<TracePipe> {
    let bad = |why: &str| {
        CommandError::user(format!("{text:?} is not a pipe: {why}")).hint(
            "write FROM>TO[:MATERIAL[:LENGTH_M]] with the serials of two nodes, such as --pipe '2>1:concrete:140'",
        )
    };
    let wide = half_width(text);
    let mut parts = wide.splitn(3, ':');
    let ends = parts.next().and_then(|ends| ends.split_once('>')).ok_or_else(|| bad("it has no `>`"))?;
    let from: u32 = ends.0.trim().parse().map_err(|_| bad("FROM is not a number"))?;
    let to: u32 = ends.1.trim().parse().map_err(|_| bad("TO is not a number"))?;
    for end in [from, to] {
        if !nodes.iter().any(|node| node.serial == end) {
            return Err(bad(&format!("there is no node {end}")));
        }
    }
    let material = parts.next().filter(|material| !material.is_empty());
    let material = one_code(dictionaries, "--pipe", "material", material)?;
    let length_m = parts.next().map(|length| quantity(length, "--pipe")).transpose()?;
    Ok(TracePipe { from, to, material, length_m })
}
