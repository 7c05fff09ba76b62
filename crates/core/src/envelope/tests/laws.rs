//! What holds whatever recipients do.

use std::collections::HashMap;

use proptest::{collection::vec, prelude::*, sample::Index};
use uuid::Uuid;

use super::{
    super::{
        Action, Actor, Envelope, EnvelopeEvent, EnvelopeStatus, Person, Recipient, RecipientAction, RecipientKind, RecipientStatus, Start,
        Successor, TabValues,
    },
    NOON, does, new_envelope, recipient,
};
use crate::event::EventName;

fn kinds() -> impl Strategy<Value = RecipientKind> {
    prop_oneof![
        4 => Just(RecipientKind::Signer),
        1 => Just(RecipientKind::CarbonCopy),
        1 => Just(RecipientKind::CertifiedDelivery),
        1 => Just(RecipientKind::InPersonSigner),
    ]
}

fn people() -> impl Strategy<Value = Vec<Recipient>> {
    vec((kinds(), 1_u32..4), 1..6)
        .prop_map(|list| list.into_iter().enumerate().map(|(n, (kind, order))| recipient(&(n + 1).to_string(), kind, order)).collect())
}

/// What a recipient tries, and how often it counts: `n` names successors apart.
fn tries() -> impl Strategy<Value = Vec<(Index, u8)>> {
    vec((any::<Index>(), 0_u8..10), 0..40)
}

fn action(what: u8, n: usize) -> RecipientAction {
    let successor = || Successor {
        id: format!("s{n}"),
        guid: Uuid::from_u128(n as u128),
        user: None,
        person: Person { name: format!("Successor {n}"), email: format!("s{n}@example.com") },
    };
    match what {
        0..=2 => RecipientAction::Complete(TabValues::new()),
        3 | 4 => RecipientAction::View,
        5 => RecipientAction::FinishLater(TabValues::new()),
        6 => RecipientAction::AutoRespond { reason: None },
        7 => RecipientAction::FailAuthentication,
        8 => RecipientAction::Reassign(successor()),
        _ => {
            if n.is_multiple_of(3) {
                RecipientAction::Decline { reason: None }
            } else {
                RecipientAction::Delegate(successor())
            }
        }
    }
}

/// How often each event was told, of each recipient.
type Tally = HashMap<(EventName, Option<String>), usize>;

fn tally(told: &mut Tally, events: &[EnvelopeEvent]) {
    for event in events {
        *told.entry((event.name.clone(), event.detail.recipient_id.clone())).or_default() += 1;
    }
}

/// Plays what is tried; refused tries change nothing. Gives the envelope, what was told and how often who failed the check
/// or put it off.
fn play(people: Vec<Recipient>, tries: &[(Index, u8)]) -> (Envelope, Tally, Tally) {
    let (mut envelope, events) = Envelope::create(new_envelope(people), Start::Sent, Actor::default(), NOON).expect("a sound envelope");
    let (mut told, mut done) = (Tally::new(), Tally::new());
    tally(&mut told, &events);
    assert_legal(&envelope);
    for (n, (who, what)) in tries.iter().enumerate() {
        let id = envelope.recipients[who.index(envelope.recipients.len())].id.clone();
        let does_what = action(*what, n);
        let occurrence = match does_what {
            RecipientAction::FinishLater(_) => Some(EventName::RECIPIENT_FINISH_LATER),
            RecipientAction::FailAuthentication => Some(EventName::RECIPIENT_AUTHENTICATION_FAILED),
            _ => None,
        };
        let before = envelope.clone();
        match envelope.apply(does(&id, does_what), NOON) {
            Ok((after, events)) => {
                tally(&mut told, &events);
                if let Some(name) = occurrence {
                    *done.entry((name, Some(id))).or_default() += 1;
                }
                envelope = after;
                assert_legal(&envelope);
            }
            Err(_) => envelope = before,
        }
    }
    (envelope, told, done)
}

/// What is true of every envelope between two actions.
fn assert_legal(envelope: &Envelope) {
    let all = |check: &dyn Fn(&Recipient) -> bool| envelope.recipients.iter().all(check);
    let declined = !all(&|r| r.status != RecipientStatus::Declined);
    assert_eq!(envelope.status == EnvelopeStatus::Declined, declined, "declined as soon as one declines, and only then");
    assert_eq!(envelope.status == EnvelopeStatus::Completed, all(&|r| r.status == RecipientStatus::Completed));
    assert_eq!(envelope.dates.completed_at.is_some(), envelope.status == EnvelopeStatus::Completed);
    if envelope.status == EnvelopeStatus::Sent {
        assert!(!all(&Recipient::has_seen_it), "delivered once all have seen it");
    }
    if let (false, Some(order)) = (declined, envelope.current_order()) {
        for r in &envelope.recipients {
            let right = match r.order.cmp(&order) {
                std::cmp::Ordering::Less => r.status == RecipientStatus::Completed,
                std::cmp::Ordering::Equal => r.status != RecipientStatus::Created,
                std::cmp::Ordering::Greater => r.status == RecipientStatus::Created,
            };
            assert!(right, "recipient {} of order {} is {} while {order} is current", r.id, r.order, r.status);
        }
    }
}

proptest! {
    #[test]
    fn every_legal_sequence_ends_in_a_legal_state_and_tells_each_event_once(people in people(), tries in tries()) {
        let (envelope, told, occurrences) = play(people, &tries);
        let count = |name: &EventName, id: Option<&str>| told.get(&(name.clone(), id.map(str::to_owned))).copied().unwrap_or(0);

        prop_assert_eq!(count(&EventName::ENVELOPE_SENT, None), 1);
        for (name, reached) in [
            (EventName::ENVELOPE_DELIVERED, envelope.dates.delivered_at.is_some()),
            (EventName::ENVELOPE_COMPLETED, envelope.status == EnvelopeStatus::Completed),
            (EventName::ENVELOPE_DECLINED, envelope.status == EnvelopeStatus::Declined),
        ] {
            prop_assert_eq!(count(&name, None), usize::from(reached), "{}", name);
        }
        for r in &envelope.recipients {
            // Who gave their place away is told of as such and never as having finished.
            let gave_away = count(&EventName::RECIPIENT_REASSIGN, Some(&r.id)) == 1 || r.delegated_to.is_some();
            for (name, reached) in [
                (EventName::RECIPIENT_SENT, r.sent_at.is_some()),
                (EventName::RECIPIENT_DELIVERED, r.delivered_at.is_some()),
                (EventName::RECIPIENT_COMPLETED, r.status == RecipientStatus::Completed && !gave_away),
                (EventName::RECIPIENT_DECLINED, r.status == RecipientStatus::Declined),
                (EventName::RECIPIENT_AUTORESPONDED, r.autoresponded_reason.is_some() || r.status == RecipientStatus::AutoResponded),
                (EventName::RECIPIENT_DELEGATE, r.delegated_by.is_some()),
            ] {
                let told = count(&name, Some(&r.id));
                let exactly = usize::from(reached);
                // A bounced mail may be followed by opening it all the same; the event stays told.
                let right = if name == EventName::RECIPIENT_AUTORESPONDED { told >= exactly && told <= 1 } else { told == exactly };
                prop_assert!(right, "{} of {} told {} times, reached: {}", name, r.id, told, reached);
            }
        }
        for ((name, id), times) in occurrences {
            prop_assert_eq!(count(&name, id.as_deref()), times, "{}", name);
        }
    }

    #[test]
    fn recipients_who_keep_going_bring_every_envelope_to_its_end(people in people(), tries in tries()) {
        let (mut envelope, ..) = play(people, &tries);
        while let (true, Some(next)) =
            (envelope.status.is_in_process(), envelope.recipients.iter().find(|r| r.status.is_current()).map(|r| r.id.clone()))
        {
            let finish = Action::Recipient { id: next, does: RecipientAction::Complete(TabValues::new()) };
            envelope = envelope.apply(finish, NOON).expect("whoever's turn it is can finish").0;
            assert_legal(&envelope);
        }
        prop_assert!(matches!(envelope.status, EnvelopeStatus::Completed | EnvelopeStatus::Declined), "{}", envelope.status);
    }

    #[test]
    fn whatever_was_stored_reads_back(people in people(), tries in tries()) {
        let (envelope, ..) = play(people, &tries);
        let stored = serde_json::to_vec(&envelope).expect("serialisable");
        prop_assert_eq!(serde_json::from_slice::<Envelope>(&stored).expect("what was written"), envelope);
    }
}
