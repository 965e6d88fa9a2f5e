// A small HTTP server in a node's place, and reports for it to answer.
import { once } from "node:events";
import { createServer } from "node:http";
import type {
  AccountingReport,
  BelowReport,
  RangeReport,
  StatusReport,
  StoredRange,
  StreamReport,
} from "#shared/reports.ts";

export interface CannedAnswer {
  readonly status?: number;
  readonly body: string;
}

/** What the server answers by path and query; a list is answered one after the other, its last entry for ever. */
export type CannedAnswers = Readonly<Record<string, CannedAnswer | readonly CannedAnswer[]>>;

export interface NodeServer extends AsyncDisposable {
  readonly url: string;
  readonly requests: readonly string[];
}

export async function startNodeServer(answers: CannedAnswers): Promise<NodeServer> {
  const requests: string[] = [];
  const server = createServer((request, response) => {
    const path = request.url ?? "";
    const earlier = requests.filter((other) => other === path).length;
    requests.push(path);
    const canned = [answers[path] ?? { status: 404, body: "<html>not here</html>" }].flat();
    const { status = 200, body } = canned[Math.min(earlier, canned.length - 1)] ?? { body: "" };
    response.writeHead(status).end(body);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  return {
    url: `http://127.0.0.1:${typeof address === "object" && address !== null ? address.port : 0}`,
    requests,
    async [Symbol.asyncDispose]() {
      server.close();
      server.closeAllConnections();
      await once(server, "close");
    },
  };
}

export function ok(value: unknown): CannedAnswer {
  return { body: JSON.stringify(value) };
}

/** Noon of the day on which all reports are made. */
const now = "2026-07-10T12:00:00.000Z";

export function ago(seconds: number): string {
  return new Date(Date.parse(now) - seconds * 1000).toISOString();
}

export function madeStream(changed: Partial<AccountingReport> = {}): AccountingReport {
  return {
    origin: "device-1",
    epoch: 7,
    stream: "data",
    next: 1205,
    stored: 1204,
    lost: 0,
    pending: 0,
    here: 0,
    hereBytes: 0,
    below: 0,
    elsewhere: 0,
    heardAt: ago(2),
    balanced: true,
    lostRanges: [],
    ...changed,
  };
}

/** Of the last hour but one, at the root, all of it there. */
export function madeRange(changed: Partial<RangeReport> = {}, stored: Partial<StoredRange> = {}): RangeReport {
  const numbers = { first: 101, last: 460 };
  return {
    origin: "device-1",
    epoch: 7,
    stream: "data",
    from: ago(7_200),
    to: ago(3_600),
    stored: { messages: 360, numbers, missing: 0, missingRanges: [], settled: true, ...stored },
    here: 0,
    lost: 0,
    lostRanges: [],
    below: 0,
    heardAt: ago(2),
    ...changed,
  };
}

/** The same at a node that is no root. */
export function madeRangeBelow(changed: Partial<RangeReport> = {}): RangeReport {
  const { stored: _, ...rest } = madeRange(changed);
  return rest;
}

export function madeBelow(node: string, parent: string, changed: Partial<BelowReport> = {}): BelowReport {
  return { node, parent, level: "device", tags: [], state: "online", since: ago(3600), ageMs: 2_000, ...changed };
}

/** A root with one fog node and one device below it. */
export function madeStatus(changed: Partial<StatusReport> = {}): StatusReport {
  return {
    node: {
      name: "cloud-1",
      level: "cloud",
      tags: [],
      uuid: "0b1c",
      epoch: 9,
      version: "0.1.0",
      pid: 42,
      startedAt: ago(7500),
      now,
    },
    uplink: { state: "none", since: ago(7500), path: [] },
    below: [
      madeBelow("fog-1", "cloud-1", { level: "fog", zone: "hall" }),
      madeBelow("device-1", "fog-1", { zone: "line-2" }),
    ],
    streams: [withoutRanges(madeStream())],
    store: { usedBytes: 1_048_576, maxBytes: 1_073_741_824 },
    counters: {},
    ...changed,
  };
}

/** A fog node between a root and a device. */
export function madeFogStatus(changed: Partial<StatusReport["uplink"]> = {}): StatusReport {
  const report = madeStatus();
  return {
    ...report,
    node: { ...report.node, name: "fog-1", level: "fog", zone: "hall" },
    uplink: {
      state: "up",
      since: ago(3600),
      url: "mqtt://cloud-1:1883",
      path: [{ node: "cloud-1", level: "cloud", uplink: "root", since: ago(7500) }],
      ...changed,
    },
    below: [madeBelow("device-1", "fog-1", { zone: "line-2" })],
  };
}

export function withoutRanges({ lostRanges: _, ...stream }: AccountingReport): StreamReport {
  return stream;
}
