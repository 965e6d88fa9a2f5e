// Rows of old lives of other databases: when all of one is delivered or lost, its origin goes on under another one, and nobody has
// spoken of it for long, it is forgotten. The documents of a root stay.
//
// Nobody above may forget what somebody below still knows: it would be named again in a hello, and look as if all of it were missing.
// So the origin forgets first, then the nodes on the way, then the root.
import type { DatabaseSync } from "node:sqlite";
import { limits } from "#shared/limits.ts";
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
  WHERE NOT life.isOpen AND life.heardMs < node.heardMs AND life.heardMs < ?2 - CASE WHEN life.node = ?1 THEN 0 ELSE ?3 END
    AND NOT (life.node = ?1 AND life.epoch = (SELECT value FROM meta WHERE key = 'epoch'))
    AND NOT EXISTS (SELECT 1 FROM quarantine q WHERE q.origin = life.id)
  LIMIT ${epochsPerStep}`;

export class ForgottenEpochs {
  readonly #streams: StreamRepository;
  readonly #name: string;
  readonly #afterOriginMs: number;
  readonly #silent;
  readonly #deletes;

  constructor(
    database: DatabaseSync,
    streams: StreamRepository,
    { name, isFinal }: { name: string; isFinal: boolean },
  ) {
    this.#streams = streams;
    this.#name = name;
    this.#afterOriginMs = (isFinal ? 2 : 1) * limits.forgetEpochStepMs;
    this.#silent = database.prepare(selectSilent);
    this.#deletes = [
      "DELETE FROM gap WHERE origin = ?",
      "DELETE FROM hole WHERE origin = ?",
      "DELETE FROM stream WHERE origin = ?",
      "DELETE FROM origin WHERE id = ?",
    ].map((sql) => database.prepare(sql));
  }

  /** Forgets a bounded number and answers them; none: there are no more. */
  forget(nowMs: number): readonly ForgottenEpoch[] {
    const rows = this.#silent.all(this.#name, nowMs - limits.forgetEpochMs, this.#afterOriginMs);
    for (const row of rows) for (const statement of this.#deletes) statement.run(Number(row["id"]));
    if (rows.length > 0) this.#streams.forgetOrigins();
    return rows.map((row) => ({ origin: String(row["node"]), epoch: Number(row["epoch"]) }));
  }
}
