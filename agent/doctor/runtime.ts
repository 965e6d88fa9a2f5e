// Whether this machine and what runs the program are fit for a node.
import { formatBytes } from "../cli/quantities.ts";
import { type Finding, ok } from "./finding.ts";

export interface RuntimeFacts {
  /** Such as "Node 24.21.0". */
  readonly runtime: string;
  /** Of Node, or of the Node that the runtime claims to be. */
  readonly nodeMajor: number;
  readonly platform: string;
  readonly arch: string;
  /** Such as "2.36"; "none" without a GNU C library, undefined when the runtime does not tell. */
  readonly glibc: string | undefined;
  /** Of the machine, or of the container's limit when that is less. */
  readonly memoryBytes: number;
  /** What programs can still have; undefined when it cannot be read. */
  readonly availableBytes: number | undefined;
  readonly cores: number;
  readonly pageBytes: number | undefined;
  /** The node of this configuration has its memory already. */
  readonly isNodeRunning: boolean;
}

const mib = 1024 * 1024;
const nodeMajorMin = 24;
const glibcMin = "2.28";
const testedArchitectures = ["x64", "arm64"];
/** A node under load takes about 140 MiB (docs/benchmarks.md); beside it there is the system. */
const memoryBytesMin = 192 * mib;
const memoryBytesGood = 384 * mib;
const availableBytesMin = 160 * mib;
const smallPageBytes = 4096;

export function judgeRuntime(facts: RuntimeFacts): readonly Finding[] {
  const findings = [...judgeProgram(facts), ...judgeMemory(facts)];
  const { runtime, platform, arch, glibc, cores, memoryBytes, pageBytes } = facts;
  const parts = [
    runtime,
    `${platform} ${arch}`,
    ...(glibc === undefined ? [] : [`glibc ${glibc}`]),
    `${cores} ${cores === 1 ? "core" : "cores"}`,
    formatBytes(memoryBytes),
    ...(pageBytes === undefined ? [] : [`pages of ${formatBytes(pageBytes)}`]),
  ];
  return findings.length === 0 ? [ok("runtime", parts.join(", "))] : findings;
}

function judgeProgram({ runtime, nodeMajor, platform, arch, glibc, pageBytes }: RuntimeFacts): readonly Finding[] {
  const findings: Finding[] = [];
  if (nodeMajor < nodeMajorMin) {
    findings.push({
      check: "runtime",
      level: "problem",
      what: `${runtime} is too old`,
      todo: `use the single binary, or Node ${nodeMajorMin}`,
    });
  }
  if (platform !== "linux" || !testedArchitectures.includes(arch)) {
    findings.push({
      check: "runtime",
      level: "warning",
      what: `${platform} ${arch} is not tested`,
      todo: "take a 64-bit Linux on x86-64 or ARM; of a Raspberry Pi OS the 64-bit one",
    });
  }
  if (platform === "linux" && glibc === "none") {
    findings.push({
      check: "runtime",
      level: "warning",
      what: "this system has no GNU C library",
      todo: `take a system with glibc ${glibcMin} or newer: the single binary does not run with another one`,
    });
  }
  if (glibc !== undefined && glibc !== "none" && isOlder(glibc, glibcMin)) {
    findings.push({
      check: "runtime",
      level: "problem",
      what: `glibc ${glibc} is older than ${glibcMin}`,
      todo: "upgrade the system: Debian 10, Ubuntu 18.10, RHEL 8 and what came later have it",
    });
  }
  if (pageBytes !== undefined && pageBytes > smallPageBytes) {
    findings.push({
      check: "runtime",
      level: "advice",
      what: `the kernel has pages of ${formatBytes(pageBytes)}: every program takes more memory`,
      todo: "where memory is short take a kernel with 4 KiB pages; on a Raspberry Pi 5: kernel=kernel8.img in config.txt",
    });
  }
  return findings;
}

function judgeMemory({ memoryBytes, availableBytes, isNodeRunning }: RuntimeFacts): readonly Finding[] {
  if (memoryBytes < memoryBytesGood) {
    return [
      {
        check: "memory",
        level: memoryBytes < memoryBytesMin ? "problem" : "warning",
        what: `${formatBytes(memoryBytes)} of memory: a node under load takes up to 140 MiB`,
        todo: "run little else here, and look at the node's memory under its real load",
      },
    ];
  }
  if (isNodeRunning || availableBytes === undefined || availableBytes >= availableBytesMin) return [];
  return [
    {
      check: "memory",
      level: "warning",
      what: `${formatBytes(availableBytes)} of memory are available: a node under load takes up to 140 MiB`,
      todo: "stop something else, or the system will end programs when memory runs out",
    },
  ];
}

/** Versions of two numbers. */
function isOlder(version: string, least: string): boolean {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  const [leastMajor = 0, leastMinor = 0] = least.split(".").map(Number);
  return major < leastMajor || (major === leastMajor && minor < leastMinor);
}
