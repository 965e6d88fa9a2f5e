// A functions directory of shell scripts for one test, and a run of one of them.
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Run } from "#agent/functions/run.ts";
import { limits } from "#shared/limits.ts";

export class FunctionFolder implements Disposable {
  readonly path = mkdtempSync(join(tmpdir(), "fogbank-functions-"));

  /** Answers the path. `mode`: rights of the file. */
  add(file: string, script: string, mode = 0o755): string {
    const path = join(this.path, file);
    writeFileSync(path, `#!/bin/sh\n${script}\n`);
    chmodSync(path, mode);
    return path;
  }

  write(file: string, text: string): void {
    writeFileSync(join(this.path, file), text);
  }

  [Symbol.dispose](): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}

export function runOf(name: string, more: Partial<Run> = {}): Run {
  return {
    id: "0123456789abcdef0123456789abcdef",
    name,
    args: null,
    origin: "cloud-1",
    dueMs: 60_000,
    isRepeatable: false,
    encoding: "json",
    topic: `/machine/functions/${name}`,
    ...more,
  };
}

export const tooMuch = limits.callResultBytes + 1;
