// Rows of old lives of this node's own database: when all of one is delivered or lost and nobody has spoken of it for long, it is
// forgotten.
//
// Only by its origin: what somebody below still knows would be named again in a hello, and look as if all of it were missing. And what a
// node knows of others must not hang on its wall clock, which may be set wrongly.
import type { DatabaseSync } from "node:sqlite";
import { limits } from "#shared/limits.ts";
import { ClosedStreams } from "./closed-streams.ts";
import type { StreamRepository } from "./stream-repository.ts";

export interface ForgottenEpoch {
  readonly origin: string;
  readonly epoch: number;
}

const epochsPerStep = 100;

const selectSilent = `
  WITH life AS (
    SELECT o.id AS id, o.node AS node, o.epoch AS epoch, MAX(s.heard_ms) AS heardMs,
      MAX(s.delivered + s.lost < s.high OR s.held > 0 OR s.segments > 0) AS isOpen
    FROM origin o JOIN stream s ON s.origin = o.id GROUP BY o.id
  ), node AS (
    SELECT node, MAX(heardMs) AS heardMs FROM life GROUP BY node
  )
  SELECT life.id AS id, life.node AS node, life.epoch AS epoch FROM life JOIN node ON node.node = life.node
  WHERE NOT life.isOpen AND life.heardMs < node.heardMs AND life.heardMs < ?2
    AND life.node = ?1 AND life.epoch <> (SELECT value FROM meta WHERE key = 'epoch')
    AND NOT EXISTS (SELECT 1 FROM quarantine q WHERE q.origin = life.id)
  LIMIT ${epochsPerStep}`;

export class ForgottenEpochs {
  readonly #streams: StreamRepository;
  readonly #name: string;
  readonly #silent;
  readonly #closed: ClosedStreams;

  constructor(database: DatabaseSync, streams: StreamRepository, name: string) {
    this.#streams = streams;
    this.#name = name;
    this.#silent = database.prepare(selectSilent);
    this.#closed = new ClosedStreams(database);
  }

  /** Forgets a bounded number and answers them; none: there are no more. */
  forget(nowMs: number): readonly ForgottenEpoch[] {
    const rows = this.#silent.all(this.#name, nowMs - limits.forgetEpochMs);
    for (const row of rows) this.#closed.forget(Number(row["id"]));
    if (rows.length > 0) this.#streams.forgetOrigins();
    return rows.map((row) => ({ origin: String(row["node"]), epoch: Number(row["epoch"]) }));
  }
}
