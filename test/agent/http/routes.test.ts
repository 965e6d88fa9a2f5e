import { expect, test } from "vitest";
import { nodeRoutes, type NodeView } from "#agent/http/routes.ts";
import { limits } from "#shared/limits.ts";
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
    historical: false,
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
