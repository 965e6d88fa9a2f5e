import { expect, test } from "vitest";
import { type DiskFacts, judgeDisk } from "#agent/doctor/disk.ts";

const mib = 1024 * 1024;
const mount = { point: "/", type: "ext4", isReadOnly: false, isNoexec: false };
const good: DiskFacts = {
  place: "/var/lib/fogbank",
  freeBytes: 8_000 * mib,
  freeInodes: 100_000,
  usedBytes: 0,
  maxBytes: undefined,
  mount,
};

const judge = (facts: Partial<DiskFacts>) => judgeDisk({ ...good, ...facts });
const levels = (facts: Partial<DiskFacts>) => judge(facts).map(({ level }) => level);

test("a disk with room is one line", () => {
  expect(judge({})).toEqual([{ check: "disk", level: "ok", what: "7.8 GiB free at /var/lib/fogbank (ext4)" }]);
  expect(levels({ mount: undefined, freeInodes: undefined })).toEqual(["ok"]);
});

test("little room is a warning, hardly any a problem; the same for files", () => {
  expect(levels({ freeBytes: 200 * mib })).toEqual(["warning"]);
  expect(levels({ freeBytes: 10 * mib })).toEqual(["problem"]);
  expect(levels({ freeInodes: 500 })).toEqual(["warning"]);
  expect(levels({ freeInodes: 3 })).toEqual(["problem"]);
});

test("a budget beyond the disk names the key and what would fit; what the node has already counts as room", () => {
  const [finding] = judge({ freeBytes: 1_000 * mib, maxBytes: 2_000 * mib });
  expect(finding).toMatchObject({
    level: "warning",
    todo: `make room, or set journal.max-bytes to ${500 * mib} or less`,
  });
  expect(levels({ freeBytes: 1_000 * mib, usedBytes: 1_100 * mib, maxBytes: 2_000 * mib })).toEqual(["ok"]);
});

test("file systems that are unfit are named", () => {
  const on = (type: string) => levels({ mount: { ...mount, type } });
  expect(on("nfs4")).toEqual(["problem"]);
  expect(on("vfat")).toEqual(["warning"]);
  expect(on("tmpfs")).toEqual(["warning"]);
  expect(on("overlay")).toEqual(["warning"]);
  expect(on("btrfs")).toEqual(["ok"]);
  expect(levels({ mount: { ...mount, isReadOnly: true } })).toEqual(["problem"]);
});

test("noexec matters where functions are, not for data", () => {
  const noexec = { ...mount, isNoexec: true };
  expect(levels({ mount: noexec })).toEqual(["ok"]);
  expect(levels({ functionsMount: noexec })).toEqual(["problem"]);
});
