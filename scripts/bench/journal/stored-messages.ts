// What a cloud has of an origin: counted by its ledger, and read back message by message.
import { fetchLedger } from "../../demo/node-api.ts";
import { readStamp, stampBytes } from "../payload-stamp.ts";
import { SequenceTally } from "../sequence-tally.ts";
import type { Arrived, Delivered } from "./forward-system.ts";

/** A row of `/api/v1/data`, as far as it is looked at. */
export interface StoredRow {
  readonly cursor: number;
  readonly payload?: string;
}

const rowsPerPage = 10_000;
const answerMsMax = 60_000;

/** Cheap to ask: the ledger is a few rows, however many messages there are. */
export async function countArrived(httpPort: number, origin: string): Promise<Required<Arrived>> {
  let readable = 0;
  let durable = 0;
  for (const { stored, here } of await fetchLedger(httpPort, origin)) {
    readable += stored;
    durable += stored + here;
  }
  return { readable, durable };
}

/** One page of what is readable behind `after`, in order of arrival. */
export async function fetchRows(
  httpPort: number,
  query: Readonly<Record<string, string>>,
  after: number,
): Promise<readonly StoredRow[]> {
  const params = new URLSearchParams({ ...query, after: String(after), limit: String(rowsPerPage) });
  const url = `http://127.0.0.1:${httpPort}/api/v1/data?${params.toString()}`;
  const answer = await fetch(url, { signal: AbortSignal.timeout(answerMsMax) });
  const text = await answer.text();
  if (!answer.ok) throw new Error(`${url} answered ${answer.status}: ${text.slice(0, 200)}`);
  return text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as StoredRow); // of a node of this checkout
}

/** Reads everything of `origin` and compares it with the number of acknowledged messages. */
export async function readBack(httpPort: number, origin: string, published: number): Promise<Delivered> {
  const tally = new SequenceTally();
  const encoder = new TextEncoder();
  for (let after = 0; ;) {
    const rows = await fetchRows(httpPort, { origin }, after);
    for (const { payload = "" } of rows) {
      const { publisher, number } = readStamp(encoder.encode(payload.slice(0, stampBytes)), 0);
      tally.note(publisher, number);
    }
    const last = rows.at(-1);
    if (last === undefined) break;
    after = last.cursor;
  }
  return { lost: tally.lostOf(published), duplicates: tally.duplicates, overtaken: tally.overtaken };
}
