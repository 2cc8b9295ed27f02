//! `init` and `key rotate`.

use std::path::{Path, PathBuf};

use outlet_core::identity::{KeyUse, ServerStanding, fingerprint};
use outlet_core::ids::PublicKey;
use serde::Serialize;

use super::Outcome;
use crate::db::meta;
use crate::error::{CommandError, Exit};
use crate::folder::{self, Folder};
use crate::ui::Ui;

/// `init --json`.
#[derive(Serialize)]
struct Made {
    data: PathBuf,
    root: PublicKey,
    root_fingerprint: String,
    root_key_file: PathBuf,
    server: PublicKey,
    config: PathBuf,
}

pub(super) fn init(data: &Path, ui: &mut Ui) -> Outcome {
    let made = Folder::init(data, ui.env.now())?;
    let made = Made {
        data: data.to_owned(),
        root: made.root,
        root_fingerprint: fingerprint(&made.root),
        root_key_file: made.root_key_file,
        server: made.server,
        config: data.join(crate::config::FILE),
    };
    ui.show(&made, |made| {
        let data = made.data.display();
        format!(
            "data folder      {data}\nsettings         {}\nroot key         {}\nroot fingerprint {}\n\n\
             The root key vouches for server keys and is needed for `key rotate` only. It belongs offline:\n\
             move {} to a medium that you lock away, and keep a second copy.\n\n\
             Next: outlet-server serve --data {data}\n      \
             outlet-server ticket --data {data} --role inspector --collection 511902 --name NAME",
            made.config.display(),
            made.root,
            made.root_fingerprint,
            made.root_key_file.display(),
        )
    })?;
    Ok(Exit::Ok)
}

/// `key rotate --json`.
#[derive(Serialize)]
struct Rotated {
    old: PublicKey,
    new: PublicKey,
}

pub(super) fn rotate(root_key: Option<PathBuf>, data: &Folder, ui: &mut Ui) -> Outcome {
    let file = root_key.unwrap_or_else(|| data.path().join(folder::KEYS).join(folder::ROOT_KEY));
    let root = folder::read_key(&file, KeyUse::Root).map_err(|error| {
        error.hint("name the file with --root-key: the root key is needed to vouch for a new server key")
    })?;
    let pinned = data.database.read::<_, CommandError>(|tx| Ok(data.roster(tx)?.root()))?;
    if root.public() != pinned {
        let message = format!("{} holds another root key than the one devices have pinned ({pinned})", file.display());
        return Err(CommandError::user(message).hint("give the root key made by this folder's `init`"));
    }
    let new = folder::new_server_key(data.path())?;
    let now = ui.env.now();
    data.database.write::<_, CommandError>(|tx| {
        folder::vouch(tx, &root, new.public(), ServerStanding::Active, now)?;
        folder::vouch(tx, &root, data.key().public(), ServerStanding::Retired, now)?;
        folder::use_server_key(tx, &data.config, &new, now)?;
        meta::audit(tx, now, "command line", "key_rotate", &new.public().to_string())?;
        Ok(())
    })?;
    ui.show(&Rotated { old: data.key().public(), new: new.public() }, |rotated| {
        format!("server key {} replaces {}", rotated.new.short(), rotated.old.short())
    })?;
    ui.note("restart `outlet-server serve` to use it; tickets that were not used yet must be issued again");
    Ok(Exit::Ok)
}
