-- The first schema of the store on PostgreSQL: the same tables, columns and meanings as the embedded one.
--
-- Times are microseconds since 1970 in UTC, ids the 64-bit, time-ordered numbers of `core::id`. There are no foreign keys:
-- each would cost a look-up and a row lock on the path of an event, and every statement that could break one is ours.
--
-- What differs from the embedded schema, and why:
-- - event, delivery and attempt are partitioned by id, which is by time. The default partitions take whatever no day has a
--   partition for, so that a missing one never refuses an event.
-- - GUIDs are of type uuid; texts that lists are sorted by are collated "C", so that every node and both stores agree.
-- - Indexes end with the id where a list goes by it, since a row has no number that an index carries by itself.
-- - Texts hold no NUL characters; the store replaces them on their way in. What must be kept byte for byte is bytea.

-- Numbers handed out one after the other: accounts, subscriptions, node numbers. Rows, not sequences: no number is skipped.
CREATE TABLE sequence (
    name  text PRIMARY KEY,
    next  bigint NOT NULL
);

INSERT INTO sequence (name, next) VALUES ('account', 10000001), ('subscription', 10000001), ('node', 0);

-- Facts about the store itself, such as the sealed value that tells a right key from a wrong one.
CREATE TABLE fact (
    name   text PRIMARY KEY,
    value  bytea NOT NULL
);

-- A tenant. `config_version` rises with every change that takes part in matching or sending; a record names the version
-- it was matched with and shares an advisory lock on it until it has committed.
CREATE TABLE account (
    id              bigint PRIMARY KEY,
    guid            uuid NOT NULL UNIQUE,
    config_version  bigint NOT NULL,
    body            text NOT NULL
);

-- Subscriptions of both levels; `envelope` is set for envelope-level ones. `sealed` holds the secrets.
CREATE TABLE subscription (
    id        bigint PRIMARY KEY,
    account   bigint NOT NULL,
    envelope  uuid,
    body      text NOT NULL,
    sealed    bytea
);

-- All account-level ones of an account are read at once; envelope-level ones, which may be millions, stay out.
CREATE INDEX subscription_of_account ON subscription (account, id) WHERE envelope IS NULL;
-- Those of one envelope are read with it.
CREATE INDEX subscription_of_envelope ON subscription (envelope, id) WHERE envelope IS NOT NULL;

-- Subscriptions that were deleted while deliveries waited for them. The deliveries are cancelled in small steps; this row
-- makes sure that the steps go on after a crash, on any node.
CREATE TABLE deleted_subscription (
    id       bigint PRIMARY KEY,
    account  bigint NOT NULL,
    at       bigint NOT NULL
);

-- Every other configured object: keys, connections, certificates, users, templates.
CREATE TABLE object (
    account   bigint NOT NULL,
    kind      text COLLATE "C" NOT NULL,
    id        text COLLATE "C" NOT NULL,
    revision  bigint NOT NULL,
    body      text NOT NULL,
    sealed    bytea,
    PRIMARY KEY (account, kind, id)
);

-- Integration keys and users are looked up by their GUID before the account is known.
CREATE INDEX object_by_id ON object (kind, id);

-- API tokens, by the SHA-256 of the token: the token itself is not here.
CREATE TABLE token (
    sha256      bytea PRIMARY KEY,
    id          bigint NOT NULL,
    account     bigint NOT NULL,
    expires_at  bigint,
    body        text NOT NULL
);

-- The account's list, and revoking by id.
CREATE INDEX token_of_account ON token (account, id);

-- What may be taken once: signing pages, authorization codes, identifiers of assertions seen.
CREATE TABLE ticket (
    sha256      bytea PRIMARY KEY,
    kind        text NOT NULL,
    expires_at  bigint NOT NULL,
    body        text NOT NULL
);

-- Expired ones are swept.
CREATE INDEX ticket_by_end ON ticket (expires_at);

-- Answers remembered under an idempotency key.
CREATE TABLE idempotency (
    account         bigint NOT NULL,
    key             text COLLATE "C" NOT NULL,
    request_sha256  bytea NOT NULL,
    expires_at      bigint NOT NULL,
    answer          bytea NOT NULL,
    PRIMARY KEY (account, key)
);

-- Expired ones are swept.
CREATE INDEX idempotency_by_end ON idempotency (expires_at);

-- Lives of nodes. A lease names one; it holds until `expires_at`, which is a time of the database's clock whatever clock
-- the node has. `fenced` is set once something was claimed from a life that had expired: it cannot be renewed after that.
CREATE TABLE node (
    incarnation  bigint PRIMARY KEY,
    name         text NOT NULL,
    number       integer NOT NULL UNIQUE,
    started_at   bigint NOT NULL,
    expires_at   bigint NOT NULL,
    fenced       boolean NOT NULL
);

-- What happened. Events of one record that show the same snapshot keep it once: the first holds the bytes and names the
-- last that shares them (`shared_to`), the others name the first (`shares`). `bytes` is its length whoever holds it. Purged:
-- `kind` is not 0, and both `snapshot` and `shares` are null. `codec` 0 is raw. `checksum` is over the stored bytes and the
-- id of the row that holds them.
CREATE TABLE event (
    id         bigint NOT NULL,
    account    bigint NOT NULL,
    at         bigint NOT NULL,
    bytes      bigint NOT NULL,
    shares     bigint,
    shared_to  bigint,
    checksum   bigint NOT NULL,
    kind       smallint NOT NULL,
    codec      smallint NOT NULL,
    sender     uuid,
    envelope   uuid,
    name       text NOT NULL,
    detail     text,
    snapshot   bytea,
    PRIMARY KEY (id)
) PARTITION BY RANGE (id);

CREATE TABLE event_other PARTITION OF event DEFAULT;

-- The account's events, newest first.
CREATE INDEX event_of_account ON event (account, id);
-- The events of an envelope; posted events without one cost nothing here.
CREATE INDEX event_of_envelope ON event (envelope, id) WHERE envelope IS NOT NULL;

-- One event for one subscription.
--   state     0 waiting, 1 leased, 2 delivered, 3 parked, 4 cancelled
--   held      0 not held, otherwise `Hold::code`; only while waiting, with `held_since`
--   queued    behind an unfinished delivery of the same order key; only while waiting
--   reason    0, or `ParkReason::code` when parked
--   at        when it is due while waiting or leased; when it ended afterwards
--   orphaned  how often it was in the hands of an incarnation that died
--   last_attempt  the newest attempt, which names the one before it
CREATE TABLE delivery (
    id                        bigint NOT NULL,
    account                   bigint NOT NULL,
    event                     bigint NOT NULL,
    subscription              bigint NOT NULL,
    listener                  bigint NOT NULL,
    at                        bigint NOT NULL,
    leased_by                 bigint,
    last_attempt              bigint,
    generated_at              bigint NOT NULL,
    schedule_started_at       bigint NOT NULL,
    held_total                bigint NOT NULL,
    held_since                bigint,
    order_key                 bigint,
    replay_of                 bigint,
    attempts_made             integer NOT NULL,
    attempts_before_schedule  integer NOT NULL,
    retry_count               integer NOT NULL,
    orphaned                  integer NOT NULL,
    state                     smallint NOT NULL,
    held                      smallint NOT NULL,
    reason                    smallint NOT NULL,
    shape                     smallint NOT NULL,
    queued                    boolean NOT NULL,
    hidden                    boolean NOT NULL,
    envelope                  uuid,
    PRIMARY KEY (id)
) PARTITION BY RANGE (id);

-- A queue lives from being vacuumed often: its dead rows stand where claims look.
CREATE TABLE delivery_other PARTITION OF delivery DEFAULT
    WITH (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_insert_scale_factor = 0.1);

-- The log of an account, newest first.
CREATE INDEX delivery_of_account ON delivery (account, id);
-- The deliveries of an event: its page, and whether retention may delete the event.
CREATE INDEX delivery_of_event ON delivery (event);
-- What may be claimed, by lane. A claim seeks one lane, so the rows of a dead listener are never walked past.
CREATE INDEX delivery_due ON delivery (listener, at, id) WHERE state = 0 AND held = 0 AND NOT queued;
-- What is in the hands of a node: the only index that an event delivered at its first attempt enters and leaves.
CREATE INDEX delivery_leased ON delivery (leased_by, listener, at) WHERE state = 1;
-- The few that were in the hands of nodes that died. From 2 on, since the death of the present holder makes the third.
CREATE INDEX delivery_suspect ON delivery (listener, state, at) WHERE orphaned >= 2 AND state <= 1;
-- What waits or is parked: counts, lists by state, cancelling with a subscription.
CREATE INDEX delivery_pending ON delivery (account, subscription, state, held, attempts_made) WHERE state = 0 OR state = 3;
-- What is held: which subscriptions have any, and what a release lets go, oldest first.
CREATE INDEX delivery_held ON delivery (subscription, held, id) WHERE state = 0 AND held > 0;
-- Unfinished deliveries by order key: the first goes out, the others queue behind it.
CREATE INDEX delivery_ordered ON delivery (order_key, queued, id) WHERE order_key IS NOT NULL AND state <= 1;

-- One HTTP exchange. Attempts of a delivery are chained, newest first, through `previous`: the chain starts at the
-- delivery's `last_attempt`, so no index is needed.
CREATE TABLE attempt (
    id           bigint NOT NULL,
    delivery     bigint NOT NULL,
    previous     bigint,
    started_at   bigint NOT NULL,
    elapsed_us   bigint NOT NULL,
    retry_count  integer NOT NULL,
    counted      boolean NOT NULL,
    status       integer,
    class        text NOT NULL,
    error        text,
    exchange     text NOT NULL,
    answer_head  bytea NOT NULL,
    PRIMARY KEY (id)
) PARTITION BY RANGE (id);

CREATE TABLE attempt_other PARTITION OF attempt DEFAULT;

-- Envelopes: the serialised state last, before it what lists filter and sort by. `contents` are the SHA-256 of the
-- contents referred to, one after the other.
CREATE TABLE envelope (
    row                bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id                 uuid NOT NULL UNIQUE,
    account            bigint NOT NULL,
    version            bigint NOT NULL,
    created_at         bigint NOT NULL,
    sent_at            bigint,
    completed_at       bigint,
    status_changed_at  bigint NOT NULL,
    changed_at         bigint NOT NULL,
    expires_at         bigint,
    checksum           bigint NOT NULL,
    codec              smallint NOT NULL,
    sender             uuid,
    status             text COLLATE "C" NOT NULL,
    folder             text COLLATE "C" NOT NULL,
    transaction_id     text COLLATE "C",
    subject            text COLLATE "C" NOT NULL,
    custom_fields      text NOT NULL,
    search_text        text NOT NULL,
    contents           bytea NOT NULL,
    body               bytea NOT NULL
);

-- Polling and lists are bounded by one of these dates; "changed" is not indexed, since every change would move it.
CREATE INDEX envelope_by_creation ON envelope (account, created_at);
CREATE INDEX envelope_by_status_change ON envelope (account, status_changed_at);
CREATE INDEX envelope_by_sending ON envelope (account, sent_at) WHERE sent_at IS NOT NULL;
CREATE INDEX envelope_by_completion ON envelope (account, completed_at) WHERE completed_at IS NOT NULL;

-- Document bytes, once per account whatever refers to them. `whole` is set when the last chunk is there.
CREATE TABLE content (
    row      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account  bigint NOT NULL,
    sha256   bytea NOT NULL,
    bytes    bigint NOT NULL,
    put_at   bigint NOT NULL,
    whole    boolean NOT NULL,
    UNIQUE (account, sha256)
);

-- Chunks, so that a large document neither fills the memory of a node nor holds up a commit.
CREATE TABLE content_chunk (
    content  bigint NOT NULL,
    number   bigint NOT NULL,
    bytes    bytea NOT NULL,
    PRIMARY KEY (content, number)
);

-- Documents are compressed as they are, or not at all: trying costs more than it brings.
ALTER TABLE content_chunk ALTER COLUMN bytes SET STORAGE EXTERNAL;

-- What refers to a content. `owner` is the GUID of an envelope, or kind and id of an object.
CREATE TABLE content_reference (
    account  bigint NOT NULL,
    sha256   bytea NOT NULL,
    owner    bytea NOT NULL,
    PRIMARY KEY (account, sha256, owner)
);

-- An owner's references are replaced when they change.
CREATE INDEX content_reference_of_owner ON content_reference (owner);

-- What is due at a time.
CREATE TABLE timer (
    id         bigint PRIMARY KEY,
    account    bigint NOT NULL,
    due_at     bigint NOT NULL,
    leased_by  bigint,
    envelope   uuid NOT NULL,
    kind       text NOT NULL
);

-- Free timers by due time, and what each incarnation holds.
CREATE INDEX timer_due ON timer (due_at, id) WHERE leased_by IS NULL;
CREATE INDEX timer_leased ON timer (leased_by, due_at) WHERE leased_by IS NOT NULL;
-- A change of an envelope replaces its timers.
CREATE INDEX timer_of_envelope ON timer (envelope);

-- Work that outlives its request.
CREATE TABLE job (
    id          bigint PRIMARY KEY,
    account     bigint NOT NULL,
    kind        text NOT NULL,
    state       text NOT NULL,
    spec        text NOT NULL,
    progress    text NOT NULL,
    created_at  bigint NOT NULL,
    changed_at  bigint NOT NULL,
    leased_by   bigint
);

-- The account's jobs, newest first.
CREATE INDEX job_of_account ON job (account, id);
-- What is to be done.
CREATE INDEX job_running ON job (leased_by, id) WHERE state = 'running';
