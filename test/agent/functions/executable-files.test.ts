import { chmodSync, chownSync, mkdirSync, rmSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { executableFiles } from "#agent/functions/executable-files.ts";
import { limits } from "#shared/limits.ts";
import { silentLogger } from "../../fakes/silent-logger.ts";
import { FunctionFolder } from "./function-folder.ts";

function filesIn(folder: FunctionFolder, insecure = false) {
  const log = silentLogger();
  return { log, files: executableFiles(log, { directory: folder.path, insecure }) };
}

test("an executable is the function of its name without extension, as soon as it is there", () => {
  using folder = new FunctionFolder();
  const { files } = filesIn(folder);
  expect(files.find("blink")).toBeUndefined();
  const path = folder.add("blink.sh", "");
  expect(files.find("blink")).toEqual({ path });
  expect(files.find("blink.sh")).toBeUndefined();
  rmSync(path);
  expect(files.find("blink")).toBeUndefined();
});

test("files without the right to run, folders and hidden files are no functions", () => {
  using folder = new FunctionFolder();
  const { files, log } = filesIn(folder);
  folder.add("notes.txt", "", 0o644);
  folder.add(".hidden", "");
  mkdirSync(join(folder.path, "folder"));
  for (const name of ["notes", ".hidden", "folder", "..", "../x", ""]) expect(files.find(name)).toBeUndefined();
  expect(log.lines).toEqual([]);
});

test("two files of one name are refused", () => {
  using folder = new FunctionFolder();
  for (const file of ["blink.sh", "blink.py"]) folder.add(file, "");
  expect(filesIn(folder).files.find("blink")).toEqual({ refused: "blink.py and blink.sh have the same name" });
});

test("a file that others may change is refused, and the operator told once", () => {
  using folder = new FunctionFolder();
  const path = folder.add("blink", "", 0o775);
  const { files, log } = filesIn(folder);
  const refused = { refused: "blink can be written by others: chmod go-w, or set insecure" };
  expect([files.find("blink"), files.find("blink")]).toEqual([refused, refused]);
  expect(log.lines).toMatchObject([{ level: "warn", fields: { file: path } }]);
  expect(filesIn(folder, true).files.find("blink")).toEqual({ path });
  chmodSync(path, 0o755);
  expect(files.find("blink")).toEqual({ path });
  chmodSync(folder.path, 0o777);
  expect(files.find("blink")).toHaveProperty("refused", expect.stringContaining("can be written by others"));
});

test.runIf(process.getuid?.() === 0)("a file of another user is refused", () => {
  using folder = new FunctionFolder();
  chownSync(folder.add("blink", ""), 12_345, 12_345);
  expect(filesIn(folder).files.find("blink")).toHaveProperty("refused", expect.stringContaining("another user"));
});

test("a directory that is not there offers nothing and is told once", () => {
  using folder = new FunctionFolder();
  const log = silentLogger();
  const files = executableFiles(log, { directory: join(folder.path, "gone"), insecure: false });
  expect([files.find("a"), files.find("b"), files.schema("a")]).toEqual([undefined, undefined, undefined]);
  expect(log.lines).toHaveLength(1);
});

test("the schema beside it is read, one that is too large only so far that it shows", () => {
  using folder = new FunctionFolder();
  const { files } = filesIn(folder);
  folder.write("blink.schema.json", "true");
  expect(files.schema("blink")).toEqual(Buffer.from("true"));
  folder.write("blink.schema.json", " ".repeat(limits.schemaBytes + 100));
  expect(files.schema("blink")).toHaveLength(limits.schemaBytes + 1);
});

test("a schema that cannot be read is told apart from none: a folder, a device, a link to itself", () => {
  using folder = new FunctionFolder();
  const { files } = filesIn(folder);
  mkdirSync(join(folder.path, "folder.schema.json"));
  symlinkSync("/dev/zero", join(folder.path, "endless.schema.json"));
  symlinkSync("link.schema.json", join(folder.path, "link.schema.json"));
  expect(["folder", "endless", "link", "none"].map((name) => files.schema(name))).toEqual([
    { unreadable: "it is no regular file" },
    { unreadable: "it is no regular file" },
    { unreadable: "ELOOP" },
    undefined,
  ]);
});

test("a file that cannot be looked at is no function, and the others are there", () => {
  using folder = new FunctionFolder();
  const { files, log } = filesIn(folder);
  symlinkSync("blink.sh", join(folder.path, "blink.sh"));
  const path = folder.add("wink.sh", "");
  expect([files.find("blink"), files.find("wink")]).toEqual([undefined, { path }]);
  expect(log.lines).toHaveLength(1);
});
