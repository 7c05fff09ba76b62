//! What must not stand in the repository: marks of unfinished work, paths of one machine, hosts of package registries.

use std::path::Path;

use crate::sources::below;

/// Each is spelled in two parts, so that this file does not find itself.
const BARRED: &[(&str, &str, &str)] = &[
    ("TO", "DO", "finish it, or write down what is left in the guide"),
    ("FIX", "ME", "fix it"),
    ("#[ig", "nore", "a test that is skipped says so loudly at run time instead"),
    ("unimpl", "emented!(", "answer 501 or an error"),
    ("registry.npm", "js.org", "name packages, not registries"),
    ("static.crates", ".io", "name packages, not registries"),
    ("files.python", "hosted.org", "name packages, not registries"),
    ("/ro", "ot/", "take the path of one machine out"),
];

pub(crate) fn check(root: &Path) -> anyhow::Result<Vec<String>> {
    let mut found = Vec::new();
    // The folder that this checkout lies in, whichever machine it is on; a folder at the top is too short a name to look for.
    let here = root.canonicalize()?;
    let here = (here.components().count() > 2).then(|| here.display().to_string());
    for source in
        below(root, Path::new("."), &[".rs", ".md", ".toml", ".sh", ".py", ".js", ".mjs", ".json", ".html", ".css", ".sql", "run", "test"])?
    {
        for (number, line) in source.text.lines().enumerate() {
            if let Some(here) = here.as_deref().filter(|here| line.contains(here)) {
                found.push(format!("{}:{}: '{here}': take the path of one machine out", source.path.display(), number + 1));
            }
            for (head, tail, advice) in BARRED {
                let whole = format!("{head}{tail}");
                if line.contains(&whole) {
                    found.push(format!("{}:{}: '{whole}': {advice}", source.path.display(), number + 1));
                }
            }
        }
    }
    Ok(found)
}
