// DocumentStore on a MongoDB replica set. Nothing is asked of a server before the first operation: it may be away for any time, and
// every operation says so by FOGBANK_STORE_AWAY.
import { FogbankError } from "#shared/errors.ts";
import type { DocumentStore } from "#shared/system/document-store.ts";
import type { MessageDocument } from "./data-document.ts";
import { DataReader } from "./data-reader.ts";
import { DataWriter } from "./data-writer.ts";
import { openMongoClient } from "./mongodb-client.ts";
import { mongodbError } from "./mongodb-error.ts";
import { migrate, renewInstance } from "./mongodb-schema.ts";
import type { MongodbSettings } from "./mongodb-settings.ts";
import { StorageWitness } from "./storage-witness.ts";

/** `drawInstance`: a whole number above 0, for a database that is new. Throws FOGBANK_CONFIG_INVALID for a URL or a file that cannot be used. */
export function createMongodbStore(settings: MongodbSettings, drawInstance: () => number): DocumentStore {
  const client = openMongoClient(settings);
  const db = client.db(settings.database);
  const reader = new DataReader(db);
  const writer = new DataWriter(db.collection<MessageDocument>("data"), reader);
  const witness = new StorageWitness(db);
  client.on("connectionCreated", () => witness.doubt());
  let opened: Promise<number> | undefined;
  let isClosed = false;

  const ready = async (): Promise<number> => {
    try {
      return await (opened ??= open());
    } catch (error) {
      opened = undefined;
      throw error;
    }
  };
  const open = async (): Promise<number> => {
    // A client that has never met a server has to be told to try again.
    await client.connect();
    return migrate(db, settings.owner, drawInstance());
  };
  const failure = (what: string, error: unknown): FogbankError =>
    isClosed
      ? new FogbankError("FOGBANK_STORE_CLOSED", `could not ${what} in MongoDB: the store is closed`, { cause: error })
      : mongodbError(what, error);
  const attempt = async <T>(what: string, work: () => Promise<T>): Promise<T> => {
    try {
      await ready();
      return await work();
    } catch (error) {
      throw failure(what, error);
    }
  };
  const removeDoubt = async (): Promise<void> => {
    if (!witness.isDoubtful) return;
    writer.forget();
    opened = undefined;
    await ready();
    if (await witness.isThere()) return;
    // Whoever compares instances then finds out what exactly is missing.
    await renewInstance(db, drawInstance());
    witness.forget();
    opened = undefined;
    throw new FogbankError(
      "FOGBANK_STORE_AWAY",
      "it has less than it had acknowledged: it was put back, or is another",
    );
  };

  return {
    insertBlocks: (blocks) =>
      attempt("store messages", async () => {
        await removeDoubt();
        const outcome = await writer.insert(blocks);
        await removeDoubt();
        witness.saw(blocks);
        return outcome;
      }),
    findData: (query) => attempt("find messages", () => reader.find(query)),
    countData: (origin, epoch, stream) => attempt("count messages", () => reader.count({ origin, epoch, stream })),
    spans: (query) => attempt("find spans", () => reader.spans(query)),
    async *holdings() {
      await attempt("open the database", ready);
      try {
        yield* reader.holdings();
      } catch (error) {
        throw failure("find what is stored", error);
      }
    },
    // The server has checksums of its own for every page, and says so when it meets a bad one.
    checkBlocks: () => Promise.resolve({ damaged: [], next: undefined }),
    onDamaged: () => ({ [Symbol.dispose]: () => undefined }),
    discardBlock: () => Promise.resolve(),
    instance: () => attempt("open the database", ready),
    lastArrival: () => attempt("find the last message", () => reader.lastArrival()),
    [Symbol.asyncDispose]() {
      isClosed = true;
      return client.close();
    },
  };
}
