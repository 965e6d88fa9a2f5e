// A node with TLS, a Unix socket and users, which reads certificates and users again at SIGHUP.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { connectAsync, type MqttClient } from "mqtt";
import { expect, onTestFinished, test } from "vitest";
import { hashPassword } from "#agent/auth/password.ts";
import { type Users, writeUsersFile } from "#agent/auth/users-file.ts";
import { parseNodeName } from "#shared/ids.ts";
import { createTestAuthority } from "../fakes/certificates.ts";

const program = fileURLToPath(new URL("../../agent/main.ts", import.meta.url));

interface Program {
  readonly ready: { readonly mqtt: readonly string[] };
  /** The next log line with that phrase. */
  logged(phrase: string): Promise<Readonly<Record<string, unknown>>>;
  hangUp(): void;
  end(): Promise<number | null>;
}

async function run(configFile: string): Promise<Program> {
  const child = spawn(process.execPath, [program, "run", "--config", configFile], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  onTestFinished(() => void child.kill("SIGKILL"));
  const lines: string[] = [];
  let heard = Promise.withResolvers<void>();
  createInterface({ input: child.stderr }).on("line", (line) => {
    lines.push(line);
    heard.resolve();
  });
  const [ready] = (await once(createInterface({ input: child.stdout }), "line")) as [string];
  return {
    ready: JSON.parse(ready.replace("READY ", "")) as Program["ready"],
    async logged(phrase) {
      for (;;) {
        const at = lines.findIndex((line) => line.includes(phrase));
        if (at !== -1) return JSON.parse(lines.splice(0, at + 1).at(-1) ?? "") as Record<string, unknown>;
        heard = Promise.withResolvers();
        await heard.promise;
      }
    },
    hangUp: () => void child.kill("SIGHUP"),
    async end() {
      const exited = once(child, "exit") as Promise<[number | null]>;
      child.kill("SIGTERM");
      return (await exited)[0];
    },
  };
}

test("SIGHUP reads certificates and users again; connections stand but those that are no longer admitted", async () => {
  const folder = mkdtempSync(join(tmpdir(), "fogbank-reload-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const file = (name: string): string => join(folder, name);
  const first = createTestAuthority("first");
  const second = createTestAuthority("second");
  const certify = (authority: typeof first): void => {
    const { cert, key } = authority.issue("fog-1");
    writeFileSync(file("cert.pem"), cert);
    writeFileSync(file("key.pem"), key);
  };
  const users: Users = { users: [], children: [] };
  certify(first);
  writeUsersFile(file("users.conf"), users);
  const settings = (zone: string): void =>
    writeFileSync(
      file("fog-1.conf"),
      `name = "fog-1"; level = fog; zone = ${zone}; data-dir = "${file("data")}";
      listen: { mqtt = ("mqtts://127.0.0.1:0", "ws://127.0.0.1:0", "unix:${file("mqtt.sock")}"); http = "127.0.0.1:0"; };
      tls: { cert = "${file("cert.pem")}"; key = "${file("key.pem")}"; };
      auth: { users = "${file("users.conf")}"; };`,
    );
  settings("hall-1");
  const node = await run(file("fog-1.conf"));
  expect(node.ready.mqtt).toEqual([
    expect.stringMatching(/^mqtts:\/\/127\.0\.0\.1:\d+$/),
    expect.stringMatching(/^ws:\/\/127\.0\.0\.1:\d+\/mqtt$/),
    `unix:${file("mqtt.sock")}`,
  ]);
  const client = async (clientId: string, ca: string): Promise<MqttClient> => {
    const options = { clientId, ca, protocolVersion: 4, reconnectPeriod: 0 } as const;
    return (await connectAsync(node.ready.mqtt[0] ?? "", options)).on("error", () => undefined);
  };
  const staying = await client("sensor-1", first.cert);
  const going = await client("device-1", first.cert);

  certify(second);
  const secret = await hashPassword(new TextEncoder().encode("secret"));
  writeUsersFile(file("users.conf"), { ...users, children: [{ name: parseNodeName("device-1"), secret }] });
  settings("hall-2");
  const gone = new Promise<void>((resolve) => void going.once("close", () => resolve()));
  node.hangUp();
  expect(await node.logged("need a restart")).toMatchObject({ settings: ["zone"] });
  expect(await node.logged("users and access rules read again")).toMatchObject({ users: 0, children: 1, closed: 1 });
  expect(await node.logged("certificates read again")).toMatchObject({ expires: expect.stringContaining("2049") });
  await gone;
  await staying.publishAsync("/data/x", "1", { qos: 1 });
  await expect(client("sensor-2", first.cert)).rejects.toThrow();
  const anew = await client("sensor-2", second.cert);

  writeFileSync(file("users.conf"), "users = 1");
  node.hangUp();
  expect(await node.logged("users and access rules stay as they were")).toMatchObject({
    code: "FOGBANK_USERS_INVALID",
  });
  await anew.publishAsync("/data/x", "2", { qos: 1 });
  for (const open of [staying, anew]) await open.endAsync();
  expect(await node.end()).toBe(0);
  expect(existsSync(file("mqtt.sock"))).toBe(false);
});
