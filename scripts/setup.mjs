// Makes a checkout ready to run: installs what package-lock.json names and links Node 24 as node_modules/.bin/node, which
// npm 10 leaves out. npm runs this before `start`, `test`, `check` and `fogbank`, on whatever Node the machine has (20 or
// later), so it is plain JavaScript. It writes to stderr only: the standard output belongs to the command that follows.
//
//   nothing to do -> exit 0        otherwise: wait for the lock -> npm install -> link -> try the linked Node -> exit 0
import { lstatSync, mkdirSync, readlinkSync, renameSync, statSync, symlinkSync, utimesSync } from "node:fs";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const quiet = process.argv.includes("--quiet");
const installedMark = join(root, "node_modules", ".package-lock.json");
const nodePackage = `node-linux-${process.arch}`;
const nodeBinary = join(root, "node_modules", nodePackage, "bin", "node");
const nodeLink = join(root, "node_modules", ".bin", "node");
const nodeLinkTarget = join("..", nodePackage, "bin", "node");
const installCommand = "npm install --no-save --include=optional";
const lockWaitMs = 250;

process.exitCode = await setUp();

async function setUp() {
  if (isReady()) {
    if (!quiet) say("set-up: nothing to do");
    return 0;
  }
  if (process.platform !== "linux" || !["x64", "arm64"].includes(process.arch)) {
    return fail(
      `this machine is ${process.platform}-${process.arch}, and Fogbank brings its Node 24 for linux-x64 and linux-arm64 only. ` +
        "Use one of these, for example in a container.",
    );
  }
  const unlock = await lock();
  try {
    return isReady() ? 0 : await installAndLink();
  } finally {
    unlock();
  }
}

async function installAndLink() {
  const { spawnSync } = await import("node:child_process");
  if (!isInstalled()) {
    const startedMs = Date.now();
    say("set-up: installing the packages of package-lock.json with npm …");
    const { status, signal, error } = npmInstall(spawnSync);
    if (error !== undefined || status !== 0 || modifiedMs(installedMark) === undefined) {
      const how = error?.message ?? (signal === null ? `exit code ${status}` : `signal ${signal}`);
      return fail(
        `npm install in ${root} failed (${how}); npm's own words are above. ` +
          `Check that the npm registry can be reached and the disk has 1 GB free, then run: ${installCommand}`,
      );
    }
    // npm leaves the file alone when nothing changed, and then it would stay older than package-lock.json for ever.
    utimesSync(installedMark, new Date(), new Date());
    say(`set-up: installed in ${((Date.now() - startedMs) / 1000).toFixed(1)} s`);
  }
  if (modifiedMs(nodeBinary) === undefined) {
    return fail(
      `node_modules/${nodePackage}/bin/node is missing: node_modules was installed without optional packages ` +
        `(--omit=optional) or on a machine of another kind than ${process.platform}-${process.arch}. Run: ${installCommand}`,
    );
  }
  const { status, error } = spawnSync(nodeBinary, ["--version"], { stdio: "ignore" });
  if (status !== 0) {
    return fail(
      `Node 24 in node_modules/${nodePackage} does not start here (${error?.message ?? `exit code ${status}`}). ` +
        "It needs glibc 2.28 or later, libstdc++6 and libgcc_s; musl systems such as Alpine lack them.",
    );
  }
  link();
  return 0;
}

/** The npm that runs this script, or the one on the PATH. Its output goes to stderr, its optional packages are not optional here. */
function npmInstall(spawnSync) {
  const running = process.env.npm_execpath ?? "";
  const isNpm = basename(running).startsWith("npm");
  const [command, first] =
    isNpm && running.endsWith("js") ? [process.execPath, [running]] : [isNpm ? running : "npm", []];
  const args = [...first, "install", "--no-save", "--include=optional", "--loglevel=error"];
  return spawnSync(command, args, { cwd: root, stdio: ["ignore", 2, 2] });
}

/** By rename, so that a command which starts at this moment finds either link. */
function link() {
  if (isLinked()) return;
  mkdirSync(join(root, "node_modules", ".bin"), { recursive: true });
  const fresh = `${nodeLink}.${process.pid}`;
  symlinkSync(nodeLinkTarget, fresh);
  renameSync(fresh, nodeLink);
}

/**
 * One set-up at a time per checkout. The lock is a Linux abstract socket: the kernel drops it with the process, however
 * that ends, so there is no stale lock to clean up. Where it cannot be had at all, set-up goes on without.
 */
async function lock() {
  const [{ createServer }, { createHash }] = await Promise.all([import("node:net"), import("node:crypto")]);
  const name = `\0fogbank-setup-${createHash("sha256").update(root).digest("hex").slice(0, 32)}`;
  for (let round = 0; ; round++) {
    const server = createServer();
    const code = await new Promise((resolve) => {
      server.once("error", (error) => resolve(error.code));
      server.listen(name, () => resolve("held"));
    });
    if (code !== "EADDRINUSE") return () => server.close();
    if (round === 0) say("set-up: waiting for another set-up of this checkout …");
    await new Promise((resolve) => setTimeout(resolve, lockWaitMs));
  }
}

function isReady() {
  return isInstalled() && isLinked() && modifiedMs(nodeBinary) !== undefined;
}

function isInstalled() {
  const markMs = modifiedMs(installedMark);
  return markMs !== undefined && markMs >= (modifiedMs(join(root, "package-lock.json")) ?? 0);
}

function isLinked() {
  return (
    lstatSync(nodeLink, { throwIfNoEntry: false })?.isSymbolicLink() === true &&
    readlinkSync(nodeLink) === nodeLinkTarget
  );
}

function modifiedMs(file) {
  return statSync(file, { throwIfNoEntry: false })?.mtimeMs;
}

function say(text) {
  process.stderr.write(`fogbank: ${text}\n`);
}

function fail(text) {
  say(`set-up failed: ${text}`);
  return 1;
}
