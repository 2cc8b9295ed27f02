//! How full the disk is.

use std::path::Path;

/// Free and total bytes of the file system that holds the path; `None` where the system does not
/// say.
#[must_use]
pub(crate) fn of(path: &Path) -> Option<(u64, u64)> {
    let stat = rustix::fs::statvfs(path).ok()?;
    Some((stat.f_bavail.saturating_mul(stat.f_frsize), stat.f_blocks.saturating_mul(stat.f_frsize)))
}
