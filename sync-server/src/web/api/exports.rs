//! `/exports`: the rows of a filter as a file, written while it is sent. The columns are those of
//! `outlet-server ledger export`: no personal data has a column.

use std::io::Write as _;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, RawQuery, State};
use axum::http::header;
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use outlet_core::domain::dictionary::{Dictionaries, Lang};
use outlet_core::export::{self, Style};
use outlet_core::ledger::LedgerRow;
use roaring::RoaringBitmap;
use rusqlite::Connection;
use tokio::sync::mpsc;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{Answer, Api, Asker, Problem};
use crate::inventory::{self, Query};
use crate::tokens::TokenScope;

pub(super) fn routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new().routes(routes!(outlets))
}

/// Rows read at once.
const PART: usize = 500;

/// Media type of a spreadsheet.
pub(super) const XLSX: &str = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";

/// Rows that a spreadsheet has room for, its header aside.
const SHEET_ROWS: u64 = 1_048_575;

/// Parts that wait for a slow reader; then the writer waits.
const WAITING: usize = 4;

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
    let Ok(permit) = Arc::clone(&api.exports).try_acquire_owned() else {
        let mut problem = Problem::unavailable("too many exports are being written; try again in a minute");
        problem.retry_after = Some(60);
        return Err(problem);
    };
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
    let (sender, receiver) = mpsc::channel::<Result<Bytes, std::io::Error>>(WAITING);
    tokio::task::spawn_blocking(move || {
        let _permit = permit;
        let failed = |problem: Problem| std::io::Error::other(problem.detail);
        let written = api.engine.database().read::<_, Problem>(|tx| {
            let reference = api.engine.reference(tx)?;
            write(tx, &query, format, labels.map(|lang| (&reference.dictionaries, lang)), &sender)
        });
        if let Err(problem) = written {
            // The length is unknown to the reader: a cut tells that the file is not whole.
            let _ = sender.blocking_send(Err(failed(problem)));
        }
    });
    let parts =
        futures_util::stream::unfold(receiver, async |mut receiver| receiver.recv().await.map(|part| (part, receiver)));
    Ok(answer(format, Body::from_stream(parts)))
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

type Sender = mpsc::Sender<Result<Bytes, std::io::Error>>;

fn write(
    connection: &Connection,
    query: &Query,
    format: Format,
    labels: Option<(&Dictionaries, Lang)>,
    sender: &Sender,
) -> Result<(), Problem> {
    let ids = inventory::ids(connection, &query.filter)?;
    let style = Style { labels };
    match format {
        Format::Csv => csv(connection, &ids, style, sender),
        Format::Geojson => geojson(connection, &ids, style, sender),
        Format::Xlsx => xlsx(connection, &ids, style, sender),
    }
}

/// Hands the rows on in parts; ends quietly when nobody reads any more.
fn parts(
    connection: &Connection,
    ids: &RoaringBitmap,
    mut work: impl FnMut(&[LedgerRow]) -> Result<bool, Problem>,
) -> Result<(), Problem> {
    let mut after = None;
    loop {
        let entries = inventory::rows_after(connection, ids, after, PART)?;
        let Some(last) = entries.last() else { return Ok(()) };
        after = Some(last.id);
        let rows: Vec<LedgerRow> = entries.into_iter().map(|entry| entry.row).collect();
        if !work(&rows)? {
            return Ok(());
        }
    }
}

fn send(sender: &Sender, bytes: Vec<u8>) -> bool {
    sender.blocking_send(Ok(Bytes::from(bytes))).is_ok()
}

fn csv(connection: &Connection, ids: &RoaringBitmap, style: Style<'_>, sender: &Sender) -> Result<(), Problem> {
    let head = export::ledger_csv(&[], style).map_err(|error| Problem::internal(&error))?;
    if !send(sender, head) {
        return Ok(());
    }
    parts(connection, ids, |rows| {
        let lines = export::ledger_csv_lines(rows, style).map_err(|error| Problem::internal(&error))?;
        Ok(send(sender, lines))
    })
}

fn geojson(connection: &Connection, ids: &RoaringBitmap, style: Style<'_>, sender: &Sender) -> Result<(), Problem> {
    let mut first = true;
    if !send(sender, br#"{"type":"FeatureCollection","features":["#.to_vec()) {
        return Ok(());
    }
    parts(connection, ids, |rows| {
        let mut text = String::new();
        for row in rows {
            text.push_str(if first { "\n" } else { ",\n" });
            first = false;
            text.push_str(&export::ledger_feature(row, style).to_string());
        }
        Ok(send(sender, text.into_bytes()))
    })?;
    send(sender, b"\n]}\n".to_vec());
    Ok(())
}

fn xlsx(connection: &Connection, ids: &RoaringBitmap, style: Style<'_>, sender: &Sender) -> Result<(), Problem> {
    use rust_xlsxwriter::{Format as CellFormat, Workbook, XlsxError};
    let failed = |error: XlsxError| Problem::internal(&error);
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
    parts(connection, ids, |rows| {
        for row in rows {
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
        Ok(!sender.is_closed())
    })?;
    let mut pipe = Pipe { sender, buffer: Vec::with_capacity(PIPE) };
    book.save_to_writer(&mut pipe).map_err(failed)?;
    pipe.flush().map_err(|error| Problem::internal(&error))
}

/// Bytes kept before they are sent on.
const PIPE: usize = 64 << 10;

/// Writes into the answer.
struct Pipe<'a> {
    sender: &'a Sender,
    buffer: Vec<u8>,
}

impl std::io::Write for Pipe<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() >= PIPE {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        if self.buffer.is_empty() || send(self.sender, std::mem::take(&mut self.buffer)) {
            return Ok(());
        }
        Err(std::io::Error::new(std::io::ErrorKind::BrokenPipe, "nobody reads the file any more"))
    }
}
