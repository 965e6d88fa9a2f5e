// Whether a node of this checkout knows a setting that a case needs.
import { execFile } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { program } from "../bench-node.ts";
import { NotSupported } from "../mqtt-socket.ts";

/** Rejects with NotSupported when it does not. */
export async function assertSupported(folder: string, settings: readonly string[]): Promise<void> {
  const file = join(folder, "tried.conf");
  await writeFile(file, `${['name = "tried";', ...settings].join("\n")}\n`);
  try {
    await promisify(execFile)(process.execPath, [program, "config", "check", file]);
  } catch (error) {
    throw new NotSupported(`a node does not take ${settings.join(" ")}`, { cause: error });
  }
}
