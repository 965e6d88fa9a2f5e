// The nodes that have connected from below, so that a restarted parent still knows whom it has lost.
import type { DatabaseSync } from "node:sqlite";
import { decodeCbor, encodeCbor } from "#shared/cbor.ts";
import { isNodeName, levels, type NodeName } from "#shared/ids.ts";
import { Malformed } from "#shared/link/fields.ts";
import type { NodePlace } from "#shared/link/descendant.ts";
import { packSite, readSite } from "#shared/link/node-site.ts";

export type ChildPresence = "online" | "lost" | "left";

export interface ChildRow {
  readonly name: NodeName;
  readonly uuid: string;
  /** Counts the sessions that this node has given to that child. */
  readonly session: number;
  readonly conn: number;
  readonly place: NodePlace;
  readonly state: ChildPresence;
  /** Milliseconds since 1970. */
  readonly sinceMs: number;
  /** It has said last that nothing is below it. */
  readonly isLeaf?: boolean;
}

export class ChildRepository {
  readonly #all;
  readonly #put;
  readonly #lose;

  constructor(database: DatabaseSync) {
    this.#all = database.prepare("SELECT name, uuid, session, conn, place, state, since_ms FROM child ORDER BY name");
    this.#put = database.prepare(
      `INSERT INTO child(name, uuid, session, conn, place, state, since_ms) VALUES(?, ?, ?, ?, ?, ?, ?)
       ON CONFLICT(name) DO UPDATE SET uuid = excluded.uuid, session = excluded.session, conn = excluded.conn,
         place = excluded.place, state = excluded.state, since_ms = excluded.since_ms`,
    );
    this.#lose = database.prepare("UPDATE child SET state = 'lost', since_ms = ? WHERE state = 'online'");
  }

  put(row: ChildRow): void {
    const { level, zone, tags, site } = row.place;
    const place = encodeCbor([
      level,
      zone ?? null,
      tags,
      site === undefined ? null : packSite(site),
      row.isLeaf === true,
    ]);
    this.#put.run(row.name, row.uuid, row.session, row.conn, place, row.state, row.sinceMs);
  }

  /** Nobody is connected to a node that has just been started. */
  loseAll(nowMs: number): void {
    this.#lose.run(nowMs);
  }

  all(): readonly ChildRow[] {
    const rows: ChildRow[] = [];
    for (const row of this.#all.iterate()) {
      const name = String(row["name"]);
      if (!isNodeName(name)) continue;
      rows.push({
        name,
        uuid: String(row["uuid"]),
        session: Number(row["session"]),
        conn: Number(row["conn"]),
        ...unpackPlace(row["place"]),
        state: row["state"] === "left" ? "left" : row["state"] === "online" ? "online" : "lost",
        sinceMs: Number(row["since_ms"]),
      });
    }
    return rows;
  }
}

/** Of a row that was written by an older version there is no site, and nobody is known to be a leaf. */
function unpackPlace(blob: unknown): Pick<ChildRow, "place" | "isLeaf"> {
  const value = blob instanceof Uint8Array ? decodeCbor(blob)?.value : undefined;
  const [level, zone, tags, site, isLeaf]: readonly unknown[] = Array.isArray(value) ? value : [];
  const place = {
    level: levels.find((known) => known === level) ?? "device",
    zone: typeof zone === "string" ? zone : undefined,
    tags: Array.isArray(tags) ? tags.filter((tag) => typeof tag === "string") : [],
    ...siteOf(site),
  };
  return { place, ...(isLeaf === true && { isLeaf }) };
}

/** As lenient as the rest of the row. */
function siteOf(value: unknown): Pick<NodePlace, "site"> {
  try {
    return readSite(value);
  } catch (error) {
    if (error instanceof Malformed) return {};
    throw error;
  }
}
