//! `/exports`: the rows of a filter as a file, written while it is sent. The columns are those of
//! `outlet-server ledger export`: no personal data has a column.

use std::io::Write as _;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, RawQuery, State};
use axum::http::header;
use axum::response::{IntoResponse as _, Response};
use outlet_core::domain::dictionary::Lang;
use outlet_core::export::{self, Style};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{Answer, Api, Asker, Problem};
use crate::error::{CommandError, IoContext as _};
use crate::inventory::{self, Query};
use crate::report;
use crate::tokens::TokenScope;
use crate::web::download::{self, Sink, Take};

pub(super) fn routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new().routes(routes!(outlets))
}

/// Media type of a spreadsheet.
pub(super) const XLSX: &str = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";

/// Rows that a spreadsheet has room for, its header aside.
const SHEET_ROWS: u64 = 1_048_575;

/// A file's format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Csv,
    Geojson,
    Xlsx,
}

impl Format {
    fn of(name: &str) -> Option<Self> {
        match name {
            "outlets.csv" => Some(Self::Csv),
            "outlets.geojson" => Some(Self::Geojson),
            "outlets.xlsx" => Some(Self::Xlsx),
            _ => None,
        }
    }

    fn media_type(self) -> &'static str {
        match self {
            Self::Csv => "text/csv; charset=utf-8",
            Self::Geojson => "application/geo+json",
            Self::Xlsx => XLSX,
        }
    }
}

/// The outlets of a filter as a file.
///
/// Filters are those of `/outlets`; order is that of the ledger. `labels=zh` or `labels=en` writes
/// headers and values for people, else codes for programs.
#[utoipa::path(
    get,
    path = "/exports/{file}",
    tag = "exports",
    params(
        ("file" = String, Path, description = "outlets.csv | outlets.geojson | outlets.xlsx"),
        ("labels" = Option<String>, Query, description = "zh | en | codes"),
    ),
    responses(
        (status = 200, description = "The file"),
        (status = 400, body = Problem, content_type = "application/problem+json"),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 404, body = Problem, content_type = "application/problem+json"),
        (status = 422, body = Problem, content_type = "application/problem+json"),
        (status = 503, body = Problem, content_type = "application/problem+json"),
    )
)]
async fn outlets(
    State(api): State<Arc<Api>>,
    asker: Asker,
    Path(file): Path<String>,
    RawQuery(text): RawQuery,
) -> Answer {
    asker.need(TokenScope::Read)?;
    let format = Format::of(&file).ok_or_else(|| Problem::not_found("export"))?;
    let today = api.engine.folder.now().day_in_shanghai();
    let text = text.unwrap_or_default();
    let mut labels = None;
    let mut rest = Vec::new();
    for (name, value) in form_urlencoded::parse(text.as_bytes()) {
        match (name.as_ref(), value.as_ref()) {
            ("labels", "zh") => labels = Some(Lang::Zh),
            ("labels", "en") => labels = Some(Lang::En),
            ("labels", "codes") => labels = None,
            ("labels", _) => return Err(Problem::parameter("labels", "write zh, en or codes")),
            _ => rest.push((name.into_owned(), value.into_owned())),
        }
    }
    let query = Query::from_pairs(asker.scope(), rest, today)?;
    stream(api, query, format, labels).await
}

async fn stream(api: Arc<Api>, query: Query, format: Format, labels: Option<Lang>) -> Answer {
    let place = download::place(&api.engine).ok_or_else(|| {
        let mut problem = Problem::unavailable("too many exports are being written; try again in a minute");
        problem.retry_after = Some(download::RETRY_SECONDS);
        problem
    })?;
    if format == Format::Xlsx {
        let query = query.clone();
        let counted = api
            .clone()
            .blocking(move |api| Ok(api.engine.database().read(|tx| inventory::ids(tx, &query.filter))?.len()));
        if counted.await? > SHEET_ROWS {
            return Err(Problem::unprocessable(
                "a spreadsheet has room for 1,048,575 outlets; narrow the filters or take CSV",
            ));
        }
    }
    let body = download::body(place, move |sink| {
        api.engine.database().read(|tx| {
            let reference = api.engine.reference(tx)?;
            let style = Style { labels: labels.map(|lang| (&reference.dictionaries, lang)) };
            let rows = |take: &mut Take<'_>| report::parts(tx, &query.filter, take);
            match format {
                Format::Csv => download::csv(sink, style, rows),
                Format::Geojson => download::geojson(sink, style, rows),
                Format::Xlsx => xlsx(sink, style, rows),
            }
        })
    });
    Ok(answer(format, body))
}

fn answer(format: Format, body: Body) -> Response {
    let end = match format {
        Format::Csv => "csv",
        Format::Geojson => "geojson",
        Format::Xlsx => "xlsx",
    };
    let headers = [
        (header::CONTENT_TYPE, format.media_type().to_owned()),
        (header::CONTENT_DISPOSITION, format!("attachment; filename=\"outlets.{end}\"")),
        (header::CACHE_CONTROL, "no-store".to_owned()),
    ];
    (headers, body).into_response()
}

fn xlsx(
    sink: &Sink,
    style: Style<'_>,
    rows: impl FnOnce(&mut Take<'_>) -> Result<(), CommandError>,
) -> Result<(), CommandError> {
    use rust_xlsxwriter::{Format as CellFormat, Workbook, XlsxError};
    let failed = |error: XlsxError| CommandError::internal(format!("a spreadsheet cannot be written: {error}"));
    let mut book = Workbook::new();
    // Rows go to a temporary file as they come.
    let sheet = book.add_worksheet_with_constant_memory().map_err(failed)?;
    sheet.set_name("台账").map_err(failed)?;
    let bold = CellFormat::new().set_bold();
    for (column, name) in (0_u16..).zip(export::ledger_headers(style)) {
        sheet.write_string_with_format(0, column, name, &bold).map_err(failed)?;
    }
    sheet.set_freeze_panes(1, 0).map_err(failed)?;
    let mut line = 0;
    rows(&mut |part| {
        for row in part {
            line += 1;
            for (column, value) in (0_u16..).zip(export::ledger_values(row, style)) {
                let written = match value {
                    export::CellValue::Empty => continue,
                    export::CellValue::Number(number) => sheet.write_number(line, column, number),
                    export::CellValue::Text(text) => sheet.write_string(line, column, text),
                };
                written.map_err(failed)?;
            }
        }
        Ok(!sink.is_closed())
    })?;
    let mut pipe = sink.pipe();
    match book.save_to_writer(&mut pipe).map_err(failed) {
        // Nobody is left to be told.
        Err(_) if sink.is_closed() => Ok(()),
        saved => saved.and_then(|()| pipe.flush().context("sending a spreadsheet")),
    }
}
