//! The register of imports and the saved mappings, as commands and interface show them.

use outlet_core::import::{Mapping, MappingError};
use serde::Serialize;

use crate::db::{DbError, imports, meta};
use crate::engine::Engine;

/// One import. `import list --json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Listed {
    /// Number.
    pub id: i64,
    /// List that its records belong to.
    pub list: String,
    /// Name of the file as given.
    pub file_name: String,
    /// SHA-256 of the file.
    pub file: String,
    /// `done | running`.
    pub state: &'static str,
    /// Good rows of the file.
    pub rows: u64,
    /// Records made.
    pub created: u64,
    /// Rows left out on request.
    pub skipped: u64,
    /// Who.
    pub by: String,
    /// Begin.
    pub started_at: String,
}

/// All imports, newest first.
///
/// # Errors
/// When the database refuses.
pub fn all(engine: &Engine) -> Result<Vec<Listed>, DbError> {
    let line = |import: imports::Import| Listed {
        id: import.id,
        list: import.list,
        file_name: import.file_name,
        file: import.file.to_string(),
        state: if import.done { "done" } else { "running" },
        rows: import.rows,
        created: import.created,
        skipped: import.skipped,
        by: import.by,
        started_at: import.started_at.to_string(),
    };
    Ok(engine.database().read::<_, DbError>(|tx| imports::all(tx))?.into_iter().map(line).collect())
}

/// A saved mapping. `import mapping list --json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Saved {
    /// Its name.
    pub name: String,
    /// Who saved it.
    pub saved_by: String,
    /// When.
    pub saved_at: String,
}

/// Saved mappings, by name.
///
/// # Errors
/// When the database refuses.
pub fn mappings(engine: &Engine) -> Result<Vec<Saved>, DbError> {
    let all = engine.database().read::<_, DbError>(|tx| imports::mappings(tx))?;
    let line = |(name, saved_by, at): (String, String, outlet_core::time::Timestamp)| Saved {
        name,
        saved_by,
        saved_at: at.to_string(),
    };
    Ok(all.into_iter().map(line).collect())
}

/// Keeps a mapping that was checked, under its name; an older one of that name is replaced.
///
/// # Errors
/// When the database refuses.
pub fn save(engine: &Engine, mapping: &Mapping, text: &str, by: &str) -> Result<Saved, DbError> {
    let now = engine.folder.now();
    engine.database().write::<_, DbError>(|tx| {
        imports::save_mapping(tx, &mapping.name, text, by, now)?;
        meta::audit(tx, now, by, "import_mapping", &mapping.name)
    })?;
    Ok(Saved { name: mapping.name.clone(), saved_by: by.to_owned(), saved_at: now.to_string() })
}

/// The text of a saved mapping.
///
/// # Errors
/// When the database refuses.
pub fn text(engine: &Engine, name: &str) -> Result<Option<String>, DbError> {
    engine.database().read::<_, DbError>(|tx| imports::mapping(tx, name))
}

/// A saved mapping; nothing when there is none, and why it cannot be used.
///
/// # Errors
/// When the database refuses.
pub fn mapping(engine: &Engine, name: &str) -> Result<Option<Result<Mapping, MappingError>>, DbError> {
    Ok(text(engine, name)?.map(|text| Mapping::parse(&text)))
}
