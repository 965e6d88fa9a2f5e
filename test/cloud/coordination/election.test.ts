import { expect, test } from "vitest";
import type { Coordinator } from "#cloud/coordination/coordinator.ts";
import { standForElection, type Election, type Leadership } from "#cloud/coordination/election.ts";
import { openSessions, openStack, suspendable } from "../../fakes/coordination-scene.ts";
import { silentLogger } from "../../fakes/silent-logger.ts";

const stack = openStack();

function stand(coordinator: Coordinator, name: string): Election {
  const election = standForElection({ coordinator, log: silentLogger() }, { path: "/election", name });
  stack.push(election);
  return election;
}

/** Resolves with the first leadership, now or later, of which `is` holds. */
async function until(
  election: Election,
  is: (leadership: Leadership | undefined) => boolean,
): Promise<Leadership | undefined> {
  if (is(election.leadership)) return election.leadership;
  const { promise, resolve } = Promise.withResolvers<Leadership | undefined>();
  using _ = election.onChange((leadership) => {
    if (is(leadership)) resolve(leadership);
  });
  return await promise; // heard until then
}

const leads = (name: string) => (leadership: Leadership | undefined) => leadership?.leader === name;

test("[Z6] all see one leader, and it stays while it lives, whatever the names of those that come", async () => {
  const open = await openSessions(stack);
  const second = stand(open(), "cloud-2");
  expect(await until(second, leads("cloud-2"))).toEqual({ leader: "cloud-2", term: 1, isSelf: true });
  const first = stand(open(), "cloud-1");
  expect(await until(first, leads("cloud-2"))).toEqual({ leader: "cloud-2", term: 1, isSelf: false });
  expect(second.leadership?.isSelf).toBe(true);
});

test("[C8] when the leader's session ends the lower name leads, in a later term", async () => {
  const open = await openSessions(stack);
  const session = open();
  const second = stand(session, "cloud-2");
  await until(second, leads("cloud-2"));
  const [fourth, third] = [stand(open(), "cloud-4"), stand(open(), "cloud-3")];
  await Promise.all([fourth, third].map((one) => until(one, leads("cloud-2"))));
  // Both stand by now: each has seen the leader after it had entered its name.
  await session[Symbol.asyncDispose]();
  expect(await until(fourth, leads("cloud-3"))).toMatchObject({ term: 2, isSelf: false });
  expect(await until(third, leads("cloud-3"))).toMatchObject({ term: 2, isSelf: true });
  expect(second.leadership).toBeUndefined();
});

test("whoever withdraws hands the lead on at once, and takes no part any more", async () => {
  const open = await openSessions(stack);
  const first = stand(open(), "cloud-1");
  await until(first, leads("cloud-1"));
  const second = stand(open(), "cloud-2");
  await until(second, leads("cloud-1"));
  await first[Symbol.asyncDispose]();
  expect(await until(second, leads("cloud-2"))).toMatchObject({ term: 2, isSelf: true });
  expect(await open().children("/election/candidates")).toEqual(["cloud-2"]);
});

test("[Z6] a leader whose session is suspended is none until it is live again, and keeps its term then", async () => {
  const open = await openSessions(stack);
  const { coordinator, say } = suspendable(open());
  const first = stand(coordinator, "cloud-1");
  await until(first, leads("cloud-1"));
  say({ type: "suspended" });
  expect(first.leadership).toBeUndefined();
  say(undefined);
  expect(await until(first, leads("cloud-1"))).toEqual({ leader: "cloud-1", term: 1, isSelf: true });
});

test("who was leader in a session that is lost is not the leader in the next, though the name stands there", async () => {
  const open = await openSessions(stack);
  const { coordinator, say } = suspendable(open());
  const first = stand(coordinator, "cloud-1");
  await until(first, leads("cloud-1"));
  say({ type: "lost" });
  say({ type: "live", id: "another" });
  expect(await until(first, leads("cloud-1"))).toMatchObject({ term: 1, isSelf: false });
});
