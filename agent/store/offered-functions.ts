// Functions that programs have offered at this node, so that it knows after a restart who is still to come.
import type { DatabaseSync } from "node:sqlite";

export class OfferedFunctions {
  readonly #put;
  readonly #get;

  constructor(database: DatabaseSync) {
    this.#put = database.prepare("INSERT OR REPLACE INTO offered(id, names) VALUES(1, ?)");
    this.#get = database.prepare("SELECT names FROM offered WHERE id = 1");
  }

  put(names: readonly string[]): void {
    this.#put.run(names.join("\n"));
  }

  /** None when nobody knows. */
  list(): readonly string[] {
    const names = this.#get.get()?.["names"];
    return typeof names === "string" ? names.split("\n").filter((name) => name !== "") : [];
  }
}
