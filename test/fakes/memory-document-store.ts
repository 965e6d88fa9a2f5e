// A DocumentStore in memory: small, obviously right, and held to the same contract as the real ones.
import type { DataDocument, DataQuery, DocumentStore } from "#shared/system/document-store.ts";

export function createMemoryDocumentStore(): DocumentStore {
  const byIdentity = new Map<string, DataDocument>();
  const byArrival = new Map<number, DataDocument>();
  return {
    async insertData(documents) {
      const fresh = new Map<string, DataDocument>();
      const arrivals = new Set<number>();
      for (const document of documents) {
        const identity = identityOf(document);
        if (byIdentity.has(identity) || fresh.has(identity)) continue;
        if (byArrival.has(document.arrival) || arrivals.has(document.arrival)) {
          throw new Error(`arrival ${document.arrival} is another document's`);
        }
        arrivals.add(document.arrival);
        fresh.set(identity, { ...document, payload: new Uint8Array(document.payload) });
      }
      for (const [identity, document] of fresh) {
        byIdentity.set(identity, document);
        byArrival.set(document.arrival, document);
      }
      return { inserted: fresh.size, duplicates: documents.length - fresh.size };
    },
    async findData(query) {
      const found = [...byArrival.values()].filter((document) => matches(document, query));
      return found.toSorted((a, b) => a.arrival - b.arrival).slice(0, Math.max(0, query.limit));
    },
    async countData(origin, epoch, stream) {
      const isCounted = (one: DataDocument) => one.origin === origin && one.epoch === epoch && one.stream === stream;
      return [...byArrival.values()].filter(isCounted).length;
    },
    async lastArrival() {
      return Math.max(0, ...byArrival.keys());
    },
    async [Symbol.asyncDispose]() {},
  };
}

function identityOf({ origin, epoch, stream, seq }: DataDocument): string {
  return JSON.stringify([origin, epoch, stream, seq]);
}

function matches(document: DataDocument, { origin, stream, path, after }: DataQuery): boolean {
  if (origin !== undefined && document.origin !== origin) return false;
  if (stream !== undefined && document.stream !== stream) return false;
  if (document.arrival <= (after ?? 0)) return false;
  if (path === undefined || path === "#") return true;
  const own = document.topic.startsWith("/data/") ? document.topic.slice("/data/".length) : document.topic;
  if (!path.endsWith("/#")) return own === path;
  const above = path.slice(0, -"/#".length);
  return own === above || own.startsWith(`${above}/`);
}
