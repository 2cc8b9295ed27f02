//! `outlet bundle`: what a sync would carry, as a sealed file on a USB stick.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand, ValueEnum};
use outlet_core::bundle::{self, BundleError, Contents, Header, Imported, Writer};
use outlet_core::identity::Roster;
use outlet_core::ids::{Collection, PublicKey};
use outlet_core::store::{BundleFiles, BundlePlan, BundleQuery, EdgeStore, Lend, PeerReplica, Store as _};
use outlet_core::sync::replica::{Batch, FeedItem, ReplicaError};
use outlet_core::time::Timestamp;
use outlet_transport::seal::{self, SealError};
use serde_json::json;

use super::Outcome;
use super::sync::refused;
use crate::context::Context;
use crate::error::{CommandError, Result};
use crate::net::SharedStore;

/// Raw bytes of one batch: a frame takes a megabyte, and nothing compresses to more than it was.
const BATCH_BYTES: usize = 384 << 10;

/// Carry records and photos on a USB stick.
#[derive(Debug, Args)]
pub(crate) struct BundleArgs {
    #[command(subcommand)]
    command: BundleCommand,
}

#[derive(Debug, Subcommand)]
enum BundleCommand {
    Export(ExportArgs),
    Import(ImportArgs),
}

/// For whom a bundle is sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum To {
    /// The server only.
    Server,
    /// Every member who may read all that is inside, and the server.
    Members,
}

/// Write what the server does not have yet to a file that only the server (or members) can open.
///
/// The changes keep their authors' signatures; this device signs as the one who carries them. Nothing is
/// marked as sent: what matters is the import. Import it on the server with
/// `outlet-server bundle import FILE`, or on another device with `outlet bundle import FILE`.
///
/// Example:
///   outlet bundle export /media/usb/week-12.outlet
///   outlet bundle export stick.outlet --to members --collection 511902 --everything --photos previews
///
/// JSON: {"file", "bytes", "collections": [..], "documents", "changes", "photos", "sealed_for": n}
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
struct ExportArgs {
    /// The file; it must not exist yet.
    file: PathBuf,
    /// Who can open it.
    #[arg(long, value_enum, default_value = "server")]
    to: To,
    /// Only this county; repeat for more [default: all of this device].
    #[arg(long = "collection")]
    collections: Vec<Collection>,
    /// Also what the server has already.
    #[arg(long)]
    everything: bool,
    /// Photos and attachments: all|previews|none.
    #[arg(long, default_value = "all")]
    photos: String,
}

/// Take a bundle that was made for this device. Repeated, it changes nothing.
///
/// It is read to its end and checked before anything of it is used. One from the server brings the
/// receipts of what others carried there for this device: *stored*, without a network.
///
/// Example:
///   outlet bundle import /media/usb/week-12.outlet
///
/// JSON: {"maker", "name", "made_at", "new_changes", "changes", "held", "waiting", "refused": {CODE: n},
/// "elsewhere", "photos", "known_photos", "refused_photos": {CODE: n}, "confirmed": {"changes", "photos"}}
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
struct ImportArgs {
    /// The file.
    file: PathBuf,
}

/// Runs `outlet bundle`.
pub(crate) fn run(ctx: &mut Context<'_>, args: &BundleArgs) -> Result<Outcome> {
    ctx.member()?;
    match &args.command {
        BundleCommand::Export(args) => export(ctx, args),
        BundleCommand::Import(args) => import(ctx, args),
    }
}

fn export(ctx: &mut Context<'_>, args: &ExportArgs) -> Result<Outcome> {
    if args.file.exists() {
        return Err(
            CommandError::user(format!("{} exists; nothing was written", args.file.display())).hint("name a new file")
        );
    }
    let member = ctx.member()?;
    let wanted: BTreeSet<Collection> = args.collections.iter().copied().collect();
    if let Some(other) = wanted.iter().find(|code| !member.collections.contains(code)) {
        return Err(CommandError::user(format!("this device does not hold collection {other}"))
            .hint("leave --collection out for all that it holds"));
    }
    let collections = if wanted.is_empty() { member.collections.clone() } else { wanted };
    let files = match args.photos.as_str() {
        "all" => BundleFiles::All,
        "previews" => BundleFiles::Previews,
        "none" => BundleFiles::None,
        other => {
            return Err(
                CommandError::user(format!("{other:?} is not a value of --photos")).hint("valid: all, previews, none")
            );
        }
    };
    let now = ctx.now();
    let workspace = ctx.workspace()?;
    let roster = workspace.roster().ok_or_else(|| CommandError::internal("a member without a roster"))?;
    let keys = recipients(&roster, args.to, &collections, now);
    if keys.is_empty() {
        return Err(CommandError::user("no server key is known here to seal the bundle for")
            .hint("sync with the server once, then export again"));
    }
    let query = BundleQuery { collections: collections.clone(), everything: args.everything, files };
    let mut store = workspace.store();
    let plan = store.bundle_plan(&query)?;
    if plan.docs.is_empty() && plan.files.is_empty() {
        return Err(CommandError::user("there is nothing that the server does not have; nothing was written")
            .hint("add --everything to carry all records of the collection"));
    }
    let enrolment = store.enrolment()?;
    let header = Header {
        maker: store.identity().public(),
        made_at: now,
        collections: collections.iter().copied().collect(),
        certificate: enrolment.as_ref().and_then(|row| row.certificate.clone()),
        server_certificate: enrolment.and_then(|row| row.server_certificate),
    };
    let (bytes, changes) = write(&mut store, &args.file, &header, &plan, &keys)?;
    drop(store);
    let codes: Vec<String> = collections.iter().map(ToString::to_string).collect();
    if ctx.ui.json {
        ctx.ui.data(&json!({"file": args.file.display().to_string(), "bytes": bytes, "collections": codes,
            "documents": plan.docs.len(), "changes": changes, "photos": plan.files.len(), "sealed_for": keys.len()}))?;
        return Ok(Outcome::Done);
    }
    ctx.ui.line(format!(
        "{}: {} documents, {changes} changes, {} files, {bytes} bytes",
        args.file.display(),
        plan.docs.len(),
        plan.files.len()
    ))?;
    ctx.ui.status(format!("Sealed for {} keys. Nothing is safe before it was imported on the server.", keys.len()));
    Ok(Outcome::Done)
}

/// Servers always; members when they may read everything inside and are members now.
fn recipients(roster: &Roster, to: To, collections: &BTreeSet<Collection>, now: Timestamp) -> Vec<PublicKey> {
    let mut keys = roster.active_servers();
    if to == To::Members {
        let members: BTreeSet<PublicKey> = roster.certificates().map(|cert| cert.value().key).collect();
        keys.extend(members.into_iter().filter(|key| {
            roster.may_connect(key, now).is_ok_and(|member| member.collections.is_superset(collections))
        }));
    }
    keys.into_iter().collect()
}

/// Writes under a temporary name, makes it durable, and only then gives it its name.
fn write(
    store: &mut EdgeStore,
    file: &Path,
    header: &Header,
    plan: &BundlePlan,
    keys: &[PublicKey],
) -> Result<(u64, u64)> {
    let mut part = file.as_os_str().to_owned();
    part.push(".part");
    let part = PathBuf::from(part);
    let written = write_part(store, &part, header, plan, keys);
    let finished = written.and_then(|totals| {
        std::fs::rename(&part, file).map_err(|error| unwritable(file, error))?;
        Ok(totals)
    });
    if finished.is_err() {
        let _ = std::fs::remove_file(&part);
    }
    finished
}

fn unwritable(file: &Path, error: impl std::error::Error + Send + Sync + 'static) -> CommandError {
    CommandError::because(format!("{} could not be written", file.display()), error)
        .hint("check the medium and the space left on it, then export again")
}

fn write_part(
    store: &mut EdgeStore,
    part: &Path,
    header: &Header,
    plan: &BundlePlan,
    keys: &[PublicKey],
) -> Result<(u64, u64)> {
    let failed = |error: std::io::Error| unwritable(part, error);
    let file = File::create(part).map_err(failed)?;
    let sealed = seal::seal(BufWriter::new(file), keys).map_err(|error| unwritable(part, error))?;
    let mut writer = Writer::new(sealed, header).map_err(failed)?;
    let mut changes = 0_u64;
    for items in plan.statements.chunks(500) {
        writer.batch(&Batch { items: items.to_vec(), cursors: Vec::new() }).map_err(failed)?;
    }
    let (mut items, mut bytes): (Vec<FeedItem>, usize) = (Vec::new(), 0);
    for doc in &plan.docs {
        for item in store.bundle_runs(doc)? {
            let FeedItem::Run(run) = &item else { continue };
            if bytes > 0 && bytes + run.size() > BATCH_BYTES {
                let full = std::mem::take(&mut items);
                writer.batch(&Batch { items: full, cursors: Vec::new() }).map_err(failed)?;
                bytes = 0;
            }
            bytes += run.size();
            changes += run.changes.len() as u64;
            items.push(item);
        }
    }
    writer.batch(&Batch { items, cursors: Vec::new() }).map_err(failed)?;
    for offer in &plan.files {
        let path = store.blob(&offer.hash)?.and_then(|blob| blob.path);
        let path = path.ok_or_else(|| CommandError::user(format!("file {} is no longer here", offer.hash)))?;
        let mut source = BufReader::new(File::open(&path).map_err(|error| unwritable(&path, error))?);
        writer.file(offer, &mut source).map_err(failed)?;
    }
    let sealed = writer.finish(store.identity().key()).map_err(failed)?;
    let mut out = sealed.finish().map_err(failed)?;
    out.flush().map_err(failed)?;
    let file = out.into_inner().map_err(|error| failed(error.into_error()))?;
    file.sync_all().map_err(failed)?;
    Ok((file.metadata().map_err(failed)?.len(), changes))
}

fn import(ctx: &mut Context<'_>, args: &ImportArgs) -> Result<Outcome> {
    let now = ctx.now();
    let workspace = ctx.workspace()?;
    let key = workspace.secret_key();
    // Once to its end: nothing is used of a file that is cut, altered or not ours.
    let contents =
        open(&args.file, &key).and_then(|input| bundle::check(input).map_err(|error| bad(&args.file, error)))?;
    let before = workspace.status()?;
    let mut shared = SharedStore(workspace.replica());
    let wanted = shared.with(|store| store.judge_bundle(&contents.header, now)).map_err(|error| not_taken(&error))?;
    if wanted.is_empty() {
        let codes: Vec<String> = contents.header.collections.iter().map(ToString::to_string).collect();
        return Err(CommandError::user(format!(
            "the bundle is of {}, which this device does not hold",
            codes.join(", ")
        ))
        .hint("import it on a device of that county, or on the server"));
    }
    let input = open(&args.file, &key)?;
    let maker = contents.header.maker;
    let from_server = workspace.roster().is_some_and(|roster| roster.is_server(&maker));
    let imported = if from_server {
        shared.with(|store| bundle::import(input, store, &maker, &wanted, now))
    } else {
        let mut replica = PeerReplica::for_bundle(shared, wanted.clone());
        bundle::import(input, &mut replica, &maker, &wanted, now)
    };
    let imported = imported.map_err(|error| bad(&args.file, error))?;
    let after = workspace.status()?;
    ctx.forget_lists();
    let confirmed = Confirmed {
        changes: before.unsent_changes.saturating_sub(after.unsent_changes),
        photos: before.unsent_files.saturating_sub(after.unsent_files),
    };
    report(ctx, &contents, &imported, confirmed)
}

fn open(file: &Path, key: &outlet_core::identity::SecretKey) -> Result<impl Read> {
    let input = File::open(file).map_err(|error| {
        CommandError::because(format!("{} cannot be read", file.display()), error).hint("check the path and the medium")
    })?;
    seal::open(BufReader::new(input), key).map_err(|error| {
        let hint = match error {
            SealError::ForOthers => {
                "ask its maker for an export with --to members, made after that device has synced or met you since you \
                 enrolled: before, it does not know your key; or import it on the server"
            }
            _ => "copy the file again; nothing of it was used",
        };
        CommandError::because(format!("{} does not open", file.display()), error).hint(hint)
    })
}

fn bad(file: &Path, error: BundleError) -> CommandError {
    match error {
        BundleError::Replica(error) => not_taken(&error),
        BundleError::Io(source) => {
            CommandError::because(format!("{} could not be read to its end", file.display()), source)
                .hint("it is cut short or altered, and nothing of it was used: copy it again, or ask for a new one")
        }
        error => CommandError::because(format!("{} is not used", file.display()), error)
            .hint("copy it again from where it was made, or ask for a new export"),
    }
}

fn not_taken(error: &ReplicaError) -> CommandError {
    match error {
        ReplicaError::Refused(refusal) => refused(Some(refusal)),
        ReplicaError::Full { .. } => CommandError::user(error.to_string())
            .hint("free some space and import the same file again: what was taken stays"),
        other => CommandError::because("the bundle could not be taken whole", other.to_string())
            .hint("import the same file again: what was taken stays; if it fails again, run `outlet doctor`"),
    }
}

/// Own work and files that the server says it has.
#[derive(Debug, Clone, Copy, serde::Serialize)]
struct Confirmed {
    changes: u64,
    photos: u64,
}

fn report(ctx: &mut Context<'_>, contents: &Contents, imported: &Imported, confirmed: Confirmed) -> Result<Outcome> {
    let maker = contents.header.maker;
    let name = ctx.carrier(&maker);
    let made_at = contents.header.made_at.to_string();
    if ctx.ui.json {
        ctx.ui.data(&json!({"maker": maker, "name": name, "made_at": made_at, "new_changes": imported.new_changes,
            "changes": imported.changes, "held": imported.held, "waiting": imported.waiting,
            "refused": imported.refused, "elsewhere": imported.elsewhere, "photos": imported.files,
            "known_photos": imported.known_files, "refused_photos": imported.refused_files, "confirmed": confirmed}))?;
    } else {
        ctx.ui.line(format!(
            "from {name}, {made_at}: {} new changes of {}, {} new files, {} known",
            imported.new_changes, imported.changes, imported.files, imported.known_files
        ))?;
        if confirmed.changes + confirmed.photos > 0 {
            let Confirmed { changes, photos } = confirmed;
            ctx.ui.line(format!("confirmed by the server: {changes} changes and {photos} files of this device"))?;
        }
        if imported.elsewhere > 0 {
            ctx.ui.line(format!("left out: {} changes of counties this device does not hold", imported.elsewhere))?;
        }
        for (code, count) in imported.refused.iter().chain(&imported.refused_files) {
            ctx.ui.line(format!("not taken ({code}): {count}"))?;
        }
    }
    let whole = imported.refused.is_empty() && imported.waiting == 0 && imported.refused_files.is_empty();
    Ok(if whole { Outcome::Done } else { Outcome::Incomplete })
}
