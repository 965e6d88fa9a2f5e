// The HTTP API of a node: health, status, accounting, and on a root the stored data.
import { FogbankError } from "#shared/errors.ts";
import { segmentFlags } from "#shared/journal/segment.ts";
import { limits } from "#shared/limits.ts";
import type { AccountingReport, ConditionReport, DataLine, RangeReport, StatusReport } from "#shared/reports.ts";
import type { DataDocument, DataQuery, DocumentStore, SpanQuery } from "#shared/system/document-store.ts";
import { parsePointInTime } from "../client/point-in-time.ts";
import { prometheusText } from "./metrics.ts";
import { json, type Reply, type Route } from "./http-server.ts";

/** What the API shows of its node. */
export interface NodeView {
  status(): Promise<StatusReport>;
  accounting(filter: { readonly origin?: string; readonly stream?: string }): Promise<readonly AccountingReport[]>;
  /** What became of an origin's messages of a span of time. */
  timeRange(asked: SpanQuery): Promise<readonly RangeReport[]>;
  /** The ledger in the text format of Prometheus. */
  ledgerMetrics(): Promise<string>;
  /** What a condition comes to here and below; the error says where the text is none. */
  condition(text: string): ConditionReport | { readonly error: string };
  /** The node's own time, milliseconds since 1970. */
  now(): number;
  /** By part and name, since the start or as of now. */
  counters(): Readonly<Record<string, number>>;
  /** Why the node is not ready: it does not accept clients or cannot store. Undefined when it is. */
  notReady(): Promise<string | undefined>;
  /** Only where data ends up: at the root. */
  readonly documents: DocumentStore | undefined;
}

export function nodeRoutes(node: NodeView): Readonly<Record<string, Route>> {
  return {
    "/healthz": async () => text(200, "ok"),
    "/readyz": async () => {
      const reason = await node.notReady();
      return reason === undefined ? text(200, "ready") : text(503, `not ready: ${reason}`);
    },
    "/metrics": async () => ({
      status: 200,
      contentType: "text/plain; version=0.0.4; charset=utf-8",
      body: prometheusText(node.counters()) + (await node.ledgerMetrics()),
    }),
    "/api/v1/status": async () => json(await node.status()),
    "/api/v1/accounting": async (query) => {
      const { from, to, ...filter } = only(query, ["origin", "stream", "from", "to"]);
      if (from === undefined && to === undefined) return json(await node.accounting(filter));
      return json(await node.timeRange(spanOf(filter, { from, to }, node.now())));
    },
    "/api/v1/condition": async (query) => {
      const report = node.condition(only(query, ["if"]).if ?? "");
      if ("error" in report) throw requestError(`the condition cannot be used: ${report.error}`);
      return json(report);
    },
    "/api/v1/data": (query) => data(node.documents, query),
  };
}

function spanOf(
  { origin, stream }: { readonly origin?: string; readonly stream?: string },
  { from, to }: { readonly from: string | undefined; readonly to: string | undefined },
  nowMs: number,
): SpanQuery {
  if (origin === undefined) throw requestError("from and to need an origin: add origin=NODE");
  const fromMs = from === undefined ? 0 : pointInTime("from", from);
  const toMs = to === undefined ? nowMs : pointInTime("to", to);
  if (fromMs >= toMs) throw requestError(`from=${from ?? 0} is not before to=${to ?? new Date(nowMs).toISOString()}`);
  return { origin, ...(stream === undefined ? {} : { stream }), fromMs, toMs };
}

function pointInTime(name: string, given: string): number {
  const ms = parsePointInTime(given);
  if (ms !== undefined) return ms;
  throw requestError(
    `${name}=${given} cannot be used: give ISO 8601 such as 2026-07-10T22:00:00Z (a + as %2B), or milliseconds since 1970`,
  );
}

async function data(documents: DocumentStore | undefined, query: URLSearchParams): Promise<Reply> {
  if (documents === undefined) {
    return json(
      {
        error:
          "this node keeps no documents: ask the root of its tree, at level cloud, which the path in /api/v1/status names",
      },
      404,
    );
  }
  const given = only(query, ["origin", "stream", "path", "after", "limit"]);
  const { origin, stream, path } = given;
  if (path !== undefined && !isPath(path)) {
    throw requestError(`path=${path} cannot be used: give a path such as host/cpu/load, or one with "/#" at its end`);
  }
  const find: DataQuery = {
    ...(origin === undefined ? {} : { origin }),
    ...(stream === undefined ? {} : { stream }),
    ...(path === undefined ? {} : { path }),
    after: wholeNumber("after", given["after"], 0, Number.MAX_SAFE_INTEGER),
    limit: wholeNumber("limit", given["limit"], limits.dataRowsDefault, limits.dataRowsMax),
  };
  return { status: 200, contentType: "application/x-ndjson", body: await page(documents, find) };
}

/** Up to `query.limit` lines, fewer when they are large: the next page goes on behind the last cursor. */
async function page(documents: DocumentStore, query: DataQuery): Promise<string> {
  const lines: string[] = [];
  let bytes = 0;
  let after = query.after ?? 0;
  while (lines.length < query.limit && bytes < limits.dataPageBytes) {
    // Large documents are fetched a few at a time.
    const typical = lines.length === 0 ? limits.journalPayloadBytes : bytes / lines.length;
    const fit = Math.max(1, Math.floor((limits.dataPageBytes - bytes) / typical));
    const limit = Math.min(query.limit - lines.length, fit);
    const rows = await documents.findData({ ...query, after, limit });
    for (const row of rows) {
      const line = `${JSON.stringify(toLine(row))}\n`;
      lines.push(line);
      bytes += line.length;
    }
    after = rows.at(-1)?.arrival ?? after;
    if (rows.length < limit) break;
  }
  return lines.join("");
}

/** A wildcard only as the last level: anything else would have to walk all that is stored. */
function isPath(path: string): boolean {
  const levels = path.split("/");
  const head = levels.at(-1) === "#" ? levels.slice(0, -1) : levels;
  return head.every((level) => !level.includes("#") && level !== "+");
}

function toLine(row: DataDocument): DataLine {
  const { origin, epoch, stream, seq, topic } = row;
  const time = new Date(row.timeMs).toISOString();
  return { cursor: row.arrival, origin, epoch, stream, seq, time, ...marksOf(row), topic, ...payloadOf(row.payload) };
}

function marksOf({ flags }: DataDocument): Pick<DataLine, "historical" | "maybeDuplicate" | "timeUncertain"> {
  return {
    ...((flags & segmentFlags.historical) !== 0 && { historical: true }),
    ...((flags & segmentFlags.maybeDuplicate) !== 0 && { maybeDuplicate: true }),
    ...((flags & segmentFlags.unsynced) !== 0 && { timeUncertain: true }),
  };
}

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** The payload as text when it is valid UTF-8, else in base64. */
export function payloadOf(bytes: Uint8Array): Pick<DataLine, "payload" | "payloadBase64"> {
  try {
    return { payload: utf8.decode(bytes) };
  } catch {
    return { payloadBase64: Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("base64") };
  }
}

/** The query's parameters, all of which must be among `known`, each at most once. */
function only<Name extends string>(
  query: URLSearchParams,
  known: readonly Name[],
): { readonly [Key in Name]?: string } {
  const found: { [Key in Name]?: string } = {};
  for (const [key, value] of query) {
    const name = known.find((candidate) => candidate === key);
    if (name === undefined) throw requestError(`there is no parameter "${key}": use ${known.join(", ")}`);
    if (found[name] !== undefined) throw requestError(`the parameter "${key}" stands there twice`);
    if (value !== "") found[name] = value;
  }
  return found;
}

function wholeNumber(name: string, given: string | undefined, preset: number, max: number): number {
  if (given === undefined) return preset;
  const value = Number(given);
  if (/^\d{1,16}$/.test(given) && value <= max) return value;
  throw requestError(`${name}=${given} cannot be used: give a whole number from 0 to ${max}`);
}

function requestError(message: string): FogbankError {
  return new FogbankError("FOGBANK_HTTP_REQUEST", message);
}

function text(status: number, body: string): Reply {
  return { status, contentType: "text/plain; charset=utf-8", body: `${body}\n` };
}
