// What the demo asks the nodes over HTTP, checked as it arrives: only the fields that are used.
import * as v from "valibot";

const answerMsMax = 5_000;
const rowsPerPage = 5_000;

const streamReport = v.object({
  origin: v.string(),
  epoch: v.number(),
  stream: v.string(),
  next: v.number(),
  stored: v.number(),
  lost: v.number(),
  pending: v.number(),
  here: v.number(),
  balanced: v.boolean(),
});

const belowReport = v.object({
  node: v.string(),
  parent: v.string(),
  state: v.picklist(["online", "lost", "left"]),
  since: v.string(),
  ageMs: v.number(),
});

const statusReport = v.object({
  uplink: v.object({ state: v.picklist(["none", "up", "down"]), since: v.string(), reason: v.optional(v.string()) }),
  below: v.array(belowReport),
  streams: v.array(streamReport),
});

const dataLine = v.object({
  cursor: v.number(),
  origin: v.string(),
  epoch: v.number(),
  stream: v.string(),
  seq: v.number(),
  time: v.string(),
  topic: v.string(),
  payload: v.optional(v.string()),
});

export type NodeStatus = v.InferOutput<typeof statusReport>;
export type NodeBelow = v.InferOutput<typeof belowReport>;
/** One stream in a node's ledger. */
export type LedgerEntry = v.InferOutput<typeof streamReport>;
/** One stored message. Without `payload` it is not text. */
export type StoredRow = v.InferOutput<typeof dataLine>;

export async function fetchStatus(httpPort: number): Promise<NodeStatus> {
  return v.parse(statusReport, JSON.parse(await fetchText(httpPort, "/api/v1/status")));
}

/** The ledger of everything that `origin` has published, as the asked node keeps it. */
export async function fetchLedger(httpPort: number, origin: string): Promise<readonly LedgerEntry[]> {
  const text = await fetchText(httpPort, `/api/v1/accounting?origin=${encodeURIComponent(origin)}`);
  return v.parse(v.array(streamReport), JSON.parse(text));
}

/** Every stored message of `origin`, in order of arrival, page by page. */
export async function fetchStoredRows(httpPort: number, origin: string): Promise<readonly StoredRow[]> {
  const rows: StoredRow[] = [];
  for (;;) {
    const query = new URLSearchParams({ origin, after: String(rows.at(-1)?.cursor ?? 0), limit: String(rowsPerPage) });
    const text = await fetchText(httpPort, `/api/v1/data?${query.toString()}`);
    const page = text.split("\n").filter((line) => line !== "");
    for (const line of page) rows.push(v.parse(dataLine, JSON.parse(line)));
    if (page.length === 0) return rows;
  }
}

/** Rejects when the node does not answer well. */
export async function fetchText(httpPort: number, path: string): Promise<string> {
  const url = `http://127.0.0.1:${httpPort}${path}`;
  const answer = await fetch(url, { signal: AbortSignal.timeout(answerMsMax) });
  const text = await answer.text();
  if (!answer.ok) throw new Error(`${url} answered ${answer.status}: ${text.slice(0, 200)}`);
  return text;
}
