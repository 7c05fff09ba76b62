//! Modules of a crate import in no circle.
//!
//! Looked at folder by folder: the modules side by side in a folder are the rooms, everything below one belongs to it, and an
//! import (`crate::`, `super::`, `self::`) from one room of another is an edge. Between a module and its own children there is
//! no edge: they are one room. Names that a crate's root re-exports count for the module they come from. Tests do not count.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use crate::sources::{Source, below, crates};

/// Modules by path: `["restapi", "wire"]`.
type ModulePath = Vec<String>;

pub(crate) fn check(root: &Path) -> anyhow::Result<Vec<String>> {
    let mut found = Vec::new();
    let mut folders = crates(root)?;
    folders.extend(["xtask", "xtask/simulation"].map(|folder| root.join(folder)));
    for folder in folders {
        let name = folder.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
        let below_root = folder.strip_prefix(root).unwrap_or(&folder).join("src");
        let sources = below(root, &below_root, &[".rs"])?;
        let modules: Vec<(ModulePath, &Source)> = sources
            .iter()
            .filter_map(|source| module_path(source.path.strip_prefix(&below_root).ok()?).map(|path| (path, source)))
            .collect();
        let known: BTreeSet<ModulePath> = modules.iter().map(|(path, _)| path.clone()).collect();
        let exports = modules.iter().find(|(path, _)| path.is_empty()).map(|(_, source)| re_exports(&source.text)).unwrap_or_default();

        // Edges between rooms, by the folder they share.
        let mut edges: BTreeMap<ModulePath, BTreeMap<String, BTreeSet<String>>> = BTreeMap::new();
        for (from, source) in &modules {
            for mut to in imports(from, &source.text) {
                if let Some(module) = to.first().and_then(|first| exports.get(first))
                    && !known.contains(&to[..1])
                {
                    to.splice(0..1, module.iter().cloned());
                }
                while !to.is_empty() && !known.contains(&to) {
                    to.pop();
                }
                let shared = from.iter().zip(&to).take_while(|(a, b)| a == b).count();
                if let (Some(room), Some(other)) = (from.get(shared), to.get(shared)) {
                    edges.entry(from[..shared].to_vec()).or_default().entry(room.clone()).or_default().insert(other.clone());
                }
            }
        }
        for (folder, edges) in &edges {
            if let Some(circle) = circle(edges) {
                let place = if folder.is_empty() { name.clone() } else { format!("{name}::{}", folder.join("::")) };
                found.push(format!("{place}: {}", circle.join(" -> ")));
            }
        }
    }
    Ok(found)
}

fn module_path(path: &Path) -> Option<ModulePath> {
    let mut parts: ModulePath = path.iter().map(|part| part.to_str().map(str::to_owned)).collect::<Option<_>>()?;
    let last = parts.pop()?.strip_suffix(".rs")?.to_owned();
    if !matches!(last.as_str(), "lib" | "main") || !parts.is_empty() {
        parts.push(last);
    }
    Some(parts)
}

/// `pub use time::Timestamp` and groups of such: by name, the module it comes from.
fn re_exports(text: &str) -> BTreeMap<String, ModulePath> {
    let mut exports = BTreeMap::new();
    for statement in text.split(';') {
        let Some(at) = statement.find("pub use ") else { continue };
        for path in spread(statement[at + "pub use ".len()..].trim()) {
            let path: Vec<String> = path.into_iter().filter(|part| !matches!(part.as_str(), "self" | "crate")).collect();
            if let Some((name, module)) = path.split_last()
                && !module.is_empty()
            {
                exports.insert(name.clone(), module.to_vec());
            }
        }
    }
    exports
}

/// What a file imports of its own crate, as paths from the root.
fn imports(from: &[String], text: &str) -> Vec<ModulePath> {
    let code = without_tests_and_comments(text);
    let mut found = Vec::new();
    for keyword in ["crate::", "super::", "self::"] {
        let mut rest = code.as_str();
        let mut before = ' ';
        while let Some(at) = rest.find(keyword) {
            if at > 0 {
                before = rest[..at].chars().next_back().unwrap_or(' ');
            }
            rest = &rest[at + keyword.len()..];
            // `super::super::` is read at its first word; `$crate::` and `pub(in crate::..)` name places all the same.
            if before.is_alphanumeric() || before == '_' || before == ':' {
                before = ':';
                continue;
            }
            let mut base: ModulePath = match keyword {
                "crate::" => Vec::new(),
                "super::" => from[..from.len().saturating_sub(1)].to_vec(),
                _ => from.to_vec(),
            };
            while let Some(further) = rest.strip_prefix("super::") {
                base.pop();
                rest = further;
            }
            for path in spread(rest) {
                found.push(base.iter().cloned().chain(path).collect());
            }
            before = ':';
        }
    }
    found
}

/// The paths that a use tree names: `a::{b, c::d}` is `a::b` and `a::c::d`. Reads up to where the tree ends.
fn spread(tree: &str) -> Vec<ModulePath> {
    let tree = tree.trim_start();
    if let Some(group) = tree.strip_prefix('{') {
        let mut depth = 1_usize;
        let mut start = 0;
        let mut found = Vec::new();
        for (at, c) in group.char_indices() {
            match c {
                '{' => depth += 1,
                '}' => depth -= 1,
                _ => {}
            }
            if (c == ',' && depth == 1) || depth == 0 {
                found.extend(spread(&group[start..at]).into_iter().filter(|path| !path.is_empty()));
                start = at + 1;
            }
            if depth == 0 {
                break;
            }
        }
        return found;
    }
    let end = tree.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(tree.len());
    let (word, rest) = tree.split_at(end);
    if word.is_empty() {
        return vec![Vec::new()];
    }
    match rest.strip_prefix("::") {
        Some(rest) => spread(rest).into_iter().map(|path| std::iter::once(word.to_owned()).chain(path).collect()).collect(),
        None => vec![vec![word.to_owned()]],
    }
}

fn without_tests_and_comments(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        if line.trim() == "#[cfg(test)]" && lines.peek().is_some_and(|next| next.trim_start().starts_with("mod ")) {
            break;
        }
        code.push_str(line.split("//").next().unwrap_or_default());
        code.push('\n');
    }
    code
}

/// A circle among rooms, as the rooms in order with the first repeated, if there is one.
fn circle(edges: &BTreeMap<String, BTreeSet<String>>) -> Option<Vec<String>> {
    let mut done = BTreeSet::new();
    for start in edges.keys() {
        let mut path = Vec::new();
        if let Some(circle) = visit(start, edges, &mut path, &mut done) {
            return Some(circle);
        }
    }
    None
}

fn visit(
    room: &str,
    edges: &BTreeMap<String, BTreeSet<String>>,
    path: &mut Vec<String>,
    done: &mut BTreeSet<String>,
) -> Option<Vec<String>> {
    if let Some(at) = path.iter().position(|known| known == room) {
        return Some(path[at..].iter().cloned().chain(std::iter::once(room.to_owned())).collect());
    }
    if done.contains(room) {
        return None;
    }
    path.push(room.to_owned());
    for next in edges.get(room).into_iter().flatten() {
        if let Some(circle) = visit(next, edges, path, done) {
            return Some(circle);
        }
    }
    path.pop();
    done.insert(room.to_owned());
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> ModulePath {
        text.split("::").filter(|part| !part.is_empty()).map(str::to_owned).collect()
    }

    #[test]
    fn a_use_tree_is_spread_into_its_paths() {
        assert_eq!(spread("{a, b::{c, d::E}, F};"), vec![path("a"), path("b::c"), path("b::d::E"), path("F")]);
        assert_eq!(spread("a::b(x)"), vec![path("a::b")]);
    }

    #[test]
    fn imports_are_found_wherever_they_stand() {
        let text = "use crate::{x::Y, z};\nfn f() { crate::w::g(); super::sibling::h(); } // crate::comment\n#[cfg(test)]\nmod tests { use crate::t; }\n";
        assert_eq!(imports(&path("a::b"), text), vec![path("x::Y"), path("z"), path("w::g"), path("a::sibling::h")]);
    }

    #[test]
    fn a_circle_is_found_and_named() {
        let edges = |pairs: &[(&str, &str)]| {
            let mut edges: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
            for (from, to) in pairs {
                edges.entry((*from).to_owned()).or_default().insert((*to).to_owned());
            }
            edges
        };
        assert_eq!(circle(&edges(&[("a", "b"), ("b", "c"), ("a", "c")])), None);
        assert_eq!(circle(&edges(&[("a", "b"), ("b", "c"), ("c", "b")])), Some(vec!["b".into(), "c".into(), "b".into()]));
    }
}
