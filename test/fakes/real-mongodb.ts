// A real MongoDB for one test file: the one that FOGBANK_TEST_MONGO_URL names, or one of our own, which ends with the file.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startOrphanGuard } from "../../scripts/demo/orphan-guard.ts";
import { whyNoMongod } from "../../scripts/services/mongod-binary.ts";
import { mongodbService } from "../../scripts/services/mongodb.ts";

export interface RealMongodb extends AsyncDisposable {
  readonly url: string;
}

/** Why tests on a real MongoDB cannot run here, told aloud once; undefined: they can. Throws instead where FOGBANK_TEST_SERVICES is `required`. */
export function whyNoMongodb(): string | undefined {
  const reason = process.env[mongodbService.variable] === undefined ? whyNoMongod() : undefined;
  if (reason === undefined) return undefined;
  if (process.env["FOGBANK_TEST_SERVICES"] === "required") throw new Error(`no MongoDB can be run here: ${reason}`);
  process.stderr.write(`SKIPPED, tests on a real MongoDB: ${reason}\n`);
  return reason;
}

export async function startRealMongodb(): Promise<RealMongodb> {
  const own = process.env[mongodbService.variable];
  if (own !== undefined) return { url: own, [Symbol.asyncDispose]: () => Promise.resolve() };
  await using stack = new AsyncDisposableStack();
  const folder = mkdtempSync(join(tmpdir(), "fogbank-mongodb-"));
  stack.defer(() => rmSync(folder, { recursive: true, force: true }));
  // Ends it when this process ends, however it does.
  const guard = stack.use(startOrphanGuard());
  const { url, end } = await mongodbService.start(folder, (pid) => guard.watch(pid));
  stack.defer(end);
  const owned = stack.move();
  return { url, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}
