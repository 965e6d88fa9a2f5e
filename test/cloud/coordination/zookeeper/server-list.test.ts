// The list of servers as ZooKeeper's clients write it.
import { expect, test } from "vitest";
import { parseServerList } from "#cloud/coordination/zookeeper/server-list.ts";

test("hosts, ports and a chroot are read", () => {
  expect(parseServerList("a:1, b ,[::1]:3/app/x")).toEqual({
    servers: [
      { host: "a", port: 1 },
      { host: "b", port: 2181 },
      { host: "::1", port: 3 },
    ],
    chroot: "/app/x",
  });
  expect(parseServerList("a/")).toEqual({ servers: [{ host: "a", port: 2181 }], chroot: "" });
});

test("what is no list is refused with what is wrong", () => {
  for (const text of ["", "a:0", "a:65536", "a:b", "a,,b", "a:1/x/", "::1", "a b"]) {
    expect(() => parseServerList(text), text).toThrow(
      expect.objectContaining({ code: "FOGBANK_COORDINATION_INVALID" }),
    );
  }
});
