// The client library and what it needs of shared/ make a bundle for browsers: nothing of Node is left in it, and it works with
// nothing but the WebSocket that a browser has.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { rolldown } from "rolldown";
import { expect, onTestFinished, test, vi } from "vitest";
import type { connect, FogbankClient } from "../../client/client.ts";
import { LiveNode } from "./live-node.ts";

async function bundleForBrowsers() {
  const warnings: string[] = [];
  const bundle = await rolldown({
    input: fileURLToPath(new URL("../../client/client.ts", import.meta.url)),
    platform: "browser",
    onLog: (_level, { message }) => warnings.push(message),
  });
  const { output } = await bundle.generate({ format: "esm" });
  await bundle.close();
  return { warnings, output };
}

test("the bundle for browsers imports nothing", async () => {
  const { warnings, output } = await bundleForBrowsers();
  expect(warnings).toEqual([]);
  expect(output).toHaveLength(1);
  const [{ imports, dynamicImports, exports, code }] = output;
  expect([imports, dynamicImports, exports.toSorted()]).toEqual([[], [], ["FogbankClientError", "connect"]]);
  expect(code).not.toMatch(/\b(?:from|import|require)\s*\(?\s*["']node:/);
});

test("the bundle for browsers talks to a node over WebSocket", async () => {
  const folder = mkdtempSync(join(tmpdir(), "fogbank-bundle-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const file = join(folder, "client.mjs");
  writeFileSync(file, (await bundleForBrowsers()).output[0].code);
  // What the package takes for a worker of a browser: there it uses the global WebSocket.
  vi.stubGlobal("self", { constructor: { name: "DedicatedWorkerGlobalScope" } });
  onTestFinished(() => void vi.unstubAllGlobals());
  const library = (await import(pathToFileURL(file).href)) as { readonly connect: typeof connect };
  await using node = await LiveNode.start();
  await using client: FogbankClient = await library.connect(node.webSocketUrl, { encoding: "cbor" });
  const got = Promise.withResolvers<number[]>();
  await client.subscribe("/data/x", ({ payload }) => got.resolve([...payload]));
  await client.publish("/data/x", Uint8Array.of(0, 255));
  expect(await got.promise).toEqual([0, 255]);
  await client.implement("echo-bytes", (args) => args);
  const { results } = await client.call("echo-bytes", Uint8Array.of(1, 2));
  expect(results).toMatchObject([{ status: "done", value: Uint8Array.of(1, 2) }]);
});
