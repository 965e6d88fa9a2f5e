// systemd's own check of unit files: the one that is installed, or Debian's, fetched and unpacked without being installed.
import { execFile } from "node:child_process";
import { existsSync, mkdirSync } from "node:fs";
import { delimiter, join } from "node:path";
import { promisify } from "node:util";
import { fetchDebianPackages } from "../../../scripts/bench/journal/debian-packages.ts";

const run = promisify(execFile);

/** With the libraries that a small system lacks. */
const packages = [
  "systemd",
  "libsystemd-shared",
  "libacl1",
  "libapparmor1",
  "libblkid1",
  "libcap2",
  "libgcrypt20",
  "libgpg-error0",
  "libip4tc2",
  "libkmod2",
  "liblz4-1",
  "libmount1",
  "libpcre2-8-0",
  "libseccomp2",
  "libselinux1",
  "libssl3",
  "libzstd1",
];

/** Answers what it complains about in that unit: nothing when all is well. Rejects when it does not run. */
type VerifyUnit = (file: string) => Promise<string>;

/** `folder`: into which it may be unpacked. Rejects when it is neither here nor can be fetched. */
export async function findVerifier(folder: string): Promise<VerifyUnit> {
  const folders = (process.env["PATH"] ?? "").split(delimiter);
  const installed = folders.map((one) => join(one, "systemd-analyze")).find((file) => existsSync(file));
  if (installed !== undefined && existsSync("/lib/systemd/system/sysinit.target")) return verifier(installed, {});
  mkdirSync(folder, { recursive: true });
  return unpackedVerifier(await fetchDebianPackages(folder, packages));
}

/** Of Debian's packages, unpacked below that folder. */
function unpackedVerifier(root: string): VerifyUnit {
  const triplet = process.arch === "arm64" ? "aarch64-linux-gnu" : "x86_64-linux-gnu";
  const libraries = [`usr/lib/${triplet}`, `lib/${triplet}`, `usr/lib/${triplet}/systemd`].map((path) =>
    join(root, path),
  );
  return verifier(join(root, "usr/bin/systemd-analyze"), {
    LD_LIBRARY_PATH: libraries.join(":"),
    SYSTEMD_UNIT_PATH: join(root, "lib/systemd/system"),
  });
}

function verifier(program: string, env: Readonly<Record<string, string>>): VerifyUnit {
  return async (file) => {
    const options = { env: { PATH: "/usr/bin:/bin", LC_ALL: "C", ...env } };
    try {
      const { stdout, stderr } = await run(program, ["verify", "--man=no", file], options);
      return stdout + stderr;
    } catch (error) {
      const complaints = error instanceof Error && "stderr" in error ? String(error.stderr) : "";
      if (complaints === "") throw error;
      return complaints;
    }
  };
}
