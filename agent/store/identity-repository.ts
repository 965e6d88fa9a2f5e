// Who this database is: identity of the node, epoch, counters and cursors that outlive the process.
import type { DatabaseSync } from "node:sqlite";
import { FogbankError } from "#shared/errors.ts";

export interface NodeIdentity {
  /** Born with the data directory. */
  readonly uuid: string;
  /** Born with the database file: numbers of messages are unique within it. */
  readonly epoch: number;
  /** The same for those below: tells a child that its parent lost its disk. */
  readonly instance: number;
}

export type CursorName = "fan-out" | "sink";

export class IdentityRepository {
  readonly #get;
  readonly #set;

  constructor(database: DatabaseSync) {
    this.#get = database.prepare("SELECT value FROM meta WHERE key = ?");
    this.#set = database.prepare(
      "INSERT INTO meta(key, value) VALUES(?, ?) ON CONFLICT(key) DO UPDATE SET value = excluded.value",
    );
  }

  /** Reads the identity, or writes `fresh` into a new file. A file that belongs to another name is refused: FOGBANK_DATA_DIR. */
  open(name: string, fresh: NodeIdentity): NodeIdentity {
    const owner = this.#read("name");
    if (typeof owner === "string" && owner !== name) {
      throw new FogbankError(
        "FOGBANK_DATA_DIR",
        `could not open the data directory as "${name}": it belongs to the node "${owner}". Give this node a directory of its own, or its old name`,
      );
    }
    if (owner === undefined) {
      this.#set.run("name", name);
      this.#set.run("uuid", fresh.uuid);
      this.#set.run("epoch", fresh.epoch);
      this.#set.run("instance", fresh.instance);
    }
    return {
      uuid: String(this.#read("uuid")),
      epoch: Number(this.#read("epoch")),
      instance: Number(this.#read("instance")),
    };
  }

  cursor(name: CursorName): number {
    return this.counter(`cursor-${name}`);
  }

  setCursor(name: CursorName, id: number): void {
    this.#set.run(`cursor-${name}`, id);
  }

  counter(key: string): number {
    const value = this.#read(key);
    return typeof value === "number" ? value : 0;
  }

  #read(key: string): unknown {
    return this.#get.get(key)?.["value"];
  }
}
