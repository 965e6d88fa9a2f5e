// What has changed below a child since its Hello, in portions: the entries of the list of descendants bear numbers, which are the order of
// the list. Keys and meaning: PROTOCOL.md.
import { limits } from "../limits.ts";
import { packDescendant, readDescendant, type Descendant } from "./descendant.ts";
import { asArray, asUint, u32Max } from "./fields.ts";

/** What the parent has yet to hear: some of the list as it was at the Hello; or all that it lacks came or changed later. */
export type Missing = "list" | "changes";

/** An entry of the list with its number: that of a node's parent is lower than its own. */
export type NumberedDescendant = readonly [number: number, node: Descendant];

export interface DescendantNews {
  /** Counted from 1 in each session: the parent answers with it. */
  readonly portion: number;
  /** Entries that are new, or are no longer as they were told. */
  readonly told: readonly NumberedDescendant[];
  /** Numbers of entries that have gone. No number comes twice in a session. */
  readonly gone: readonly number[];
  /** Undefined: with this the parent knows all that there is. */
  readonly missing: Missing | undefined;
}

const missingCodes: readonly (Missing | undefined)[] = [undefined, "changes", "list"];

/** `[portion, [[number, descendant]…], [number…], missing]`. */
export function packNews({ portion, told, gone, missing }: DescendantNews): readonly unknown[] {
  return [portion, told.map(packNumbered), gone, packMissing(missing)];
}

export function packNumbered([number, node]: NumberedDescendant): readonly unknown[] {
  return [number, packDescendant(node)];
}

export function packMissing(missing: Missing | undefined): number {
  return missingCodes.indexOf(missing);
}

/** Throws Malformed. */
export function readNews(value: unknown): DescendantNews {
  const [portion, told, gone, missing] = asArray(value, "news of descendants", 16);
  return {
    portion: asUint(portion, "portion", u32Max),
    told: asArray(told, "descendants told", limits.descendants).map((entry) => {
      const [number, node] = asArray(entry, "numbered descendant", 8);
      return [asUint(number, "number of a descendant", u32Max), readDescendant(node)];
    }),
    gone: asArray(gone, "descendants gone", limits.descendants).map((number) => asUint(number, "number gone", u32Max)),
    missing: readMissing(missing),
  };
}

/** Of a newer program than this one: the list, which is the greatest doubt. Throws Malformed. */
export function readMissing(value: unknown): Missing | undefined {
  const code = asUint(value, "what is missing", 255);
  return code < missingCodes.length ? missingCodes[code] : "list";
}
