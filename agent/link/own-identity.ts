// Who this node is to its parent and its children, which may change while it runs: when the parent shows that another database gives
// numbers in this one's epoch, this one goes on under a new epoch.
import { identityFault, type IdentityFault, type OwnNumbers } from "#shared/link/identity-check.ts";
import type { Welcome } from "#shared/link/hello.ts";
import type { Clock } from "#shared/system/clock.ts";
import type { Logger } from "#shared/system/logger.ts";
import type { Random } from "#shared/system/random.ts";
import type { NodeIdentity } from "../store/identity-repository.ts";
import type { NodeStore } from "../store/node-store.ts";
import type { TreeView } from "./tree-view.ts";

export interface OwnIdentity {
  /** When this process began to use its database, by its clock: another one may use an older copy of it. */
  readonly sinceMs: number;
  current(): NodeIdentity;
  /**
   * Compares what the parent holds with what this node had `given` in its present epoch when it said hello. True: a new epoch has been
   * taken, and hello is to be said again.
   */
  renewedBy(welcome: Welcome, given: ReadonlyMap<number, number>): Promise<boolean>;
  /** Resolves when everything stored is under its epoch: nothing may be handed on before. */
  settled(): Promise<void>;
  /** Those below must hear of it: what they handed on to the other database may not be here. */
  onRenewed(listener: () => void): Disposable;
}

export interface OwnIdentityDeps {
  readonly store: NodeStore;
  readonly tree: Pick<TreeView, "setUplinkAlarm">;
  readonly clock: Pick<Clock, "now">;
  readonly random: Pick<Random, "uint32">;
  readonly log: Logger;
}

const descriptions: Readonly<Record<IdentityFault, string>> = {
  "older-copy": "the database of this node is an older copy of what its parent knows",
  clone: "another node gives messages under the name and epoch of this one",
};

/** `opened`: the identity, as the store was opened. */
export function createOwnIdentity(deps: OwnIdentityDeps, opened: { readonly identity: NodeIdentity }): OwnIdentity {
  const { store, tree, clock, random, log } = deps;
  const listeners = new Set<() => void>();
  let { identity } = opened;
  let isSettled = true;
  let settling: Promise<void> | undefined;

  /** What has failed half-way is gone on with at the next call. */
  const settled = async (): Promise<void> => {
    if (isSettled) return;
    settling ??= renumberAll(store).finally(() => (settling = undefined));
    await settling;
    isSettled = true;
  };

  return {
    settled,
    sinceMs: clock.now(),
    current: () => identity,
    async renewedBy({ parent, holds }, given) {
      const { epoch } = identity;
      const { own, marks } = await store.read("evidence", { holds });
      const found = identityFault(epoch, asOfHello(own, epoch, given), holds, marks);
      if (found === undefined) return false;
      const { fault, epoch: of } = found;
      const fresh = { epoch: random.uint32(), instance: random.uint32() };
      ({ identity } = await store.write("renewEpoch", { fresh, of, holds, nowMs: clock.now() }));
      isSettled = false;
      const reason = `${descriptions[fault]}: it goes on under epoch ${identity.epoch} instead of ${epoch}, and what was not acknowledged may arrive twice`;
      log.error({ fault, parent, epoch, faultOf: of, newEpoch: identity.epoch }, "this database has taken a new epoch");
      tree.setUplinkAlarm(`${new Date(clock.now()).toISOString()}: ${reason}`);
      for (const listener of listeners) listener();
      await settled();
      return true;
    },
    onRenewed(listener) {
      listeners.add(listener);
      return { [Symbol.dispose]: () => void listeners.delete(listener) };
    },
  };
}

/** Brings what is stored and not acknowledged under the new epoch. */
export async function renumberAll(store: NodeStore): Promise<void> {
  while (!(await store.write("renumber", {})).isDone);
}

/** What has been numbered in the present epoch since the hello, the parent cannot have. */
function asOfHello(
  own: readonly OwnNumbers[],
  present: number,
  given: ReadonlyMap<number, number>,
): readonly OwnNumbers[] {
  return own.map((one) =>
    one.epoch === present ? { ...one, offered: Math.min(one.offered, given.get(one.streamId) ?? 0) } : one,
  );
}
