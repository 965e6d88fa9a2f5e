// A DocumentStore in memory: small, obviously right, and held to the same contract as the real ones.
import { FogbankError } from "#shared/errors.ts";
import { addInterval, missingFrom, type IntervalSet } from "#shared/journal/interval-set.ts";
import { decodeSegment, readerFlags } from "#shared/journal/segment.ts";
import type { DataBlock, DataDocument, DataHolding, DataQuery, DocumentStore } from "#shared/system/document-store.ts";

export function createMemoryDocumentStore(instance = 1): DocumentStore {
  const byIdentity = new Map<string, DataDocument>();
  const byArrival = new Map<number, DataDocument>();
  const all = (): readonly DataDocument[] => [...byArrival.values()];
  return {
    async insertBlocks(blocks) {
      const documents = blocks.flatMap(documentsOf);
      const fresh = new Map<string, DataDocument>();
      const arrivals = new Set<number>();
      for (const document of documents) {
        const identity = identityOf(document);
        if (byIdentity.has(identity) || fresh.has(identity)) continue;
        if (byArrival.has(document.arrival) || arrivals.has(document.arrival)) {
          throw new FogbankError("FOGBANK_DATA_REFUSED", `arrival ${document.arrival} is another document's`);
        }
        arrivals.add(document.arrival);
        fresh.set(identity, document);
      }
      for (const [identity, document] of fresh) {
        byIdentity.set(identity, document);
        byArrival.set(document.arrival, document);
      }
      return { inserted: fresh.size, duplicates: documents.length - fresh.size };
    },
    async findData(query) {
      const found = all().filter((document) => matches(document, query));
      return found.toSorted((a, b) => a.arrival - b.arrival).slice(0, Math.max(0, query.limit));
    },
    async countData(origin, epoch, stream) {
      const isCounted = (one: DataDocument) => one.origin === origin && one.epoch === epoch && one.stream === stream;
      return all().filter(isCounted).length;
    },
    async spans({ origin, stream, fromMs, toMs }) {
      const ofOrigin = holdingsOf(all().filter((one) => one.origin === origin));
      return ofOrigin.flatMap((holding) => {
        const inside = all()
          .filter((one) => isOf(one, holding) && (stream === undefined || one.stream === stream))
          .filter(({ timeMs }) => timeMs >= fromMs && timeMs < toMs)
          .map(({ seq }) => seq);
        if (inside.length === 0) return [];
        const [first, last] = [Math.min(...inside), Math.max(...inside)];
        const ranges = missingFrom(missingFrom(holding.ranges, first, last), first, last);
        return [{ epoch: holding.epoch, stream: holding.stream, stored: inside.length, first, last, ranges }];
      });
    },
    async *holdings() {
      yield* holdingsOf(all());
    },
    checkBlocks: async () => ({ damaged: [], next: undefined }),
    onDamaged: () => ({ [Symbol.dispose]() {} }),
    async discardBlock() {},
    instance: async () => instance,
    async lastArrival() {
      return Math.max(0, ...byArrival.keys());
    },
    async [Symbol.asyncDispose]() {},
  };
}

/** Throws when the body cannot be read. */
function documentsOf({ body, items, first, arrival, flags, ...block }: DataBlock): readonly DataDocument[] {
  const decoded = decodeSegment(body, items);
  if (decoded === undefined || items < 1)
    throw new FogbankError("FOGBANK_DATA_REFUSED", `the body of ${items} messages from number ${first} cannot be read`);
  const { origin, epoch, stream } = block;
  const told = flags & readerFlags;
  return decoded.map(({ timeMs, topic, payload }, index) => {
    const place = { seq: first + index, arrival: arrival + index };
    return { origin, epoch, stream, ...place, timeMs, topic, payload: new Uint8Array(payload), flags: told };
  });
}

function holdingsOf(documents: readonly DataDocument[]): readonly DataHolding[] {
  const byStream = Map.groupBy(documents, ({ origin, epoch, stream }) => JSON.stringify([origin, epoch, stream]));
  return [...byStream.values()].flatMap((some) => {
    const ranges = some.reduce<IntervalSet>((set, { seq }) => addInterval(set, seq, seq), []);
    return some.slice(0, 1).map(({ origin, epoch, stream }) => ({ origin, epoch, stream, ranges }));
  });
}

function isOf(document: DataDocument, { origin, epoch, stream }: Omit<DataHolding, "ranges">): boolean {
  return document.origin === origin && document.epoch === epoch && document.stream === stream;
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
