import { expect, test } from "vitest";
import { statusCommand } from "#agent/cli/status.ts";
import type { StatusReport } from "#shared/reports.ts";
import { ago, madeStatus, madeStream, ok, startNodeServer, withoutRanges } from "../client/node-server.ts";
import { createBench } from "./command-bench.ts";

const path = "/api/v1/status";

function withStored(stored: number, changed: Partial<StatusReport["node"]> = {}): StatusReport {
  const report = madeStatus({ streams: [withoutRanges(madeStream({ stored, next: stored + 1 }))] });
  return { ...report, node: { ...report.node, ...changed } };
}

test("prints the tree for people, the report for machines", async () => {
  await using server = await startNodeServer({ [path]: ok(madeStatus()) });
  const text = createBench({ env: { LANG: "C.UTF-8" } });
  expect(await text.run(statusCommand, ["--http", server.url])).toBe(0);
  expect(text.written.stdout).toContain("● cloud-1 (this node)");
  const json = createBench();
  expect(await json.run(statusCommand, ["--http", server.url, "--json"])).toBe(0);
  expect(JSON.parse(json.written.stdout)).toEqual(madeStatus());
  expect(json.written.stdout.trim()).not.toContain("\n");
});

test("takes the address from a configuration file", async () => {
  await using server = await startNodeServer({ [path]: ok(madeStatus()) });
  const port = new URL(server.url).port;
  const bench = createBench({
    readFile: (file) => {
      if (file === "open.conf") return `insecure = true listen: { http = "0.0.0.0:${port}" }`;
      return 'listen: { http = "127.0.0.1:0" }';
    },
  });
  expect(await bench.run(statusCommand, ["--config", "open.conf"])).toBe(0);
  expect(bench.written.stdout).toContain("* cloud-1 (this node)");
  expect(await bench.run(statusCommand, ["--config", "any-port.conf"])).toBe(2);
  expect(bench.written.stderr).toMatch(/^FOGBANK_CONFIG_INVALID: any-port\.conf: listen\.http .*use --http\n$/);
  expect(await bench.run(statusCommand, ["--config", "open.conf", "--http", server.url])).toBe(1);
  expect(bench.written.stderr).toMatch(/cannot be used with option '--config <file>'\n$/);
});

test("no node, and an address that is none", async () => {
  const server = await startNodeServer({});
  await server[Symbol.asyncDispose]();
  const bench = createBench();
  expect(await bench.run(statusCommand, ["--http", server.url])).toBe(3);
  expect(bench.written).toEqual({ stdout: "", stderr: expect.stringMatching(/^FOGBANK_NOT_CONNECTED: .*\n$/) });
  for (const wrong of ["127.0.0.1:8080", "mqtt://x", "http://u:p@x", "http://x/?a"]) {
    const refused = createBench();
    expect(await refused.run(statusCommand, ["--http", wrong])).toBe(1);
    expect(refused.written.stderr).toMatch(/^error: option '--http <url>' argument .* is invalid\./);
  }
});

test("a watch on a terminal draws over what stood there, without clearing first, and tells of a node that is gone", async () => {
  await using server = await startNodeServer({ [path]: [ok(withStored(1)), ok(withStored(2)), { body: "gone" }] });
  const frames: string[] = [];
  const bench = createBench({
    isTerminal: true,
    columns: 200,
    env: { NO_COLOR: "1" },
    quickSleeps: { ms: 1_000, count: 2 },
    onStdout: (text) => frames.push(text),
  });
  expect(await bench.run(statusCommand, ["--http", server.url, "--watch"])).toBe(130);
  expect(frames).toHaveLength(3);
  for (const frame of frames) {
    expect(frame.startsWith("\u001b[H")).toBe(true);
    expect(frame.endsWith("\u001b[K\n\u001b[J")).toBe(true);
    expect(frame).not.toMatch(/[^K]\n/);
  }
  expect(frames[1]).toMatch(/device-1 +data +2 +2 /);
  expect(frames[2]).toMatch(/device-1 +data +2 +2 [^]*FOGBANK_NOT_CONNECTED: the answer of/);
  expect(bench.written.stderr).toBe("");
});

test("a watch into a file is a block per change, with notices on stderr", async () => {
  const later = withStored(1, { now: ago(-1) });
  await using server = await startNodeServer({
    [path]: [ok(withStored(1)), ok(later), { body: "gone" }, { body: "gone" }, ok(later), ok(withStored(2))],
  });
  const bench = createBench({ quickSleeps: { ms: 1_000, count: 5 } });
  expect(await bench.run(statusCommand, ["--http", server.url, "--watch"])).toBe(130);
  expect(bench.written.stdout.match(/^cloud-1, cloud node/gm)).toHaveLength(2);
  expect(bench.written.stdout).not.toContain("\u001b");
  expect(bench.written.stderr.match(/^FOGBANK_NOT_CONNECTED/gm)).toHaveLength(1);
  const json = createBench({ quickSleeps: { ms: 1_000, count: 1 } });
  expect(await json.run(statusCommand, ["--http", server.url, "--watch", "--json"])).toBe(130);
  expect(json.written.stdout.match(/\n/g)).toHaveLength(1);
  expect(JSON.parse(json.written.stdout)).toEqual(withStored(2));
});
