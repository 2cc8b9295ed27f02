//! Work lists: what suspected points have come to, what was imported, which zones are in force with
//! the outlets inside them. Read only: importing and assigning are commands.

use askama::Template;
use axum::extract::State;
use outlet_core::geo::GeoPoint;
use outlet_core::ledger::{LedgerRow, LifeCycle};
use outlet_core::worklist::{CoverageBy, CoverageRow, coverage};
use outlet_core::zones::{Inside, ZoneKind};

use super::{Answer, Page, Shared, Visitor, show};
use crate::db::{DbError, imports};
use crate::report;

/// Imports on the page; the command line lists all.
const SHOWN: usize = 20;
const PROTECTED: [ZoneKind; 5] = [
    ZoneKind::DrinkingWater1,
    ZoneKind::DrinkingWater2,
    ZoneKind::DrinkingWaterQuasi,
    ZoneKind::NatureReserve,
    ZoneKind::EcologicalRedline,
];

#[derive(Template)]
#[template(path = "console/worklists.html")]
struct WorklistsPage {
    page: Page,
    townships: Vec<CoverageRow>,
    rivers: Vec<CoverageRow>,
    lists: Vec<CoverageRow>,
    imports: Vec<ImportLine>,
    zones: Vec<ZoneLine>,
}

struct ImportLine {
    list: String,
    file: String,
    rows: u64,
    created: u64,
    skipped: u64,
    by: String,
    at: String,
    done: bool,
}

/// Outlets inside zones of a kind: closed n of m, or that nobody can tell.
struct ZoneLine {
    kind: &'static str,
    layers: String,
    known: bool,
    inside: u64,
    closed: u64,
}

/// `GET /worklists`.
pub(super) async fn page(State(console): Shared, page: Page, visitor: Visitor) -> Answer {
    let (rows, imports, layers) = console
        .ask_for_all(move |console| {
            let engine = &console.engine;
            let rows = report::rows_of(engine, &visitor.scope(), None, None)?;
            let imports = engine.database().read::<_, DbError>(|tx| imports::all(tx))?;
            Ok((rows, imports, engine.layers()?))
        })
        .await?;
    let zone = |kind: ZoneKind| {
        let named: Vec<String> = layers
            .all()
            .iter()
            .filter(|layer| layer.kind == kind)
            .map(|layer| format!("{} {}", layer.name, layer.version))
            .collect();
        let inside = |row: &&LedgerRow| {
            let point = row.lon.zip(row.lat).and_then(|(lon, lat)| GeoPoint::new(lon, lat).ok());
            let counted = !matches!(row.state, LifeCycle::NotAnOutlet | LifeCycle::Duplicate | LifeCycle::Moved);
            counted && matches!(layers.inside(kind, point), Inside::Inside { .. })
        };
        let hits: Vec<&LedgerRow> = rows.iter().filter(inside).collect();
        ZoneLine {
            kind: kind.label(),
            known: !named.is_empty(),
            layers: named.join("、"),
            inside: hits.len() as u64,
            closed: hits.iter().filter(|row| row.state == LifeCycle::Closed).count() as u64,
        }
    };
    let line = |import: imports::Import| ImportLine {
        list: import.list,
        file: import.file_name,
        rows: import.rows,
        created: import.created,
        skipped: import.skipped,
        by: import.by,
        at: import.started_at.day_in_shanghai().to_string(),
        done: import.done,
    };
    show(&WorklistsPage {
        page,
        townships: coverage(&rows, CoverageBy::Township),
        rivers: coverage(&rows, CoverageBy::Waterbody),
        lists: coverage(&rows, CoverageBy::List),
        imports: imports.into_iter().take(SHOWN).map(line).collect(),
        zones: PROTECTED.map(zone).into(),
    })
}
