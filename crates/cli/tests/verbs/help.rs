//! `--help` of everything, kept beside the tests so that a change of it is seen.

use std::collections::{BTreeSet, VecDeque};

use crate::program::{program, run};

fn help(path: &[String]) -> String {
    let mut arguments: Vec<&str> = path.iter().map(String::as_str).collect();
    arguments.push("--help");
    let output = program(&arguments).env("COLUMNS", "100").output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{path:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// The verbs below, as the help lists them.
fn verbs(help: &str) -> Vec<String> {
    let Some((_, list)) = help.split_once("\nCommands:\n") else { return Vec::new() };
    list.lines()
        .take_while(|line| !line.trim().is_empty())
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next())
        .filter(|verb| *verb != "help")
        .map(str::to_owned)
        .collect()
}

#[test]
fn the_help_of_every_verb_is_as_recorded() {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("../help");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| {
        let mut recorded = BTreeSet::new();
        let mut open = VecDeque::from([Vec::<String>::new()]);
        while let Some(path) = open.pop_front() {
            let text = help(&path);
            let name = if path.is_empty() { "countersign".to_owned() } else { path.join("-") };
            insta::assert_snapshot!(name.as_str(), text);
            recorded.insert(format!("{name}.snap"));
            open.extend(verbs(&text).into_iter().map(|verb| [path.clone(), vec![verb]].concat()));
        }
        let folder = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/help")).unwrap();
        let kept: BTreeSet<String> = folder.map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
        assert_eq!(kept, recorded, "a verb that is gone leaves no help behind");
    });
}

#[test]
fn without_a_verb_the_help_goes_to_stderr() {
    let run = run(&[]);
    assert_eq!((run.code, run.out.as_str()), (2, ""));
    assert!(run.err.contains("Usage: countersign <COMMAND>"), "{run:?}");
}
