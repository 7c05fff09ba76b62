//! Source files of the workspace.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::Context;

/// A source file.
pub(crate) struct Source {
    /// Path below the workspace.
    pub(crate) path: PathBuf,
    /// Its text.
    pub(crate) text: String,
}

/// All files below `folder` with one of these endings, sorted. Build output and dot folders are left out.
pub(crate) fn below(root: &Path, folder: &Path, endings: &[&str]) -> anyhow::Result<Vec<Source>> {
    let mut found = Vec::new();
    collect(root, &root.join(folder), endings, &mut found)?;
    found.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(found)
}

fn collect(root: &Path, folder: &Path, endings: &[&str], found: &mut Vec<Source>) -> anyhow::Result<()> {
    let entries = fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()))?;
    for entry in entries {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if path.is_dir() {
            if !matches!(name, "target" | "node_modules" | "__pycache__") && (!name.starts_with('.') || name == ".ci" || name == ".cargo") {
                collect(root, &path, endings, found)?;
            }
        } else if endings.iter().any(|ending| name.ends_with(ending))
            && let Ok(text) = fs::read_to_string(&path)
        {
            found.push(Source { path: path.strip_prefix(root).unwrap_or(&path).to_owned(), text });
        }
    }
    Ok(())
}

/// The folders of the crates, by directory name.
pub(crate) fn crates(root: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut folders: Vec<PathBuf> = fs::read_dir(root.join("crates"))?
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| path.join("Cargo.toml").is_file())
        .collect();
    folders.sort();
    Ok(folders)
}
