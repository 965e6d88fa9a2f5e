import { expect, test } from "vitest";
import { mayPublishInTree, maySubscribeInTree, treeAuthorizer } from "#agent/broker/authorize.ts";

const mayPublish = (clientId: string, ...topics: string[]) =>
  topics.map((topic) => treeAuthorizer.publish({ clientId }, topic));
const maySubscribe = (clientId: string, ...filters: string[]) =>
  filters.map((filter) => treeAuthorizer.subscribe({ clientId }, filter));

test("a child publishes below its own link topic, on both of its connections", () => {
  for (const clientId of ["fog-1", "fog-1!b"]) {
    expect(mayPublish(clientId, "$fog/up/fog-1/h", "$fog/up/fog-1/x/y")).toEqual([true, true]);
  }
});

test("nobody publishes on another's link topics, downward, or elsewhere in $ space", () => {
  const forbidden = [
    "$fog/up/fog-2/h",
    "$fog/up/fog-1",
    "$fog/up/fog-1/",
    "$fog/up/fog-10/h",
    "$fog/dn/fog-1/h",
    "$fog/up",
    "$fog",
    "$SYS/x",
    "$taken",
    "$other/x",
  ];
  expect(mayPublish("fog-1", ...forbidden)).toEqual(forbidden.map(() => false));
});

test("a child reads below its own link topic and nobody else's, whatever wildcards it uses", () => {
  expect(maySubscribe("fog-1", "$fog/dn/fog-1/#", "$fog/dn/fog-1/+", "$fog/dn/fog-1/a")).toEqual([true, true, true]);
  const forbidden = [
    "$fog/#",
    "$fog/+/fog-1/h",
    "$fog/dn/+/h",
    "$fog/dn/#",
    "$fog/up/fog-1/#",
    "$fog/dn/fog-2/#",
    "$fog/dn/fog-1",
    "$fog",
    "$taken/#",
    "$+/x",
  ];
  expect(maySubscribe("fog-1", ...forbidden)).toEqual(forbidden.map(() => false));
});

test("a client id that is no node's name proves nothing on a link topic", () => {
  expect(maySubscribe("+", "$fog/dn/+/h")).toEqual([false]);
  expect(maySubscribe("#", "$fog/dn/#/h")).toEqual([false]);
  expect(mayPublish("a/b", "$fog/up/a/b/h")).toEqual([false]);
  expect(mayPublish("", "$fog/up//h")).toEqual([false]);
  expect(mayPublish("!b", "$fog/up//h")).toEqual([false]);
});

test("everybody reads $SYS and everything outside of $ space", () => {
  expect(maySubscribe("c", "$SYS/#", "$SYS/+/x", "#", "+/a", "/from/#", "/level/uplink")).toEqual(Array(6).fill(true));
});

test("only the node itself speaks about origins, presence, its uplink and its journal", () => {
  const nodeOnly = [
    "/machine/replies/1",
    "/level/replies/a/1",
    "/from/x/data/y",
    "/from",
    "/from/",
    "/level/presence/x",
    "/level/uplink",
    "/level/journal",
    "/level/network",
    "/level/node",
    "/level/losses/x",
    "/level/presence",
    "/level/uplink/x",
  ];
  expect(mayPublish("c", ...nodeOnly)).toEqual(nodeOnly.map(() => false));
  const free = [
    "/data/a",
    "/fromage",
    "/level/calls/f",
    "/level/uplinks",
    "/level/nodes",
    "/level",
    "from/x",
    "machine/x",
  ];
  expect(mayPublish("c", ...free)).toEqual(free.map(() => true));
});

test("a client that speaks for no node has no link topics, whatever its id", () => {
  expect(mayPublishInTree("$fog/up/undefined/h", undefined)).toBe(false);
  expect(maySubscribeInTree("$fog/dn/undefined/+", undefined)).toBe(false);
  expect([mayPublishInTree("/data/a", undefined), maySubscribeInTree("$SYS/#", undefined)]).toEqual([true, true]);
});

test("everybody is let in, with one role", () => {
  expect(treeAuthorizer.connect({ clientId: "a" }, undefined)).toBe(true);
  expect(treeAuthorizer.roleOf({ clientId: "a" })).toBe(treeAuthorizer.roleOf({ clientId: "b" }));
});
