// What a salvage must know of a node's database: which rows can be trusted, and how what is left is made whole again.
import type { Clock } from "#shared/system/clock.ts";
import type { Hasher } from "#shared/system/hasher.ts";
import type { SalvageOptions, SalvageReport } from "./salvage.ts";
import { journalIndexes, repairJournal } from "./salvage-journal.ts";
import { isProven, isTrustedRow } from "./salvage-rows.ts";
import { repairSessions } from "./salvage-sessions.ts";

/** `onSalvaged`: told once the new file is in its place. */
export function nodeSalvage(
  deps: { readonly hasher: Hasher; readonly clock: Pick<Clock, "now"> },
  onSalvaged: (report: SalvageReport) => void,
): SalvageOptions {
  return {
    clock: deps.clock,
    checkedTables: ["meta", "origin", "stream", "child", "session"],
    rules: {
      accepts: (table, row) => isTrustedRow(deps.hasher, table, row),
      proves: isProven,
      indexes: Object.values(journalIndexes),
    },
    repair: (database, copied) => ({ ...repairJournal(database, copied), ...repairSessions(database) }),
    onSalvaged,
  };
}
