// What every coordinator does, for two sessions that share it.
import fc from "fast-check";
import { expect, onTestFinished, test } from "vitest";
import type { Change, Changed, ChangeRefused, Coordinator, Hold } from "#cloud/coordination/coordinator.ts";
import { leaderOf, standForElection, type Candidacy } from "#cloud/coordination/election.ts";
import { emptyEntry, planChanges, type EntryTree, type TreeEntry } from "#cloud/coordination/entry-tree.ts";
import { systemClock } from "#agent/system/system-clock.ts";
import { systemRandom } from "#agent/system/system-random.ts";
import { Inbox } from "../fakes/inbox.ts";

/** Sessions of one new coordination, without entries but /. The caller disposes of them; the rest ends with the test. */
export type OpenCoordination = () => Promise<() => Coordinator>;

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const text = (data: Uint8Array | undefined): string => new TextDecoder().decode(data);
const create = (path: string, data = ""): Change => ({ type: "create", path, data: bytes(data) });

/** `clause` is vitest's `test`, or what skips it where this coordinator cannot be had. */
export function testCoordinator(name: string, openCoordination: OpenCoordination, clause: typeof test = test): void {
  /** As many sessions, which end with the test. */
  async function sessions(count: number): Promise<readonly Coordinator[]> {
    const open = await openCoordination();
    const opened = Array.from({ length: count }, () => open());
    onTestFinished(async () => void (await Promise.all(opened.map(async (one) => one[Symbol.asyncDispose]()))));
    return opened;
  }

  async function two(): Promise<readonly [Coordinator, Coordinator]> {
    const [one, other] = await sessions(2);
    if (one === undefined || other === undefined) throw new Error("two sessions were asked for");
    return [one, other];
  }

  clause(`${name}: entries are made, read, written and deleted, each with its version`, async () => {
    const [one, other] = await two();
    expect(await one.get("/a")).toBeUndefined();
    expect(await one.list("/a")).toEqual([]);
    expect(await one.change([create("/a", "x")])).toEqual([{ path: "/a", version: 0 }]);
    expect(await one.change([{ type: "write", path: "/a", data: bytes("y"), version: 0 }])).toEqual([
      { path: "/a", version: 1 },
    ]);
    await other.sync();
    const entry = await other.get("/a");
    expect([text(entry?.data), entry?.version, entry?.lifetime]).toEqual(["y", 1, "lasting"]);
    await one.change([create("/a/c"), create("/a/b")]);
    expect(await one.list("/a")).toEqual(["b", "c"]);
    expect(await one.change([{ type: "delete", path: "/a/b" }])).toEqual([{ path: "/a/b", version: -1 }]);
    expect([await one.get("/a/b"), await one.list("/a")]).toEqual([undefined, ["c"]]);
  });

  clause(
    `${name}: a change that does not fit is refused with its reason, and none of the others takes place`,
    async () => {
      const [one] = await two();
      await one.change([create("/a"), create("/a/b"), { ...create("/e"), ephemeral: true } as Change]);
      const before = create("/before");
      const refused: readonly (readonly [Change, string])[] = [
        [create("/a"), "exists"],
        [create("/x/y"), "absent"],
        [create("/e/below"), "below-ephemeral"],
        [{ type: "delete", path: "/a" }, "not-empty"],
        [{ type: "delete", path: "/none" }, "absent"],
        [{ type: "write", path: "/a", data: bytes(""), version: 1 }, "version"],
        [{ type: "check", path: "/a", version: 7 }, "version"],
      ];
      for (const [change, reason] of refused) {
        const error = { code: "FOGBANK_COORDINATION_REFUSED", reason, index: 1, path: change.path };
        await expect(one.change([before, change, create("/after")])).rejects.toMatchObject(error);
      }
      expect(await one.list("/")).toEqual(["a", "e"]);
    },
  );

  clause(`${name}: numbers of sequential entries grow, and none is given twice`, async () => {
    const [one, other] = await two();
    await one.change([create("/q")]);
    await other.sync();
    const next = (who: Coordinator, ephemeral: boolean): Promise<readonly Changed[]> =>
      who.change([{ ...create("/q/n-"), sequential: true, ephemeral } as Change]);
    const paths: string[] = [];
    for (const [who, ephemeral] of [
      [one, false],
      [other, true],
      [one, true],
    ] as const) {
      const [made] = await next(who, ephemeral);
      paths.push(made?.path ?? "");
      await who.change([{ type: "delete", path: made?.path ?? "" }]);
    }
    expect(paths).toEqual(["/q/n-0000000000", "/q/n-0000000001", "/q/n-0000000002"]);
  });

  clause(`${name}: what a session has made for itself goes with it, and others are told`, async () => {
    const [one, other] = await two();
    await one.change([create("/lasting"), { ...create("/mine"), ephemeral: true } as Change]);
    await other.sync();
    expect((await one.get("/mine"))?.lifetime).toBe("own");
    expect((await other.get("/mine"))?.lifetime).toBe("session");
    const told = new Inbox<boolean>();
    await other.watch("/mine", false, () => void other.get("/mine").then((entry) => told.put(entry === undefined)));
    await one[Symbol.asyncDispose]();
    await told.first((isGone) => isGone);
    expect(await other.list("/")).toEqual(["lasting"]);
  });

  clause(`${name}: of several sessions that count, each step counts`, async () => {
    const [one, other] = await two();
    await one.change([create("/count", "0")]);
    await other.sync();
    const steps = 15;
    const count = async (who: Coordinator): Promise<void> => {
      for (let done = 0; done < steps;) {
        const entry = await who.get("/count");
        const data = bytes(`${Number(text(entry?.data)) + 1}`);
        try {
          await who.change([{ type: "write", path: "/count", data, version: entry?.version ?? 0 }]);
          done++;
        } catch (error) {
          expect(error).toMatchObject({ reason: "version" });
          await who.sync();
        }
      }
    };
    await Promise.all([count(one), count(other), count(one)]);
    await one.sync();
    expect(text((await one.get("/count"))?.data)).toBe(`${3 * steps}`);
  });

  clause(
    `${name}: a watch tells of its entry and of those that come and go below, with "below" of everything there`,
    async () => {
      const [one, other] = await two();
      await one.change([create("/w"), create("/w/a"), create("/w/a/deep"), create("/beside")]);
      await other.sync();
      const counts = { near: 0, below: 0 };
      const told = new Inbox<string>();
      const near = await other.watch("/w", false, () => told.put(`near ${++counts.near}`));
      await other.watch("/w", true, () => told.put(`below ${++counts.below}`));
      const after = async (change: Change, expected: typeof counts): Promise<void> => {
        await one.change([change]);
        await other.sync();
        expect([change.type, change.path, counts]).toEqual([change.type, change.path, expected]);
      };
      await after({ type: "write", path: "/beside", data: bytes("") }, { near: 0, below: 0 });
      await after({ type: "write", path: "/w", data: bytes("") }, { near: 1, below: 1 });
      await after({ type: "write", path: "/w/a", data: bytes("") }, { near: 1, below: 2 });
      await after(create("/w/b"), { near: 2, below: 3 });
      await after({ type: "delete", path: "/w/a/deep" }, { near: 2, below: 4 });
      await after({ type: "delete", path: "/w/b" }, { near: 3, below: 5 });
      await near[Symbol.asyncDispose]();
      await after({ type: "write", path: "/w", data: bytes("") }, { near: 3, below: 6 });
    },
  );

  clause(`${name}: after the last change a watch leads to the last state`, async () => {
    const [one, other] = await two();
    await one.change([create("/state", "0")]);
    await other.sync();
    const seen = new Inbox<string>();
    await other.watch("/state", false, () => void other.get("/state").then((entry) => seen.put(text(entry?.data))));
    for (let value = 1; value <= 40; value++) {
      await one.change([{ type: "write", path: "/state", data: bytes(`${value}`) }]);
    }
    await seen.first((value) => value === "40");
    expect(seen.all.at(-1)).toBe("40");
  });

  clause(`${name}: paths that cannot be are refused, and so is everything after the end`, async () => {
    const [one] = await two();
    const invalid = { code: "FOGBANK_COORDINATION_INVALID" };
    await expect(one.get("a")).rejects.toMatchObject(invalid);
    await expect(one.change([create("/a"), create("/b/")])).rejects.toMatchObject(invalid);
    await expect(one.watch("/a//b", true, () => undefined)).rejects.toMatchObject(invalid);
    expect([await one.list("/"), one.hold]).toEqual([[], "held"]);
    expect(one.heldUntilMs).toBeGreaterThan(systemClock.monotonic());
    const told: Hold[] = [];
    one.onHold((hold) => told.push(hold));
    await one[Symbol.asyncDispose]();
    await one[Symbol.asyncDispose]();
    expect([told, one.hold]).toEqual([["ended"], "ended"]);
    expect(one.heldUntilMs).toBeLessThan(systemClock.monotonic());
    await expect(one.get("/")).rejects.toMatchObject({ code: "FOGBANK_COORDINATION_ENDED" });
    await expect(one.change([create("/z")])).rejects.toMatchObject({ code: "FOGBANK_COORDINATION_ENDED" });
  });

  clause(`${name}: it does what the model of entries does, with any changes`, async () => {
    const open = await openCoordination();
    const model = { tree: new Map<string, TreeEntry>([["/", emptyEntry]]) as EntryTree };
    const coordinator = open();
    onTestFinished(async () => coordinator[Symbol.asyncDispose]());
    await fc.assert(
      fc.asyncProperty(fc.array(changeOf, { minLength: 1, maxLength: 4 }), async (changes) => {
        const plan = planChanges(model.tree, changes, 1);
        const done = await coordinator.change(changes).then(
          (results) => ({ results }),
          (error: unknown) => {
            const { reason, index } = error as ChangeRefused;
            return { refused: reason, index };
          },
        );
        if ("refused" in plan) {
          expect(done).toEqual(plan);
          return;
        }
        expect(done).toEqual({ results: plan.results });
        model.tree = overlaid(model.tree, plan.overlay);
        for (const [path, entry] of plan.overlay) {
          const read = await coordinator.get(path);
          const lifetime = entry?.owner === undefined ? "lasting" : "own";
          const { data, version } = entry ?? emptyEntry;
          expect(read).toEqual(entry === undefined ? undefined : { data, version, lifetime });
        }
      }),
      { numRuns: 150 },
    );
    expect(model.tree.size).toBeGreaterThan(1);
  });

  clause(`${name}: one of those who stand leads, and when it goes the next one does, in a later term`, async () => {
    const standing: Candidacy[] = [];
    const leads = new Inbox<string>();
    const all = await sessions(3);
    for (const [number, coordinator] of all.entries()) {
      const changed = (isLeading: boolean): void => leads.put(`${number} ${isLeading ? "leads" : "stops"}`);
      const deps = { coordinator, clock: systemClock, random: systemRandom };
      standing.push(standForElection("/leader", { data: bytes(`${number}`), changed }, deps));
    }
    onTestFinished(async () => void (await Promise.all(standing.map(async (one) => one[Symbol.asyncDispose]()))));
    const terms: number[] = [];
    const order: string[] = [];
    for (let round = 0; round < 3; round++) {
      const first = await leads.first((what) => what.endsWith("leads") && !order.includes(what));
      order.push(first);
      const number = Number(first.split(" ")[0]);
      const [leader, coordinator] = [standing[number], all[number]];
      expect(standing.map((one) => one.leads).filter((isLeading) => isLeading)).toEqual([true]);
      terms.push(leader?.term ?? -1);
      if (coordinator !== undefined) expect(text(await leaderOf(coordinator, "/leader"))).toBe(`${number}`);
      // One leaves, another one's session ends.
      if (round === 1) await coordinator?.[Symbol.asyncDispose]();
      else await leader?.[Symbol.asyncDispose]();
      expect([leader?.leads, leader?.term]).toEqual([false, undefined]);
    }
    expect(new Set(order).size).toBe(3);
    expect(terms).toEqual([...new Set(terms)].toSorted((one, other) => one - other));
  });
}

const pathOf = fc.constantFrom("/a", "/b", "/a/c", "/a/d", "/b/c");
const dataOf = fc.uint8Array({ maxLength: 3 });
const versionOf = fc.integer({ min: 0, max: 2 });
const changeOf: fc.Arbitrary<Change> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ type: fc.constant("create" as const), path: pathOf, data: dataOf }) },
  {
    weight: 1,
    arbitrary: fc.record({
      type: fc.constant("create" as const),
      path: pathOf,
      data: dataOf,
      ephemeral: fc.boolean(),
      sequential: fc.boolean(),
    }),
  },
  { weight: 3, arbitrary: fc.record({ type: fc.constant("write" as const), path: pathOf, data: dataOf }) },
  {
    weight: 1,
    arbitrary: fc.record({ type: fc.constant("write" as const), path: pathOf, data: dataOf, version: versionOf }),
  },
  { weight: 2, arbitrary: fc.record({ type: fc.constant("delete" as const), path: pathOf }) },
  {
    weight: 1,
    arbitrary: fc.record({ type: fc.constantFrom("delete", "check"), path: pathOf, version: versionOf }),
  },
);

function overlaid(tree: EntryTree, overlay: ReadonlyMap<string, TreeEntry | undefined>): EntryTree {
  const changed = new Map(tree);
  for (const [path, entry] of overlay) {
    if (entry === undefined) changed.delete(path);
    else changed.set(path, entry);
  }
  return changed;
}
