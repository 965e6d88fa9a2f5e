// Who this database is: identity of the node, epoch, counters and cursors that outlive the process.
import type { DatabaseSync } from "node:sqlite";
import { FogbankError } from "#shared/errors.ts";
import { isNodeName, type NodeName } from "#shared/ids.ts";
import { renewalOf, type Fingerprint, type Renewal } from "#shared/journal/fingerprint.ts";
import { limits } from "#shared/limits.ts";

export interface NodeIdentity {
  /** Born with the data directory. */
  readonly uuid: string;
  /** Born with each life of the database file: numbers of messages are unique within it. */
  readonly epoch: number;
  /** The same for those below: tells a child that its parent lost its disk. */
  readonly instance: number;
}

export type CursorName = "fan-out" | "sink";

export class IdentityRepository {
  readonly #get;
  readonly #set;
  #epoch: number | undefined;

  constructor(database: DatabaseSync) {
    this.#get = database.prepare("SELECT value FROM meta WHERE key = ?");
    this.#set = database.prepare(
      "INSERT INTO meta(key, value) VALUES(?, ?) ON CONFLICT(key) DO UPDATE SET value = excluded.value",
    );
  }

  /**
   * Reads the identity, or writes `fresh` into a new file. A file that belongs to another name is refused: FOGBANK_DATA_DIR. One that is
   * not where it was, or whose machine was started anew, takes epoch and instance of `fresh`: `renewed` says why.
   */
  open(
    name: string,
    fresh: NodeIdentity,
    fingerprint: Fingerprint | undefined,
  ): { readonly identity: NodeIdentity; readonly renewed: Renewal | undefined } {
    const owner = this.#read("name");
    if (typeof owner === "string" && owner !== name) {
      throw new FogbankError(
        "FOGBANK_DATA_DIR",
        `could not open the data directory as "${name}": it belongs to the node "${owner}". Give this node a directory of its own, or its old name`,
      );
    }
    // After a salvage some of it may be there and some not: what is there stays.
    const all = { name, ...fresh };
    for (const key of ["name", "uuid", "epoch", "instance"] as const) {
      if (this.#read(key) === undefined) this.#set.run(key, all[key]);
    }
    const renewed = fingerprint === undefined ? undefined : renewalOf(this.#fingerprint(), fingerprint);
    if (renewed !== undefined) this.renew(fresh);
    if (fingerprint !== undefined) this.#keep(fingerprint);
    return { identity: this.current(), renewed };
  }

  /** Whether nobody has opened this file yet, or its life has ended with a damage. */
  isNew(): boolean {
    return this.#read("epoch") === undefined;
  }

  current(): NodeIdentity {
    return {
      uuid: String(this.#read("uuid")),
      epoch: Number(this.#read("epoch")),
      instance: Number(this.#read("instance")),
    };
  }

  /** Of every append: read once. */
  epoch(): number {
    this.#epoch ??= Number(this.#read("epoch"));
    return this.#epoch;
  }

  /** Must be called when a transaction was rolled back. */
  rolledBack(): void {
    this.#epoch = undefined;
  }

  renew({ epoch, instance }: Pick<NodeIdentity, "epoch" | "instance">): void {
    this.#epoch = undefined;
    this.#set.run("epoch", epoch);
    this.#set.run("instance", instance);
  }

  /** Remembers which database of which parent this node has met last; true when it is another one than before. */
  meet(parent: string, instance: number): boolean {
    const parents = this.parents();
    if (parents[0] !== parent) {
      const latest = [parent, ...parents.filter((one) => one !== parent)].slice(0, limits.formerParents);
      this.#set.run("parents", latest.join("\n"));
    }
    const name = `${parent}/${instance}`;
    if (this.#read("parent") === name) return false;
    this.#set.run("parent", name);
    return true;
  }

  /** Whose child this node has been, the latest first. */
  parents(): readonly NodeName[] {
    const names = this.#read("parents");
    return typeof names === "string" ? names.split("\n").filter(isNodeName) : [];
  }

  /** Whether this node has ever had a parent. */
  hasMet(): boolean {
    return this.#read("parent") !== undefined;
  }

  /** The damaged file of the document store whose losses are named. */
  checkedDocuments(): string | undefined {
    const name = this.#read("checked-documents");
    return typeof name === "string" ? name : undefined;
  }

  setCheckedDocuments(name: string): void {
    this.#set.run("checked-documents", name);
  }

  /** Which document store this database drains into, and the highest arrival that it had told to be stored. */
  knownDocuments(): { readonly instance: number; readonly arrival: number } | undefined {
    const instance = this.counter("documents-instance");
    return instance === 0 ? undefined : { instance, arrival: this.counter("documents-arrival") };
  }

  setKnownDocuments({ instance, arrival }: { readonly instance: number; readonly arrival: number }): void {
    this.#set.run("documents-instance", instance);
    this.#set.run("documents-arrival", arrival);
  }

  /** Messages up to that arrival are stored as documents. */
  storedUpTo(arrival: number): void {
    if (arrival > this.counter("documents-arrival")) this.#set.run("documents-arrival", arrival);
  }

  /** See OfferedNumbers. */
  offered(): string | undefined {
    const text = this.#read("offered");
    return typeof text === "string" ? text : undefined;
  }

  setOffered(text: string | undefined): void {
    this.#set.run("offered", text ?? null);
  }

  setCounter(key: string, value: number): void {
    this.#set.run(key, value);
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

  #fingerprint(): Fingerprint {
    const text = (key: string): string | undefined => {
      const value = this.#read(key);
      return typeof value === "string" ? value : undefined;
    };
    return { bootId: text("boot-id"), file: text("file"), birth: text("birth") };
  }

  /** What the system does not tell this time stays as it was. */
  #keep({ bootId, file, birth }: Fingerprint): void {
    for (const [key, value] of Object.entries({ "boot-id": bootId, file, birth })) {
      if (value !== undefined && value !== this.#read(key)) this.#set.run(key, value);
    }
  }

  #read(key: string): unknown {
    return this.#get.get(key)?.["value"];
  }
}
