import { expect, test } from "vitest";
import { nodeRoutes, type NodeView } from "#agent/http/routes.ts";
import { limits } from "#shared/limits.ts";
import { readerFlags } from "#shared/journal/segment.ts";
import type { DataLine } from "#shared/reports.ts";
import type { DataDocument } from "#shared/system/document-store.ts";
import { insert } from "../../fakes/made-documents.ts";
import { createMemoryDocumentStore } from "../../fakes/memory-document-store.ts";

function document(arrival: number, payload: Uint8Array): DataDocument {
  return {
    origin: "device-1",
    epoch: 1,
    stream: "data",
    seq: arrival,
    arrival,
    timeMs: 0,
    topic: "/data/x",
    payload,
    flags: 0,
  };
}

async function api(count: number, payloadBytes: number) {
  const documents = createMemoryDocumentStore();
  const payload = new Uint8Array(payloadBytes).fill(120);
  await insert(
    documents,
    Array.from({ length: count }, (_, index) => document(index + 1, payload)),
  );
  const view = { documents } as NodeView;
  const get = async (query: string): Promise<readonly DataLine[]> => {
    const reply = await nodeRoutes(view)["/api/v1/data"]?.(new URLSearchParams(query));
    return (reply?.body ?? "")
      .split("\n")
      .filter((line) => line !== "")
      .map((line) => JSON.parse(line) as DataLine);
  };
  return { get };
}

test("pages follow each other by the cursor until one is empty", async () => {
  const { get } = await api(25, 10);
  const seen: number[] = [];
  for (let after = 0; ;) {
    const lines = await get(`limit=10&after=${after}`);
    if (lines.length === 0) break;
    seen.push(...lines.map(({ seq }) => seq));
    after = lines.at(-1)?.cursor ?? after;
  }
  expect(seen).toEqual(Array.from({ length: 25 }, (_, index) => index + 1));
});

test("a page of large documents ends early instead of growing without bound", async () => {
  const { get } = await api(100, 250_000);
  const lines = await get("limit=100");
  const bytes = lines.reduce((sum, line) => sum + (line.payload?.length ?? 0), 0);
  expect(bytes).toBeGreaterThan(limits.dataPageBytes / 2);
  expect(bytes).toBeLessThan(limits.dataPageBytes + 300_000);
});

test.each([
  ["limit=ten", "limit=ten cannot be used"],
  ["after=-1", "after=-1 cannot be used"],
  ["origins=x", 'there is no parameter "origins"'],
  ["origin=a&origin=b", 'the parameter "origin" stands there twice'],
  ["path=a/%2B/b", "cannot be used: give a path"],
])("%s is refused with what to do", async (query, message) => {
  const { get } = await api(1, 1);
  await expect(get(query)).rejects.toMatchObject({
    code: "FOGBANK_HTTP_REQUEST",
    message: expect.stringContaining(message),
  });
});

test("a node without documents says where they are", async () => {
  const reply = await nodeRoutes({ documents: undefined } as NodeView)["/api/v1/data"]?.(new URLSearchParams());
  expect(reply).toMatchObject({ status: 404, body: expect.stringContaining("ask the root of its tree") });
});

/** Asks for accounts; answers what the view was asked for. */
async function askAccounts(query: string): Promise<unknown> {
  const asked: unknown[] = [];
  const note = (name: string) => async (filter: unknown) => {
    asked.push([name, filter]);
    return [];
  };
  const view = { accounting: note("accounting"), timeRange: note("timeRange"), now: () => 9_000 };
  await nodeRoutes(view as unknown as NodeView)["/api/v1/accounting"]?.(new URLSearchParams(query));
  return asked[0];
}

test("accounts are asked for as a whole, or for a span of time", async () => {
  expect(await askAccounts("")).toEqual(["accounting", {}]);
  expect(await askAccounts("origin=a&stream=s")).toEqual(["accounting", { origin: "a", stream: "s" }]);
  expect(await askAccounts("origin=a&stream=s&from=1970-01-01T00:00:01Z&to=1970-01-01T02:00:02%2B02:00")).toEqual([
    "timeRange",
    { origin: "a", stream: "s", fromMs: 1_000, toMs: 2_000 },
  ]);
  expect(await askAccounts("origin=a&to=1700000000000")).toEqual([
    "timeRange",
    { origin: "a", fromMs: 0, toMs: 1_700_000_000_000 },
  ]);
  expect(await askAccounts("origin=a&from=1970-01-01T00:00:05Z")).toEqual([
    "timeRange",
    { origin: "a", fromMs: 5_000, toMs: 9_000 },
  ]);
});

test.each([
  ["from=2026-07-10", "add origin=NODE"],
  ["origin=a&from=yesterday", "from=yesterday cannot be used: give ISO 8601"],
  ["origin=a&to=12:00", "to=12:00 cannot be used"],
  ["origin=a&from=2026-07-11&to=2026-07-10", "is not before to=2026-07-10"],
  ["origin=a&from=2026-07-11&to=2026-07-11", "is not before"],
])("accounts of %s are refused with what to do", async (query, message) => {
  await expect(askAccounts(query)).rejects.toMatchObject({
    code: "FOGBANK_HTTP_REQUEST",
    message: expect.stringContaining(message),
  });
});

test("the metrics have the counters and the ledger", async () => {
  const view = { counters: () => ({ "sink.drained": 3 }), ledgerMetrics: async () => "ledger 1\n" };
  const reply = await nodeRoutes(view as unknown as NodeView)["/metrics"]?.(new URLSearchParams());
  expect(reply?.body).toBe("# TYPE fogbank_sink_drained_total counter\nfogbank_sink_drained_total 3\nledger 1\n");
});

test("a line says of a message that it is a replay, may stand there twice, or has an uncertain time, and only where that is so", async () => {
  const documents = createMemoryDocumentStore();
  await insert(documents, [document(1, new Uint8Array()), { ...document(2, new Uint8Array()), flags: readerFlags }]);
  const reply = await nodeRoutes({ documents } as NodeView)["/api/v1/data"]?.(new URLSearchParams());
  const lines = (reply?.body ?? "")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as DataLine);
  const marks = ["historical", "maybeDuplicate", "timeUncertain"] as const;
  expect(lines.map((line) => marks.filter((mark) => mark in line))).toEqual([[], [...marks]]);
});
