// Names that two nodes bear: what this node finds out from what its children tell, and what its parent says about those below.
import type { NodeName } from "#shared/ids.ts";
import type { ChildPresence } from "#shared/link/child-presence.ts";
import { NameClaims, type Claim } from "#shared/link/name-claims.ts";
import { noDisputes, rulingsOf, stepDisputes, type Disputes } from "#shared/link/name-disputes.ts";
import type { NameRuling } from "#shared/link/name-rulings.ts";
import type { Clock } from "#shared/system/clock.ts";
import type { Logger } from "#shared/system/logger.ts";

/** A ruling, and the child that it is about or that is on the way to whom it is about. */
export interface RoutedRuling {
  readonly ruling: NameRuling;
  readonly child: string;
}

export class NameWatch {
  readonly #clock: Pick<Clock, "monotonic">;
  readonly #log: Logger;
  readonly #self: NodeName;
  readonly #claims: NameClaims;
  #disputes: Disputes = noDisputes;
  #own: readonly NameRuling[] = [];
  #fromAbove: readonly NameRuling[] = [];

  constructor(deps: { readonly clock: Pick<Clock, "monotonic">; readonly log: Logger }, self: NodeName) {
    this.#clock = deps.clock;
    this.#log = deps.log;
    this.#self = self;
    this.#claims = new NameClaims(self);
  }

  /** Whose child this node is and was. */
  setParents(parents: readonly NodeName[]): void {
    this.#claims.setParents(parents);
  }

  put(child: ChildPresence): void {
    this.#claims.put(child);
  }

  vouched(child: string, origin: string, epoch: number): ReadonlySet<string> | undefined {
    return this.#claims.vouched(child, origin, epoch);
  }

  /** What the parent says now, all of it. */
  hear(rulings: readonly NameRuling[]): void {
    this.#fromAbove = rulings;
  }

  /** Looks at the clock. Answers all that stands now. */
  review(): readonly RoutedRuling[] {
    const names = new Set([...this.#claims.severalTimes(), ...this.#disputes.keys()]);
    const heard = new Map<string, readonly Claim[]>([...names].map((name) => [name, this.#claims.of(name)]));
    this.#disputes = stepDisputes(this.#disputes, heard, this.#clock.monotonic());
    const own = rulingsOf(this.#disputes);
    this.#tell(own);
    this.#own = own;
    return [...own, ...this.#fromAbove].flatMap((ruling) => {
      const child = this.#childToward(ruling);
      return child === undefined ? [] : [{ ruling, child }];
    });
  }

  /** Why that child of this node is kept out; undefined when it is not. */
  against(child: string, uuid: string): NameRuling | undefined {
    return [...this.#own, ...this.#fromAbove].find(
      (one) => one.isRefused && one.parent === this.#self && one.node === child && one.uuid === uuid,
    );
  }

  #childToward({ node, parent }: NameRuling): string | undefined {
    if (parent === this.#self) return node === this.#self ? undefined : node;
    return this.#claims.of(parent).find(({ isKeptOut }) => !isKeptOut)?.via;
  }

  #tell(own: readonly NameRuling[]): void {
    const keys = (rulings: readonly NameRuling[]): ReadonlySet<string> => new Set(rulings.map(keyOf));
    const [before, now] = [keys(this.#own), keys(own)];
    for (const one of own.filter(({ isRefused }) => isRefused))
      if (!before.has(keyOf(one))) this.#log.error({ ...one }, "two nodes of one name: the later one is kept out");
    for (const { node, parent, isRefused } of this.#own.filter((one) => !now.has(keyOf(one))))
      if (isRefused) this.#log.info({ node, parent }, "the name is free again, or nobody asks for it any more");
  }
}

function keyOf({ node, uuid, parent, isRefused }: NameRuling): string {
  return `${node} ${uuid} ${parent} ${isRefused}`;
}
