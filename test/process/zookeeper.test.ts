// Operations of the ZooKeeper client on a real ensemble of three: nodes, versions, lifetimes, transactions, watches, credentials.
// FOGBANK_TEST_ZK names one of one's own; it must allow nodes with a time to live.
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { creatorAcl, openAcl, permissions } from "#cloud/coordination/zookeeper/records.ts";
import type { WatchEvent } from "#cloud/coordination/zookeeper/session-state.ts";
import type { ZooKeeperClient, ZooKeeperOptions } from "#cloud/coordination/zookeeper/client.ts";
import { TransactionError } from "#cloud/coordination/zookeeper/transaction.ts";
import { limits } from "#shared/limits.ts";
import { systemRandom } from "#agent/system/system-random.ts";
import { Inbox } from "../fakes/inbox.ts";
import { bytes, client, ensembleFor, listOf, text, zooKeeperHere } from "../fakes/real-zookeeper.ts";

const own = process.env["FOGBANK_TEST_ZK"] ?? "";
const here = own === "" ? await zooKeeperHere() : { program: undefined, missing: undefined };
const stack = new AsyncDisposableStack();
let list = own;

beforeAll(async () => {
  if (own === "") list = listOf(await ensembleFor(here, stack));
});
afterAll(async () => stack.disposeAsync());

const real = test.skipIf(here.missing !== undefined);

/** A client below a node that is this test's alone. */
async function below(options: Partial<ZooKeeperOptions> = {}): Promise<ZooKeeperClient> {
  const root = client(list);
  const { path } = await root.zk.create(`/test-${systemRandom.uuid()}`);
  await root.zk.close();
  return at(path, options);
}

function at(path: string, options: Partial<ZooKeeperOptions> = {}): ZooKeeperClient {
  const { zk } = client(`${list}${path}`, options);
  onTestFinished(async () => zk.close());
  return zk;
}

/** A second session that sees the same nodes. */
async function pair(): Promise<readonly [ZooKeeperClient, ZooKeeperClient]> {
  const root = client(list);
  const { path } = await root.zk.create(`/test-${systemRandom.uuid()}`);
  await root.zk.close();
  return [at(path), at(path)];
}

real("a node is made, read, changed, listed and deleted", async () => {
  const zk = await below();
  const created = await zk.create("/v", { data: bytes("one") });
  expect([created.path, created.stat.version, created.stat.dataLength]).toEqual(["/v", 0, 3]);
  expect(text((await zk.get("/v")).data)).toBe("one");
  expect((await zk.set("/v", bytes("two"))).version).toBe(1);
  expect((await zk.get("/v")).stat.mzxid).toBeGreaterThan(created.stat.mzxid);
  expect((await zk.exists("/v"))?.version).toBe(1);
  await zk.create("/v/ä b");
  const { children, stat } = await zk.children("/v");
  expect([children, stat.numChildren, stat.cversion]).toEqual([["ä b"], 1, 1]);
  await expect(zk.delete("/v")).rejects.toMatchObject({ reason: "not-empty" });
  await zk.delete("/v/ä b");
  await zk.delete("/v");
  expect(await zk.exists("/v")).toBeUndefined();
  expect((await zk.children("/")).children).toEqual([]);
});

real("refusals say what was attempted on what", async () => {
  const zk = await below();
  await zk.create("/v");
  await expect(zk.create("/v")).rejects.toMatchObject({ code: "FOGBANK_COORDINATION_REFUSED", reason: "node-exists" });
  await expect(zk.get("/none")).rejects.toThrow("get /none: refused by the server: no-node (-101)");
  await expect(zk.create("/none/child")).rejects.toMatchObject({ reason: "no-node", outcome: "not-done" });
  await zk.create("/e", { lifetime: "ephemeral" });
  await expect(zk.create("/e/child")).rejects.toMatchObject({ reason: "no-children-for-ephemerals" });
  await expect(zk.create("v")).rejects.toMatchObject({ code: "FOGBANK_COORDINATION_INVALID" });
});

real("a version is compared, 0 as well as any other", async () => {
  const zk = await below();
  await zk.create("/v");
  await zk.set("/v", bytes("a"), 0);
  await expect(zk.set("/v", bytes("b"), 0)).rejects.toMatchObject({ reason: "bad-version" });
  await expect(zk.delete("/v", 0)).rejects.toMatchObject({ reason: "bad-version" });
  const stale = zk.multi([{ type: "set", path: "/v", data: bytes("b"), version: 0 }]);
  await expect(stale).rejects.toMatchObject({ reason: "bad-version", index: 0 });
  await zk.delete("/v", 1);
});

real("of many that change one version, one succeeds", async () => {
  const zk = await below();
  await zk.create("/v");
  const tries = await Promise.allSettled(Array.from({ length: 20 }, () => zk.set("/v", bytes("x"), 0)));
  expect(tries.filter(({ status }) => status === "fulfilled").length).toBe(1);
});

real("an ephemeral node ends with its session, and others see it go", async () => {
  const [owner, observer] = await pair();
  const { stat } = await owner.create("/e", { lifetime: "ephemeral" });
  expect(stat.ephemeralOwner).toBe(owner.sessionId);
  const events = new Inbox<WatchEvent>();
  await observer.sync();
  expect((await observer.exists("/e", events.put))?.ephemeralOwner).toBe(owner.sessionId);
  await owner.close();
  expect(await events.first()).toEqual({ type: "deleted", path: "/e" });
});

real("sequential nodes are numbered in the order of their making", async () => {
  const zk = await below();
  const paths = await Promise.all(
    Array.from({ length: 30 }, (_, number) =>
      zk.create("/q-", {
        sequential: true,
        data: bytes(`${number}`),
        lifetime: number % 2 ? "ephemeral" : "persistent",
      }),
    ),
  );
  expect(paths.map(({ path }) => path)).toEqual(paths.map(({ path }) => path).toSorted());
  expect(paths[29]?.path).toMatch(/^\/q-\d{10}$/);
});

real(
  "a node with a time to live and an empty container go by themselves",
  async () => {
    const zk = await below();
    const events = new Inbox<WatchEvent>();
    await zk.addWatch("/", true, events.put);
    await zk.create("/ttl", { lifetime: { ttlMs: 200 } });
    await zk.create("/ttl-", { lifetime: { ttlMs: 200 }, sequential: true });
    await zk.create("/box", { lifetime: "container" });
    await zk.create("/box/one");
    await zk.delete("/box/one");
    const gone = (path: string) => events.first((event) => event.type === "deleted" && event.path.startsWith(path));
    await Promise.all([gone("/ttl"), gone("/ttl-"), gone("/box")]);
    expect(events.all.some(({ path }) => path === "/box/one")).toBe(true);
  },
  100_000,
);

real("a transaction is all or nothing, with a result for each operation", async () => {
  const zk = await below();
  const results = await zk.multi([
    { type: "create", path: "/a", data: bytes("1") },
    { type: "set", path: "/a", data: bytes("2"), version: 0 },
    { type: "create", path: "/s-", sequential: true, lifetime: "ephemeral" },
    { type: "check", path: "/a", version: 1 },
    { type: "create", path: "/b" },
    { type: "delete", path: "/b" },
  ]);
  expect(results.map(({ type }) => type)).toEqual(["created", "set", "created", "checked", "created", "deleted"]);
  expect(results[2]).toMatchObject({ path: "/s-0000000001" });
  const failed = zk.multi([
    { type: "set", path: "/a", data: bytes("3") },
    { type: "create", path: "/a" },
    { type: "delete", path: "/a" },
  ]);
  await expect(failed).rejects.toThrow("multi create /a: refused by the server: node-exists (-110), operation 2 of 3");
  await expect(failed).rejects.toBeInstanceOf(TransactionError);
  expect(text((await zk.get("/a")).data)).toBe("2");
});

real("watches that fire once tell of data, of a node that comes, and of children", async () => {
  const [zk, other] = await pair();
  await zk.create("/v");
  const events = new Inbox<string>();
  const put = (name: string) => (event: WatchEvent) => events.put(`${name} ${event.type} ${event.path}`);
  await zk.get("/v", put("data"));
  await zk.children("/v", put("children"));
  expect(await zk.exists("/new", put("exists"))).toBeUndefined();
  await other.sync();
  await other.set("/v", bytes("x"));
  await other.set("/v", bytes("y"));
  await other.create("/v/c");
  await other.create("/new");
  await other.delete("/v/c");
  await Promise.all(
    ["data data /v", "children children /v", "exists created /new"].map((one) =>
      events.first((event) => event === one),
    ),
  );
  await zk.sync();
  expect(events.all.length).toBe(3);
});

real("a lasting watch tells of its node, a recursive one of all below, until it is given up", async () => {
  const [zk, other] = await pair();
  await zk.create("/p");
  await zk.create("/r");
  const [p, r] = [new Inbox<WatchEvent>(), new Inbox<WatchEvent>()];
  const watchP = await zk.addWatch("/p", false, p.put);
  await zk.addWatch("/r", true, r.put);
  await other.sync();
  await other.set("/p", bytes("1"));
  await other.set("/p", bytes("2"));
  await other.create("/p/c");
  await other.create("/r/a");
  await other.create("/r/a/b");
  await other.set("/r/a/b", bytes("1"));
  await other.delete("/r/a/b");
  await r.first(({ type }) => type === "deleted");
  expect(p.all.map(({ type }) => type)).toEqual(["data", "data", "children"]);
  expect(r.all.map(({ type, path }) => `${type} ${path}`)).toEqual([
    "created /r/a",
    "created /r/a/b",
    "data /r/a/b",
    "deleted /r/a/b",
  ]);
  await watchP[Symbol.asyncDispose]();
  await other.set("/p", bytes("3"));
  await other.set("/r/a", bytes("1"));
  await r.first(({ path, type }) => type === "data" && path === "/r/a");
  expect(p.all.length).toBe(3);
});

real("two who watch one path are both told, and one of them can leave", async () => {
  const zk = await below();
  await zk.create("/p");
  const [a, b] = [new Inbox<WatchEvent>(), new Inbox<WatchEvent>()];
  const watchA = await zk.addWatch("/p", false, a.put);
  await zk.addWatch("/p", false, b.put);
  await zk.set("/p", bytes("1"));
  await watchA[Symbol.asyncDispose]();
  await zk.set("/p", bytes("2"));
  await zk.sync();
  expect([a.all.length, b.all.length]).toEqual([1, 2]);
  await expect(zk.get("/p", a.put)).rejects.toMatchObject({ code: "FOGBANK_COORDINATION_INVALID" });
});

real("after sync a read at any server sees what was written at another", async () => {
  const ports = list.split(",");
  const [writer, reader] = [client(ports[0] ?? ""), client(ports.at(-1) ?? "")];
  onTestFinished(async () => void (await Promise.all([writer.zk.close(), reader.zk.close()])));
  const { path } = await writer.zk.create(`/test-${systemRandom.uuid()}`);
  for (let value = 0; value < 50; value++) {
    await writer.zk.set(path, bytes(`${value}`));
    await reader.zk.sync(path);
    expect(text((await reader.zk.get(path)).data)).toBe(`${value}`);
  }
});

real("a node is for whoever has its credentials, and the list can be changed", async () => {
  const digest = { user: "ann", password: "secret:1" };
  const [root, stranger] = await pair();
  const path = (await root.whoAmI())[0]?.scheme === "ip" ? "/private" : "/other";
  root.authenticate("digest", "ann:secret:1");
  await root.create(path, { data: bytes("x"), acl: creatorAcl });
  const refused = { code: "FOGBANK_COORDINATION_REFUSED", reason: "no-auth" };
  await stranger.sync();
  await expect(stranger.get(path)).rejects.toMatchObject(refused);
  await expect(
    stranger.multi([
      { type: "check", path, version: 0 },
      { type: "set", path, data: bytes("y") },
    ]),
  ).rejects.toMatchObject(refused);
  stranger.authenticate("digest", `${digest.user}:${digest.password}`);
  expect(text((await stranger.get(path)).data)).toBe("x");
  const { acl, stat } = await root.getAcl(path);
  expect(acl).toMatchObject([{ perms: permissions.all, scheme: "digest", id: expect.stringMatching(/^ann:/) }]);
  await root.setAcl(path, [...acl, { perms: permissions.read, scheme: "world", id: "anyone" }], stat.aversion);
  await expect(root.setAcl(path, openAcl, stat.aversion)).rejects.toMatchObject({ reason: "bad-version" });
  await expect(root.setAcl(path, [])).rejects.toMatchObject({ reason: "invalid-acl" });
  const third = await below({ digest });
  expect((await third.whoAmI()).map(({ scheme }) => scheme)).toContain("digest");
});

real("credentials that no server understands end the session, and whatever waits", async () => {
  const told = client(list);
  const ended = told.next("ended");
  told.zk.authenticate("nonsense", "x");
  await expect(told.zk.get("/")).rejects.toMatchObject({ reason: "auth-failed", code: "FOGBANK_COORDINATION_ENDED" });
  expect(await ended).toEqual({ type: "ended", reason: "auth-failed" });
  await told.zk.close();
});

real("below a chroot all paths are its own, in results and in events", async () => {
  const zk = await below();
  const events = new Inbox<WatchEvent>();
  await zk.addWatch("/", true, events.put);
  expect((await zk.create("/n-", { sequential: true })).path).toMatch(/^\/n-\d{10}$/);
  const [{ path } = { path: "" }] = (await zk.multi([{ type: "create", path: "/m" }])) as readonly { path: string }[];
  expect(path).toBe("/m");
  expect((await events.first(({ path: one }) => one === "/m")).type).toBe("created");
  expect(events.all[0]?.path).toMatch(/^\/n-/);
});

real("the largest request is taken, and the first byte more is refused without losing the connection", async () => {
  const zk = await below();
  await zk.create("/v");
  const session = zk.sessionId;
  // What else is in the frame: number, operation, lengths, version, and the path with its chroot.
  const path = "/v";
  const rest = 8 + 4 + `/test-${systemRandom.uuid()}`.length + path.length + 4 + 4;
  const largest = limits.coordinationRequestBytes - rest;
  expect((await zk.set(path, new Uint8Array(largest))).dataLength).toBe(largest);
  await expect(zk.set(path, new Uint8Array(largest + 1))).rejects.toMatchObject({
    code: "FOGBANK_COORDINATION_INVALID",
    message: expect.stringContaining(String(limits.coordinationRequestBytes)),
  });
  expect((await zk.get(path)).data.length).toBe(largest);
  expect(zk.sessionId).toBe(session);
});

real("a client that is closed refuses, and closing again is no harm", async () => {
  const { zk } = client(list);
  await zk.exists("/");
  await Promise.all([zk.close(), zk.close()]);
  await zk.close();
  await expect(zk.exists("/")).rejects.toMatchObject({ code: "FOGBANK_COORDINATION_ENDED", outcome: "not-done" });
});
