// The schema of a node's database, in the order it grew. A script that has shipped is never changed.

export const nodeMigrations: readonly string[] = [
  `
  -- Facts about this file: identity, epoch, counters, cursors.
  CREATE TABLE meta(key TEXT PRIMARY KEY, value) WITHOUT ROWID;

  -- Who numbered messages: a node, in one life of its database.
  CREATE TABLE origin(
    id INTEGER PRIMARY KEY,
    node TEXT NOT NULL,
    epoch INTEGER NOT NULL,
    UNIQUE(node, epoch)
  );

  -- The ledger. high: highest number known to be assigned; ranges: numbers committed here, gaps included (CBOR);
  -- low: lowest number the child of this hop may still send. delivered + lost + held + missing = high.
  CREATE TABLE stream(
    origin INTEGER NOT NULL REFERENCES origin(id),
    stream INTEGER NOT NULL,
    name TEXT NOT NULL,
    priority INTEGER NOT NULL,
    class INTEGER NOT NULL,
    high INTEGER NOT NULL,
    ranges BLOB NOT NULL,
    low INTEGER NOT NULL,
    delivered INTEGER NOT NULL,
    lost INTEGER NOT NULL,
    held INTEGER NOT NULL,
    held_bytes INTEGER NOT NULL,
    final_mark INTEGER NOT NULL,
    digest INTEGER NOT NULL,
    heard_ms INTEGER NOT NULL,
    PRIMARY KEY(origin, stream)
  ) WITHOUT ROWID;

  -- What waits to be handed on. An id is never used again, cursors rely on it: see segment-ids.ts. body NULL: a gap.
  CREATE TABLE segment(
    id INTEGER PRIMARY KEY,
    origin INTEGER NOT NULL,
    stream INTEGER NOT NULL,
    first INTEGER NOT NULL,
    items INTEGER NOT NULL,
    priority INTEGER NOT NULL,
    first_ms INTEGER NOT NULL,
    last_ms INTEGER NOT NULL,
    flags INTEGER NOT NULL,
    crc INTEGER NOT NULL,
    gap_reason INTEGER NOT NULL DEFAULT 0,
    gap_bytes INTEGER NOT NULL DEFAULT 0,
    body BLOB
  );
  CREATE UNIQUE INDEX segment_by_number ON segment(origin, stream, first);
  CREATE INDEX segment_by_priority ON segment(priority, id);

  -- Numbers that will never be delivered, kept for the accounting after their segment has gone on.
  CREATE TABLE gap(
    origin INTEGER NOT NULL,
    stream INTEGER NOT NULL,
    first INTEGER NOT NULL,
    last INTEGER NOT NULL,
    reason INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    first_ms INTEGER NOT NULL,
    last_ms INTEGER NOT NULL,
    PRIMARY KEY(origin, stream, first)
  ) WITHOUT ROWID;

  -- Nodes that have connected from below, as of their last word.
  CREATE TABLE child(
    name TEXT PRIMARY KEY,
    uuid TEXT NOT NULL,
    session INTEGER NOT NULL,
    conn INTEGER NOT NULL,
    place BLOB NOT NULL,
    state TEXT NOT NULL,
    since_ms INTEGER NOT NULL
  ) WITHOUT ROWID;
  `,
  `
  -- Calls that this node has begun to run, until their deadline is long past: none runs a second time.
  CREATE TABLE seen(id BLOB PRIMARY KEY, deadline_ms INTEGER NOT NULL) WITHOUT ROWID;
  CREATE INDEX seen_by_deadline ON seen(deadline_ms);
  `,
  `
  -- Sessions of MQTT clients. cursor, done (ranges), released (numbers), sent: what the client has confirmed, see SessionProgress;
  -- last: the highest number ever given; queued, queued_bytes: sums over the session's rows of queue.
  CREATE TABLE session(
    id INTEGER PRIMARY KEY,
    client_id TEXT NOT NULL,
    expiry_seconds INTEGER NOT NULL,
    disconnected_ms INTEGER NOT NULL,
    owner TEXT NOT NULL,
    lost INTEGER NOT NULL,
    cursor INTEGER NOT NULL,
    done BLOB NOT NULL,
    released BLOB NOT NULL,
    sent INTEGER NOT NULL,
    last INTEGER NOT NULL,
    queued INTEGER NOT NULL,
    queued_bytes INTEGER NOT NULL
  );

  CREATE TABLE subscription(
    session INTEGER NOT NULL,
    filter TEXT NOT NULL,
    qos INTEGER NOT NULL,
    no_local INTEGER NOT NULL,
    retain_as_published INTEGER NOT NULL,
    retain_handling INTEGER NOT NULL,
    subscription_id INTEGER NOT NULL,
    PRIMARY KEY(session, filter)
  ) WITHOUT ROWID;

  -- Packet identifiers of QoS 2 messages taken in from the session's client and not released yet.
  CREATE TABLE received(session INTEGER NOT NULL, packet_id INTEGER NOT NULL, PRIMARY KEY(session, packet_id)) WITHOUT ROWID;

  -- Messages of one commit that wait for sessions. refs: rows of queue that point here. The body stands apart: it may have sixty
  -- pages, which a count beside it would read and write along.
  CREATE TABLE spool(id INTEGER PRIMARY KEY AUTOINCREMENT, refs INTEGER NOT NULL);
  CREATE TABLE spool_body(id INTEGER PRIMARY KEY, body BLOB NOT NULL);

  -- What waits for a session: numbers first to first + count - 1, whose entries point into the spool's body.
  CREATE TABLE queue(
    session INTEGER NOT NULL,
    first INTEGER NOT NULL,
    count INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    spool INTEGER NOT NULL,
    entries BLOB NOT NULL,
    PRIMARY KEY(session, first)
  ) WITHOUT ROWID;

  -- message: encoded as in a spool's body.
  CREATE TABLE retained(topic TEXT PRIMARY KEY, message BLOB NOT NULL) WITHOUT ROWID;
  `,
  `
  -- Bodies shrink to what somebody waits for. live: sum of bytes over the rows of queue that point here, a message once for each
  -- session; weight: what that was when the body was written, at most the body's size. kept: the ranges of the first body that are
  -- left, counted from 1 (CBOR), NULL for all of it.
  ALTER TABLE spool ADD COLUMN live INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE spool ADD COLUMN weight INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE spool_body ADD COLUMN kept BLOB;
  UPDATE spool SET live = (SELECT COALESCE(SUM(bytes), 0) FROM queue WHERE queue.spool = spool.id),
    weight = (SELECT COALESCE(MAX(LENGTH(body)), 0) FROM spool_body WHERE spool_body.id = spool.id);
  CREATE INDEX queue_by_spool ON queue(spool);
  -- Those worth the work: a row that waits may hold 512 bytes that nobody waits for.
  CREATE INDEX spool_sparse ON spool(id) WHERE weight > 2 * live + 512 * refs;
  `,
  `
  -- strict_order, policy: how the stream is sent and what goes when there is no room; segments: its rows of segment, gaps included;
  -- handed: numbers that the parent has and that are kept here until the root has them (CBOR ranges, NULL: none);
  -- digest_at, digest, digest_items: last number, checksum and size of the highest segment handed on (own streams) or taken in (others).
  ALTER TABLE stream ADD COLUMN strict_order INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE stream ADD COLUMN policy INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE stream ADD COLUMN segments INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE stream ADD COLUMN handed BLOB;
  ALTER TABLE stream ADD COLUMN digest_at INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE stream ADD COLUMN digest_items INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE stream ADD COLUMN waiting INTEGER NOT NULL DEFAULT 0;
  UPDATE stream SET segments =
    (SELECT COUNT(*) FROM segment WHERE segment.origin = stream.origin AND segment.stream = stream.stream);
  UPDATE stream SET waiting = segments > 0;
  -- Streams that have something stored, in the order in which they take turns. A column of its own says so: the count changes with
  -- each commit, and would write the index's page each time.
  CREATE INDEX stream_waiting ON stream(priority, origin, stream) WHERE waiting = 1;
  CREATE INDEX segment_gap ON segment(origin, stream, first) WHERE body IS NULL;
  -- What is sent next is found by stream and number.
  DROP INDEX segment_by_priority;

  -- clock: the row of clock by which a segment's times were stamped before the tree's time was known, 0 when they are right.
  ALTER TABLE segment ADD COLUMN clock INTEGER NOT NULL DEFAULT 0;
  -- Its columns stand in an order that no other table has: a salvage tells stray rows by their shape.
  CREATE TABLE clock(id INTEGER PRIMARY KEY, offset_ms INTEGER NOT NULL, boot TEXT NOT NULL, UNIQUE(offset_ms, boot));

  -- Nodes that a child has ever named as below it: whose messages it may send.
  CREATE TABLE below(id INTEGER PRIMARY KEY AUTOINCREMENT, child TEXT NOT NULL, node TEXT NOT NULL, UNIQUE(child, node));

  -- Segments that could not be handed on and are named as lost; their bodies stay for whoever wants to look. The oldest go first.
  CREATE TABLE quarantine(
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    origin INTEGER NOT NULL,
    stream INTEGER NOT NULL,
    first INTEGER NOT NULL,
    items INTEGER NOT NULL,
    reason INTEGER NOT NULL,
    crc INTEGER NOT NULL,
    at_ms INTEGER NOT NULL,
    body BLOB NOT NULL
  );

  -- What the document store of a root has (CBOR ranges) of streams that nobody has described since this database is new. The
  -- documents know a stream by its name, this database by the number that its origin gave it.
  CREATE TABLE adopted(
    node TEXT NOT NULL,
    epoch INTEGER NOT NULL,
    name TEXT NOT NULL,
    ranges BLOB NOT NULL,
    PRIMARY KEY(node, epoch, name)
  ) WITHOUT ROWID;

  -- Numbers that a root misses. since_ms: the node's running time, summed up over its restarts, since which that has not changed.
  CREATE TABLE hole(
    origin INTEGER NOT NULL,
    stream INTEGER NOT NULL,
    first INTEGER NOT NULL,
    last INTEGER NOT NULL,
    since_ms INTEGER NOT NULL,
    PRIMARY KEY(origin, stream, first)
  ) WITHOUT ROWID;
  `,
  `
  -- outcome: how the call ended here (CBOR), NULL as long as it runs; still NULL after a restart: it was cut off.
  ALTER TABLE seen ADD COLUMN outcome BLOB DEFAULT NULL;

  -- Calls and events that are open here (CBOR). Columns in an order that no other table has.
  CREATE TABLE message(id BLOB PRIMARY KEY, body BLOB NOT NULL, deadline_ms INTEGER NOT NULL) WITHOUT ROWID;
  `,
  `
  -- What is left of a stream of an old epoch when its row has gone. ranges: as in its row; lost: its gaps (JSON, arrays of first, last,
  -- reason, bytes, first_ms, last_ms).
  CREATE TABLE closed(
    node TEXT NOT NULL,
    epoch INTEGER NOT NULL,
    stream INTEGER NOT NULL,
    ranges BLOB NOT NULL,
    lost TEXT NOT NULL,
    PRIMARY KEY(node, epoch, stream)
  ) WITHOUT ROWID;
    `,
  `
  -- Functions that programs have offered here, a name in each line of the one row.
  CREATE TABLE offered(id INTEGER PRIMARY KEY, names TEXT NOT NULL);
  `,
];
