import { MongoClient, type Db } from "mongodb";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createMongodbStore } from "#cloud/storage/mongodb/mongodb-store.ts";
import type { DocumentStore } from "#shared/system/document-store.ts";
import { documentAt, insert } from "../fakes/made-documents.ts";
import { startRealMongodb, whyNoMongodb, type RealMongodb } from "../fakes/real-mongodb.ts";
import { testDocumentStore } from "./document-store-contract.ts";

const database = `fogbank-contract-${process.pid}`;

describe.skipIf(whyNoMongodb() !== undefined)("a real MongoDB", () => {
  let server: RealMongodb;
  let client: MongoClient;
  let db: Db;

  beforeAll(async () => {
    server = await startRealMongodb();
    client = new MongoClient(server.url, { readConcern: { level: "majority" }, writeConcern: { w: "majority" } });
    db = client.db(database);
  }, 120_000);

  afterAll(async () => {
    await db.dropDatabase();
    await client.close();
    await server[Symbol.asyncDispose]();
  });

  const open = (owner = "cloud-1", name = database): DocumentStore =>
    createMongodbStore({ url: server.url, database: name, owner }, () => 1 + Math.floor(Math.random() * 1e9));
  // Emptied and not dropped: its indexes stay, which take longer to make than a test.
  const openEmpty = async (): Promise<DocumentStore> => {
    await db.collection("data").deleteMany({});
    return open();
  };

  testDocumentStore("mongodb", openEmpty);

  test("mongodb: [U-S8] a document has the identity as its id, and fields that other programs can read", async () => {
    await using store = await openEmpty();
    await insert(store, [documentAt(5, { topic: "/data/room/temp", payload: new Uint8Array([1, 2]) })]);
    const [found] = await db.collection<{ payload: { value(): Uint8Array } }>("data").find().toArray();
    expect(found).toMatchObject({
      _id: { origin: "plant-1", epoch: 7, stream: "data", seq: 5 },
      arrival: 5,
      time: new Date(1_700_000_000_005),
      topic: "/data/room/temp",
      path: "room/temp",
      flags: 0,
    });
    expect(found?.payload.value()).toEqual(Buffer.from([1, 2]));
  });

  test("mongodb: each database has an instance of its own, and keeps it", async () => {
    const other = `${database}-other`;
    const instanceOf = async (name: string): Promise<number> => {
      await using store = open("cloud-1", name);
      return await store.instance();
    };
    const [one, another, again] = [await instanceOf(database), await instanceOf(other), await instanceOf(database)];
    await client.db(other).dropDatabase();
    expect(another).not.toBe(one);
    expect(again).toBe(one);
  });

  test("mongodb: [O2] what an insert has stored of which the answer was lost is there once", async () => {
    await using store = await openEmpty();
    await insert(
      store,
      [1, 2, 3].map((arrival) => documentAt(arrival)),
    );
    {
      // The first store does not see this: it knows how far it has come, and does not look.
      await using earlier = open();
      await insert(
        earlier,
        [4, 5, 6].map((arrival) => documentAt(arrival)),
      );
    }
    expect(
      await insert(
        store,
        [4, 5, 6, 7].map((arrival) => documentAt(arrival)),
      ),
    ).toEqual({ inserted: 1, duplicates: 3 });
    expect((await store.findData({ limit: 20 })).map(({ seq }) => seq)).toEqual([1, 2, 3, 4, 5, 6, 7]);
  });

  test("mongodb: an arrival that another writer has taken meanwhile is refused, and nothing of that call stays", async () => {
    await using store = await openEmpty();
    await insert(store, [documentAt(1)]);
    {
      await using other = open();
      await insert(other, [documentAt(3, { origin: "plant-2" })]);
    }
    await expect(
      insert(
        store,
        [2, 3, 4].map((arrival) => documentAt(arrival)),
      ),
    ).rejects.toMatchObject({
      code: "FOGBANK_DATA_REFUSED",
    });
    expect((await store.findData({ limit: 20 })).map(({ arrival }) => arrival)).toEqual([1, 3]);
  });

  test("mongodb: [O9] a message that a validator refuses is the data's fault, and nothing of that call stays", async () => {
    await using store = await openEmpty();
    await insert(store, [documentAt(1)]);
    await db.command({ collMod: "data", validator: { topic: { $ne: "/data/bad" } } });
    try {
      await expect(insert(store, [documentAt(2), documentAt(3, { topic: "/data/bad" })])).rejects.toMatchObject({
        code: "FOGBANK_DATA_REFUSED",
      });
      expect((await store.findData({ limit: 20 })).map(({ seq }) => seq)).toEqual([1]);
      expect(await insert(store, [documentAt(2)])).toEqual({ inserted: 1, duplicates: 0 });
    } finally {
      await db.command({ collMod: "data", validator: {} });
    }
  });

  test("mongodb: a database that another node writes to, and one of a later version, are refused", async () => {
    await using store = await openEmpty();
    await store.instance();
    await using foreign = open("cloud-2");
    await expect(insert(foreign, [documentAt(1)])).rejects.toMatchObject({ code: "FOGBANK_STORE_FOREIGN" });
    await db.collection("store").updateOne({}, { $inc: { schema: 1 } });
    await using earlier = open();
    await expect(earlier.lastArrival()).rejects.toMatchObject({ code: "FOGBANK_STORE_FOREIGN" });
    await db.collection("store").updateOne({}, { $inc: { schema: -1 } });
    expect(await earlier.lastArrival()).toBe(0);
  });

  test("mongodb: pages, counts and spans each take an index", async () => {
    await using store = await openEmpty();
    await insert(store, [documentAt(1)]);
    const data = db.collection("data");
    const asked = [
      data.find({ arrival: { $gt: 1 } }).sort({ arrival: 1 }),
      data.find({ arrival: { $gt: 1 }, path: { $in: ["a", "b"] } }).sort({ arrival: 1 }),
      data.find({ arrival: { $gt: 1 }, "_id.origin": "a", path: "b" }).sort({ arrival: 1 }),
      data.find({ arrival: { $gt: 1 }, "_id.stream": "a" }).sort({ arrival: 1 }),
      data.find({ arrival: { $gt: 1 }, "_id.origin": "a" }).sort({ arrival: 1 }),
      data.find({ "_id.origin": "a", "_id.stream": "b", time: { $gte: new Date(0) } }),
    ];
    for (const query of asked) {
      const plan = JSON.stringify((await query.explain("queryPlanner"))["queryPlanner"].winningPlan);
      expect(plan).toContain("IXSCAN");
      expect(plan).not.toContain('"SORT"');
    }
  });
});

test("mongodb: [U7] a server that is not there is away, and says so each time", async () => {
  await using store = createMongodbStore(
    { url: "mongodb://127.0.0.1:9/?serverSelectionTimeoutMS=100", database: "x", owner: "cloud-1" },
    () => 1,
  );
  await expect(store.lastArrival()).rejects.toMatchObject({ code: "FOGBANK_STORE_AWAY" });
  await expect(store.instance()).rejects.toMatchObject({ code: "FOGBANK_STORE_AWAY" });
  await expect(insert(store, [documentAt(1)])).rejects.toMatchObject({ code: "FOGBANK_STORE_AWAY" });
});

test("mongodb: what is asked of a store that is closed fails with FOGBANK_STORE_CLOSED", async () => {
  const store = createMongodbStore({ url: "mongodb://127.0.0.1:9", database: "x", owner: "cloud-1" }, () => 1);
  const asked = store.lastArrival();
  await store[Symbol.asyncDispose]();
  await expect(asked).rejects.toMatchObject({ code: "FOGBANK_STORE_CLOSED" });
});

test("mongodb: a URL that cannot be meant, and a password that cannot be read, are the configuration's fault", () => {
  const open = (settings: object) => () =>
    createMongodbStore({ url: "mongodb://a", database: "x", owner: "cloud-1", ...settings }, () => 1);
  expect(open({ url: "mongodb://" })).toThrow(/^documents.url: /);
  expect(open({ url: "mongodb://a/?nosuch=1" })).toThrow(/nosuch/);
  expect(open({ user: "u", passwordFile: "/nonexistent" })).toThrow(/^documents.password-file: /);
});
