//! `backup` and `restore`.

use std::path::Path;

use age::secrecy::{ExposeSecret as _, SecretString};

use super::Outcome;
use crate::backup::{self, Totals};
use crate::cli::ArchiveArgs;
use crate::error::{CommandError, Exit, IoContext};
use crate::folder::Folder;
use crate::ui::Ui;

pub(super) fn backup(args: &ArchiveArgs, folder: &Folder, ui: &mut Ui) -> Outcome {
    let totals = backup::backup(folder, &args.file, passphrase(args, ui)?)?;
    ui.show(&totals, |totals| sentence("backed up", totals, &args.file))?;
    ui.note("it holds the server's keys: keep it apart from its passphrase");
    Ok(Exit::Ok)
}

pub(super) fn restore(args: &ArchiveArgs, data: &Path, ui: &mut Ui) -> Outcome {
    let secret = passphrase(args, ui)?;
    let totals = backup::restore(data, &args.file, secret, ui.env.now())?;
    ui.show(&totals, |totals| sentence("restored", totals, data))?;
    ui.note("a new epoch began: at its next sync each device compares everything once");
    Ok(Exit::Ok)
}

fn sentence(verb: &str, totals: &Totals, place: &Path) -> String {
    format!(
        "{verb} {} files ({} photos and attachments), {} bytes: {}",
        totals.files,
        totals.photos,
        totals.bytes,
        place.display()
    )
}

fn passphrase(args: &ArchiveArgs, ui: &Ui) -> Result<SecretString, CommandError> {
    let text = match &args.passphrase_file {
        Some(file) => {
            let text = std::fs::read_to_string(file).context(format_args!("reading {}", file.display()))?;
            text.lines().next().unwrap_or_default().to_owned()
        }
        None => ui.env.var("OUTLET_PASSPHRASE").unwrap_or_default().to_owned(),
    };
    let secret = SecretString::from(text);
    if secret.expose_secret().chars().count() < 8 {
        return Err(CommandError::usage("the backup needs a passphrase of at least 8 characters")
            .hint("give --passphrase-file FILE (its first line), or set OUTLET_PASSPHRASE"));
    }
    Ok(secret)
}
