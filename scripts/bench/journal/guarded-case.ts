// A case in a folder of its own that always answers: what fails is a note behind its row, and no end of the run.
import { inFreshFolder, type BenchCase, type BenchContext, type BenchRow } from "../benchmark.ts";
import { noteOf } from "../broker/broker-case.ts";

export function guardedCase(
  name: string,
  run: (context: BenchContext, folder: string) => Promise<readonly BenchRow[]>,
): BenchCase {
  return {
    name,
    run: (context) =>
      inFreshFolder(context, async (folder) => {
        try {
          return await run(context, folder);
        } catch (error) {
          return [{ name, figures: {}, note: noteOf(error) }];
        }
      }),
  };
}
