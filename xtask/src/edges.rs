//! The dependency direction of the design: `cli -> {server, deliver} -> {egress, store} -> core -> signature`;
//! `server -> listener -> signature` (the inspector examines as a listener does); `authority` on none of ours; `testkit` for tests alone.

use std::{fs, path::Path};

use anyhow::Context;

use crate::sources::crates;

/// What each crate may depend on of ours.
const ALLOWED: &[(&str, &[&str])] = &[
    ("signature", &[]),
    ("listener", &["signature"]),
    ("core", &["signature"]),
    ("store", &["core", "signature"]),
    ("egress", &["core", "signature"]),
    ("deliver", &["egress", "store", "core", "signature"]),
    ("authority", &[]),
    ("server", &["egress", "store", "core", "signature", "listener"]),
    ("cli", &["server", "deliver", "egress", "store", "core", "signature", "listener", "authority"]),
    ("testkit", &["store", "core", "signature"]),
];

pub(crate) fn check(root: &Path) -> anyhow::Result<Vec<String>> {
    let mut found = Vec::new();
    for folder in crates(root)? {
        let name = folder.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
        let Some((_, allowed)) = ALLOWED.iter().find(|(known, _)| *known == name) else {
            found.push(format!("crates/{name} has no place in the dependency direction; give it one in xtask/src/edges.rs"));
            continue;
        };
        let path = folder.join("Cargo.toml");
        let text = fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
        let manifest: toml::Table = toml::from_str(&text).with_context(|| format!("reading {}", path.display()))?;
        for (section, may_test) in [("dependencies", false), ("build-dependencies", false), ("dev-dependencies", true)] {
            let Some(dependencies) = manifest.get(section).and_then(toml::Value::as_table) else { continue };
            for dependency in dependencies.keys() {
                let Some(ours) = dependency.strip_prefix("countersign-") else { continue };
                let permitted = allowed.contains(&ours) || (may_test && !matches!(ours, "cli"));
                if !permitted {
                    found.push(format!("crates/{name} must not depend on {ours} ({section})"));
                }
            }
        }
    }
    Ok(found)
}
