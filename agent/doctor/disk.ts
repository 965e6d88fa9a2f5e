// Whether the disk below the data directory is fit for a journal, and large enough.
import { limits } from "#shared/limits.ts";
import { formatBytes } from "../cli/quantities.ts";
import { type Finding, ok } from "./finding.ts";
import type { Mount } from "./mounts.ts";

export interface DiskFacts {
  /** What the figures are about: the data directory, or the nearest folder above it that is there. */
  readonly place: string;
  /** What this node may still write. */
  readonly freeBytes: number;
  /** Undefined where the file system has no fixed number. */
  readonly freeInodes: number | undefined;
  /** What the node has on that disk already. */
  readonly usedBytes: number;
  /** `journal.max-bytes`. */
  readonly maxBytes: number | undefined;
  readonly mount: Mount | undefined;
  /** The mount of `functions-dir`, when it is set. */
  readonly functionsMount?: Mount | undefined;
}

const mib = 1024 * 1024;
const freeBytesMin = 32 * mib;
const freeBytesGood = 256 * mib;
/** The node has about ten files; functions and upgrades some more. */
const freeInodesMin = 32;
const freeInodesGood = 1_000;
const check = "disk";

const networkTypes = [
  "nfs",
  "nfs4",
  "cifs",
  "smb3",
  "smbfs",
  "9p",
  "ceph",
  "glusterfs",
  "fuse.sshfs",
  "fuse.glusterfs",
  "afs",
  "ncpfs",
];
const fatTypes = ["vfat", "msdos", "exfat", "fuseblk", "ntfs", "ntfs3"];
const memoryTypes = ["tmpfs", "ramfs"];

export function judgeDisk(facts: DiskFacts): readonly Finding[] {
  const { place, freeBytes, mount, functionsMount } = facts;
  const findings = [...judgeRoom(facts), ...(mount === undefined ? [] : judgeMount(mount, place))];
  if (functionsMount?.isNoexec === true) {
    findings.push({
      check,
      level: "problem",
      what: `functions-dir is on ${functionsMount.point}, which is mounted noexec: no file there can run`,
      todo: "put the functions on another file system, or mount that one without noexec",
    });
  }
  if (findings.length > 0) return findings;
  return [ok(check, `${formatBytes(freeBytes)} free at ${place}${mount === undefined ? "" : ` (${mount.type})`}`)];
}

function judgeRoom({ place, freeBytes, freeInodes, usedBytes, maxBytes }: DiskFacts): readonly Finding[] {
  const findings: Finding[] = [];
  const free = `${formatBytes(freeBytes)} are free at ${place}`;
  if (freeBytes < freeBytesGood) {
    findings.push({
      check,
      level: freeBytes < freeBytesMin ? "problem" : "warning",
      what: `${free}: without a parent a node fills them soon, and then gives up the oldest data`,
      todo: "make room, or set data-dir to a larger disk",
    });
  } else if (maxBytes !== undefined && maxBytes + limits.diskReserveBytesMax > freeBytes + usedBytes) {
    findings.push({
      check,
      level: "warning",
      what: `journal.max-bytes allows ${formatBytes(maxBytes)}, and only ${free}`,
      todo: `make room, or set journal.max-bytes to ${Math.floor((freeBytes + usedBytes) / 2 / mib) * mib} or less`,
    });
  }
  if (freeInodes !== undefined && freeInodes < freeInodesGood) {
    findings.push({
      check,
      level: freeInodes < freeInodesMin ? "problem" : "warning",
      what: `${freeInodes} more files can be made on the file system of ${place}`,
      todo: "remove small files there: df -i shows how many there are",
    });
  }
  return findings;
}

function judgeMount({ point, type, isReadOnly }: Mount, place: string): readonly Finding[] {
  const findings: Finding[] = [];
  if (isReadOnly) {
    findings.push({
      check,
      level: "problem",
      what: `${point} is mounted read-only`,
      todo: "mount it for writing; if that has happened by itself the disk has failed: see the kernel's log",
    });
  }
  if (networkTypes.includes(type)) {
    findings.push({
      check,
      level: "problem",
      what: `${place} is on a network file system (${type}): a write-ahead log is not safe there`,
      todo: "set data-dir to a local disk",
    });
  }
  if (fatTypes.includes(type)) {
    findings.push({
      check,
      level: "warning",
      what: `${place} is on ${type}, which has no permissions and may lose files when the power fails`,
      todo: "set data-dir to ext4, f2fs, xfs or btrfs",
    });
  }
  if (memoryTypes.includes(type)) {
    findings.push({
      check,
      level: "warning",
      what: `${place} is in memory (${type}): everything that the node has stored is gone with the next start of the machine`,
      todo: "set data-dir to a disk",
    });
  }
  if (type === "overlay") {
    findings.push({
      check,
      level: "warning",
      what: `${place} is in the top layer of a container or of a read-only root: it may go with it`,
      todo: "mount a volume there",
    });
  }
  return findings;
}
