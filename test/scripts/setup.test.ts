// scripts/setup.mjs in a temporary checkout: a copy of the script, a lock file, a made-up node_modules and a made-up npm
// that writes down its calls. Nothing here needs a network.
import { execFile } from "node:child_process";
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, onTestFinished, test } from "vitest";

const script = fileURLToPath(new URL("../../scripts/setup.mjs", import.meta.url));
const nodePackage = `node-linux-${process.arch}`;

interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

interface Checkout {
  readonly path: (...names: readonly string[]) => string;
  readonly setUp: (...args: readonly string[]) => Promise<Outcome>;
  /** Arguments of each call of the made-up npm. */
  readonly npmCalls: () => readonly string[];
}

/** A checkout without node_modules. `npm` is the text of the program that plays npm, run in it after noting its arguments. */
function checkout(npm = installs): Checkout {
  const folder = mkdtempSync(join(tmpdir(), "fogbank-setup-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const path = (...names: readonly string[]): string => join(folder, ...names);
  mkdirSync(path("scripts"));
  cpSync(script, path("scripts", "setup.mjs"));
  writeFileSync(path("package-lock.json"), "{}");
  const note = 'require("node:fs").appendFileSync("npm-calls", process.argv.slice(2).join(" ") + "\\n");';
  writeFileSync(path("npm-cli.cjs"), `${note}\n${npm}`);
  const setUp = (...args: readonly string[]): Promise<Outcome> =>
    new Promise((resolve) => {
      const options = { env: { ...process.env, npm_execpath: path("npm-cli.cjs") } };
      execFile(process.execPath, [path("scripts", "setup.mjs"), ...args], options, (error, stdout, stderr) => {
        resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr });
      });
    });
  const npmCalls = (): readonly string[] =>
    existsSync(path("npm-calls")) ? readFileSync(path("npm-calls"), "utf8").trim().split("\n") : [];
  return { path, setUp, npmCalls };
}

/** What npm 10 leaves: the package of Node 24, no link to it. */
const installs = `
const fs = require("node:fs");
fs.mkdirSync("node_modules/${nodePackage}/bin", { recursive: true });
if (!fs.existsSync("node_modules/${nodePackage}/bin/node")) fs.symlinkSync(${JSON.stringify(process.execPath)}, "node_modules/${nodePackage}/bin/node");
fs.writeFileSync("node_modules/.package-lock.json", "{}");
`;

function linkOf({ path }: Checkout): string {
  return readlinkSync(path("node_modules", ".bin", "node"));
}

test("a fresh clone is installed once, Node 24 is linked, and the next run has nothing to do", async () => {
  const fresh = checkout();
  const first = await fresh.setUp("--quiet");
  expect(first).toMatchObject({ code: 0, stdout: "" });
  expect(first.stderr).toMatch(/installing .*\n.*installed in \d+\.\d s\n$/);
  expect(linkOf(fresh)).toBe(`../${nodePackage}/bin/node`);
  expect(await fresh.setUp("--quiet")).toEqual({ code: 0, stdout: "", stderr: "" });
  expect(await fresh.setUp()).toEqual({ code: 0, stdout: "", stderr: "fogbank: set-up: nothing to do\n" });
  expect(fresh.npmCalls()).toEqual(["install --no-save --include=optional --loglevel=error"]);
});

test("a lock file that is newer than the installation is installed, even when npm then changes nothing", async () => {
  const pulled = checkout(`if (!require("node:fs").existsSync("node_modules")) {${installs}}`);
  await pulled.setUp();
  const later = new Date(Date.now() - 60_000);
  utimesSync(pulled.path("node_modules", ".package-lock.json"), later, later);
  await pulled.setUp();
  await pulled.setUp();
  expect(pulled.npmCalls()).toHaveLength(2);
});

test("a link that is missing or leads elsewhere is made again, without npm", async () => {
  const moved = checkout();
  await moved.setUp();
  const link = moved.path("node_modules", ".bin", "node");
  rmSync(link);
  expect(await moved.setUp("--quiet")).toEqual({ code: 0, stdout: "", stderr: "" });
  rmSync(link);
  symlinkSync("../node-linux-other/bin/node", link);
  await moved.setUp();
  expect(linkOf(moved)).toBe(`../${nodePackage}/bin/node`);
  expect(moved.npmCalls()).toHaveLength(1);
});

test("two set-ups at once install once", async () => {
  const shared = checkout(`setTimeout(() => {${installs}}, 200);`);
  const outcomes = await Promise.all([shared.setUp(), shared.setUp(), shared.setUp()]);
  expect(outcomes.map(({ code }) => code)).toEqual([0, 0, 0]);
  expect(shared.npmCalls()).toHaveLength(1);
});

test("an installation without Node 24 stops with the cause and the command that mends it", async () => {
  const omitted = checkout();
  mkdirSync(omitted.path("node_modules"));
  writeFileSync(omitted.path("node_modules", ".package-lock.json"), "{}");
  const { code, stderr } = await omitted.setUp();
  expect(code).toBe(1);
  expect(stderr).toContain(`node_modules/${nodePackage}/bin/node is missing`);
  expect(stderr).toContain("--omit=optional");
  expect(stderr).toContain("npm install --no-save --include=optional");
});

test("a Node 24 that does not start on this system is named, and not linked", async () => {
  const musl = checkout();
  mkdirSync(musl.path("node_modules", nodePackage, "bin"), { recursive: true });
  writeFileSync(musl.path("node_modules", ".package-lock.json"), "{}");
  writeFileSync(musl.path("node_modules", nodePackage, "bin", "node"), "#!/no/such/loader\n");
  chmodSync(musl.path("node_modules", nodePackage, "bin", "node"), 0o755);
  const { code, stderr } = await musl.setUp();
  expect(code).toBe(1);
  expect(stderr).toContain("glibc 2.28");
  expect(existsSync(musl.path("node_modules", ".bin", "node"))).toBe(false);
});

test("a failed npm is told with its exit code and what to do", async () => {
  const offline = checkout("process.exitCode = 7;");
  const { code, stderr } = await offline.setUp("--quiet");
  expect(code).toBe(1);
  expect(stderr).toContain("failed (exit code 7)");
  expect(stderr).toContain("npm install --no-save --include=optional");
});
