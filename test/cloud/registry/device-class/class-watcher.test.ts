import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setImmediate } from "node:timers/promises";
import { afterEach, expect, test } from "vitest";
import { classLimits } from "#cloud/registry/device-class/bounds.ts";
import type { ClassCatalogue } from "#cloud/registry/device-class/class-catalogue.ts";
import { FolderReader } from "#cloud/registry/device-class/class-folders.ts";
import { type ClassWatcher, watchClasses } from "#cloud/registry/device-class/class-watcher.ts";
import type { Clock } from "#shared/system/clock.ts";
import { silentLogger } from "../../../fakes/silent-logger.ts";
import { classOf, lightSchema } from "./made-schema.ts";

const pin = '<xs:element name="pin" type="xs:int"/>';
const strand = (fields: string) => classOf("strand", fields);
const folders: string[] = [];

afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

function madeFolders() {
  const root = mkdtempSync(join(tmpdir(), "fogbank-classes-"));
  folders.push(root);
  const [base, volatile] = [join(root, "base"), join(root, "volatile")];
  for (const folder of [base, volatile]) mkdirSync(folder);
  return { base, volatile };
}

/** As editors of such files should do it: a temporary name, then a rename. */
function replace(path: string, text: string): void {
  writeFileSync(`${path}.part`, text);
  renameSync(`${path}.part`, path);
}

/** Its time flies: a pause ends at once, or never if it is as long as that between two polls and `polls` is false. */
function flyingClock(polls: boolean): Clock {
  return {
    now: () => 0,
    monotonic: () => 0,
    sleep: async (ms, signal) => {
      if (polls || ms < classLimits.pollMs) return setImmediate(undefined, { signal });
      await new Promise((_resolve, reject) => signal?.addEventListener("abort", () => reject(new Error("aborted"))));
    },
  };
}

/** A watcher, and what tells when its catalogue is as wanted. */
function watched(places: { base: string; volatile: string }, options: { polls: boolean; listens: boolean }) {
  let changed = Promise.withResolvers<void>();
  const log = silentLogger();
  const watcher: ClassWatcher = watchClasses(
    {
      clock: flyingClock(options.polls),
      log,
      embeddedText: () => undefined,
      listens: options.listens,
      onChange: () => {
        changed.resolve();
        changed = Promise.withResolvers();
      },
    },
    places,
  );
  const until = async (isSo: (catalogue: ClassCatalogue) => boolean): Promise<void> => {
    while (!isSo(watcher.catalogue())) await changed.promise;
  };
  return { watcher, log, until };
}

const fieldsOf = (catalogue: ClassCatalogue, name: string) =>
  catalogue.classes
    .get(name)
    ?.deviceClass.fields.map((field) => field.name)
    .join();

for (const options of [
  { title: "by the timer alone", polls: true, listens: false },
  { title: "by events alone", polls: false, listens: true },
]) {
  test(`[U12] [U13] [U-S4] [U-T5] files are added, changed, broken, shadowed and removed: ${options.title}`, async () => {
    const places = madeFolders();
    const { watcher, log, until } = watched(places, options);
    try {
      // By events alone, the first look must be over before the first change: there is no other look without one.
      replace(join(places.base, "light.xml"), lightSchema);
      await until(({ classes }) => classes.has("light"));
      const base = join(places.base, "strand.xml");
      replace(base, strand(pin));
      await until((now) => fieldsOf(now, "strand") === "pin");
      replace(base, strand(pin + pin.replace("pin", "length")));
      await until((now) => fieldsOf(now, "strand") === "pin,length");
      replace(base, "<xs:schema");
      await until(({ refused }) => refused.has(base));
      expect(fieldsOf(watcher.catalogue(), "strand")).toBe("pin,length");
      const refusal = { file: base, line: 1, reason: expect.any(String), hasSubstitute: true };
      expect(log.lines.filter(({ level }) => level === "warn").map(({ fields }) => fields)).toEqual([refusal]);
      replace(base, strand(pin));
      await until((now) => fieldsOf(now, "strand") === "pin");
      const shadow = join(places.volatile, "strand.xml");
      replace(shadow, strand(""));
      await until((now) => fieldsOf(now, "strand") === "");
      rmSync(shadow);
      await until((now) => fieldsOf(now, "strand") === "pin");
      rmSync(base);
      await until(({ classes }) => !classes.has("strand"));
      expect([...watcher.catalogue().classes.keys()]).toEqual(["light"]);
    } finally {
      await watcher[Symbol.asyncDispose]();
    }
  });
}

test("[U13] [U-T6] a file counts when it stands still, and a half-written one not at all", async () => {
  const { base } = madeFolders();
  const path = join(base, "strand.xml");
  const reader = new FolderReader({ base });
  const text = strand(pin);
  const look = async () => {
    const { files, isMoving } = await reader.look();
    return [files.map(({ content }) => ("text" in content ? content.text : content.reason)), isMoving];
  };
  writeFileSync(path, text);
  expect(await look()).toEqual([[], true]);
  expect(await look()).toEqual([[text], false]);
  writeFileSync(path, text.slice(0, 100));
  expect(await look()).toEqual([[text], true]);
  writeFileSync(path, text.slice(0, 200));
  expect(await look()).toEqual([[text], true]);
  writeFileSync(path, strand(""));
  expect(await look()).toEqual([[text], true]);
  expect(await look()).toEqual([[strand("")], false]);
  expect(await look()).toEqual([[strand("")], false]);
});

test("[U13] [U-T8] files that are too long, not there to be read, or no files at all", async () => {
  const { base } = madeFolders();
  writeFileSync(join(base, "long.xml"), `<a b="${"x".repeat(2 * classLimits.fileBytes)}"/>`);
  mkdirSync(join(base, "folder.xml"));
  writeFileSync(join(base, "notes.txt"), "no class");
  writeFileSync(join(base, ".hidden.xml"), lightSchema);
  const reader = new FolderReader({ base, volatile: join(base, "none") });
  await reader.look();
  const { files, isMoving, complaints } = await reader.look();
  expect(files.map(({ name, content }) => [name, content])).toEqual([
    ["long.xml", { line: 0, reason: expect.stringContaining("longer than") }],
  ]);
  expect([isMoving, complaints]).toEqual([false, []]);
});

test("[U13] a folder that cannot be listed is told, and counts as it was", async () => {
  const { base } = madeFolders();
  writeFileSync(join(base, "light.xml"), lightSchema);
  const reader = new FolderReader({ base });
  await reader.look();
  expect((await reader.look()).files).toHaveLength(1);
  rmSync(base, { recursive: true });
  writeFileSync(base, "a file in the place of the folder");
  expect((await reader.look()).complaints).toEqual([expect.stringContaining("ENOTDIR")]);
});
