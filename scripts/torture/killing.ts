// The torture itself: every 300 to 600 ms one of the processes, drawn by the seed, is killed and started again. A device comes back
// below a parent that is drawn too. Also a process that is still starting may be drawn.
import type { Seeded } from "./seeded.ts";
import type { Member, MemberLevel, TortureTree } from "./torture-tree.ts";

export interface Kills {
  readonly byLevel: Readonly<Record<MemberLevel, number>>;
  /** Restarts of a device below another parent than before. */
  readonly moves: number;
}

export const killsOf = ({ byLevel }: Kills): number => byLevel.cloud + byLevel.fog + byLevel.device;

const waitMsMin = 300;
const waitMsMax = 600;

/** Goes on until `untilMs` on the monotonic clock, or `signal`. */
export async function killAtRandom(
  tree: TortureTree,
  random: Seeded,
  untilMs: number,
  signal: AbortSignal,
): Promise<Kills> {
  const byLevel = { cloud: 0, fog: 0, device: 0 };
  let moves = 0;
  while (performance.now() < untilMs && !signal.aborted) {
    const waitMs = random.between(waitMsMin, waitMsMax);
    const victim = random.pick(tree.members);
    const parent = random.pick<Member>([...tree.fogs, tree.cloud]);
    await new Promise((resolve) => setTimeout(resolve, waitMs));
    const next = victim.level === "device" ? parent : victim.parent;
    if (next !== victim.parent) moves++;
    byLevel[victim.level]++;
    await tree.restart(victim, next);
  }
  return { byLevel, moves };
}
