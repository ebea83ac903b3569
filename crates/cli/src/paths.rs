//! Where things are kept when nobody says.

use std::path::{Path, PathBuf};

use crate::failure::Failure;

/// `~/.cairn`.
///
/// # Errors
/// When there is no home directory.
pub(crate) fn home() -> Result<PathBuf, Failure> {
    let home = std::env::var_os("HOME").filter(|home| !home.is_empty());
    home.map(|home| Path::new(&home).join(".cairn")).ok_or_else(|| {
        Failure::hint("HOME is not set, so there is no place for ~/.cairn", "set HOME, or name a --work-dir")
    })
}

/// The work directory of `cairn dev`.
///
/// # Errors
/// When there is no home directory.
pub(crate) fn dev() -> Result<PathBuf, Failure> {
    Ok(home()?.join("dev"))
}

/// Makes a directory and gives its absolute path.
///
/// # Errors
/// When it cannot be made.
pub(crate) fn directory(path: &Path) -> Result<PathBuf, Failure> {
    std::fs::create_dir_all(path).and_then(|()| std::fs::canonicalize(path)).map_err(|error| {
        Failure::hint(
            format!("cannot use {} as a work directory: {error}", path.display()),
            "name one that is yours with --work-dir",
        )
    })
}

/// The directory of distribution archives: what was said, or the first likely one that there is.
pub(crate) fn distributions(said: Option<PathBuf>, work_dir: &Path) -> PathBuf {
    let program = std::env::current_exe().ok();
    let beside = program.as_deref().and_then(Path::parent);
    let likely = [
        Some(PathBuf::from("dist")),
        beside.map(|dir| dir.join("dist")),
        // As cargo lays it out: target/release/cairn.
        beside.map(|dir| dir.join("../../dist")),
        beside.map(|dir| dir.join("../share/cairn/dist")),
    ];
    let found = said.or_else(|| likely.into_iter().flatten().find(|dir| dir.is_dir()));
    let chosen = found.unwrap_or_else(|| work_dir.join("dist"));
    std::fs::canonicalize(&chosen).unwrap_or(chosen)
}
