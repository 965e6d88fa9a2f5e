// The collections, their indexes, and the version of all that. Field names are those of the requirements U1 to U6.
//
//   store        one document: version of the schema, and what tells this database from any other
//   data         one document a message, `_id` its identity: see data-document.ts
//   the others   the registry, events, calls, gaps and device classes: what must be unique in them, and what they are looked up by
import type { Db, IndexDescription } from "mongodb";
import { FogbankError } from "#shared/errors.ts";

/** Of the collection `store`. */
interface StoreDocument {
  readonly _id: "fogbank";
  readonly schema: number;
  /** Drawn when the database was made, more than 0. */
  readonly instance: number;
  /** Name of the root that writes there: arrivals are numbered by one. */
  readonly owner: string;
}

interface Migration {
  /** By collection. An index that is there already stays as it is. */
  readonly indexes: Readonly<Record<string, readonly IndexDescription[]>>;
}

/** In the order they came. One that has shipped is never changed; each may be repeated, and be done by two nodes at once. */
const migrations: readonly Migration[] = [
  {
    indexes: {
      data: [
        { key: { arrival: 1 }, unique: true },
        { key: { path: 1, arrival: 1 } },
        { key: { "_id.origin": 1, path: 1, arrival: 1 } },
        { key: { "_id.stream": 1, arrival: 1 } },
        { key: { "_id.origin": 1, arrival: 1 } },
        { key: { "_id.origin": 1, "_id.stream": 1, time: 1 } },
      ],
      // Ids are compared with their type: 1 and "1" are two devices.
      devices: [{ key: { uniqueId: 1 }, unique: true }, { key: { host: 1 } }, { key: { deviceZone: 1 } }],
      zones: [{ key: { zoneId: 1 }, unique: true }],
      fellows: [{ key: { uniqueId: 1 }, unique: true }, { key: { host: 1 } }],
      nosqlServers: [{ key: { host: 1, port: 1, dbType: 1 }, unique: true }],
      stats: [{ key: { id: 1, type: 1 }, unique: true }],
      events: [{ key: { time: 1 } }],
      calls: [{ key: { time: 1 } }],
      gaps: [{ key: { origin: 1, epoch: 1, stream: 1, first: 1 } }],
      classes: [{ key: { name: 1, version: 1 }, unique: true }],
    },
  },
];

const schemaVersion = migrations.length;

/**
 * Makes what is missing, and answers what tells this database from any other; `drawn` is taken when it is new. Rejects with
 * FOGBANK_STORE_FOREIGN when a later version of the program has made it, or another node writes there; else with what the driver rejects.
 */
export async function migrate(db: Db, owner: string, drawn: number): Promise<number> {
  const stores = db.collection<StoreDocument>("store");
  const before = await stores.findOne({ _id: "fogbank" });
  if (before !== null && before.schema > schemaVersion) {
    throw new FogbankError(
      "FOGBANK_STORE_FOREIGN",
      `could not use the database ${db.databaseName}: its schema is version ${before.schema}, and this program knows ${schemaVersion}. Run the newer version`,
    );
  }
  const ownInstance = (store: StoreDocument): number => {
    if (store.owner === owner) return store.instance;
    throw new FogbankError(
      "FOGBANK_STORE_FOREIGN",
      `could not use the database ${db.databaseName}: the node ${store.owner} writes there. Give ${owner} a documents.database of its own`,
    );
  };
  for (const { indexes } of migrations.slice(before?.schema ?? 0)) {
    for (const [collection, descriptions] of Object.entries(indexes)) {
      await db.collection(collection).createIndexes([...descriptions]);
    }
  }
  if (before?.schema === schemaVersion) return ownInstance(before);
  const made = await stores.findOneAndUpdate(
    { _id: "fogbank" },
    { $setOnInsert: { instance: drawn, owner }, $max: { schema: schemaVersion } },
    { upsert: true, returnDocument: "after" },
  );
  return made === null ? drawn : ownInstance(made);
}

/** From now on it counts as another database: it has less than it had. */
export async function renewInstance(db: Db, drawn: number): Promise<void> {
  await db.collection<StoreDocument>("store").updateOne({ _id: "fogbank" }, { $set: { instance: drawn } });
}
