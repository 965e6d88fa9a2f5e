import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { openSqlDatabase } from "#agent/store/sql-database.ts";
import type { Operation } from "#cloud/coordination/coordinator.ts";
import { coordinationMigrations } from "#cloud/coordination/embedded/coordination-schema.ts";
import {
  openEmbeddedCoordination,
  type EmbeddedCoordination,
} from "#cloud/coordination/embedded/embedded-coordinator.ts";
import { testCoordinator } from "./coordinator-contract.ts";

const none = new Uint8Array();

async function openFile(file: string): Promise<EmbeddedCoordination> {
  return openEmbeddedCoordination({ database: await openSqlDatabase(file, coordinationMigrations), now: () => 1_000 });
}

testCoordinator("embedded", async () => {
  const coordination = await openFile(":memory:");
  await coordination.open().run([{ type: "create", path: "/base", data: none }]);
  return {
    base: "/base",
    open: async () => coordination.open(),
    [Symbol.asyncDispose]: () => coordination[Symbol.asyncDispose](),
  };
});

test("[Z5] [C2] embedded: what lasts is there after a restart, what is ephemeral is not, and numbers go on", async () => {
  const directory = await mkdtemp(join(tmpdir(), "fogbank-coordination-"));
  const create = (path: string, more: Partial<Operation> = {}): Operation =>
    ({ type: "create", path, data: new TextEncoder().encode(path), ...more }) as Operation;
  try {
    {
      await using coordination = await openFile(join(directory, "coordination.db"));
      const one = coordination.open();
      await one.run([create("/a"), create("/a/b"), create("/e", { isEphemeral: true })]);
      await one.run([{ type: "write", path: "/a", data: none }]);
      await one.run([create("/a/n-", { isSequential: true, isEphemeral: true })]);
      // Lasting before, ephemeral now.
      await one.run([create("/c")]);
      await one.run([{ type: "remove", path: "/c" }, create("/c", { isEphemeral: true })]);
    }
    await using coordination = await openFile(join(directory, "coordination.db"));
    const one = coordination.open();
    expect(await one.children("/")).toEqual(["a"]);
    expect(await one.read("/a")).toEqual({ data: none, version: 1, owner: undefined });
    expect(await one.children("/a")).toEqual(["b"]);
    expect(await one.run([create("/a/n-", { isSequential: true })])).toEqual({ paths: ["/a/n-0000000001"] });
  } finally {
    await rm(directory, { recursive: true });
  }
});

test("embedded: what cannot be written has not happened", async () => {
  const database = await openSqlDatabase(":memory:", coordinationMigrations);
  let isBroken = false;
  const failing = {
    query: database.query.bind(database),
    transact: (...args: Parameters<typeof database.transact>) =>
      isBroken ? Promise.reject(new Error("the disk is gone")) : database.transact(...args),
    [Symbol.asyncDispose]: () => database[Symbol.asyncDispose](),
  };
  await using coordination = await openEmbeddedCoordination({ database: failing, now: () => 0 });
  const one = coordination.open();
  isBroken = true;
  await expect(one.run([{ type: "create", path: "/a", data: none }])).rejects.toThrow("the disk is gone");
  expect(await one.read("/a")).toBeUndefined();
  isBroken = false;
  expect(await one.run([{ type: "create", path: "/a", data: none }])).toEqual({ paths: ["/a"] });
});
