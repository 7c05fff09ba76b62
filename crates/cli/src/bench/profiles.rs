//! One file a profile.

pub(crate) mod arrays;
pub(crate) mod backlog;
pub(crate) mod bodies;
pub(crate) mod deliveries;
pub(crate) mod disk;
pub(crate) mod history;
pub(crate) mod intake;
pub(crate) mod isolation;
pub(crate) mod keys;
pub(crate) mod latency;
pub(crate) mod listen;
pub(crate) mod oauth;
pub(crate) mod postgres;
pub(crate) mod tls;

use super::profile::Profile;

/// Every profile, the quick ones first.
pub(crate) const ALL: &[&Profile] = &[
    &deliveries::PROFILE,
    &arrays::PROFILE,
    &intake::PROFILE,
    &latency::PROFILE,
    &disk::PROFILE,
    &keys::PROFILE,
    &oauth::PROFILE,
    &tls::PROFILE,
    &bodies::PROFILE,
    &isolation::PROFILE,
    &listen::PROFILE,
    &postgres::PROFILE,
    &backlog::PROFILE,
    &history::PROFILE,
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn profiles_have_names_of_their_own_and_say_what_they_do() {
        let names: BTreeSet<&str> = ALL.iter().map(|profile| profile.name).collect();
        assert_eq!(names.len(), ALL.len());
        for profile in ALL {
            assert!(profile.rounds >= 1 && profile.about.len() > 20, "{}", profile.name);
        }
    }
}
