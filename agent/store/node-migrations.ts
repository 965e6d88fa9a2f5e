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

  -- What waits to be handed on. AUTOINCREMENT: an id is never used again, cursors rely on it. body NULL: a gap.
  CREATE TABLE segment(
    id INTEGER PRIMARY KEY AUTOINCREMENT,
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
];
