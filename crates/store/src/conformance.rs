//! The suite that every backend passes, one row per promise.
//!
//! A backend's test file names a function that makes an empty store, and gets one test per row:
//!
//! ```text
//! async fn make() -> countersign_store::conformance::Made { ... }
//! countersign_store::store_conformance!(make);
//! ```
//!
//! Rows speak through the trait alone, with times that they pass in; nothing waits and nothing looks at a clock.

#![expect(clippy::missing_panics_doc, reason = "a row panics when the promise it names is broken")]

use std::future::Future;

pub mod acting;
pub mod claiming;
pub mod configuring;
pub mod contents;
pub mod credentials;
pub mod enveloping;
mod everything;
pub mod holding;
pub mod leasing;
pub mod listing;
pub mod ordering;
pub mod recording;
pub mod retaining;
pub mod settling;
pub mod working;
mod world;

pub use everything::{Everything, LANE};
pub use world::{LONG, Made, START, World, at};

/// Runs one row over a fresh store, which is closed afterwards.
pub fn run<M: Future<Output = Made>, R: Future<Output = ()>>(make: impl FnOnce() -> M, row: impl FnOnce(World) -> R) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let world = World::new(make().await);
        let store = std::sync::Arc::clone(&world.store);
        row(world).await;
        store.close().await;
    });
}

/// A row of the suite.
pub type Row = fn(World) -> std::pin::Pin<Box<dyn Future<Output = ()>>>;

/// All rows with their names, such as `claiming::what_is_held_is_not_claimed`.
#[must_use]
pub fn rows() -> Vec<(&'static str, Row)> {
    crate::store_conformance! { @all list }
}

/// Runs every row over a fresh store of its own, some beside each other, for backends whose server serves many stores. At the
/// end it panics with the names of the rows that failed. With `COUNTERSIGN_TEST_ROWS=claiming` only those whose name holds that are run.
pub fn run_all<M: Future<Output = Made>>(make: impl Fn() -> M + Sync) {
    let wanted = std::env::var("COUNTERSIGN_TEST_ROWS").unwrap_or_default();
    let rows: Vec<(&str, Row)> = rows().into_iter().filter(|(name, _)| name.contains(&wanted)).collect();
    assert!(!rows.is_empty(), "no row is named like '{wanted}'");
    let next = std::sync::atomic::AtomicUsize::new(0);
    let failed = std::sync::Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..ROWS_AT_ONCE {
            scope.spawn(|| {
                while let Some((name, row)) = rows.get(next.fetch_add(1, std::sync::atomic::Ordering::Relaxed)) {
                    let ran = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| run(&make, row)));
                    if ran.is_err() {
                        eprintln!("the row {name} failed");
                        failed.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(*name);
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    assert!(failed.is_empty(), "{} of {} rows failed: {}", failed.len(), rows.len(), failed.join(", "));
    eprintln!("{} rows hold", rows.len());
}

/// Rows that [`run_all`] runs beside each other: most of their time is the server's.
const ROWS_AT_ONCE: usize = 3;

/// Makes one test of every row; takes the name of an `async fn() -> Made`.
#[macro_export]
macro_rules! store_conformance {
    ($make:ident) => {
        $crate::store_conformance! { @all tests $make }
    };
    (@all $what:ident $($with:tt)*) => {
        $crate::store_conformance! { @$what $($with)*;
            recording:
                an_event_and_its_deliveries_read_back,
                an_event_without_a_match_is_kept,
                events_that_share_a_snapshot_read_back_alike,
                snapshots_read_back_byte_for_byte,
                a_stale_configuration_is_refused_with_the_present_version,
                a_stale_envelope_version_is_refused_whole,
                an_envelope_is_made_once_and_changed_only_where_it_is,
                a_bad_item_fails_alone,
                accounts_are_kept_apart,
                a_finished_delivery_is_not_recorded,
                an_idempotency_key_covers_its_request_until_it_expires,
                a_key_covers_its_own_batch,
                envelope_subscriptions_come_with_their_record,
                callers_that_arrive_together_all_land;
            claiming:
                the_oldest_due_come_first_within_the_quota,
                a_claimed_delivery_is_leased_and_given_once,
                what_was_recorded_leased_is_not_claimed,
                each_lane_has_its_own_quota,
                what_is_held_is_not_claimed,
                the_byte_budget_bounds_a_claim,
                deliveries_of_one_event_share_it,
                a_shared_snapshot_comes_with_each_event,
                a_heap_of_due_rows_of_a_dead_listener_delays_no_other,
                due_listeners_come_by_id_with_their_earliest_time,
                next_due_is_the_earliest_of_all,
                who_is_not_alive_claims_nothing,
                what_cannot_be_shown_any_more_is_parked;
            settling:
                each_outcome_leads_to_its_state,
                attempts_read_back_oldest_first,
                a_settlement_without_an_exchange_writes_no_attempt,
                a_lost_lease_is_refused,
                a_bad_settlement_fails_alone,
                a_settlement_given_again_stands,
                what_is_given_back_is_as_it_was,
                what_is_rerouted_waits_in_its_new_lane,
                nothing_waits_for_a_deleted_subscription;
            leasing:
                what_a_dead_incarnation_held_is_claimable_and_counted,
                orphans_and_what_waits_share_order_and_quota,
                suspects_are_claimed_one_at_a_time,
                what_a_retired_node_held_is_claimable_at_once,
                a_late_life_goes_on_unless_something_was_claimed_from_it,
                an_expired_life_is_cleared_away,
                an_open_breaker_is_heard_of_until_it_closes_or_is_forgotten,
                the_longest_pause_of_a_breaker_stands,
                lives_differ_and_live_nodes_share_no_number;
            ordering:
                deliveries_of_one_key_go_one_at_a_time,
                whatever_ends_the_head_releases_its_successor,
                a_held_head_keeps_its_successors_back,
                a_retried_head_waits_for_the_one_under_way_and_then_goes_first,
                an_orphaned_head_goes_before_its_successors;
            holding:
                a_release_adds_the_time_held_and_leaves_the_due_time,
                a_release_names_a_subscription_and_a_cause,
                held_subscriptions_are_listed_with_their_reasons;
            acting:
                a_retry_starts_the_schedule_anew,
                each_message_counts_the_attempts_before_it,
                a_cancelled_delivery_is_not_attempted,
                a_hidden_delivery_is_left_out_where_asked,
                nobody_acts_on_another_account,
                an_action_over_a_filter_comes_to_an_end;
            listing:
                pages_are_stable_while_new_deliveries_come_in,
                the_last_page_has_no_next,
                filters_select_what_they_say,
                events_are_listed_newest_first_without_snapshots,
                the_backlog_counts_what_is_unfinished;
            configuring:
                accounts_are_numbered_and_found_by_guid,
                of_many_first_starts_one_makes_account_and_token,
                a_changed_account_has_a_new_version,
                subscription_numbers_are_handed_out_once,
                subscriptions_are_created_changed_and_read,
                a_subscription_is_changed_at_the_revision_that_was_read,
                deleting_a_subscription_cancels_what_waits,
                envelope_subscriptions_are_changed_in_place,
                objects_are_written_under_the_revision_read,
                objects_are_listed_by_id_and_found_across_accounts,
                versions_of_many_accounts_are_read_at_once;
            credentials:
                tokens_are_found_by_hash_listed_and_revoked,
                a_ticket_is_taken_once,
                only_one_of_many_gets_a_ticket;
            enveloping:
                an_envelope_reads_back_under_its_version,
                filters_select_what_they_say,
                pages_follow_each_other_among_equals;
            contents:
                contents_read_back_in_their_account,
                only_what_nothing_refers_to_is_swept;
            working:
                due_timers_are_leased_once_and_forgotten_when_done,
                a_change_replaces_the_envelopes_timers,
                a_job_belongs_to_its_holder_until_that_dies,
                a_cancelled_job_stops_its_holder;
            retaining:
                what_is_finished_and_old_goes_and_nothing_else,
                jobs_that_are_over_and_old_go,
                retention_goes_in_small_steps,
                a_shared_snapshot_stays_as_long_as_anything_shows_it,
                what_has_expired_is_swept,
                a_healthy_store_says_so,
                a_closed_store_takes_nothing;
        }
    };
    (@list ; $($subject:ident: $($row:ident),+;)+) => {
        vec![$($((
            concat!(stringify!($subject), "::", stringify!($row)),
            (|world| Box::pin($crate::conformance::$subject::$row(world))) as $crate::conformance::Row,
        ),)+)+]
    };
    (@tests $make:ident; $($subject:ident: $($row:ident),+;)+) => {
        $(mod $subject {
            $(#[test]
            fn $row() {
                $crate::conformance::run(super::$make, $crate::conformance::$subject::$row);
            })+
        })+
    };
}

#[cfg(test)]
mod tests {
    /// A row that the list above leaves out would never run.
    #[test]
    fn every_row_is_in_the_list() {
        let list = include_str!("conformance.rs");
        for (subject, source) in [
            ("acting", include_str!("conformance/acting.rs")),
            ("claiming", include_str!("conformance/claiming.rs")),
            ("configuring", include_str!("conformance/configuring.rs")),
            ("contents", include_str!("conformance/contents.rs")),
            ("credentials", include_str!("conformance/credentials.rs")),
            ("enveloping", include_str!("conformance/enveloping.rs")),
            ("holding", include_str!("conformance/holding.rs")),
            ("leasing", include_str!("conformance/leasing.rs")),
            ("listing", include_str!("conformance/listing.rs")),
            ("ordering", include_str!("conformance/ordering.rs")),
            ("recording", include_str!("conformance/recording.rs")),
            ("retaining", include_str!("conformance/retaining.rs")),
            ("settling", include_str!("conformance/settling.rs")),
            ("working", include_str!("conformance/working.rs")),
        ] {
            let section = list.split_once(&format!("            {subject}:")).expect("a section").1;
            let section = section.split_once(';').expect("its end").0;
            let rows = source.split("pub async fn ").skip(1).filter_map(|rest| rest.split_once('(')).map(|(row, _)| row);
            for row in rows {
                assert!(section.split([',', ' ', '\n']).any(|listed| listed == row), "{subject}::{row} is not in the list");
            }
        }
    }
}
