import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished, expect, test } from "vitest";
import { listenOn } from "./listen-bench.ts";

function socketPath(): string {
  const folder = mkdtempSync(join(tmpdir(), "fogbank-unix-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return join(folder, "mqtt.sock");
}

const unix = (host: string) => ({ transport: "unix", host, port: 0 }) as const;

test("its clients are local; the file has mode 0660 and goes at the stop", async () => {
  const path = socketPath();
  const bench = await listenOn([unix(path)]);
  expect(statSync(path).mode & 0o777).toBe(0o660);
  const client = connect({ path });
  const { stream, origin } = await bench.accepted();
  expect(origin).toEqual({ transport: "unix", isLocal: true });
  stream.write("down");
  expect(String((await once(client, "data"))[0])).toBe("down");
  expect(bench.listeners.addresses).toEqual([unix(path)]);
  await bench.listeners[Symbol.asyncDispose]();
  expect(existsSync(path)).toBe(false);
});

test("a socket file that nobody listens on is replaced", async () => {
  const path = socketPath();
  const listens = `require("net").createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, "SIGKILL"))`;
  spawnSync(process.execPath, ["-e", listens]);
  expect(existsSync(path)).toBe(true);
  await using bench = await listenOn([unix(path)]);
  connect({ path }).on("error", () => {});
  expect((await bench.accepted()).origin.transport).toBe("unix");
});

test("a socket that somebody listens on stays theirs", async () => {
  const path = socketPath();
  await using first = await listenOn([unix(path)]);
  await expect(listenOn([unix(path)])).rejects.toMatchObject({
    code: "FOGBANK_LISTEN_FAILED",
    message: `cannot listen on unix:${path} (EADDRINUSE): another program listens there: stop it or choose another path`,
  });
  connect({ path }).on("error", () => {});
  expect((await first.accepted()).origin.isLocal).toBe(true);
});

test("a file that is no socket is left alone", async () => {
  const path = socketPath();
  writeFileSync(path, "precious");
  await expect(listenOn([unix(path)])).rejects.toThrow(
    `cannot listen on unix:${path}: a file stands there that is no socket`,
  );
  expect(statSync(path).size).toBe(8);
});

test("a folder that is missing is named", async () => {
  const path = `${socketPath()}/no/such`;
  await expect(listenOn([unix(path)])).rejects.toThrow(/^cannot listen on unix:.*: check that the folder exists/);
});
