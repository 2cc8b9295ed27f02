//! Arguments of `zones` and `rules`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use outlet_core::geo::Datum;
use outlet_core::time::Day;
use outlet_core::zones::ZoneKind;

/// `zones`.
#[derive(Debug, Subcommand)]
pub enum ZonesCommand {
    /// Check a layer of zones and, unless --dry-run, keep it; devices get it with their next sync.
    ///
    /// Polygons must be closed and must not cross themselves. A layer in GCJ-02 or BD-09 is
    /// converted, its raw rings are kept. A new version of a name replaces the older one.
    #[command(
        after_help = "Example:\n  outlet-server zones import zones.geojson --name 饮用水源 --layer-version 2020 --kind drinking_water_1 --datum cgcs2000 \\\n      --document 川府函〔2020〕1号 --document-dated 2020-03-01 --established-on 2020-03-01 --data /srv/outlets\n\nJSON: {\"name\", \"version\", \"kind\", \"zones\", \"parts\", \"stored\", \"problems\": [{\"zone\", \"code\", \"error\", \"message\"}]}"
    )]
    Import(ZonesImportArgs),
    /// Layers in force.
    #[command(
        after_help = "Example:\n  outlet-server zones list --data /srv/outlets --json\n\nJSON: [{\"name\", \"version\", \"kind\", \"datum\", \"document\", \"dated\", \"zones\"}]"
    )]
    List,
    /// Outlets inside protection zones by source: closed n of m.
    #[command(
        after_help = "Example:\n  outlet-server zones outlets --kind drinking_water_1 --kind drinking_water_2 --data /srv/outlets\n\nJSON: {\"missing\": [..], \"sources\": [{\"source\", \"kind\", \"of\", \"closed\", \"outlets\": [{\"outlet\", \"name\", \"state\",\n\"classification\", \"closed\", \"zone\", \"layer\", \"version\", \"pre_existing\"}]}]}"
    )]
    Outlets {
        /// Kind of zone; repeat for several [default: all protection zones].
        #[arg(long = "kind", value_parser = zone_kind)]
        kinds: Vec<ZoneKind>,
    },
}

/// `zones import`.
#[derive(Debug, Args)]
pub struct ZonesImportArgs {
    /// GeoJSON or shapefile with polygons.
    pub file: PathBuf,
    /// Name of the layer.
    #[arg(long)]
    pub name: String,
    /// Version of the layer.
    #[arg(long)]
    pub layer_version: String,
    /// What its zones are: drinking_water_1, drinking_water_2, drinking_water_quasi, nature_reserve,
    /// ecological_redline, scenic, fishery, sewer_area, park.
    #[arg(long, value_parser = zone_kind)]
    pub kind: ZoneKind,
    /// Datum of the file: wgs84, cgcs2000, gcj02, bd09.
    #[arg(long)]
    pub datum: Datum,
    /// 文号 of the approval (批复).
    #[arg(long)]
    pub document: String,
    /// Its date.
    #[arg(long, value_name = "DATE")]
    pub document_dated: Day,
    /// In force since, for zones whose file does not say it.
    #[arg(long, value_name = "DATE")]
    pub established_on: Option<Day>,
    /// Encoding of a shapefile's table, where no .cpg file says it.
    #[arg(long)]
    pub encoding: Option<String>,
    /// Check only.
    #[arg(long)]
    pub dry_run: bool,
    /// Account of whoever imports [default: whoever runs this command].
    #[arg(long = "as", value_name = "LOGIN")]
    pub by: Option<String>,
}

fn zone_kind(text: &str) -> Result<ZoneKind, String> {
    let known = || ZoneKind::ALL.map(ZoneKind::code).join(", ");
    let labelled = || ZoneKind::ALL.into_iter().find(|kind| kind.label() == text);
    ZoneKind::from_code(text).or_else(labelled).ok_or_else(|| format!("there is no such kind, but {}", known()))
}

/// `rules`.
#[derive(Debug, Subcommand)]
pub enum RulesCommand {
    /// What the rules suggest, with legal basis and layer; the class stays a person's decision.
    #[command(
        after_help = "Example:\n  outlet-server rules suggest FA-511902-0001-GY-00 --on 2022-03-01 --data /srv/outlets\n  outlet-server rules suggest --all --data /srv/outlets --json\n\nJSON: [{\"outlet\", \"name\", \"classification\", \"on\", \"rules\", \"class\", \"conflicting\", \"outcomes\": [{\"outcome\", \"rule\",\n\"effect\", \"strong\", \"why\", \"bases\", \"zones\", \"pre_existing\"} | {\"outcome\": \"unknown\", \"rule\", \"missing\"} | ..]}]\n\"why\" and \"missing\" are [{\"code\", \"names\", \"text\"}]"
    )]
    Suggest {
        /// The outlet: id (or its first digits), temporary number, or official code.
        #[arg(required_unless_present = "all")]
        id: Option<String>,
        /// Every outlet.
        #[arg(long, conflicts_with = "id")]
        all: bool,
        /// Day of the decision: only what is in force then is cited [default: today].
        #[arg(long, value_name = "DATE")]
        on: Option<Day>,
    },
    /// Rules and legal bases in force.
    #[command(after_help = "Example:\n  outlet-server rules list --data /srv/outlets --json")]
    List,
}
