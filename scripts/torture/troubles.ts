// What nodes wrote into their logs that somebody should look at.
import { readFile } from "node:fs/promises";
import type { NodeUnderTest } from "./node-under-test.ts";

/** Phrases at level error or above, and how often. */
export async function troublesOf(nodes: readonly NodeUnderTest[]): Promise<readonly string[]> {
  const counts = new Map<string, number>();
  for (const node of nodes) {
    for (const line of (await readFile(node.logFile, "utf8")).split("\n")) {
      const level = /"level":"?(\w+)/.exec(line)?.[1];
      if (level !== "error" && level !== "fatal" && level !== "50" && level !== "60") continue;
      const phrase = `${node.name}: ${/"msg":"([^"]*)"/.exec(line)?.[1] ?? line}`;
      counts.set(phrase, (counts.get(phrase) ?? 0) + 1);
    }
  }
  return [...counts].map(([phrase, count]) => `${count} × ${phrase}`);
}
