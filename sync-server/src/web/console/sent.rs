//! Forms with a file: what is typed becomes a [`Form`], the file an upload of whoever sent it. The
//! bytes go to the disk as they come; nothing holds a whole file.

use std::sync::Arc;

use axum::extract::Multipart;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};

use super::{Console, Fault, Form, Page, Visitor};
use crate::error::Exit;
use crate::uploads::{self, Receiving, Upload, UploadError};

/// Name of the field with the file.
pub(super) const FILE: &str = "file";
/// A whole request: the largest file, and what is typed beside it.
pub(super) const LIMIT: usize = uploads::MOST_BYTES as usize + (1 << 20);
/// What is typed into one field.
const FIELD_BYTES: usize = 16 << 10;
const FIELDS: usize = 40;
/// Bytes that are gathered before they are written.
const BLOCK: usize = 1 << 20;

/// A form with its file.
pub(super) struct Sent {
    pub form: Form,
    pub file: Result<Upload, UploadError>,
}

/// Takes a form with a file.
pub(super) async fn receive(
    console: &Arc<Console>,
    visitor: &Visitor,
    mut multipart: Multipart,
) -> Result<Sent, Fault> {
    let mut sent = Sent { form: Form::default(), file: Err(UploadError::Nothing) };
    let refused = |error: axum::extract::multipart::MultipartError| match error.status() {
        StatusCode::PAYLOAD_TOO_LARGE => Fault::TOO_LARGE,
        _ => Fault::BAD_REQUEST,
    };
    let mut fields = 0;
    while let Some(mut field) = multipart.next_field().await.map_err(refused)? {
        fields += 1;
        if fields > FIELDS {
            return Err(Fault::BAD_REQUEST);
        }
        let name = field.name().unwrap_or_default().to_owned();
        if name == FILE {
            let sent_name = field.file_name().unwrap_or_default().to_owned();
            let mut receiving = begin(console, sent_name).await?;
            let mut block = Vec::new();
            while let Some(bytes) = field.chunk().await.map_err(refused)? {
                block.extend_from_slice(&bytes);
                if block.len() >= BLOCK {
                    receiving = take(console, receiving, std::mem::take(&mut block)).await?;
                }
            }
            receiving = take(console, receiving, block).await?;
            sent.file = finish(console, visitor, receiving).await?;
            continue;
        }
        let mut text = Vec::new();
        while let Some(bytes) = field.chunk().await.map_err(refused)? {
            if text.len() + bytes.len() > FIELD_BYTES {
                return Err(Fault::TOO_LARGE);
            }
            text.extend_from_slice(&bytes);
        }
        sent.form = std::mem::take(&mut sent.form).with(&name, String::from_utf8_lossy(&text));
    }
    Ok(sent)
}

type Step = Result<Receiving, UploadError>;

async fn begin(console: &Arc<Console>, name: String) -> Result<Step, Fault> {
    console
        .ask(move |console| {
            let folder = &console.engine.folder;
            Ok(uploads::begin(folder.path(), &name, folder.now()))
        })
        .await
}

/// Writes on; a file that was refused is read to its end, so that the browser hears why.
async fn take(console: &Arc<Console>, receiving: Step, bytes: Vec<u8>) -> Result<Step, Fault> {
    let Ok(mut receiving) = receiving else { return Ok(receiving) };
    console.ask(move |_| Ok(receiving.take(&bytes).map(|()| receiving))).await
}

async fn finish(
    console: &Arc<Console>,
    visitor: &Visitor,
    receiving: Step,
) -> Result<Result<Upload, UploadError>, Fault> {
    let owner = visitor.account.login.clone();
    console.ask(move |console| Ok(receiving.and_then(|own| own.finish(&owner, console.engine.folder.now())))).await
}

/// Why a file is not taken, in words.
///
/// # Errors
/// What is the server's own failure.
pub(super) fn sentence(page: &Page, error: &UploadError) -> Result<String, Fault> {
    Ok(match error {
        UploadError::Nothing => page.t("upload-nothing"),
        UploadError::Kind(name) => page.t1("upload-kind", "name", name),
        UploadError::TooLarge(bytes) => page.t1("upload-too-large", "mb", bytes >> 20),
        UploadError::TooMany => page.t("upload-too-many"),
        UploadError::Archive(why) => page.t1("upload-archive", "why", why),
        UploadError::Gone => page.t("upload-gone"),
        UploadError::Io(error) if error.exit == Exit::User => return Err(Fault::STOPPED),
        UploadError::Io(error) => {
            tracing::error!(%error, "a file that was sent cannot be kept");
            return Err(Fault::INTERNAL);
        }
    })
}

/// After an upload: the page to look at next. Uploads come by script, which follows this header.
pub(super) fn go_to(address: &str) -> Response {
    (StatusCode::NO_CONTENT, [("hx-redirect", address.to_owned())]).into_response()
}
