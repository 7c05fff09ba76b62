-- The first schema of the embedded store.
--
-- Times are microseconds since 1970 in UTC. Ids are the 64-bit, time-ordered numbers of `core::id`, so that rows land on
-- the right edge of their tables and a range of time is a range of ids: no table needs an index over its time. GUIDs are
-- 16 bytes. An index ends with the row's id by itself, hence `(account)` serves "of this account, newest first".
-- There are no foreign keys: each would cost a look-up per row on the path of an event, and the one writer keeps them.
--
-- The path of an event that is delivered at its first attempt writes one row each into event, delivery and attempt and
-- changes the delivery once. Indexes that serve waiting, held, parked or ordered deliveries are partial, so that such an
-- event passes them by.

-- Numbers handed out one after the other: accounts, subscriptions, node numbers.
CREATE TABLE sequence (
    name  TEXT PRIMARY KEY,
    next  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

INSERT INTO sequence (name, next) VALUES ('account', 10000001), ('subscription', 10000001), ('node', 0);

-- Facts about the store itself, such as the sealed value that tells a right key from a wrong one.
CREATE TABLE fact (
    name   TEXT PRIMARY KEY,
    value  BLOB NOT NULL
) STRICT, WITHOUT ROWID;

-- A tenant. `config_version` rises with every change that takes part in matching or sending; a record names the version
-- it was matched with.
CREATE TABLE account (
    id              INTEGER PRIMARY KEY,
    guid            BLOB NOT NULL UNIQUE,
    config_version  INTEGER NOT NULL,
    body            TEXT NOT NULL
) STRICT;

-- Subscriptions of both levels; `envelope` is set for envelope-level ones. `sealed` holds the secrets.
CREATE TABLE subscription (
    id        INTEGER PRIMARY KEY,
    account   INTEGER NOT NULL,
    envelope  BLOB,
    body      TEXT NOT NULL,
    sealed    BLOB
) STRICT;

-- All account-level ones of an account are read at once; envelope-level ones, which may be millions, stay out.
CREATE INDEX subscription_of_account ON subscription (account) WHERE envelope IS NULL;
-- Those of one envelope are read with it.
CREATE INDEX subscription_of_envelope ON subscription (envelope) WHERE envelope IS NOT NULL;

-- Subscriptions that were deleted while deliveries waited for them. The deliveries are cancelled in small steps; this row
-- makes sure that the steps go on after a crash.
CREATE TABLE deleted_subscription (
    id       INTEGER PRIMARY KEY,
    account  INTEGER NOT NULL,
    at       INTEGER NOT NULL
) STRICT;

-- Every other configured object: keys, connections, certificates, users, templates.
CREATE TABLE object (
    account   INTEGER NOT NULL,
    kind      TEXT NOT NULL,
    id        TEXT NOT NULL,
    revision  INTEGER NOT NULL,
    body      TEXT NOT NULL,
    sealed    BLOB,
    PRIMARY KEY (account, kind, id)
) STRICT, WITHOUT ROWID;

-- Integration keys and users are looked up by their GUID before the account is known.
CREATE INDEX object_by_id ON object (kind, id);

-- API tokens, by the SHA-256 of the token: the token itself is not here.
CREATE TABLE token (
    sha256      BLOB PRIMARY KEY,
    id          INTEGER NOT NULL,
    account     INTEGER NOT NULL,
    expires_at  INTEGER,
    body        TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- The account's list, and revoking by id.
CREATE INDEX token_of_account ON token (account, id);

-- What may be taken once: signing pages, authorization codes, identifiers of assertions seen.
CREATE TABLE ticket (
    sha256      BLOB PRIMARY KEY,
    kind        TEXT NOT NULL,
    expires_at  INTEGER NOT NULL,
    body        TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- Expired ones are swept.
CREATE INDEX ticket_by_end ON ticket (expires_at);

-- Answers remembered under an idempotency key.
CREATE TABLE idempotency (
    account         INTEGER NOT NULL,
    key             TEXT NOT NULL,
    request_sha256  BLOB NOT NULL,
    expires_at      INTEGER NOT NULL,
    answer          BLOB NOT NULL,
    PRIMARY KEY (account, key)
) STRICT, WITHOUT ROWID;

-- Expired ones are swept.
CREATE INDEX idempotency_by_end ON idempotency (expires_at);

-- Lives of nodes. A lease names one; it holds until `expires_at`. `fenced` is set once something was claimed from a life
-- that had expired: it cannot be renewed after that.
CREATE TABLE node (
    incarnation  INTEGER PRIMARY KEY,
    name         TEXT NOT NULL,
    number       INTEGER NOT NULL,
    started_at   INTEGER NOT NULL,
    expires_at   INTEGER NOT NULL,
    fenced       INTEGER NOT NULL
) STRICT;

-- What happened. The snapshot stands last, so that lists read past no payload. Events of one record that show the same
-- snapshot keep it once: the first holds the bytes and names the last that shares them (`shared_to`), the others name the
-- first (`shares`). `bytes` is its length whoever holds it. Purged: `kind` is not 0, and both `snapshot` and `shares` are
-- null. `codec` 0 is raw. `checksum` is over the stored bytes and the id of the row that holds them.
CREATE TABLE event (
    id         INTEGER PRIMARY KEY,
    account    INTEGER NOT NULL,
    name       TEXT NOT NULL,
    at         INTEGER NOT NULL,
    sender     BLOB,
    envelope   BLOB,
    detail     TEXT,
    kind       INTEGER NOT NULL,
    bytes      INTEGER NOT NULL,
    shares     INTEGER,
    shared_to  INTEGER,
    codec      INTEGER NOT NULL,
    checksum   INTEGER NOT NULL,
    snapshot   BLOB
) STRICT;

-- The account's events, newest first.
CREATE INDEX event_of_account ON event (account);
-- The events of an envelope; posted events without one cost nothing here.
CREATE INDEX event_of_envelope ON event (envelope) WHERE envelope IS NOT NULL;

-- One event for one subscription.
--   state     0 waiting, 1 leased, 2 delivered, 3 parked, 4 cancelled
--   held      0 not held, otherwise `Hold::code`; only while waiting, with `held_since`
--   queued    1 behind an unfinished delivery of the same order key; only while waiting
--   reason    0, or `ParkReason::code` when parked
--   at        when it is due while waiting or leased; when it ended afterwards
--   orphaned  how often it was in the hands of an incarnation that died
--   last_attempt  the newest attempt, which names the one before it
-- `leased_by` and `last_attempt` are null in turn, so that settling a first attempt does not make the row longer.
CREATE TABLE delivery (
    id                        INTEGER PRIMARY KEY,
    account                   INTEGER NOT NULL,
    event                     INTEGER NOT NULL,
    subscription              INTEGER NOT NULL,
    listener                  INTEGER NOT NULL,
    state                     INTEGER NOT NULL,
    held                      INTEGER NOT NULL,
    queued                    INTEGER NOT NULL,
    reason                    INTEGER NOT NULL,
    at                        INTEGER NOT NULL,
    leased_by                 INTEGER,
    last_attempt              INTEGER,
    attempts_made             INTEGER NOT NULL,
    retry_count               INTEGER NOT NULL,
    orphaned                  INTEGER NOT NULL,
    hidden                    INTEGER NOT NULL,
    shape                     INTEGER NOT NULL,
    generated_at              INTEGER NOT NULL,
    schedule_started_at       INTEGER NOT NULL,
    attempts_before_schedule  INTEGER NOT NULL,
    held_total                INTEGER NOT NULL,
    held_since                INTEGER,
    order_key                 INTEGER,
    replay_of                 INTEGER,
    envelope                  BLOB
) STRICT;

-- The log of an account, newest first.
CREATE INDEX delivery_of_account ON delivery (account);
-- The deliveries of an event: its page, and whether retention may delete the event.
CREATE INDEX delivery_of_event ON delivery (event);
-- What may be claimed, by lane. A claim seeks one lane, so the rows of a dead listener are never walked past. Looking for
-- lanes with something due goes from the first entry of one to the first entry of the next; the further columns spare it a
-- look at the table, which with many lanes would be a page each (the three states are always 0 and take a byte each).
CREATE INDEX delivery_due ON delivery (listener, at, account, state, held, queued) WHERE state = 0 AND held = 0 AND queued = 0;
-- What is in the hands of a node: the only index that an event delivered at its first attempt enters and leaves.
-- By time, so that what a dead node held is claimed oldest first without looking at all of it.
CREATE INDEX delivery_leased ON delivery (leased_by, listener, at) WHERE state = 1;
-- The few that were in the hands of nodes that died: suspects are claimed one at a time, and looked for at every claim. From
-- 2 on, since the death of the present holder makes the third.
CREATE INDEX delivery_suspect ON delivery (listener, state, at) WHERE orphaned >= 2 AND state <= 1;
-- What waits or is parked: counts, lists by state, cancelling with a subscription. Covers all of these.
CREATE INDEX delivery_pending ON delivery (account, subscription, state, held, attempts_made) WHERE state = 0 OR state = 3;
-- What is held: which subscriptions have any, and what a release lets go, oldest first.
CREATE INDEX delivery_held ON delivery (subscription, held) WHERE state = 0 AND held > 0;
-- Unfinished deliveries by order key: the first goes out, the others queue behind it.
CREATE INDEX delivery_ordered ON delivery (order_key, queued) WHERE order_key IS NOT NULL AND state <= 1;

-- One HTTP exchange. Attempts of a delivery are chained, newest first, through `previous`: the chain starts at the
-- delivery's `last_attempt`, so no index is needed.
CREATE TABLE attempt (
    id           INTEGER PRIMARY KEY,
    delivery     INTEGER NOT NULL,
    previous     INTEGER,
    started_at   INTEGER NOT NULL,
    elapsed_us   INTEGER NOT NULL,
    retry_count  INTEGER NOT NULL,
    counted      INTEGER NOT NULL,
    status       INTEGER,
    class        TEXT NOT NULL,
    error        TEXT,
    exchange     TEXT NOT NULL,
    answer_head  BLOB NOT NULL
) STRICT;

-- Envelopes: the serialised state last, before it what lists filter and sort by. `contents` are the SHA-256 of the
-- contents referred to, one after the other.
CREATE TABLE envelope (
    row                INTEGER PRIMARY KEY,
    id                 BLOB NOT NULL UNIQUE,
    account            INTEGER NOT NULL,
    version            INTEGER NOT NULL,
    status             TEXT NOT NULL,
    folder             TEXT NOT NULL,
    sender             BLOB,
    created_at         INTEGER NOT NULL,
    sent_at            INTEGER,
    completed_at       INTEGER,
    status_changed_at  INTEGER NOT NULL,
    changed_at         INTEGER NOT NULL,
    expires_at         INTEGER,
    transaction_id     TEXT,
    subject            TEXT NOT NULL,
    custom_fields      TEXT NOT NULL,
    search_text        TEXT NOT NULL,
    contents           BLOB NOT NULL,
    codec              INTEGER NOT NULL,
    checksum           INTEGER NOT NULL,
    body               BLOB NOT NULL
) STRICT;

-- Polling and lists are bounded by one of these dates; "changed" is not indexed, since every change would move it.
CREATE INDEX envelope_by_creation ON envelope (account, created_at);
CREATE INDEX envelope_by_status_change ON envelope (account, status_changed_at);
CREATE INDEX envelope_by_sending ON envelope (account, sent_at) WHERE sent_at IS NOT NULL;
CREATE INDEX envelope_by_completion ON envelope (account, completed_at) WHERE completed_at IS NOT NULL;

-- Document bytes, once per account whatever refers to them. `whole` is set when the last chunk is there.
CREATE TABLE content (
    row      INTEGER PRIMARY KEY,
    account  INTEGER NOT NULL,
    sha256   BLOB NOT NULL,
    bytes    INTEGER NOT NULL,
    put_at   INTEGER NOT NULL,
    whole    INTEGER NOT NULL,
    UNIQUE (account, sha256)
) STRICT;

-- Chunks, so that a large document neither fills the writer's queue nor holds up a commit.
CREATE TABLE content_chunk (
    content  INTEGER NOT NULL,
    number   INTEGER NOT NULL,
    bytes    BLOB NOT NULL,
    PRIMARY KEY (content, number)
) STRICT;

-- What refers to a content. `owner` is the GUID of an envelope, or kind and id of an object.
CREATE TABLE content_reference (
    account  INTEGER NOT NULL,
    sha256   BLOB NOT NULL,
    owner    BLOB NOT NULL,
    PRIMARY KEY (account, sha256, owner)
) STRICT, WITHOUT ROWID;

-- An owner's references are replaced when they change.
CREATE INDEX content_reference_of_owner ON content_reference (owner);

-- What is due at a time.
CREATE TABLE timer (
    id         INTEGER PRIMARY KEY,
    account    INTEGER NOT NULL,
    envelope   BLOB NOT NULL,
    kind       TEXT NOT NULL,
    due_at     INTEGER NOT NULL,
    leased_by  INTEGER
) STRICT;

-- Free timers by due time (null first), and what each incarnation holds.
CREATE INDEX timer_due ON timer (leased_by, due_at);
-- A change of an envelope replaces its timers.
CREATE INDEX timer_of_envelope ON timer (envelope);

-- Work that outlives its request.
CREATE TABLE job (
    id          INTEGER PRIMARY KEY,
    account     INTEGER NOT NULL,
    kind        TEXT NOT NULL,
    state       TEXT NOT NULL,
    spec        TEXT NOT NULL,
    progress    TEXT NOT NULL,
    created_at  INTEGER NOT NULL,
    changed_at  INTEGER NOT NULL,
    leased_by   INTEGER
) STRICT;

-- The account's jobs, newest first.
CREATE INDEX job_of_account ON job (account);
-- What is to be done.
CREATE INDEX job_running ON job (leased_by) WHERE state = 'running';
