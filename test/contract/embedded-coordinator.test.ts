import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { openSqlDatabase } from "#agent/store/sql-database.ts";
import { coordinationMigrations, openEmbeddedCoordination } from "#cloud/coordination/embedded-coordinator.ts";
import { testCoordinator } from "./coordinator-contract.ts";

const none = new Uint8Array(0);

testCoordinator("embedded", async () => {
  const coordination = await openEmbeddedCoordination(await openSqlDatabase(":memory:", coordinationMigrations));
  onTestFinished(async () => coordination[Symbol.asyncDispose]());
  return () => coordination.open();
});

test("embedded: what lasts is there after a restart, with its versions and numbers; what was a session's is not", async () => {
  const folder = mkdtempSync(join(tmpdir(), "fogbank-coordination-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const open = async () =>
    openEmbeddedCoordination(await openSqlDatabase(join(folder, "coordination.db"), coordinationMigrations));
  {
    await using coordination = await open();
    const one = coordination.open();
    await one.change([
      { type: "create", path: "/a", data: Uint8Array.of(1) },
      { type: "write", path: "/a", data: Uint8Array.of(2) },
      { type: "create", path: "/a-b", data: none },
      { type: "create", path: "/a/c", data: none },
      { type: "create", path: "/a/n-", data: none, sequential: true, ephemeral: true },
      { type: "create", path: "/gone", data: none },
    ]);
    await one.change([{ type: "delete", path: "/gone" }]);
  }
  await using coordination = await open();
  const one = coordination.open();
  expect(await one.get("/a")).toEqual({ data: Uint8Array.of(2), version: 1, lifetime: "lasting" });
  expect([await one.list("/"), await one.list("/a")]).toEqual([["a", "a-b"], ["c"]]);
  await expect(one.change([{ type: "delete", path: "/a" }])).rejects.toMatchObject({ reason: "not-empty" });
  const [made] = await one.change([{ type: "create", path: "/a/n-", data: none, sequential: true }]);
  expect(made?.path).toBe("/a/n-0000000002");
});

test("embedded: what cannot be stored is not seen either", async () => {
  const database = await openSqlDatabase(":memory:", coordinationMigrations);
  await using coordination = await openEmbeddedCoordination({
    ...database,
    query: async (sql, params) => database.query(sql, params),
    transact: () => Promise.reject(new Error("the disk is full")),
    [Symbol.asyncDispose]: async () => database[Symbol.asyncDispose](),
  });
  const one = coordination.open();
  let told = 0;
  await one.watch("/", true, () => told++);
  await expect(one.change([{ type: "create", path: "/a", data: none }])).rejects.toThrow("the disk is full");
  expect([await one.get("/a"), await one.list("/"), told]).toEqual([undefined, [], 0]);
});
