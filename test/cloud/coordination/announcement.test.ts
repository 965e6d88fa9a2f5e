import { expect, test } from "vitest";
import { announce, type Announcement } from "#cloud/coordination/announcement.ts";
import type { Coordinator } from "#cloud/coordination/coordinator.ts";
import { followDirectory } from "#cloud/coordination/directory.ts";
import { openSessions, openStack, suspendable } from "../../fakes/coordination-scene.ts";
import { silentLogger } from "../../fakes/silent-logger.ts";

const stack = openStack();
const path = "/fellows/uuid-1";
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

function say(coordinator: Coordinator, text: string): Announcement {
  const announcement = announce({ coordinator, log: silentLogger() }, path, bytes(text));
  stack.push(announcement);
  return announcement;
}

type Shown = Readonly<Record<string, string>> | undefined;

/** What a session sees of the directory, and how to wait for it. */
function follow(coordinator: Coordinator) {
  let shown: Shown;
  let hear = (): void => undefined;
  const directory = followDirectory({ coordinator, log: silentLogger() }, "/fellows", (listing) => {
    shown = listing && Object.fromEntries([...listing].map(([name, data]) => [name, new TextDecoder().decode(data)]));
    hear();
  });
  stack.push(directory);
  const until = async (expected: Shown): Promise<void> => {
    const wanted = JSON.stringify(expected);
    while (JSON.stringify(shown) !== wanted) await new Promise<void>((resolve) => (hear = resolve));
  };
  return { until, shown: () => shown, directory };
}

test("[U11] [U22] what a fellow announces is seen by all, as it is now", async () => {
  const open = await openSessions(stack);
  const { until, shown } = follow(open());
  const announcement = say(open(), "10.0.0.1:5432");
  await until({ "uuid-1": "10.0.0.1:5432" });
  announcement.update(bytes("10.0.0.2:5432"));
  await until({ "uuid-1": "10.0.0.2:5432" });
  await announcement[Symbol.asyncDispose]();
  await until({});
  expect(shown()).toEqual({});
});

test("[U3] what a fellow has announced goes with its session", async () => {
  const open = await openSessions(stack);
  const { until, shown } = follow(open());
  const session = open();
  say(session, "a");
  await until({ "uuid-1": "a" });
  await session[Symbol.asyncDispose]();
  await until({});
  expect(shown()).toEqual({});
});

test("[U23] of two that announce at one place the first stands there, and the second when that one has gone", async () => {
  const open = await openSessions(stack);
  const { until } = follow(open());
  const first = say(open(), "first");
  await until({ "uuid-1": "first" });
  const second = say(open(), "second");
  first.update(bytes("first again"));
  await until({ "uuid-1": "first again" });
  expect(second.isThere).toBe(false);
  await first[Symbol.asyncDispose]();
  await until({ "uuid-1": "second" });
});

test("in a new session it is announced again, once what is left of the old one has gone", async () => {
  const open = await openSessions(stack);
  const { until } = follow(open());
  const [old, fresh] = [open(), open()];
  const { coordinator, say: tell, use } = suspendable(old);
  const announcement = say(coordinator, "a");
  await until({ "uuid-1": "a" });
  tell({ type: "lost" });
  expect(announcement.isThere).toBe(false);
  use(fresh);
  tell(undefined);
  expect(announcement.isThere).toBe(false);
  await old[Symbol.asyncDispose]();
  await until({});
  await until({ "uuid-1": "a" });
});

test("who has lost its session does not know who is there, and who is suspended keeps what it has read", async () => {
  const open = await openSessions(stack);
  const { coordinator, say: tell } = suspendable(open());
  const { until, shown } = follow(coordinator);
  say(open(), "a");
  await until({ "uuid-1": "a" });
  tell({ type: "suspended" });
  expect(shown()).toEqual({ "uuid-1": "a" });
  tell({ type: "lost" });
  expect(shown()).toBeUndefined();
  tell(undefined);
  await until({ "uuid-1": "a" });
});
