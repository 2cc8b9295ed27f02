//! Work lists: what suspected points have come to, what was imported, which zones are in force with
//! the outlets inside them. Read only: importing and assigning are commands.

use askama::Template;
use axum::extract::State;
use outlet_core::geo::GeoPoint;
use outlet_core::ledger::{LedgerRow, LifeCycle, counts};
use outlet_core::worklist::{Coverage, CoverageBy, CoverageRow};
use outlet_core::zones::{Inside, Layers, ZoneKind};

use super::{Answer, Page, Shared, Visitor, show};
use crate::db::{DbError, imports};
use crate::engine::EngineError;
use crate::report;
use crate::zones::PROTECTED;

/// Imports on the page; the command line lists all.
const SHOWN: usize = 20;

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
    kind: String,
    layers: String,
    known: bool,
    inside: u64,
    closed: u64,
}

/// `GET /worklists`.
pub(super) async fn page(State(console): Shared, page: Page, visitor: Visitor) -> Answer {
    let (counted, imports, layers) = console
        .ask_for_all(move |console| {
            let engine = &console.engine;
            let layers = engine.layers()?;
            let mut counted = Counted::new();
            report::parts_of(engine, &visitor.scope(), None, None, |part| {
                part.iter().for_each(|row| counted.add(row, &layers));
                Ok::<_, EngineError>(true)
            })?;
            Ok((counted, engine.database().read::<_, DbError>(|tx| imports::all(tx))?, layers))
        })
        .await?;
    let Counted { lists, townships, rivers, zones } = counted;
    let zone = |(kind, (inside, closed)): (ZoneKind, (u64, u64))| {
        let of_kind = layers.all().iter().filter(|layer| layer.kind == kind);
        let named: Vec<String> = of_kind.map(|layer| format!("{} {}", layer.name, layer.version)).collect();
        ZoneLine {
            kind: page.t_of("zone", kind.code()),
            known: !named.is_empty(),
            layers: page.list(named),
            inside,
            closed,
        }
    };
    let zones = PROTECTED.into_iter().zip(zones).map(zone).collect();
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
        townships: townships.lines(),
        rivers: rivers.lines(),
        lists: lists.lines(),
        imports: imports.into_iter().take(SHOWN).map(line).collect(),
        zones,
    })
}

/// What is counted while the rows go by.
struct Counted {
    lists: Coverage,
    townships: Coverage,
    rivers: Coverage,
    /// Of each kind in [`PROTECTED`]: outlets inside, and those of them that are closed.
    zones: [(u64, u64); PROTECTED.len()],
}

impl Counted {
    fn new() -> Self {
        Self {
            lists: Coverage::new(CoverageBy::List),
            townships: Coverage::new(CoverageBy::Township),
            rivers: Coverage::new(CoverageBy::Waterbody),
            zones: [(0, 0); PROTECTED.len()],
        }
    }

    fn add(&mut self, row: &LedgerRow, layers: &Layers) {
        [&mut self.lists, &mut self.townships, &mut self.rivers].into_iter().for_each(|table| table.add(row));
        if !counts(row) {
            return;
        }
        let point = row.lon.zip(row.lat).and_then(|(lon, lat)| GeoPoint::new(lon, lat).ok());
        for (kind, (inside, closed)) in PROTECTED.into_iter().zip(&mut self.zones) {
            if matches!(layers.inside(kind, point), Inside::Inside { .. }) {
                *inside += 1;
                *closed += u64::from(row.state == LifeCycle::Closed);
            }
        }
    }
}
