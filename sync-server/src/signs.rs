//! The sign of an outlet: its text, what it lacks, and the QR code behind which the public page is.

use outlet_core::ids::DocKey;
use outlet_core::ledger::LedgerRow;
use outlet_core::public::{Line, sign_text};
use qrcode::types::QrError;
use qrcode::{Color, EcLevel, QrCode};
use serde::Serialize;

use crate::engine::{Engine, EngineError};

/// Quiet zone that scanners need, in modules (ISO/IEC 18004).
const QUIET: usize = 4;

/// `signs text --json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SignText {
    /// The outlet.
    pub outlet: DocKey,
    /// Its code, national before provincial.
    pub code: Option<String>,
    /// What stands on the sign.
    pub lines: Vec<Line>,
    /// Codes of what has to be known before a sign can be made.
    pub missing: Vec<&'static str>,
    /// What the QR code says.
    pub url: Option<String>,
}

/// The code that a sign shows.
#[must_use]
pub fn code(row: &LedgerRow) -> Option<&String> {
    row.national_code.as_ref().or(row.provincial_code.as_ref())
}

/// The address behind the QR code; the code alone where no address is configured, nothing without a code.
#[must_use]
pub fn payload(engine: &Engine, row: &LedgerRow) -> Option<String> {
    let code = code(row)?;
    let base = engine.folder.config.public.url.trim_end_matches('/');
    Some(if base.is_empty() { code.clone() } else { format!("{base}/p/{code}") })
}

/// The sign of an outlet.
///
/// # Errors
/// When the reference data cannot be read.
pub fn sign(engine: &Engine, row: &LedgerRow) -> Result<SignText, EngineError> {
    let reference = engine.database().read(|tx| engine.reference(tx))?;
    let hotline = Some(engine.folder.config.public.hotline.as_str()).filter(|hotline| !hotline.is_empty());
    let (lines, missing) = sign_text(row, &reference.dictionaries, hotline);
    Ok(SignText { outlet: row.key, code: code(row).cloned(), lines, missing, url: payload(engine, row) })
}

/// The squares of a QR code with the quiet zone around them.
#[derive(Debug, Clone)]
pub struct Squares {
    /// Squares of one side.
    pub side: usize,
    width: usize,
    modules: Vec<Color>,
}

impl Squares {
    /// Is the square dark?
    #[must_use]
    pub fn dark(&self, x: usize, y: usize) -> bool {
        let inside = (QUIET..self.width + QUIET).contains(&x) && (QUIET..self.width + QUIET).contains(&y);
        inside && self.modules[(y - QUIET) * self.width + x - QUIET] == Color::Dark
    }

    /// The dark squares as one SVG path.
    #[must_use]
    pub fn path(&self) -> String {
        let all = (0..self.side).flat_map(|y| (0..self.side).map(move |x| (x, y)));
        all.filter(|(x, y)| self.dark(*x, *y)).map(|(x, y)| format!("M{x} {y}h1v1h-1z")).collect()
    }
}

/// Draws a QR code of which a quarter may be scratched or dirty.
///
/// # Errors
/// When the text is too long for one.
pub fn squares(payload: &str) -> Result<Squares, QrError> {
    let qr = QrCode::with_error_correction_level(payload, EcLevel::Q)?;
    let width = qr.width();
    Ok(Squares { side: width + 2 * QUIET, width, modules: qr.to_colors() })
}
