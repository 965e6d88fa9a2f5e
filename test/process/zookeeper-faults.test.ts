// The ZooKeeper client while servers of a real ensemble are killed, frozen, cut off and started again: sessions, ephemeral nodes and
// watches live on or end as promised, and no operation hangs.
import { afterAll, beforeAll, beforeEach, expect, onTestFinished, test } from "vitest";
import type { ZooKeeperClient } from "#cloud/coordination/zookeeper/client.ts";
import type { WatchEvent } from "#cloud/coordination/zookeeper/session-state.ts";
import { systemRandom } from "#agent/system/system-random.ts";
import { startFaultProxy, type FaultProxy, type LinkFault } from "../../scripts/torture/fault-proxy.ts";
import type { ZooKeeperServer } from "../../scripts/services/zookeeper.ts";
import { Inbox } from "../fakes/inbox.ts";
import { bytes, client, ensembleFor, listOf, text, zooKeeperHere, type ToldClient } from "../fakes/real-zookeeper.ts";

const here = await zooKeeperHere();
const stack = new AsyncDisposableStack();
let servers: readonly ZooKeeperServer[] = [];
const real = test.skipIf(here.missing !== undefined);

beforeAll(async () => {
  servers = await ensembleFor(here, stack);
});
afterAll(async () => stack.disposeAsync());
/** Whatever a test has left behind. */
beforeEach(async () => {
  for (const server of servers) {
    if (server.pid === undefined) server.start();
    server.thaw();
  }
  await Promise.all(servers.map(async (server) => server.serving()));
});

interface Scene {
  /** With an ephemeral node /e, a watch that fires once on /once, and a lasting one on /lasting. */
  readonly held: ToldClient;
  readonly sessionId: bigint;
  readonly once: Inbox<WatchEvent>;
  readonly lasting: Inbox<WatchEvent>;
  /** Another session, whose way to the servers stays as it is. */
  readonly observer: ZooKeeperClient;
  /** Of everything that the observer sees. */
  readonly seen: Inbox<WatchEvent>;
}

/** `list` leads to the servers, perhaps through proxies; `spared` does in any case. */
async function scene(list: string, spared: string, timeoutMs = 4_000): Promise<Scene> {
  const root = client(spared);
  const { path } = await root.zk.create(`/test-${systemRandom.uuid()}`);
  await Promise.all(["once", "lasting", "counter"].map((name) => root.zk.create(`${path}/${name}`)));
  await root.zk.close();
  const held = client(`${list}${path}`, { timeoutMs });
  onTestFinished(async () => held.zk.close());
  await held.zk.sync();
  await held.zk.create("/e", { lifetime: "ephemeral" });
  const [once, lasting, seen] = [new Inbox<WatchEvent>(), new Inbox<WatchEvent>(), new Inbox<WatchEvent>()];
  await held.zk.get("/once", once.put);
  await held.zk.addWatch("/lasting", false, lasting.put);
  const { zk: observer } = client(`${spared}${path}`, { timeoutMs: 10_000 });
  onTestFinished(async () => observer.close());
  await observer.sync();
  await observer.addWatch("/", true, seen.put);
  return { held, sessionId: held.zk.sessionId ?? 0n, once, lasting, observer, seen };
}

async function holderOf(sessionId: bigint): Promise<ZooKeeperServer> {
  const id = BigInt.asUintN(64, sessionId);
  for (const server of servers) if (server.pid !== undefined && (await server.sessions()).includes(id)) return server;
  throw new Error("no server holds the session");
}

async function leader(): Promise<ZooKeeperServer> {
  for (const server of servers) if ((await server.mode()) === "leader") return server;
  throw new Error("there is no leader");
}

const except = (server: ZooKeeperServer): string => listOf(servers.filter((one) => one !== server));

/** The session, its node and its watches are what they were, and the node never went. */
async function expectKept({ held, sessionId, once, lasting, observer, seen }: Scene): Promise<void> {
  expect(held.zk.sessionId).toBe(sessionId);
  expect(held.told.map(({ type }) => type)).not.toContain("expired");
  await observer.sync();
  expect((await observer.exists("/e"))?.ephemeralOwner).toBe(sessionId);
  expect(seen.all.filter(({ path, type }) => path === "/e" && type !== "resync")).toEqual([]);
  await observer.set("/once", bytes("changed"));
  await observer.set("/lasting", bytes("changed"));
  expect(await once.first()).toEqual({ type: "data", path: "/once" });
  expect(await lasting.first(({ type }) => type === "data")).toEqual({ type: "data", path: "/lasting" });
  expect(once.all.length).toBe(1);
}

/** Writes one after another until `until` has resolved and one more is through; each is settled. Answers how many are through. */
async function writeUntil(zk: ZooKeeperClient, until: Promise<unknown>): Promise<number> {
  let isOver = false;
  void until.then(() => (isOver = true));
  for (let written = 0; ;) {
    const wasOver = isOver;
    const outcome = await zk.set("/counter", bytes(`${written}`)).then(
      () => "done",
      (error: unknown) => (error as { reason: string }).reason,
    );
    expect(["done", "connection-lost"]).toContain(outcome);
    if (outcome === "done") written++;
    if (wasOver && outcome === "done") return written;
  }
}

real("its server is killed: the session goes on at another one, with its node and watches", async () => {
  const { zk: probe } = client(listOf(servers));
  await probe.exists("/");
  const first = (await leader()) === servers[0] ? servers[1] : servers[0];
  await probe.close();
  if (first === undefined) throw new Error("no follower");
  // The session is at a follower: that server stands first, and alone until it is connected.
  const all = await scene(listOf([first, ...servers.filter((one) => one !== first)]), except(first));
  const holder = await holderOf(all.sessionId);
  const { held } = all;
  const written = await writeUntil(
    held.zk,
    (async () => {
      await holder.kill();
      await held.next("connected");
    })(),
  );
  expect(written).toBeGreaterThan(0);
  holder.start();
  await expectKept(all);
  await holder.serving();
});

real("the leader is killed: the session goes on under the next one", async () => {
  const old = await leader();
  const all = await scene(listOf(servers), except(old));
  const elected = (async (): Promise<void> => {
    await old.kill();
    await all.held.zk.sync().catch(() => undefined);
  })();
  await writeUntil(all.held.zk, elected);
  await expectKept(all);
  expect(await leader()).not.toBe(old);
});

real("its server is frozen for longer than the session: noticed before its end, and kept at another one", async () => {
  const timeoutMs = 2_000;
  const follower = servers[0] === (await leader()) ? servers[1] : servers[0];
  if (follower === undefined) throw new Error("no follower");
  // Its own server first: the others are dialled only when that one is silent.
  const proxied = await proxies([follower]);
  const rest = servers.filter((one) => one !== follower);
  const spared = await proxies(rest, { type: "accept-and-drop" });
  const all = await scene(listOf([...proxied, ...spared]), except(follower), timeoutMs);
  for (const proxy of spared) proxy.set({ type: "pass" });
  const suspended = all.held.next("suspended");
  const connected = all.held.next("connected");
  const frozenAtMs = performance.now();
  follower.freeze();
  await suspended;
  expect(all.held.zk.validUntilMs).toBeGreaterThan(0);
  await connected;
  expect(all.held.told.map(({ type }) => type)).not.toContain("presumed-lost");
  // Until the frozen server's session would have ended.
  while (performance.now() < frozenAtMs + 2 * timeoutMs) await all.held.zk.set("/counter", bytes("x"));
  await expectKept(all);
  follower.thaw();
});

/** One in front of each, which ends with the test. */
async function proxies(
  behind: readonly ZooKeeperServer[],
  fault: LinkFault = { type: "pass" },
): Promise<readonly FaultProxy[]> {
  const started = await Promise.all(behind.map(async ({ port }) => startFaultProxy(port)));
  onTestFinished(async () => void (await Promise.all(started.map(async (proxy) => proxy[Symbol.asyncDispose]()))));
  for (const proxy of started) proxy.set(fault);
  return started;
}

real.each([undefined, "down", "up"] as const)(
  "a silent cut (%s) that is shorter than the session: nothing is lost",
  async (direction) => {
    const between = await proxies(servers);
    const all = await scene(listOf(between), listOf(servers), 2_000);
    const suspended = all.held.next("suspended");
    const connected = all.held.next("connected");
    for (const proxy of between) proxy.set({ type: "silent", ...(direction && { direction }) });
    await all.observer.set("/once", bytes("while away"));
    await all.observer.set("/lasting", bytes("while away"));
    await suspended;
    for (const proxy of between) {
      proxy.set({ type: "pass" });
      proxy.reset();
    }
    await connected;
    // What fires once is told by the servers; what lasts is told to read again.
    expect((await all.once.first()).type).toBe("data");
    await all.lasting.first(({ type }) => type === "resync" || type === "data");
    expect(text((await all.held.zk.get("/lasting")).data)).toBe("while away");
    expect([all.held.zk.sessionId, (await all.observer.exists("/e"))?.ephemeralOwner]).toEqual([
      all.sessionId,
      all.sessionId,
    ]);
  },
);

real(
  "a silent cut that is longer than the session: its end is known here before the servers give its node away",
  async () => {
    const between = await proxies(servers);
    const all = await scene(listOf(between), listOf(servers), 2_000);
    const { held, observer, seen, once, lasting } = all;
    const order: string[] = [];
    held.zk.onSession(({ type }) => order.push(type));
    const presumed = held.next("presumed-lost");
    const gone = seen.first(({ type, path }) => type === "deleted" && path === "/e").then(() => order.push("gone"));
    for (const proxy of between) proxy.set({ type: "silent" });
    const during = held.zk.set("/counter", bytes("x"));
    await expect(during).rejects.toMatchObject({ outcome: "unknown" });
    await presumed;
    expect(performance.now()).toBeGreaterThan(0);
    await gone;
    expect(order).toEqual(["suspended", "presumed-lost", "gone"]);
    await observer.set("/lasting", bytes("while away"));
    const expired = held.next("expired");
    const connected = held.next("connected");
    const waiting = held.zk.get("/counter");
    for (const proxy of between) {
      proxy.set({ type: "pass" });
      proxy.reset();
    }
    await expect(waiting).rejects.toMatchObject({ code: "FOGBANK_COORDINATION_ENDED", outcome: "not-done" });
    await expired;
    expect(await connected).toMatchObject({ isNew: true });
    expect(held.zk.sessionId).not.toBe(all.sessionId);
    expect(await once.first()).toEqual({ type: "lost", path: "/once" });
    // The lasting watch stands again in the new session.
    await lasting.first(({ type }) => type === "resync");
    await observer.set("/lasting", bytes("later"));
    await lasting.first(({ type }) => type === "data");
    await held.zk.create("/e", { lifetime: "ephemeral" });
  },
);

real("a rolling restart: every increment counts once", async () => {
  const all = await scene(listOf(servers), listOf(servers));
  const { zk } = all.held;
  let isOver = false;
  const counting = (async (): Promise<number> => {
    for (let value = 0; ; value++) {
      if (isOver) return value;
      await increment(zk, value);
    }
  })();
  for (const server of servers) {
    await server.kill();
    server.start();
    await server.serving();
  }
  isOver = true;
  const value = await counting;
  expect(value).toBeGreaterThan(0);
  await all.observer.sync();
  const { data, stat } = await all.observer.get("/counter");
  expect([text(data), stat.version]).toEqual([`${value}`, value]);
  await expectKept(all);
});

/** From version `value` to the next one, as often as it takes: after a lost connection a read tells whether it has taken place. */
async function increment(zk: ZooKeeperClient, value: number): Promise<void> {
  for (;;) {
    try {
      await zk.set("/counter", bytes(`${value + 1}`), value);
      return;
    } catch (error) {
      const { reason } = error as { readonly reason: string };
      if (reason === "bad-version") {
        expect((await zk.get("/counter")).stat.version).toBe(value + 1);
        return;
      }
      expect(reason).toBe("connection-lost");
    }
  }
}

real("two of three are down: nothing hangs, and the session is there again when they are", async () => {
  const all = await scene(listOf(servers), listOf(servers), 10_000);
  const holder = await holderOf(all.sessionId);
  const others = servers.filter((one) => one !== holder);
  const impatient = client(listOf(servers), { operationMs: 1_500 });
  onTestFinished(async () => impatient.zk.close());
  await impatient.zk.exists("/");
  const suspended = all.held.next("suspended");
  await Promise.all(others.map(async (server) => server.kill()));
  await suspended;
  const outcome = await impatient.zk.create(`/test-${systemRandom.uuid()}`).then(
    () => "done",
    (error: unknown) => (error as { code: string }).code,
  );
  expect(["FOGBANK_COORDINATION_LOST", "FOGBANK_COORDINATION_UNREACHABLE"]).toContain(outcome);
  const waiting = all.held.zk.set("/counter", bytes("after"));
  for (const server of others) server.start();
  await waiting;
  await expectKept(all);
});

real("watches never miss the latest state, whatever happens to connections", async () => {
  const between = await proxies(servers);
  const all = await scene(listOf(between), listOf(servers));
  const { zk } = all.held;
  const read = { once: new Inbox<string>(), lasting: new Inbox<string>() };
  // As users do: an event means read again; a read that is lost is repeated.
  const follow = async (path: "/once" | "/lasting", into: Inbox<string>): Promise<void> => {
    let again: () => void = () => undefined;
    const changed = (): void => again();
    if (path === "/lasting") await zk.addWatch(path, false, changed);
    for (;;) {
      const next = new Promise<void>((resolve) => (again = resolve));
      try {
        into.put(text((await zk.get(path, path === "/once" ? changed : undefined)).data));
      } catch (error) {
        if ((error as { readonly reason: string }).reason === "closed") return;
        continue;
      }
      await next;
    }
  };
  void follow("/once", read.once);
  void follow("/lasting", read.lasting);
  const rounds = 60;
  for (let round = 1; round <= rounds; round++) {
    await all.observer.set("/once", bytes(`${round}`));
    await all.observer.set("/lasting", bytes(`${round}`));
    if (round % 4 === 0) for (const proxy of between) proxy.reset();
    if (round % 10 === 0) await zk.sync().catch(() => undefined);
  }
  await Promise.all([
    read.once.first((value) => value === `${rounds}`),
    read.lasting.first((value) => value === `${rounds}`),
  ]);
  expect(read.once.all.at(-1)).toBe(`${rounds}`);
  expect(zk.sessionId).toBe(all.sessionId);
});
