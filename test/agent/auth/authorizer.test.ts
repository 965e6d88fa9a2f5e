import { expect, test } from "vitest";
import { type AnonymousMode, createAuthorizer, type NodeAuthorizer } from "#agent/auth/authorizer.ts";
import type { PasswordChecker } from "#agent/auth/password.ts";
import type { Users } from "#agent/auth/users-file.ts";
import type { ConnectionOrigin } from "#agent/net/connection-origin.ts";
import type { Admission, ClientInfo } from "#agent/broker/broker.ts";
import { FogbankError } from "#shared/errors.ts";
import { parseNodeName } from "#shared/ids.ts";
import { limits } from "#shared/limits.ts";
import { FakeClock } from "../../fakes/fake-clock.ts";
import { silentLogger } from "../../fakes/silent-logger.ts";

const unix: ConnectionOrigin = { transport: "unix", isLocal: true };
const local: ConnectionOrigin = { transport: "tcp", isLocal: true, remoteAddress: "127.0.0.1" };
const remote: ConnectionOrigin = { transport: "tls", isLocal: false, remoteAddress: "192.0.2.1" };
const holder = (certificateName: string): ConnectionOrigin => ({ ...remote, certificateName });

const users: Users = {
  users: [
    { name: "free", password: "of free", access: [] },
    {
      name: "pump",
      password: "of pump",
      access: [
        { filter: "/data/%u/#", allow: "publish" },
        { filter: "$SYS/#", allow: "subscribe" },
      ],
    },
    { name: "each", password: "of each", access: [{ filter: "/c/%c/#", allow: "both" }] },
    { name: "device-9", access: [{ filter: "/nine", allow: "publish" }] },
  ],
  children: [{ name: parseNodeName("device-1"), secret: "of device-1" }],
};

interface Bench {
  readonly authorizer: NodeAuthorizer;
  readonly clock: FakeClock;
  /** What was asked of the gate. */
  readonly gated: (readonly [string, string | undefined, boolean])[];
  /** What each check was made against. */
  readonly checked: (string | undefined)[];
  current: Users | FogbankError;
  gate: Admission;
  connect(client: ClientInfo, password?: string): Promise<string>;
}

/** Passwords are checked by comparison: the hash of "x" is "x". */
function createBench(anonymous: AnonymousMode = "local"): Bench {
  const clock = new FakeClock();
  const checked: (string | undefined)[] = [];
  const gated: (readonly [string, string | undefined, boolean])[] = [];
  const passwords: PasswordChecker = {
    async check(hash, password) {
      checked.push(hash);
      await Promise.resolve();
      const text = new TextDecoder().decode(password);
      return text === "busy" ? "busy" : hash === text ? "right" : "wrong";
    },
  };
  const state: Pick<Bench, "current" | "gate"> = { current: users, gate: true };
  const readUsers = (): Users => {
    if (state.current instanceof FogbankError) throw state.current;
    return state.current;
  };
  const admitChild = (...asked: readonly [string, string | undefined, boolean]): Admission => {
    gated.push(asked);
    return state.gate;
  };
  const deps = { clock, log: silentLogger(), passwords, readUsers, admitChild };
  const bench: Bench = Object.assign(state, {
    clock,
    gated,
    checked,
    authorizer: createAuthorizer(deps, anonymous),
    async connect(client: ClientInfo, password?: string) {
      const bytes = password === undefined ? undefined : new TextEncoder().encode(password);
      const admission = await bench.authorizer.connect(client, bytes);
      return admission === true ? "in" : admission.refused;
    },
  });
  return bench;
}

const link = (name: string) => [`$fog/up/${name}/h`, `$fog/dn/${name}/+`] as const;

/** What the client may do on the link of that node: publish up, subscribe down. */
function onLink({ authorizer }: Bench, client: ClientInfo, name: string): readonly boolean[] {
  const [up, down] = link(name);
  return [authorizer.publish(client, up), authorizer.subscribe(client, down)];
}

test.each([
  ["local", unix, "in"],
  ["local", local, "in"],
  ["local", remote, "credentials"],
  ["local", undefined, "credentials"],
  ["always", remote, "in"],
  ["never", local, "credentials"],
  ["never", unix, "credentials"],
] as const)("anonymous = %s, from %j: %s", async (mode, origin, outcome) => {
  expect(await createBench(mode).connect({ clientId: "c", ...(origin && { origin }) })).toBe(outcome);
});

test("where the broker does not tell the listener, the peer's address decides", async () => {
  expect(await createBench().connect({ clientId: "c", remoteAddress: "127.0.0.1" })).toBe("in");
  expect(await createBench().connect({ clientId: "c", remoteAddress: "192.0.2.1" })).toBe("credentials");
});

test("whom connect has not admitted may do nothing", async () => {
  const { authorizer } = createBench("always");
  const client = { clientId: "c", origin: local };
  expect([authorizer.publish(client, "/a"), authorizer.subscribe(client, "/a"), authorizer.roleOf(client)]).toEqual([
    false,
    false,
    undefined,
  ]);
});

test("an anonymous program of this machine has the rights of the tree, and speaks for the node of its client id", async () => {
  const bench = createBench();
  const client = { clientId: "device-2!b", origin: local };
  await bench.connect(client);
  expect(onLink(bench, client, "device-2")).toEqual([true, true]);
  expect(onLink(bench, client, "device-3")).toEqual([false, false]);
  expect(bench.authorizer.publish(client, "/data/a")).toBe(true);
  expect(bench.authorizer.publish(client, "/from/x")).toBe(false);
  expect(bench.authorizer.subscribe(client, "$SYS/#")).toBe(true);
  expect(bench.gated).toEqual([["device-2!b", undefined, true]]);
});

test("a user is known by the password, and only that; every failure costs one check and has the same answer", async () => {
  const bench = createBench();
  const as = (username: string | undefined, password?: string) =>
    bench.connect({ clientId: "c", origin: remote, ...(username !== undefined && { username }) }, password);
  expect(await as("free", "of free")).toBe("in");
  const failures = [
    ["free", "of pump"],
    ["nobody", "of free"],
    ["free", ""],
    [undefined, "of free"],
    ["device-9", "x"],
  ] as const;
  for (const [username, password] of failures) expect(await as(username, password)).toBe("credentials");
  expect(bench.checked).toHaveLength(1 + failures.length);
  expect(await as("free")).toBe("credentials");
  const admissions = await Promise.all(
    ["free", "nobody"].map(async (username) =>
      bench.authorizer.connect({ clientId: "c", username, origin: remote }, Buffer.from("x")),
    ),
  );
  expect(admissions[0]).toEqual(admissions[1]);
});

test("a user's name without its password does not pass as anonymous", async () => {
  expect(await createBench("always").connect({ clientId: "c", username: "pump", origin: local })).toBe("credentials");
});

test("access rules narrow the rule of the tree, and never widen it", async () => {
  const bench = createBench();
  const pump = { clientId: "c", username: "pump", origin: remote };
  await bench.connect(pump, "of pump");
  const { authorizer } = bench;
  expect(["/data/pump/a", "/data/other", "/x"].map((topic) => authorizer.publish(pump, topic))).toEqual([
    true,
    false,
    false,
  ]);
  expect(["/data/pump/a", "#", "$SYS/#"].map((filter) => authorizer.subscribe(pump, filter))).toEqual([
    false,
    false,
    true,
  ]);
  const free = { clientId: "c", username: "free", origin: remote };
  await bench.connect(free, "of free");
  expect(["/x", "/from/a", "$SYS/x"].map((topic) => authorizer.publish(free, topic))).toEqual([true, false, false]);
});

test("a user whose client id looks like a node does not get its link", async () => {
  const bench = createBench();
  for (const origin of [remote, local]) {
    const client = { clientId: "device-2", username: "free", origin };
    expect(await bench.connect(client, "of free")).toBe("in");
    expect(onLink(bench, client, "device-2")).toEqual([false, false]);
  }
  expect(bench.gated.map(([, , isProven]) => isProven)).toEqual([false, false]);
});

test("a child node proves its name by its secret, and gets its link and nothing else", async () => {
  const bench = createBench();
  const child = (password?: string, origin = remote) => {
    const client = { clientId: "device-1!b", username: "uuid-1", origin };
    return { client, outcome: bench.connect(client, password) };
  };
  const { client, outcome } = child("of device-1");
  expect(await outcome).toBe("in");
  expect(onLink(bench, client, "device-1")).toEqual([true, true]);
  expect(bench.authorizer.publish(client, "/data/a")).toBe(false);
  expect(bench.authorizer.subscribe(client, "#")).toBe(false);
  expect(bench.gated).toEqual([["device-1!b", "uuid-1", true]]);
  expect(await child("wrong").outcome).toBe("credentials");
  expect(await child(undefined, local).outcome).toBe("credentials");
});

test("nobody else takes the client id of a child that has a secret", async () => {
  const bench = createBench("always");
  for (const clientId of ["device-1", "device-1!b"]) {
    expect(await bench.connect({ clientId, username: "free", origin: local }, "of free")).toBe("not-authorized");
    expect(await bench.connect({ clientId, origin: holder("other") })).toBe("not-authorized");
  }
});

test("a certificate with the node's name proves it; another one is a user", async () => {
  const bench = createBench();
  const child = { clientId: "device-2!b", username: "uuid-2", origin: holder("device-2") };
  expect(await bench.connect(child)).toBe("in");
  expect(onLink(bench, child, "device-2")).toEqual([true, true]);
  const other = { clientId: "device-2", origin: holder("device-3") };
  expect(await bench.connect(other)).toBe("in");
  expect(onLink(bench, other, "device-2")).toEqual([false, false]);
  expect(onLink(bench, other, "device-3")).toEqual([false, false]);
  expect(bench.checked).toEqual([]);
});

test("the access rules of a certificate's user hold", async () => {
  const bench = createBench("never");
  const client = { clientId: "device-9", origin: holder("device-9") };
  expect(await bench.connect(client)).toBe("in");
  expect(["/nine", "/ten"].map((topic) => bench.authorizer.publish(client, topic))).toEqual([true, false]);
  expect(onLink(bench, client, "device-9")).toEqual([true, true]);
});

test("a child without a secret is admitted from this machine only", async () => {
  const child = { clientId: "device-2", username: "uuid-2" };
  expect(await createBench().connect({ ...child, origin: local })).toBe("in");
  expect(await createBench().connect({ ...child, origin: remote })).toBe("credentials");
  const bench = createBench("always");
  const anywhere = { ...child, origin: remote };
  expect(await bench.connect(anywhere)).toBe("in");
  expect(onLink(bench, anywhere, "device-2")).toEqual([true, true]);
});

test("the gate's no holds, after the password", async () => {
  const bench = createBench();
  bench.gate = { refused: "not-authorized", reason: "connected already" };
  const client = { clientId: "device-1", username: "uuid-1", origin: remote };
  expect(await bench.connect(client, "of device-1")).toBe("not-authorized");
  expect(bench.authorizer.publish(client, link("device-1")[0])).toBe(false);
});

test("ten failed log-ins of an address are enough for a minute; Unix sockets are exempt", async () => {
  const bench = createBench();
  const attempt = (origin: ConnectionOrigin, password: string) =>
    bench.connect({ clientId: "c", username: "free", origin }, password);
  for (let count = 0; count < 5; count++) expect(await attempt(remote, "of free")).toBe("in");
  for (let count = 0; count < 5; count++) expect(await attempt(remote, "busy")).toBe("busy");
  const many = await Promise.all(Array.from({ length: 20 }, () => attempt(remote, "wrong")));
  expect(many.filter((outcome) => outcome === "credentials")).toHaveLength(10);
  const checks = bench.checked.length;
  expect(await attempt(remote, "of free")).toBe("busy");
  expect(bench.checked).toHaveLength(checks);
  expect(await attempt({ ...remote, remoteAddress: "192.0.2.2" }, "of free")).toBe("in");
  for (let count = 0; count < 20; count++) expect(await attempt(unix, "wrong")).toBe("credentials");
  await bench.clock.advance(limits.failedLoginWindowMs);
  expect(await attempt(remote, "of free")).toBe("in");
});

test("clients share a role where they may do the same", async () => {
  const bench = createBench();
  const client = (clientId: string, username?: string, origin = remote): ClientInfo => ({
    clientId,
    origin,
    ...(username !== undefined && { username }),
  });
  const clients = {
    pumps: [client("a", "pump"), client("b", "pump")],
    each: client("a", "each"),
    free: client("a", "free"),
    locals: [client("a", undefined, local), client("b", undefined, local)],
    child: client("device-1", "uuid-1"),
  } as const;
  for (const one of [...clients.pumps, clients.each, clients.free]) await bench.connect(one, `of ${one.username}`);
  for (const one of clients.locals) await bench.connect(one);
  await bench.connect(clients.child, "of device-1");
  const role = (one: ClientInfo | undefined) => (one === undefined ? undefined : bench.authorizer.roleOf(one));
  expect(role(clients.pumps[0])).toBeDefined();
  expect(role(clients.pumps[0])).toBe(role(clients.pumps[1]));
  expect(role(clients.locals[0])).toBe(role(clients.locals[1]));
  expect(role(clients.each)).toBeUndefined();
  const distinct = new Set([role(clients.pumps[0]), role(clients.free), role(clients.locals[0]), role(clients.child)]);
  expect(distinct.size).toBe(4);
  const before = role(clients.pumps[0]);
  bench.authorizer.reload();
  expect(role(clients.pumps[0])).not.toBe(before);
  expect(role(clients.pumps[0])).toBe(role(clients.pumps[1]));
});

test("%c is the client's own id", async () => {
  const bench = createBench();
  const client = { clientId: "panel", username: "each", origin: remote };
  await bench.connect(client, "of each");
  expect(["/c/panel/x", "/c/other/x"].map((topic) => bench.authorizer.publish(client, topic))).toEqual([true, false]);
});

test("a reload changes the rules of those who are connected, and tells who has to go", async () => {
  const bench = createBench();
  const pump = { clientId: "a", username: "pump", origin: remote };
  const free = { clientId: "b", username: "free", origin: remote };
  const here = { clientId: "device-2", origin: local };
  const child = { clientId: "device-1", username: "uuid-1", origin: remote };
  await bench.connect(pump, "of pump");
  await bench.connect(free, "of free");
  await bench.connect(here);
  await bench.connect(child, "of device-1");
  bench.current = {
    users: [{ name: "pump", password: "of pump", access: [{ filter: "/new", allow: "publish" }] }],
    children: [
      { name: parseNodeName("device-1"), secret: "another" },
      { name: parseNodeName("device-2"), secret: "first" },
    ],
  };
  const { isRevoked, ...counts } = bench.authorizer.reload();
  expect(counts).toEqual({ users: 1, children: 2 });
  expect([pump, free, here, child].map((client) => isRevoked({ ...client }))).toEqual([false, true, true, true]);
  expect(["/data/pump/a", "/new"].map((topic) => bench.authorizer.publish(pump, topic))).toEqual([false, true]);
  expect(bench.authorizer.publish(free, "/x")).toBe(false);
  expect(onLink(bench, child, "device-1")).toEqual([false, false]);
  expect(onLink(bench, here, "device-2")).toEqual([false, false]);
});

test("a reload that fails changes nothing", async () => {
  const bench = createBench();
  const pump = { clientId: "a", username: "pump", origin: remote };
  await bench.connect(pump, "of pump");
  const role = bench.authorizer.roleOf(pump);
  bench.current = new FogbankError("FOGBANK_USERS_INVALID", "broken");
  expect(() => bench.authorizer.reload()).toThrow("broken");
  expect(bench.authorizer.roleOf(pump)).toBe(role);
});

test("a password that is changed while it is checked does not admit", async () => {
  const bench = createBench();
  const outcome = bench.connect({ clientId: "c", username: "free", origin: remote }, "of free");
  bench.current = { users: [{ name: "free", password: "new", access: [] }], children: [] };
  bench.authorizer.reload();
  expect(await outcome).toBe("credentials");
});
