// Who is heard below which child, live: the names that connected nodes bear, told by the children of one node. From it follows whether a
// child may hand on what another node gave. A child proves its own name and says whom it speaks for besides; a node that is live below
// another child is asked itself: it names the parents that it has had.
import type { NodeName } from "../ids.ts";
import type { ChildPresence } from "./child-presence.ts";
import type { Bearer } from "./descendant.ts";

/** A node that is connected, or would be if it were not kept out for its name, as one child tells it. */
export interface Claim {
  readonly node: NodeName;
  /** To whom it is connected. */
  readonly parent: NodeName;
  /** The child below which that is, or that it is. */
  readonly via: string;
  /** Absent: an older program told of it. */
  readonly bearer: Bearer | undefined;
  readonly isKeptOut: boolean;
}

/** Former parents that are followed for one question: trees are shallow, and nodes move between a few parents. */
const nodesFollowed = 256;

export class NameClaims {
  readonly #self: NodeName;
  /** By name, then by the child below which it is heard, in the order in which they were first heard. */
  readonly #byName = new Map<string, Map<string, Claim>>();
  readonly #severalTimes = new Set<string>();
  readonly #namesByChild = new Map<string, readonly string[]>();

  /** `self`: the node whose children these are. */
  constructor(self: NodeName) {
    this.#self = self;
    // Before anyone of its name who might come.
    this.setParents([]);
  }

  /** Whose child this node is and was: what it handed to one of these may come from there when that one is below it now. */
  setParents(parents: readonly NodeName[]): void {
    const node = this.#self;
    const known = this.#byName.get(node) ?? new Map<string, Claim>();
    const bearer = { uuid: "", epochs: [], parents };
    this.#byName.set(node, known.set("", { node, parent: node, via: "", bearer, isKeptOut: false }));
  }

  /** Replaces what that child has told so far. */
  put(child: ChildPresence): void {
    const claims = claimsOf(child, this.#self);
    for (const name of this.#namesByChild.get(child.name) ?? []) if (!claims.has(name)) this.#remove(name, child.name);
    this.#namesByChild.set(child.name, [...claims.keys()]);
    for (const [name, claim] of claims) {
      // Another node under the same name comes behind all that are known.
      if (this.#byName.get(name)?.get(child.name)?.bearer?.uuid !== claim.bearer?.uuid) this.#remove(name, child.name);
      const known = this.#byName.get(name) ?? new Map<string, Claim>();
      this.#byName.set(name, known.set(child.name, claim));
      if (known.size > 1) this.#severalTimes.add(name);
    }
  }

  /** Names that are heard below more than one child, this node's own included. */
  severalTimes(): Iterable<string> {
    return this.#severalTimes;
  }

  /** Where a node of that name is. */
  of(name: string): readonly Claim[] {
    return [...(this.#byName.get(name)?.values() ?? [])];
  }

  /**
   * Whether the messages that `origin` gave in `epoch` may come by `child` although the origin is live below another child. Undefined: it
   * is not, or it says nothing of that epoch. Else the nodes to which it may have handed them, none of them live elsewhere than below
   * `child`: one of these must be `child` itself or below it.
   */
  vouched(child: string, origin: string, epoch: number): ReadonlySet<string> | undefined {
    const elsewhere = this.#elsewhere(origin, child);
    if (!elsewhere.some(({ bearer }) => bearer?.epochs.includes(epoch))) return undefined;
    const reached = new Set<string>();
    const follow = elsewhere.flatMap(parentsOf);
    for (let name = follow.pop(); name !== undefined && reached.size < nodesFollowed; name = follow.pop()) {
      if (reached.has(name)) continue;
      reached.add(name);
      follow.push(...this.#elsewhere(name, child).flatMap(parentsOf));
    }
    return new Set([...reached].filter((name) => this.#elsewhere(name, child).length === 0));
  }

  #elsewhere(name: string, child: string): readonly Claim[] {
    return this.of(name).filter(({ via, isKeptOut }) => via !== child && !isKeptOut);
  }

  #remove(name: string, child: string): void {
    const known = this.#byName.get(name);
    known?.delete(child);
    if (known === undefined || known.size < 2) this.#severalTimes.delete(name);
    if (known?.size === 0) this.#byName.delete(name);
  }
}

/** By name. What hangs below a node that is not connected is not live here. */
function claimsOf(child: ChildPresence, self: NodeName): ReadonlyMap<string, Claim> {
  const claims = new Map<string, Claim>();
  const { name: via, isKeptOut = false } = child;
  const isOnline = child.state === "online";
  if (isOnline || isKeptOut)
    claims.set(via, { node: via, parent: self, via, bearer: child.bearer, isKeptOut: !isOnline });
  for (const { name, parent, online, bearer, isKeptOut: isOut = false } of isOnline ? child.descendants : []) {
    if (!(online || isOut) || claims.has(name) || claims.get(parent)?.isKeptOut !== false) continue;
    claims.set(name, { node: name, parent, via, bearer, isKeptOut: !online });
  }
  return claims;
}

function parentsOf({ parent, bearer }: Claim): readonly string[] {
  return [parent, ...(bearer?.parents ?? [])];
}
