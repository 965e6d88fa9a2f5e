// What a node has told its parent of the nodes below it in this session. The Hello carries the beginning of the list; what does not fit
// follows in heartbeats, and after that what changes. Every portion is bounded by its bytes, and the next one waits for the answer to the
// one before: a slow link is never filled with them.
import { encodeCbor } from "../cbor.ts";
import { limits } from "../limits.ts";
import type { Bearer, Descendant } from "./descendant.ts";
import { packNumbered, type DescendantNews, type Missing, type NumberedDescendant } from "./descendant-news.ts";
import type { NodeSite } from "./node-site.ts";

/** The list of a moment. `isInDoubt`: some child has not told all of its own. */
export interface BelowList {
  readonly list: readonly Descendant[];
  readonly isInDoubt: boolean;
}

export class ToldDescendants {
  /** By place in the tree, the number of the entry. */
  #numbers: ReadonlyMap<string, number> = new Map();
  #current: ReadonlyMap<number, Descendant> = new Map();
  readonly #told = new Map<number, Descendant>();
  /** Numbers of entries to tell, in the order in which they came up: those of the Hello's list first. */
  readonly #news = new Set<number>();
  readonly #gone = new Set<number>();
  #next = 0;
  /** Numbers below are those of the Hello's list. */
  #listEnd = 0;
  #isInDoubt = false;
  /** What the last portion said to be missing. */
  #missingTold: Missing | undefined;
  #portion = 0;
  #unanswered: { readonly portion: number; readonly sentAtMs: number } | undefined;

  /** A session begins anew: the beginning of the list, and what is missing then. */
  forHello(below: BelowList): { readonly descendants: readonly Descendant[]; readonly missing: Missing | undefined } {
    this.#numbers = new Map();
    this.#told.clear();
    this.#news.clear();
    this.#gone.clear();
    this.#next = 0;
    this.#portion = 0;
    this.#unanswered = undefined;
    this.update(below);
    this.#listEnd = this.#next;
    const told = this.#take(limits.descendantBytesOfHello);
    this.#missingTold = this.#missing();
    return { descendants: told.map(([, node]) => node), missing: this.#missingTold };
  }

  /** What is below now. Numbers the entries: each higher than that of the node above it. */
  update({ list, isInDoubt }: BelowList): void {
    const numbers = new Map<string, number>();
    const current = new Map<number, Descendant>();
    const lastByName = new Map<string, number>();
    for (const node of list) {
      const key = freeKey(numbers, `${node.parent}/${node.name}`);
      const known = this.#numbers.get(key);
      const above = lastByName.get(node.parent) ?? -1;
      const number = known !== undefined && known > above ? known : this.#next++;
      numbers.set(key, number);
      lastByName.set(node.name, number);
      current.set(number, node);
      const told = this.#told.get(number);
      if (told === undefined || !isSame(told, node)) this.#news.add(number);
      else this.#news.delete(number);
    }
    for (const number of this.#news) if (!current.has(number)) this.#news.delete(number);
    for (const number of this.#told.keys()) if (!current.has(number)) this.#gone.add(number);
    this.#numbers = numbers;
    this.#current = current;
    this.#isInDoubt = isInDoubt;
  }

  /** Whether a heartbeat is worth sending for what is to be told, and may be. */
  isDue(nowMs: number): boolean {
    return this.#hasNews() && !this.#isWaiting(nowMs);
  }

  /** What the next heartbeat says; undefined while there is nothing to say, or the last portion is not answered. */
  forBeat(nowMs: number): DescendantNews | undefined {
    if (!this.isDue(nowMs)) return undefined;
    const told = this.#take(limits.descendantBytesOfBeat);
    const gone = this.#news.size === 0 ? [...this.#gone].slice(0, limits.goneOfBeat) : [];
    for (const number of gone) {
      this.#gone.delete(number);
      this.#told.delete(number);
    }
    const missing = this.#missing();
    this.#missingTold = missing;
    const portion = ++this.#portion;
    this.#unanswered = { portion, sentAtMs: nowMs };
    return { portion, told, gone, missing };
  }

  /** All that is below goes up at once, to a parent that takes no portions; undefined: it has it already. */
  wholeForBeat(): readonly Descendant[] | undefined {
    if (this.#news.size === 0 && this.#gone.size === 0) return undefined;
    this.#told.clear();
    this.#news.clear();
    this.#gone.clear();
    for (const [number, node] of this.#current) this.#told.set(number, node);
    return [...this.#current.values()];
  }

  /** The parent has taken in that portion. */
  heard(portion: number): void {
    if (this.#unanswered?.portion === portion) this.#unanswered = undefined;
  }

  #hasNews(): boolean {
    return this.#news.size > 0 || this.#gone.size > 0 || this.#missing() !== this.#missingTold;
  }

  /** An answer can get lost where the parent's queue to this node overflows: then it is waited for no longer than for a silent link. */
  #isWaiting(nowMs: number): boolean {
    return this.#unanswered !== undefined && nowMs - this.#unanswered.sentAtMs < limits.linkSilenceMs;
  }

  #missing(): Missing | undefined {
    // Those of the list come first: they are told as soon as the first to tell is none of them.
    for (const number of this.#news) return number < this.#listEnd && !this.#told.has(number) ? "list" : "changes";
    return this.#gone.size > 0 || this.#isInDoubt ? "changes" : undefined;
  }

  /** At least one, where there is one. */
  #take(bytesMax: number): readonly NumberedDescendant[] {
    const taken: NumberedDescendant[] = [];
    let bytes = 0;
    for (const number of this.#news) {
      const node = this.#current.get(number);
      if (node === undefined) continue;
      const entry = [number, node] as const;
      bytes += encodeCbor(packNumbered(entry)).length;
      if (bytes > bytesMax && taken.length > 0) break;
      taken.push(entry);
      this.#told.set(number, node);
      this.#news.delete(number);
    }
    return taken;
  }
}

/** `key`, or with a count where the list has it several times: a node may be reported below two nodes of one name, or by two children. */
function freeKey(taken: ReadonlyMap<string, number>, key: string): string {
  if (!taken.has(key)) return key;
  let count = 1;
  while (taken.has(`${key}/${count}`)) count++;
  return `${key}/${count}`;
}

function isSame(a: Descendant, b: Descendant): boolean {
  return (
    a === b ||
    (a.online === b.online &&
      a.sinceMs === b.sinceMs &&
      a.level === b.level &&
      a.zone === b.zone &&
      (a.isKeptOut === true) === (b.isKeptOut === true) &&
      isSameList(a.tags, b.tags) &&
      isSameSite(a.site, b.site) &&
      isSameBearer(a.bearer, b.bearer))
  );
}

function isSameSite(a: NodeSite | undefined, b: NodeSite | undefined): boolean {
  if (a === b) return true;
  return a !== undefined && b !== undefined && a.lat === b.lat && a.lon === b.lon && a.class === b.class;
}

function isSameBearer(a: Bearer | undefined, b: Bearer | undefined): boolean {
  if (a === b) return true;
  if (a === undefined || b === undefined) return false;
  return a.uuid === b.uuid && isSameList(a.epochs, b.epochs) && isSameList(a.parents, b.parents);
}

function isSameList<T>(a: readonly T[], b: readonly T[]): boolean {
  return a === b || (a.length === b.length && a.every((one, at) => one === b[at]));
}
