//! Layers of zones: what is in force, and a new one from a file, with its approval. The work is
//! [`crate::layers`].

use askama::Template;
use axum::extract::{Multipart, State};
use axum::http::StatusCode;
use outlet_core::domain::field::DocumentRef;
use outlet_core::zones::{LayerHead, ZoneKind};

use super::deciding::day;
use super::visitor::Need;
use super::{Answer, Console, Fault, Form, Page, Shared, Visitor, sent, show_with};
use crate::error::Exit;
use crate::layers::{self, Loaded};
use crate::uploads;

#[derive(Template)]
#[template(path = "console/zones.html")]
struct ZonesPage {
    page: Page,
    form: Form,
    /// May the account load a layer?
    may: bool,
    layers: Vec<Layer>,
    kinds: Vec<(String, String)>,
    datums: Vec<(String, String)>,
    loaded: Option<Loaded>,
    most: u64,
    most_mb: u64,
}

struct Layer {
    name: String,
    version: String,
    kind: &'static str,
    datum: String,
    document: String,
    dated: String,
    zones: usize,
}

fn in_force(console: &Console) -> Result<Vec<Layer>, Fault> {
    let layers = console.engine.layers()?;
    let layer = |layer: &outlet_core::zones::Layer| Layer {
        name: layer.name.clone(),
        version: layer.version.clone(),
        kind: layer.kind.code(),
        datum: layer.datum.clone(),
        document: layer.document.number.clone(),
        dated: layer.document.dated.map(|day| day.to_string()).unwrap_or_default(),
        zones: layer.zones.len(),
    };
    Ok(layers.all().iter().map(layer).collect())
}

/// `GET /zones`.
pub(super) async fn page(State(console): Shared, page: Page, visitor: Visitor) -> Answer {
    let layers = console.ask(in_force).await?;
    show_with(StatusCode::OK, &ZonesPage::new(page, &visitor, Form::default(), layers, None))
}

/// `POST /zones`: a file with its approval; `act` says whether it is only checked.
pub(super) async fn load(State(console): Shared, page: Page, visitor: Visitor, multipart: Multipart) -> Answer {
    let sent = sent::receive(&console, &visitor, multipart).await?;
    let mut form = sent.form;
    let head = head(&page, &mut form);
    let upload = match sent.file {
        Ok(upload) => Some(upload),
        Err(error) => {
            form.fail(sent::FILE, sent::sentence(&page, &error)?);
            None
        }
    };
    let dry = !form.has("act", "keep");
    let by = visitor.account.login.clone();
    let (outcome, layers) = console
        .ask(move |console| {
            let engine = &console.engine;
            let outcome = head.zip(upload.as_ref()).map(|(head, upload)| {
                let raw = layers::read(&upload.path, None)?;
                layers::load(engine, &head, raw, &by, dry)
            });
            // A layer is decided about at once: nothing waits.
            upload.iter().for_each(|upload| uploads::discard(engine.folder.path(), upload));
            Ok((outcome, in_force(console)?))
        })
        .await?;
    let loaded = match outcome {
        None => None,
        Some(Ok(loaded)) => Some(loaded),
        Some(Err(error)) if error.exit == Exit::Internal => {
            tracing::error!(%error, "a layer cannot be kept");
            return Err(Fault::INTERNAL);
        }
        Some(Err(error)) => {
            tracing::info!(%error, "a layer cannot be read");
            form.fail(sent::FILE, page.t("zones-unreadable"));
            None
        }
    };
    let wrong = form.failed() || loaded.as_ref().is_some_and(Loaded::refused);
    let status = if wrong { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    show_with(status, &ZonesPage::new(page, &visitor, form, layers, loaded))
}

/// What is known of the layer beside its polygons; nothing when a field is wrong.
fn head(page: &Page, form: &mut Form) -> Option<LayerHead> {
    for name in ["name", "version", "document", "document_dated", "kind", "datum"] {
        if form.given(name).is_none() {
            form.fail(name, page.t("wrong-needed"));
        }
    }
    let (dated, since) = (day(page, form, "document_dated"), day(page, form, "established_on"));
    let kind = ZoneKind::from_code(form.value("kind"));
    let datum = form.value("datum").parse().ok();
    if form.failed() {
        return None;
    }
    Some(LayerHead {
        name: form.value("name").to_owned(),
        version: form.value("version").to_owned(),
        kind: kind?,
        datum: datum?,
        document: DocumentRef { number: form.value("document").to_owned(), dated, file: None },
        established_on: since,
    })
}

impl ZonesPage {
    fn new(page: Page, visitor: &Visitor, form: Form, layers: Vec<Layer>, loaded: Option<Loaded>) -> Self {
        let kind = |kind: ZoneKind| (kind.code().to_owned(), page.t_of("zone", kind.code()));
        let datum = |code: &str| (code.to_owned(), page.t_of("datum", code));
        Self {
            kinds: ZoneKind::ALL.map(kind).to_vec(),
            datums: ["wgs84", "cgcs2000", "gcj02", "bd09"].map(datum).to_vec(),
            may: visitor.may(Need::Admin),
            most: uploads::MOST_BYTES,
            most_mb: uploads::MOST_BYTES >> 20,
            page,
            form,
            layers,
            loaded,
        }
    }

    fn outcome(&self, loaded: &Loaded) -> String {
        let key = match (loaded.stored, loaded.refused()) {
            (true, _) => "zones-stored",
            (false, true) => "zones-refused",
            (false, false) => "zones-good",
        };
        self.page.t2(key, ("name", format!("{} {}", loaded.name, loaded.version)), ("count", loaded.zones))
    }

    fn code(&self, code: &str) -> String {
        self.page.t_of("zone-fault", &code.replace('_', "-"))
    }
}
