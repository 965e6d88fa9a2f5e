// The schema of `documents.db`, in the order it grew. A script that has shipped is never changed.

export const documentMigrations: readonly string[] = [
  // One row a message. Such rows are taken over into blocks when the store is opened: see row-takeover.ts.
  `
  CREATE TABLE data(
    arrival INTEGER PRIMARY KEY,
    origin TEXT NOT NULL,
    epoch INTEGER NOT NULL,
    stream TEXT NOT NULL,
    seq INTEGER NOT NULL,
    time_ms INTEGER NOT NULL,
    topic TEXT NOT NULL,
    path TEXT NOT NULL,
    payload BLOB NOT NULL
  ) STRICT;
  CREATE UNIQUE INDEX data_identity ON data(origin, epoch, stream, seq);
  CREATE INDEX data_origin_stream ON data(origin, stream);
  CREATE INDEX data_stream ON data(stream);
  CREATE INDEX data_origin_path ON data(origin, path);
  CREATE INDEX data_path ON data(path);
  `,
  `
  DROP INDEX data_identity;
  DROP INDEX data_origin_stream;
  DROP INDEX data_stream;
  DROP INDEX data_origin_path;
  DROP INDEX data_path;

  -- Texts that stand in many rows: names of origins and streams, and filters as block-filters.ts writes them.
  CREATE TABLE text(id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE) STRICT;

  -- A segment. id: arrival of its first message; origin, stream: texts; first: number of its first message; min_ms, max_ms: of the
  -- times of all its messages; body: last, so that the rest is read without it.
  CREATE TABLE block(
    id INTEGER PRIMARY KEY,
    origin INTEGER NOT NULL,
    epoch INTEGER NOT NULL,
    stream INTEGER NOT NULL,
    first INTEGER NOT NULL,
    items INTEGER NOT NULL,
    min_ms INTEGER NOT NULL,
    max_ms INTEGER NOT NULL,
    flags INTEGER NOT NULL,
    body BLOB NOT NULL
  ) STRICT;
  -- All that spans and holdings ask for, so that they never touch the large rows.
  CREATE UNIQUE INDEX block_number ON block(origin, epoch, stream, first, items, min_ms, max_ms);

  -- The writer has looked before: what fails here would have been stored twice, or over something else.
  CREATE TRIGGER block_disjoint BEFORE INSERT ON block BEGIN
    SELECT RAISE(ABORT, 'an arrival number is that of another message')
      WHERE (SELECT id + items FROM block WHERE id < new.id + new.items ORDER BY id DESC LIMIT 1) > new.id;
    SELECT RAISE(ABORT, 'a message is stored already')
      WHERE (SELECT first + items FROM block WHERE origin = new.origin AND epoch = new.epoch AND stream = new.stream
        AND first < new.first + new.items ORDER BY first DESC LIMIT 1) > new.first;
  END;

  -- Blocks in which a filter finds something, in order of arrival. origin 0: of any origin.
  CREATE TABLE block_filter(
    origin INTEGER NOT NULL,
    filter INTEGER NOT NULL,
    block INTEGER NOT NULL,
    PRIMARY KEY(origin, filter, block)
  ) STRICT, WITHOUT ROWID;
  `,
  `
  -- One row: what tells this file from any other.
  CREATE TABLE store(id INTEGER PRIMARY KEY CHECK(id = 1), instance INTEGER NOT NULL) STRICT;
  INSERT INTO store(id, instance) VALUES (1, 1 + abs(random() % 9007199254740990));
  `,
  `
  -- CRC-32 of the body; NULL: it was stored before there was one.
  ALTER TABLE block ADD COLUMN crc INTEGER;
  `,
];
