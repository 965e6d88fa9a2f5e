import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, onTestFinished, test } from "vitest";
import { installCommand, uninstallCommand, type InstallDeps } from "#agent/cli/install.ts";
import { loadConfig } from "#agent/config/config.ts";
import { servicePaths } from "#agent/service/service-installation.ts";
import { limits } from "#shared/limits.ts";
import { createBench } from "./command-bench.ts";

const unit = readFileSync(fileURLToPath(new URL("../../../deploy/systemd/fogbank.service", import.meta.url)), "utf8");

interface Outcome {
  readonly code: number;
  readonly lines: readonly string[];
  readonly stderr: string;
}

/** A machine that is a folder, and a binary to install on it. */
function machine(others: Partial<InstallDeps> = {}) {
  const folder = mkdtempSync(join(tmpdir(), "fogbank-install-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const root = join(folder, "root");
  const binary = join(folder, "binary");
  writeFileSync(binary, "program");
  const commands: string[] = [];
  const deps: InstallDeps = {
    executable: binary,
    unit: () => unit,
    isRoot: true,
    hasSystemd: () => true,
    async run(program, args) {
      commands.push([program, ...args].join(" "));
      return "";
    },
    ...others,
  };
  const command =
    (create: typeof installCommand) =>
    async (...args: readonly string[]): Promise<Outcome> => {
      const bench = createBench();
      const code = await bench.run((io) => create(io, deps), args);
      return { code, lines: bench.written.stdout.split("\n").slice(0, -1), stderr: bench.written.stderr };
    };
  const below = (path: string): string => join(root, path);
  return { root, binary, below, commands, install: command(installCommand), uninstall: command(uninstallCommand) };
}

const modeOf = (file: string): string => (statSync(file).mode & 0o777).toString(8);

test("whatever the umask is, everybody can enter the folders of the system, and nobody else those of the node", async () => {
  const { below, install, root } = machine();
  // Of this process, so that the command runs alone in it.
  const umask = process.umask(0o077);
  onTestFinished(() => void process.umask(umask));
  await install("--service", "--root", root);
  const paths = ["/", "/usr/local/bin", "/etc/systemd/system", "/etc/fogbank", "/var/lib", "/var/lib/fogbank"];
  expect(paths.map((path) => modeOf(below(path)))).toEqual(["755", "755", "755", "750", "755", "700"]);
});

test("below a folder everything is put into place, and nothing is run", async () => {
  const { root, below, commands, install } = machine();
  const { code, lines } = await install("--service", "--root", root);
  expect(code).toBe(0);
  expect(lines).toEqual([
    "left out: useradd --system --user-group --no-create-home --home-dir /var/lib/fogbank --shell /usr/sbin/nologin fogbank",
    `made ${below("/etc/fogbank")}`,
    `made ${below("/var/lib/fogbank")}`,
    `wrote ${below("/usr/local/bin/fogbank")}`,
    `wrote ${below("/etc/fogbank/fogbank.conf")}`,
    `wrote ${below("/etc/systemd/system/fogbank.service")}`,
    "left out: systemctl daemon-reload",
    "left out: systemctl enable fogbank.service",
    "left out: systemctl restart fogbank.service",
  ]);
  expect(commands).toEqual([]);
  const modes = Object.values(servicePaths).flatMap((path) => (existsSync(below(path)) ? [modeOf(below(path))] : []));
  expect(modes).toEqual(["755", "640", "750", "700", "644"]);
  expect(readFileSync(below(servicePaths.executable), "utf8")).toBe("program");
  expect(readFileSync(below(servicePaths.unit), "utf8")).toBe(unit);
});

test("a second time nothing changes; a new binary takes the place of the old one, and the configuration stays", async () => {
  const { root, binary, below, install } = machine();
  await install("--service", "--root", root);
  const again = await install("--service", "--root", root);
  expect(again.lines.filter((line) => !/^(?:kept|left out:) /.test(line))).toEqual([]);
  expect(again.lines.at(-1)).toBe("left out: systemctl start fogbank.service");
  writeFileSync(binary, "newer program");
  writeFileSync(below(servicePaths.configuration), 'name = "mine";');
  const inode = statSync(below(servicePaths.executable)).ino;
  const upgrade = await install("--service", "--root", root, "--set", "level=fog");
  expect(upgrade.lines).toContain(`wrote ${below(servicePaths.executable)}`);
  expect(upgrade.lines).toContain("/etc/fogbank/fogbank.conf is there already: --set is only for a first one");
  expect(upgrade.lines.at(-1)).toBe("left out: systemctl restart fogbank.service");
  // The program that runs keeps its file until it is started anew.
  expect(statSync(below(servicePaths.executable)).ino).not.toBe(inode);
  expect(readFileSync(below(servicePaths.configuration), "utf8")).toBe('name = "mine";');
});

test("the first configuration is on loopback unless told otherwise, and keeps the node's name", async () => {
  const { root, below, install } = machine();
  const set = ["level=fog", "uplink.url=mqtts://cloud:8883", "uplink.ca=/etc/fogbank/ca.pem", "tags=a,b"];
  const { code } = await install("--service", "--root", root, ...set.flatMap((one) => ["--set", one]));
  expect(code).toBe(0);
  const file = below(servicePaths.configuration);
  const readFile = (path: string): string => readFileSync(path, "utf8");
  const { config } = loadConfig({ file, env: {}, flags: {}, readFile, hostname: "renamed" });
  expect(config).toMatchObject({
    name: "pump-1",
    level: "fog",
    dataDir: servicePaths.dataFolder,
    tags: ["a", "b"],
    uplink: { host: "cloud", port: 8883, ca: "/etc/fogbank/ca.pem" },
    listen: { mqtt: [{ host: "127.0.0.1", port: 1883 }], http: [{ host: "127.0.0.1", port: 8080 }] },
    insecure: false,
  });
});

test("a program that does not run on this machine is not installed", async () => {
  const said: string[] = [];
  const { binary, install } = machine({
    async run(program, args) {
      said.push([program, ...args].join(" "));
      if (program !== "systemctl") throw new Error(`spawn ${program} ENOEXEC`);
      return "";
    },
  });
  const refused = await install("--service");
  expect(refused).toMatchObject({ code: 1, lines: [], stderr: expect.stringContaining("ENOEXEC") as string });
  expect(said).toEqual(["systemctl --version", `${binary} --version`]);
});

test("a folder for data where the service may not write is told of", async () => {
  const told = async (dataDir: string): Promise<string | undefined> => {
    const { root, install } = machine();
    return (await install("--service", "--root", root, "--set", `data-dir=${dataDir}`)).lines.at(-1);
  };
  expect(await told("/mnt/ssd")).toMatch(/^\/mnt\/ssd is not in .* ReadWritePaths=\/mnt\/ssd/);
  expect(await told("/var/lib/fogbank/a")).toMatch(/^left out: systemctl restart/);
});

test("a dry run says what would be done and does nothing", async () => {
  const { root, binary, commands, install, uninstall } = machine({ isRoot: false });
  const { code, lines } = await install("--service", "--root", root, "--dry-run");
  expect([code, existsSync(root)]).toEqual([0, false]);
  expect(lines).toContain(`would write ${join(root, servicePaths.unit)}`);
  // Without a folder it is about this machine.
  const here = await install("--service", "--dry-run");
  expect(here.lines.filter((line) => !/^(?:would|kept) /.test(line))).toEqual([]);
  expect(here.lines[0]).toBe(`would run ${binary} --version`);
  expect(here.lines).toContain("would run systemctl enable fogbank.service");
  await uninstall("--dry-run", "--purge");
  expect(commands.filter((command) => !command.startsWith("id -"))).toEqual([]);
});

test("uninstall leaves data and configuration, --purge does not, and both can be done again", async () => {
  const { root, below, install, uninstall } = machine();
  await install("--service", "--root", root);
  const data = below(join(servicePaths.dataFolder, "fogbank.db"));
  writeFileSync(data, "data");
  const first = await uninstall("--root", root);
  expect(first.lines).toEqual([
    "left out: systemctl disable --now fogbank.service",
    `removed ${below("/etc/systemd/system/fogbank.service")}`,
    "left out: systemctl daemon-reload",
    `removed ${below("/usr/local/bin/fogbank")}`,
    `left ${below("/etc/fogbank")}`,
    `left ${below("/var/lib/fogbank")}`,
    "left user fogbank; --purge removes all of it",
  ]);
  expect([existsSync(data), existsSync(below(servicePaths.configuration))]).toEqual([true, true]);
  expect((await uninstall("--root", root)).code).toBe(0);
  const purge = await uninstall("--root", root, "--purge");
  expect(purge.lines.filter((line) => line.startsWith("removed "))).toEqual([
    `removed ${below("/etc/fogbank")}`,
    `removed ${below("/var/lib/fogbank")}`,
  ]);
  const again = await uninstall("--root", root, "--purge");
  expect(again.code).toBe(0);
  expect(again.lines.filter((line) => !/^(?:not there|left out): /.test(line))).toEqual([]);
});

test("whoever is not root, and a machine without systemd, are told so, and nothing is done", async () => {
  const notRoot = machine({ isRoot: false });
  const refused = await notRoot.install("--service");
  expect(refused).toMatchObject({ code: 1, lines: [], stderr: expect.stringContaining("it takes root") as string });
  expect((await notRoot.uninstall()).code).toBe(1);
  expect(notRoot.commands).toEqual([]);
  const noSystemd = machine({ run: () => Promise.reject(new Error("spawn systemctl ENOENT")) });
  expect(await noSystemd.install("--service")).toMatchObject({
    code: 1,
    lines: [],
    stderr: expect.stringContaining("there is no systemd here") as string,
  });
});

test("what cannot be used is refused before anything is done", async () => {
  const { root, install } = machine({ executable: undefined });
  const stderrOf = async (...args: readonly string[]): Promise<string> => {
    const { code, stderr } = await install("--root", root, ...args);
    expect([code, existsSync(root)]).toEqual([2, false]);
    return stderr;
  };
  expect(await stderrOf()).toContain("Give --service");
  expect(await stderrOf("--service")).toContain("--binary");
  expect(await stderrOf("--service", "--binary", "/nowhere")).toContain("/nowhere");
  const binary = ["--service", "--binary", fileURLToPath(import.meta.url)];
  expect(await stderrOf(...binary, "--set", "levl=fog")).toContain('did you mean "level"?');
  expect(await stderrOf(...binary, "--set", "listen.mqtt=0.0.0.0:1883")).toContain("FOGBANK_LISTEN_INSECURE");
});

test("the unit runs what is installed, with the configuration and the folders that are", () => {
  const valueOf = (key: string): string | undefined => new RegExp(`^${key}=(.*)$`, "m").exec(unit)?.[1];
  expect(valueOf("ExecStart")).toBe(`${servicePaths.executable} run --config ${servicePaths.configuration}`);
  expect(valueOf("User")).toBe("fogbank");
  expect(`/var/lib/${valueOf("StateDirectory")}`).toBe(servicePaths.dataFolder);
  expect(`/etc/${valueOf("ConfigurationDirectory")}`).toBe(servicePaths.configurationFolder);
  // In which the two are made before the service starts for the first time.
  expect([valueOf("StateDirectoryMode"), valueOf("ConfigurationDirectoryMode")]).toEqual(["0700", "0750"]);
});

test("the unit leaves the node its time and its files", () => {
  const numberOf = (key: string): number => Number(new RegExp(`^${key}=(\\d+)$`, "m").exec(unit)?.[1]);
  expect(numberOf("TimeoutStopSec") * 1000).toBeGreaterThan(limits.stopMs);
  expect(numberOf("LimitNOFILE")).toBeGreaterThan(limits.connections);
});
