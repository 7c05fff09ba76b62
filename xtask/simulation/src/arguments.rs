//! `cargo xtask simulate [--seed N] [--seeds N] [--listeners N] [--events N] [--json]`.

use anyhow::{Context, bail, ensure};

/// How to call it.
pub(crate) const USAGE: &str = "usage: cargo xtask simulate [--seed N] [--seeds N] [--listeners N] [--events N] [--json]

  --seed N        the first seed (1)
  --seeds N       how many, one after the other (1)
  --listeners N   at least 20 (10000); from 1000 on with the bounds of a server as installed, below with small ones
  --events N      (1000000)
  --json          one object for each seed, one a line";

/// Fewer listeners than this are not one hanging, one slow, two away and some that are well.
const LISTENERS_MIN: usize = 20;

/// What was asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Arguments {
    pub(crate) seed: u64,
    pub(crate) seeds: u64,
    pub(crate) listeners: usize,
    pub(crate) events: u64,
    pub(crate) json: bool,
}

impl Arguments {
    /// Reads them.
    pub(crate) fn read(arguments: impl Iterator<Item = String>) -> anyhow::Result<Self> {
        let mut read = Self { seed: 1, seeds: 1, listeners: 10_000, events: 1_000_000, json: false };
        let mut arguments = arguments;
        while let Some(argument) = arguments.next() {
            let (name, value) = match argument.split_once('=') {
                Some((name, value)) => (name.to_owned(), Some(value.to_owned())),
                None => (argument, None),
            };
            let mut number = || -> anyhow::Result<u64> {
                let text = value.clone().or_else(|| arguments.next()).unwrap_or_default();
                text.parse().with_context(|| format!("{name} takes a number, not '{text}'"))
            };
            match name.as_str() {
                "--seed" => read.seed = number()?,
                "--seeds" => read.seeds = number()?,
                "--listeners" => read.listeners = usize::try_from(number()?)?,
                "--events" => read.events = number()?,
                "--json" => read.json = true,
                _ => bail!("there is no option {name}"),
            }
        }
        ensure!(read.seeds > 0 && read.events > 0, "--seeds and --events take a number above 0");
        ensure!(read.listeners >= LISTENERS_MIN, "--listeners takes at least {LISTENERS_MIN}");
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> anyhow::Result<Arguments> {
        Arguments::read(text.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn arguments_are_numbers_by_name() {
        let all = Arguments { seed: 7, seeds: 3, listeners: 50, events: 5_000, json: true };
        assert_eq!(read("--seed 7 --seeds=3 --listeners 50 --events=5000 --json").expect("all of them"), all);
        assert_eq!(read("").expect("nothing is needed").listeners, 10_000);
        for text in ["--seed", "--seed x", "--seeds 0", "--events 0", "--listeners 19", "--sed 1", "50"] {
            assert!(read(text).is_err(), "{text}");
        }
    }
}
