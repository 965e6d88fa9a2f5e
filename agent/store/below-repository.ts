// Whom each child has ever named as below it: the nodes whose messages it may send.
import type { DatabaseSync } from "node:sqlite";
import { limits } from "#shared/limits.ts";

export class BelowRepository {
  readonly #of;
  readonly #add;
  readonly #count;
  readonly #removeOldest;
  readonly #namesByChild = new Map<string, Set<string>>();

  constructor(database: DatabaseSync) {
    this.#of = database.prepare("SELECT node FROM below WHERE child = ? ORDER BY id");
    this.#add = database.prepare("INSERT OR IGNORE INTO below(child, node) VALUES(?, ?)");
    this.#count = database.prepare("SELECT COUNT(*) AS rows FROM below WHERE child = ?");
    this.#removeOldest = database.prepare(
      "DELETE FROM below WHERE id IN (SELECT id FROM below WHERE child = ? ORDER BY id LIMIT ?)",
    );
  }

  /** Must be called when a transaction was rolled back. */
  rolledBack(): void {
    this.#namesByChild.clear();
  }

  has(child: string, node: string): boolean {
    return this.#namesOf(child).has(node);
  }

  /** Those longest known make room. */
  add(child: string, nodes: readonly string[]): void {
    const names = this.#namesOf(child);
    const news = nodes.filter((node) => node !== child && !names.has(node));
    if (news.length === 0) return;
    for (const node of news) {
      this.#add.run(child, node);
      names.add(node);
    }
    const excess = Number(this.#count.get(child)?.["rows"]) - limits.namedBelow;
    if (excess <= 0) return;
    this.#removeOldest.run(child, excess);
    this.#namesByChild.delete(child);
  }

  #namesOf(child: string): Set<string> {
    const known = this.#namesByChild.get(child);
    if (known !== undefined) return known;
    const names = new Set(this.#of.all(child).map((row) => String(row["node"])));
    this.#namesByChild.set(child, names);
    return names;
  }
}
