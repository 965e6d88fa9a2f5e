import { MongoClient } from "mongodb";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { StorageWitness } from "#cloud/storage/mongodb/storage-witness.ts";
import { blockOf, documentAt } from "../../../fakes/made-documents.ts";
import { startRealMongodb, whyNoMongodb, type RealMongodb } from "../../../fakes/real-mongodb.ts";

const identity = { origin: "plant-1", epoch: 7, stream: "data", seq: 2 };

describe.skipIf(whyNoMongodb() !== undefined)("a real MongoDB", () => {
  let server: RealMongodb;
  let client: MongoClient;

  beforeAll(async () => {
    server = await startRealMongodb();
    client = new MongoClient(server.url);
  }, 120_000);

  afterAll(async () => {
    await client.db(`fogbank-witness-${process.pid}`).dropDatabase();
    await client.close();
    await server[Symbol.asyncDispose]();
  });

  test("[O3] a new connection is a doubt until what was acknowledged last is found, or known to be gone", async () => {
    const db = client.db(`fogbank-witness-${process.pid}`);
    const witness = new StorageWitness(db);
    expect(witness.isDoubtful).toBe(false);
    witness.doubt();
    expect(await witness.isThere()).toBe(true); // nothing was acknowledged
    await db.collection<{ _id: typeof identity }>("data").insertOne({ _id: identity });
    witness.saw([blockOf([documentAt(1), documentAt(2)])]);
    witness.doubt();
    expect(await witness.isThere()).toBe(true);
    expect(witness.isDoubtful).toBe(false);

    await db.collection("data").deleteMany({});
    witness.doubt();
    // As often as it is asked: whoever asks may not get to do something about it.
    for (let times = 0; times < 2; times++) {
      expect(await witness.isThere()).toBe(false);
      expect(witness.isDoubtful).toBe(true);
    }
    witness.forget();
    expect(await witness.isThere()).toBe(true);
    expect(witness.isDoubtful).toBe(false);
  });
});
