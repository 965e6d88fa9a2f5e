// What is below a node, told in portions, against what its parent makes of it.
import fc from "fast-check";
import { expect, test } from "vitest";
import { parseNodeName } from "#shared/ids.ts";
import type { Descendant } from "#shared/link/descendant.ts";
import type { DescendantNews } from "#shared/link/descendant-news.ts";
import { heardList, listOf, withNews, type HeardDescendants } from "#shared/link/heard-descendants.ts";
import { ToldDescendants } from "#shared/link/told-descendants.ts";

function node(name: string, parent: string, sinceMs = 0, zone?: string): Descendant {
  const place = { level: "device", zone, tags: [] } as const;
  return { ...place, name: parseNodeName(name), parent: parseNodeName(parent), online: true, sinceMs };
}

const devices = (count: number, zone?: string): readonly Descendant[] =>
  Array.from({ length: count }, (_, n) => node(`device-${n}`, "fog-1", 0, zone));

/** Both ends of one session. */
class Session {
  readonly told = new ToldDescendants();
  heard: HeardDescendants;
  nowMs = 0;

  constructor(list: readonly Descendant[], isInDoubt = false) {
    const { descendants, missing } = this.told.forHello({ list, isInDoubt });
    this.heard = heardList(descendants, missing, false);
  }

  update(list: readonly Descendant[], isInDoubt = false): void {
    this.told.update({ list, isInDoubt });
  }

  /** One heartbeat, and its answer. */
  beat(): DescendantNews | undefined {
    this.nowMs += 1_000;
    const news = this.told.forBeat(this.nowMs);
    if (news === undefined) return undefined;
    this.heard = withNews(this.heard, news);
    this.told.heard(news.portion);
    return news;
  }

  settle(): number {
    let beats = 0;
    while (this.beat() !== undefined) beats++;
    return beats;
  }
}

test("[X15] the list goes up in portions; what is missing is said until all of it is there", () => {
  const list = devices(10_000, "z".repeat(100));
  const session = new Session(list);
  expect(session.heard.missing).toBe("list");
  expect(session.heard.byNumber.size).toBeLessThan(400);
  const first = session.beat();
  expect(first?.missing).toBe("list");
  expect(first?.told.length).toBeLessThan(800);
  expect(session.settle()).toBeGreaterThan(10);
  expect(session.heard.missing).toBeUndefined();
  expect(listOf(session.heard)).toEqual(list);
});

test("[X15] afterwards only what has come, changed or gone travels", () => {
  const list = devices(1_000);
  const session = new Session(list);
  session.settle();
  session.update([...list.slice(1, 500), node("device-500", "fog-1", 7), ...list.slice(501), node("new", "fog-1")]);
  expect(session.beat()).toMatchObject({
    told: [
      [500, { name: "device-500", sinceMs: 7 }],
      [1_000, { name: "new" }],
    ],
    gone: [0],
    missing: undefined,
  });
  session.update([...list.slice(1, 500), node("device-500", "fog-1", 7), ...list.slice(501), node("new", "fog-1")]);
  expect(session.beat()).toBeUndefined();
});

test("no portion follows before the one before it was answered, or the link counts as silent", () => {
  const session = new Session(devices(3_000));
  const first = session.told.forBeat(1_000);
  expect(first).toBeDefined();
  expect(session.told.forBeat(5_000)).toBeUndefined();
  session.told.heard(99);
  expect(session.told.isDue(5_000)).toBe(false);
  expect(session.told.isDue(10_000)).toBe(true);
  session.told.heard(first?.portion ?? 0);
  expect(session.told.isDue(5_000)).toBe(true);
});

test("while changes keep coming, the list of the hello is told first and comes to an end", () => {
  const list = devices(3_000);
  const session = new Session(list);
  let beats = 0;
  while (session.heard.missing === "list" && beats < 50) {
    beats++;
    session.update(list.map((one) => node(one.name, "fog-1", beats)));
    session.beat();
  }
  expect(session.heard).toMatchObject({ missing: "changes", keepsFormer: false });
  expect(session.heard.byNumber.size).toBe(3_000);
});

test("[J-T4] a node below that has not told all of its own leaves the parent in doubt, until it has", () => {
  const list = devices(2);
  const session = new Session(list, true);
  expect(session.heard.missing).toBe("changes");
  expect(session.beat()).toBeUndefined();
  session.update(list);
  expect(session.beat()).toMatchObject({ told: [], gone: [], missing: undefined });
  session.update(list, true);
  expect(session.beat()).toMatchObject({ missing: "changes" });
});

test("a node that moves stands behind the one that it moved to, and so does what is below it", () => {
  const [a, b] = [node("a", "fog-1"), node("b", "fog-1")];
  const session = new Session([a, node("m", "a"), node("x", "m"), b]);
  session.update([a, b, node("m", "b"), node("x", "m")]);
  session.settle();
  expect(listOf(session.heard)).toEqual([a, b, node("m", "b"), node("x", "m")]);
});

const place = fc.tuple(fc.nat(9), fc.nat(9), fc.nat(1));
/** Trees in which a node may stand several times, each entry behind one of its parent's. */
const tree = fc.array(place, { maxLength: 12 }).map((places) => {
  const list: Descendant[] = [];
  for (const [name, at, sinceMs] of places)
    list.push(node(`n-${name}`, list.length === 0 ? "fog-1" : (list[at % list.length]?.name ?? "fog-1"), sinceMs));
  return list;
});

test("whatever happens below, the parent ends up with the same entries, each behind its parent's", () => {
  fc.assert(
    fc.property(
      fc.array(tree, { minLength: 1, maxLength: 6 }),
      fc.array(fc.boolean()),
      ([first = [], ...rest], beats) => {
        const session = new Session(first);
        for (const [at, list] of rest.entries()) {
          session.update(list);
          if (beats[at] === true) session.beat();
        }
        session.settle();
        const heard = listOf(session.heard);
        const text = (list: readonly Descendant[]): readonly string[] =>
          list.map((one) => JSON.stringify(one)).toSorted();
        expect(text(heard)).toEqual(text(rest.at(-1) ?? first));
        expect(session.heard.missing).toBeUndefined();
        for (const [at, { parent }] of heard.entries())
          expect(parent === "fog-1" || heard.slice(0, at + 1).some(({ name }) => name === parent)).toBe(true);
      },
    ),
  );
});
