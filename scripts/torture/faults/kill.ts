// One of the processes is killed and started again. A device comes back below a parent that is drawn too. Also a process that is
// still starting may be drawn.
import type { Member, MemberLevel } from "../torture-tree.ts";
import type { Fault } from "./fault.ts";

export interface Kills {
  readonly byLevel: Readonly<Record<MemberLevel, number>>;
  /** Restarts of a device below another parent than before. */
  readonly moves: number;
}

export const killsOf = ({ byLevel }: Kills): number => byLevel.cloud + byLevel.fog + byLevel.device;

export interface KillFault extends Fault {
  kills(): Kills;
}

export function killFault(): KillFault {
  const byLevel = { cloud: 0, fog: 0, device: 0 };
  let moves = 0;
  return {
    name: "kill",
    everyMs: [300, 600],
    kills: () => ({ byLevel, moves }),
    draw(tree, random) {
      const victim = random.pick(tree.members);
      const parent = random.pick<Member>([...tree.fogs, tree.cloud]);
      return async () => {
        using held = tree.hold(victim);
        if (held === undefined) return false;
        const next = victim.level === "device" ? parent : victim.parent;
        if (next !== victim.parent) moves++;
        byLevel[victim.level]++;
        await tree.restart(victim, next);
        return true;
      };
    },
  };
}
