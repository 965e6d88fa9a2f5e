// The service under systemd itself: the single binary installs itself on a machine made of name spaces, runs with the rights of its unit,
// and is started anew when it no longer says that it lives. Takes root.
import { execFile, execFileSync } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, onTestFinished, test } from "vitest";
import { version } from "#agent/version.ts";
import { buildBinary } from "../../scripts/build/build-binary.ts";
import { bundleProgram } from "../../scripts/build/bundle.ts";
import { targetOf } from "../../scripts/build/target.ts";
import { createToolbox } from "../../scripts/build/toolbox.ts";

const run = promisify(execFile);
const root = fileURLToPath(new URL("../..", import.meta.url));
const canBoot = process.getuid?.() === 0 && existsSync("/lib/systemd/systemd");
if (!canBoot) console.log("skipped: the service is only started by systemd where that is, and as root");
const bootMsMax = 240_000;

/** What the job has written, by its headings. */
async function boot(folder: string): Promise<ReadonlyMap<string, readonly string[]>> {
  const target = targetOf(process.arch === "arm64" ? "arm64" : "x64", process.arch);
  const { executable } = await buildBinary({
    root,
    target,
    version,
    folder,
    tell: () => undefined,
    env: {},
    bundle: await bundleProgram(root),
    toolbox: createToolbox({ tell: () => undefined, mayInstall: false }),
    usesCodeCache: true,
    makesArchive: false,
    modifiedAtSeconds: 0,
  });
  copyFileSync(executable, join(folder, "fogbank"));
  copyFileSync(fileURLToPath(new URL("service/job.sh", import.meta.url)), join(folder, "job.sh"));
  const script = fileURLToPath(new URL("service/boot.sh", import.meta.url));
  const spaces = ["--mount", "--pid", "--fork", "--uts", "--ipc", "--net", "--cgroup", "--kill-child"];
  const groups = controlGroups();
  try {
    const enter = groups.map((group) => `echo $$ > ${group}/cgroup.procs`);
    const args = ["-c", [...enter, 'exec unshare "$@"'].join(" && "), "boot", ...spaces, "sh", script, folder];
    const options = { timeout: bootMsMax, killSignal: "SIGKILL", env: { PATH: process.env["PATH"] ?? "" } } as const;
    // It always ends badly: a machine that is switched off ends by a signal.
    await run("sh", args, options).catch(() => undefined);
  } finally {
    groups.forEach(removeGroup);
  }
  const output = join(folder, "output");
  if (!existsSync(output)) return new Map();
  const parts = readFileSync(output, "utf8").split(/^## /m).slice(1);
  return new Map(parts.map((part) => [part.slice(0, part.indexOf("\n")), part.split("\n").slice(1, -1)]));
}

/** Of its own, one in each hierarchy that systemd knows: below it come those of its services. */
function controlGroups(): readonly string[] {
  const hierarchies = ["/sys/fs/cgroup/systemd", "/sys/fs/cgroup/unified", "/sys/fs/cgroup"];
  const groups = hierarchies
    .filter((folder) => existsSync(join(folder, "cgroup.procs")))
    .map((folder) => join(folder, `fogbank-test-${process.pid}`));
  for (const group of groups) mkdirSync(group);
  return groups;
}

/** Whoever is in them has ended; the innermost first. */
function removeGroup(group: string): void {
  execFileSync("find", [group, "-depth", "-type", "d", "-delete"]);
}

test.skipIf(!canBoot)(
  "systemd runs what the binary has installed, with no more rights than it needs, and keeps it alive",
  async (context) => {
    const folder = mkdtempSync(join(tmpdir(), "fogbank-systemd-"));
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
    const parts = await boot(folder);
    // In a container that may not make such name spaces there is no machine to look at.
    if (!parts.has("booted")) return context.skip("systemd could not be started in name spaces here");
    const part = (name: string): readonly string[] => parts.get(name) ?? [`nothing about ${name}`];
    expect(part("installed")).toEqual([
      "ran /job/fogbank --version",
      expect.stringMatching(/^ran useradd /) as string,
      "made /etc/fogbank",
      "made /var/lib/fogbank",
      "wrote /usr/local/bin/fogbank",
      "wrote /etc/fogbank/fogbank.conf",
      "wrote /etc/systemd/system/fogbank.service",
      "ran systemctl daemon-reload",
      "ran systemctl enable fogbank.service",
      "ran systemctl restart fogbank.service",
      expect.stringMatching(/^Look at it: /) as string,
    ]);
    expect(part("state")).toEqual(["active", "enabled", "device pump-1 serves 127.0.0.1:1883", "0"]);
    const uid = part("rights")[5];
    expect(part("rights").slice(0, 5)).toEqual([
      `Uid: ${uid} ${uid} ${uid} ${uid}`,
      "CapEff: 0000000000000000",
      "CapBnd: 0000000000000000",
      "NoNewPrivs: 1",
      "Seccomp: 2",
    ]);
    expect(part("rights").slice(6)).toEqual([
      "fogbank 750 /etc/fogbank",
      "fogbank 640 /etc/fogbank/fogbank.conf",
      "fogbank 700 /var/lib/fogbank",
      "fogbank 600 /var/lib/fogbank/fogbank.db",
    ]);
    expect(part("readings")).toEqual(["some"]);
    expect(part("function").join("\n")).toMatch(/pump-1 +done +42\n/);
    expect(part("function").at(-1)).toMatch(/^\/var\/lib\/fogbank\/allowed$/);
    expect(part("function").join("\n")).toMatch(/cannot access '\/etc\/fogbank\/not-allowed'/);
    expect(part("published")).toEqual(["acknowledged"]);
    expect(part("users").slice(1)).toEqual(["fogbank 600", "active"]);
    expect(part("again")[0]).toBe("ran /usr/local/bin/fogbank config check /etc/fogbank/fogbank.conf");
    expect(
      part("again")
        .slice(1, 7)
        .filter((line) => !line.startsWith("kept ")),
    ).toEqual([]);
    expect(part("again")).toContain("ran systemctl start fogbank.service");
    // It says that it lives; when it cannot, it is started anew.
    expect(part("watchdog")).toEqual(["0", "1"]);
    expect(Number(part("log")[0])).toBe(4);
    expect(part("misconfigured")).toEqual(["refused", "failed", "0", "not installed"]);
    expect(part("removed")).toContain("ran systemctl disable --now fogbank.service");
    expect(part("removed").slice(-2)).toEqual(["/etc/fogbank", "/var/lib/fogbank"]);
    expect(part("purged").at(-1)).toBe("2");
    expect(parts.has("end")).toBe(true);
  },
);
