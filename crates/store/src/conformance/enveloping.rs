//! Rows about envelopes and their lists.

use bytes::Bytes;
use countersign_core::id::EnvelopeId;

use super::world::{START, World, at};
use crate::{
    envelopes::{EnvelopeDate, EnvelopeOrder, EnvelopeQuery, EnvelopeRow, StoredEnvelope},
    record::EnvelopeVersion,
};

fn query(account: countersign_core::id::AccountId) -> EnvelopeQuery {
    EnvelopeQuery {
        account,
        date: EnvelopeDate::Created,
        from: None,
        to: None,
        statuses: Vec::new(),
        ids: Vec::new(),
        transaction_ids: Vec::new(),
        senders: Vec::new(),
        folders: Vec::new(),
        search_text: None,
        custom_field: None,
        order: EnvelopeOrder::By(EnvelopeDate::Created),
        descending: false,
        start: 0,
        count: 100,
    }
}

/// An envelope reads back value for value, in its account alone, and its version rises by one with each change.
pub async fn an_envelope_reads_back_under_its_version(world: World) {
    let account = world.account().await;
    let row = EnvelopeRow {
        sender: Some(world.user_id()),
        sent_at: Some(at(1)),
        completed_at: Some(at(2)),
        expires_at: Some(at(3)),
        transaction_id: Some("t-1".into()),
        custom_fields: "case=7\n".into(),
        contents: vec![[1; 32], [2; 32]],
        body: Bytes::from(vec![9; 300_000]),
        ..world.envelope_row(account)
    };
    world.put_envelope(row.clone(), None).await;
    let first = world.store.envelope(account, row.id).await.expect("read").expect("exists");
    assert_eq!(first.row, row);
    let changed = EnvelopeRow {
        status: "completed".into(),
        folder: "sent".into(),
        contents: vec![[2; 32]],
        expires_at: None,
        body: Bytes::from_static(b"less"),
        ..row.clone()
    };
    world.put_envelope(changed.clone(), Some(first.version)).await;
    let second = world.store.envelope(account, row.id).await.expect("read");
    assert_eq!(second, Some(StoredEnvelope { version: EnvelopeVersion(first.version.0 + 1), row: changed }));
    assert_eq!(world.store.envelope(world.account().await, row.id).await.expect("read"), None);
    assert_eq!(world.store.envelope(account, world.envelope_id()).await.expect("read"), None);
}

/// Each filter alone, and filters together.
pub async fn filters_select_what_they_say(world: World) {
    let (account, other) = (world.account().await, world.account().await);
    let (ann, bob) = (world.user_id(), world.user_id());
    let base = || world.envelope_row(account);
    let rows = [
        ("draft", EnvelopeRow { sender: Some(ann), subject: "b".into(), ..base() }),
        (
            "sent",
            EnvelopeRow {
                status: "sent".into(),
                folder: "sent".into(),
                sender: Some(bob),
                created_at: at(10),
                sent_at: Some(at(20)),
                status_changed_at: at(20),
                changed_at: at(25),
                expires_at: Some(at(90)),
                transaction_id: Some("t-1".into()),
                subject: "a".into(),
                search_text: "lease\nbob@example.com\n".into(),
                custom_fields: "case=7\ncity=bonn\n".into(),
                ..base()
            },
        ),
        (
            "completed",
            EnvelopeRow {
                status: "completed".into(),
                folder: "sent".into(),
                sender: Some(ann),
                created_at: at(20),
                sent_at: Some(at(21)),
                completed_at: Some(at(40)),
                status_changed_at: at(40),
                changed_at: at(41),
                transaction_id: Some("t-2".into()),
                subject: "c".into(),
                custom_fields: "case=77\n".into(),
                ..base()
            },
        ),
        ("deleted", EnvelopeRow { folder: "deleted".into(), created_at: at(30), ..base() }),
    ];
    for (_, row) in &rows {
        world.put_envelope(row.clone(), None).await;
    }
    world.put_envelope(world.envelope_row(other), None).await;

    let all = || query(account);
    let ids: Vec<EnvelopeId> = rows.iter().map(|(_, row)| row.id).collect();
    let date = |date, from, to| EnvelopeQuery { date, from: Some(at(from)), to: Some(at(to)), ..all() };
    let expectations: [(&str, EnvelopeQuery, &[&str]); 19] = [
        ("all but deleted", all(), &["draft", "sent", "completed"]),
        ("a folder", EnvelopeQuery { folders: vec!["deleted".into()], ..all() }, &["deleted"]),
        ("created within", date(EnvelopeDate::Created, 10, 20), &["sent"]),
        ("sent within", date(EnvelopeDate::Sent, 20, 22), &["sent", "completed"]),
        ("completed within", date(EnvelopeDate::Completed, 0, 99), &["completed"]),
        ("status changed within", date(EnvelopeDate::StatusChanged, 20, 40), &["sent"]),
        ("changed within", date(EnvelopeDate::Changed, 25, 41), &["sent"]),
        ("expires within", date(EnvelopeDate::Expires, 0, 99), &["sent"]),
        ("statuses", EnvelopeQuery { statuses: vec!["sent".into(), "completed".into()], ..all() }, &["sent", "completed"]),
        ("ids", EnvelopeQuery { ids: vec![ids[0], ids[2], world.envelope_id()], ..all() }, &["draft", "completed"]),
        ("transaction ids", EnvelopeQuery { transaction_ids: vec!["t-2".into()], ..all() }, &["completed"]),
        ("senders", EnvelopeQuery { senders: vec![ann], ..all() }, &["draft", "completed"]),
        ("text", EnvelopeQuery { search_text: Some("bob@".into()), ..all() }, &["sent"]),
        ("text with a wildcard is text", EnvelopeQuery { search_text: Some("%".into()), ..all() }, &[]),
        ("a custom field, whole", EnvelopeQuery { custom_field: Some("case=7".into()), ..all() }, &["sent"]),
        ("a custom field, not the first", EnvelopeQuery { custom_field: Some("city=bonn".into()), ..all() }, &["sent"]),
        ("by subject", EnvelopeQuery { order: EnvelopeOrder::Subject, ..all() }, &["sent", "draft", "completed"]),
        (
            "by status, last first",
            EnvelopeQuery { order: EnvelopeOrder::Status, descending: true, ..all() },
            &["sent", "draft", "completed"],
        ),
        (
            "together",
            EnvelopeQuery { senders: vec![ann], statuses: vec!["completed".into()], ..date(EnvelopeDate::Created, 0, 99) },
            &["completed"],
        ),
    ];
    for (row, query, expected) in expectations {
        let page = world.store.envelopes(query).await.expect("read");
        let names: Vec<&str> = page
            .envelopes
            .iter()
            .map(|stored| rows.iter().find(|(_, row)| row.id == stored.row.id).map_or("a stranger's", |(name, _)| *name))
            .collect();
        assert_eq!(names, expected, "{row}");
        assert_eq!(page.total, expected.len() as u64, "{row}");
    }
}

/// Pages by position follow each other, also among equals, and tell how many there are in all.
pub async fn pages_follow_each_other_among_equals(world: World) {
    let account = world.account().await;
    let mut expected = Vec::new();
    for _ in 0..7 {
        let row = world.envelope_row(account);
        expected.push(row.id);
        world.put_envelope(EnvelopeRow { created_at: START, ..row }, None).await;
    }
    for descending in [false, true] {
        let mut seen = Vec::new();
        for start in [0, 3, 6, 9] {
            let page = world.store.envelopes(EnvelopeQuery { descending, start, count: 3, ..query(account) }).await.expect("read");
            assert_eq!(page.total, 7, "from {start}");
            seen.extend(page.envelopes.iter().map(|stored| stored.row.id));
        }
        if descending {
            seen.reverse();
        }
        assert_eq!(seen, expected, "descending: {descending}");
    }
}
