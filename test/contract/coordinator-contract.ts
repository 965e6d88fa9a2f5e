// What every Coordinator does. Called by the test of each implementation with a way to open sessions on one tree of entries.
import fc from "fast-check";
import { expect, test } from "vitest";
import type { Coordinator, Operation, Outcome } from "#cloud/coordination/coordinator.ts";
import { limits } from "#shared/limits.ts";

/** Sessions on a tree that nobody else uses; `base`: an entry of its own for the test. */
export interface CoordinatorScene extends AsyncDisposable {
  readonly base: string;
  readonly open: () => Promise<Coordinator>;
}

type Say = (behaviour: string, use: (scene: CoordinatorScene) => Promise<void>) => void;

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const none: Uint8Array = new Uint8Array();

export function testCoordinator(name: string, openScene: () => Promise<CoordinatorScene>): void {
  const say: Say = (behaviour, use) => {
    test(`${name}: ${behaviour}`, async () => {
      await using scene = await openScene();
      await use(scene);
    }, 60_000);
  };
  sayWhatEntriesAre(say);
  sayWhatIsDoneTogether(say);
  sayWhatSessionsOwn(say);
  sayWhatWatchesTell(say);
  sayWhatAModelSays(say);
}

function create(path: string, data = none, more: { isEphemeral?: boolean; isSequential?: boolean } = {}): Operation {
  return { type: "create", path, data, ...more };
}

function sayWhatEntriesAre(say: Say): void {
  say("an entry has the bytes and the version of its last write", async ({ base, open }) => {
    await using one = await open();
    await using other = await open();
    const path = `${base}/a`;
    expect(await one.run([create(path, bytes("1"))])).toEqual({ paths: [path] });
    expect(await other.read(path)).toEqual({ data: bytes("1"), version: 0, owner: undefined });
    await other.run([{ type: "write", path, data: bytes("2") }]);
    expect(await one.read(path)).toEqual({ data: bytes("2"), version: 1, owner: undefined });
    expect(await one.run([{ type: "remove", path }])).toEqual({ paths: [path] });
    expect(await other.read(path)).toBeUndefined();
  });

  say("[Z-T2] a write or removal with another version changes nothing and says so", async ({ base, open }) => {
    await using one = await open();
    const path = `${base}/a`;
    await one.run([create(path)]);
    await one.run([{ type: "write", path, data: bytes("x"), version: 0 }]);
    expect(await one.run([{ type: "write", path, data: none, version: 0 }])).toMatchObject({
      conflict: "version",
      path,
    });
    expect(await one.run([{ type: "remove", path, version: 7 }])).toMatchObject({ conflict: "version", path });
    expect(await one.read(path)).toMatchObject({ data: bytes("x"), version: 1 });
  });

  say("what stands in the way is named", async ({ base, open }) => {
    await using one = await open();
    const path = `${base}/a`;
    expect(await one.run([create(`${path}/b`)])).toMatchObject({ conflict: "missing" });
    expect(await one.run([{ type: "remove", path }])).toMatchObject({ conflict: "missing", path });
    await one.run([create(path), create(`${path}/b`)]);
    expect(await one.run([create(path)])).toMatchObject({ conflict: "exists", path });
    expect(await one.run([{ type: "remove", path }])).toMatchObject({ conflict: "has-children", path });
    await one.run([create(`${base}/e`, none, { isEphemeral: true })]);
    expect(await one.run([create(`${base}/e/x`)])).toMatchObject({ conflict: "parent-is-ephemeral" });
  });

  say("children are told in their order, and those of nothing are undefined", async ({ base, open }) => {
    await using one = await open();
    await one.run(["c", "a", "b"].map((child) => create(`${base}/${child}`)));
    expect(await one.children(base)).toEqual(["a", "b", "c"]);
    expect(await one.children(`${base}/a`)).toEqual([]);
    expect(await one.children(`${base}/none`)).toBeUndefined();
  });

  say("sequential names grow, also over removals and for several at once", async ({ base, open }) => {
    await using one = await open();
    await using other = await open();
    const next = async (session: Coordinator): Promise<string> => {
      const outcome = await session.run([create(`${base}/n-`, none, { isSequential: true })]);
      return "paths" in outcome ? (outcome.paths[0] ?? "") : "";
    };
    const first = await next(one);
    expect(first).toMatch(/\/n-\d{10}$/u);
    await one.run([{ type: "remove", path: first }]);
    const more = await Promise.all([next(one), next(other), next(one), next(other)]);
    expect(new Set([first, ...more]).size).toBe(5);
    for (const path of more) expect(path > first).toBe(true);
  });

  say("what is no path, or too large, is refused before anything happens", async ({ base, open }) => {
    await using one = await open();
    for (const path of ["", "a", `${base}/`, `${base}//a`, `${base}/./a`, `${base}/..`, `${base}/\u0000`])
      await expect(one.run([create(path)])).rejects.toMatchObject({ code: "FOGBANK_NAME_INVALID" });
    const large = new Uint8Array(limits.coordinatorDataBytes + 1);
    await expect(one.run([create(`${base}/a`, large)])).rejects.toMatchObject({ code: "FOGBANK_PAYLOAD_TOO_LARGE" });
    expect(await one.children(base)).toEqual([]);
    const full = new Uint8Array(limits.coordinatorDataBytes).fill(7);
    await one.run([create(`${base}/a`, full)]);
    expect((await one.read(`${base}/a`))?.data).toEqual(full);
  });
}

function sayWhatIsDoneTogether(say: Say): void {
  say("[Z-T1] several operations are done together or not at all", async ({ base, open }) => {
    await using one = await open();
    await one.run([create(`${base}/bank`, bytes("100"))]);
    const withdraw = (version: number): Promise<Outcome> =>
      one.run([
        { type: "write", path: `${base}/bank`, data: bytes("90"), version },
        create(`${base}/message`, bytes("hello")),
      ]);
    expect(await withdraw(3)).toEqual({ conflict: "version", path: `${base}/bank`, index: 0 });
    expect(await one.read(`${base}/message`)).toBeUndefined();
    expect(await withdraw(0)).toEqual({ paths: [`${base}/bank`, `${base}/message`] });
    expect(await withdraw(1)).toMatchObject({ conflict: "exists", index: 1 });
    expect(await one.read(`${base}/bank`)).toMatchObject({ version: 1 });
  });

  say(
    "later operations see what earlier ones of the same go have done, and a check changes nothing",
    async ({ base, open }) => {
      await using one = await open();
      const path = `${base}/a`;
      const outcome = await one.run([
        create(path),
        { type: "write", path, data: bytes("1"), version: 0 },
        { type: "check", path, version: 1 },
        create(`${path}/b`),
      ]);
      expect("paths" in outcome).toBe(true);
      expect(await one.read(path)).toMatchObject({ data: bytes("1"), version: 1 });
    },
  );

  say("[Z-T2] of many that write what they have read each is counted once", async ({ base, open }) => {
    await using one = await open();
    await using other = await open();
    const path = `${base}/count`;
    await one.run([create(path, bytes("0"))]);
    const addOne = async (session: Coordinator): Promise<void> => {
      for (;;) {
        const entry = await session.read(path);
        const sum = Number(new TextDecoder().decode(entry?.data)) + 1;
        const data = bytes(String(sum));
        if ("paths" in (await session.run([{ type: "write", path, data, version: entry?.version ?? 0 }]))) return;
      }
    };
    await Promise.all(Array.from({ length: 20 }, (_, index) => addOne(index % 2 === 0 ? one : other)));
    expect((await one.read(path))?.data).toEqual(bytes("20"));
  });
}

function sayWhatSessionsOwn(say: Say): void {
  say("[Z-S7] ephemeral entries go with the session that made them, and only these", async ({ base, open }) => {
    await using one = await open();
    const other = await open();
    await one.run([create(`${base}/one`, none, { isEphemeral: true })]);
    await other.run([create(`${base}/other`, none, { isEphemeral: true }), create(`${base}/stays`)]);
    if (other.session.type !== "live") throw new Error("not live");
    expect(await one.read(`${base}/other`)).toMatchObject({ owner: other.session.id });
    const gone = heard(one, base);
    await other[Symbol.asyncDispose]();
    await gone;
    expect(await one.children(base)).toEqual(["one", "stays"]);
    expect(other.session.type).toBe("lost");
    await expect(other.read(base)).rejects.toMatchObject({ code: "FOGBANK_COORDINATOR_LOST" });
  });

  say("every session has an id of its own, and a clock that all share", async ({ open }) => {
    await using one = await open();
    await using other = await open();
    if (one.session.type !== "live" || other.session.type !== "live") throw new Error("not live");
    expect(one.session.id).not.toBe(other.session.id);
    expect(Math.abs((await one.now()) - (await other.now()))).toBeLessThan(60_000);
  });
}

function sayWhatWatchesTell(say: Say): void {
  say("[Z7] [Z-T9] whoever watches and reads ends with what was written last", async ({ base, open }) => {
    await using writer = await open();
    await using reader = await open();
    const path = `${base}/a`;
    await writer.run([create(path, bytes("0"))]);
    const { promise, resolve } = Promise.withResolvers<void>();
    const look = async (): Promise<void> => {
      if (new TextDecoder().decode((await reader.read(path))?.data) === "50") resolve();
    };
    using _ = reader.watch(path, () => void look());
    await look();
    for (let index = 1; index <= 50; index++) await writer.run([{ type: "write", path, data: bytes(String(index)) }]);
    await promise;
    expect(await reader.read(path)).toMatchObject({ version: 50 });
  });

  say(
    "[Z-S6] a watch tells of children that come and go, of itself, and recursively of all below",
    async ({ base, open }) => {
      await using writer = await open();
      await using reader = await open();
      let told = heard(reader, base);
      await writer.run([create(`${base}/a`)]);
      await told;
      told = heard(reader, base, true);
      await writer.run([create(`${base}/a/b`)]);
      await told;
      told = heard(reader, `${base}/a/b`);
      await writer.run([{ type: "remove", path: `${base}/a/b` }]);
      await told;
      told = heard(reader, `${base}/later`);
      await writer.run([create(`${base}/later`)]);
      await told;
      expect(await reader.children(base)).toEqual(["a", "later"]);
    },
  );

  say("a watch that was ended tells nothing more", async ({ base, open }) => {
    await using one = await open();
    let told = 0;
    const watch = one.watch(base, () => told++);
    await one.run([create(`${base}/a`)]);
    const before = told;
    watch[Symbol.dispose]();
    const seen = heard(one, base);
    await one.run([create(`${base}/b`)]);
    await seen;
    expect(told).toBe(before);
  });
}

/** Resolves when the watch has told something after it stood. */
function heard(session: Coordinator, path: string, isRecursive = false): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const watch = session.watch(
    path,
    () => {
      watch[Symbol.dispose]();
      resolve();
    },
    { isRecursive },
  );
  return promise;
}

const name = fc.constantFrom("a", "b", "a/c");
const data = fc.constantFrom(bytes("x"), bytes("y"));
const version = fc.option(fc.nat({ max: 2 }), { nil: undefined });
const step = fc.oneof(
  fc.record({ type: fc.constant("create" as const), name, data }),
  fc.record({ type: fc.constant("write" as const), name, data, version }),
  fc.record({ type: fc.constant("remove" as const), name, version }),
);

/** The rules once more, as plainly as can be, for lasting entries. */
function apply(model: Map<string, { data: Uint8Array; version: number }>, one: Operation): string | undefined {
  const known = model.get(one.path);
  const above = one.path.slice(0, one.path.lastIndexOf("/"));
  if (one.type === "create") {
    if (!model.has(above)) return "missing";
    if (known !== undefined) return "exists";
    model.set(one.path, { data: one.data, version: 0 });
    return undefined;
  }
  if (known === undefined) return "missing";
  if (one.version !== undefined && one.version !== known.version) return "version";
  if (one.type === "write") model.set(one.path, { data: one.data, version: known.version + 1 });
  if (one.type !== "remove") return undefined;
  if ([...model.keys()].some((path) => path.startsWith(`${one.path}/`))) return "has-children";
  model.delete(one.path);
  return undefined;
}

function sayWhatAModelSays(say: Say): void {
  say("does what a plain model does, whatever is asked together", async ({ base, open }) => {
    await using one = await open();
    let runs = 0;
    const compare = async (groups: readonly (readonly (typeof step extends fc.Arbitrary<infer T> ? T : never)[])[]) => {
      const root = `${base}/run-${runs++}`;
      await one.run([create(root)]);
      let model = new Map([[root, { data: none, version: 0 }]]);
      for (const group of groups) {
        const operations = group.map(
          ({ name: child, ...rest }): Operation => ({ ...rest, path: `${root}/${child}` }) as Operation,
        );
        const next = new Map(model);
        const index = operations.findIndex((operation) => apply(next, operation) !== undefined);
        const outcome = await one.run(operations);
        if (index === -1) expect(outcome).toEqual({ paths: operations.map(({ path }) => path) });
        else expect(outcome).toMatchObject({ index });
        if (index === -1) model = next;
        for (const path of [`${root}/a`, `${root}/b`, `${root}/a/c`]) {
          const entry = await one.read(path);
          const expected = model.get(path);
          expect(entry).toEqual(expected && { ...expected, owner: undefined });
        }
      }
    };
    const groups = fc.array(fc.array(step, { minLength: 1, maxLength: 3 }), { maxLength: 8 });
    await fc.assert(fc.asyncProperty(groups, compare), { numRuns: 25 });
  });
}
