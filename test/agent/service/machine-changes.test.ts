import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { MachineChanges, type RunCommand } from "#agent/service/machine-changes.ts";

function scene(run: RunCommand) {
  const folder = mkdtempSync(join(tmpdir(), "fogbank-changes-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const lines: string[] = [];
  const commands: string[] = [];
  const recording: RunCommand = (program, args) => {
    commands.push([program, ...args].join(" "));
    return run(program, args);
  };
  const tell = (line: string): void => void lines.push(line);
  const changes = new MachineChanges({ tell, run: recording }, { root: undefined, isDry: false });
  return { folder, lines, commands, changes };
}

const failing: RunCommand = () => Promise.reject(new Error("no such user"));

test("a user is made once", async () => {
  const known = scene(async () => "990\n");
  await known.changes.addUser("fogbank", "/var/lib/fogbank");
  expect(known.lines).toEqual(["kept user fogbank"]);
  expect(known.commands).toEqual(["id -u fogbank", "id -g fogbank"]);
  const unknown = scene((program) => (program === "id" ? failing("id", []) : Promise.resolve("")));
  await unknown.changes.addUser("fogbank", "/var/lib/fogbank");
  expect(unknown.commands.at(-1)).toMatch(/^useradd --system --user-group .* fogbank$/);
  await unknown.changes.removeUser("fogbank");
  expect(unknown.lines.at(-1)).toBe("not there: user fogbank");
});

test("folders and the first configuration belong to the user by the numbers that the system tells", async () => {
  // Those of this process: root alone can give things away.
  const { uid, gid } = process.getuid?.() === 0 ? { uid: 1, gid: 2 } : ownNumbers();
  const { folder, changes } = scene(async (_, [which]) => `${which === "-u" ? uid : gid}\n`);
  await changes.folder(join(folder, "data"), 0o700, "fogbank");
  expect(await changes.firstFile(join(folder, "data", "a.conf"), "a", "fogbank")).toBe(true);
  expect(await changes.firstFile(join(folder, "data", "a.conf"), "b", "fogbank")).toBe(false);
  for (const path of ["data", "data/a.conf"]) {
    const found = statSync(join(folder, path));
    expect([found.uid, found.gid]).toEqual([uid, gid]);
  }
  expect(readFileSync(join(folder, "data", "a.conf"), "utf8")).toBe("a");
});

function ownNumbers(): { readonly uid: number; readonly gid: number } {
  return { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 };
}

test("a file that an earlier try left behind is no hindrance", () => {
  const { folder, changes } = scene(failing);
  const file = join(folder, "unit");
  writeFileSync(`${file}.new`, "half");
  expect(changes.file(file, "whole")).toBe(true);
  expect(readFileSync(file, "utf8")).toBe("whole");
});

test("what fails says what it was, and what the system said", async () => {
  const { folder, changes } = scene(() => Promise.reject(new Error("Command failed: systemctl\nUnit is masked.")));
  await expect(changes.run("systemctl", "enable", "fogbank.service")).rejects.toMatchObject({
    code: "FOGBANK_INSTALL_FAILED",
    message: expect.stringMatching(/could not run systemctl enable fogbank\.service: [^]*masked/) as string,
  });
  writeFileSync(join(folder, "file"), "");
  expect(() => changes.file(join(folder, "file", "below"), "text")).toThrow(/could not write .*below: E/);
  await expect(changes.folder(join(folder, "new"), 0o700, "nobody-here")).rejects.toThrow(/could not give/);
});
