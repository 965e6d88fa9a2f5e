// What runs in the tree while its processes are killed, besides the publishers: function calls, for instance.
import type { Seeded } from "./seeded.ts";
import type { TortureTree } from "./torture-tree.ts";

export interface Workload {
  readonly name: string;
  /** The tree is up, the killing begins now. Resolves when the work has begun, which goes on behind it. */
  start(tree: TortureTree, random: Seeded): Promise<void>;
  /** The killing has stopped and everything is up again: begin nothing new, resolve when what was under way is settled. */
  stop(): Promise<void>;
  /** Once all has drained. What is wrong, one sentence each; and what there is to tell, for the report. */
  check(tree: TortureTree): Promise<{ readonly faults: readonly string[]; readonly remarks: readonly string[] }>;
}
