// `fogbank notices`: the licences of everything in the single binary.
import { Command } from "commander";
import type { CliIo } from "./io.ts";

/** `embedded`: the text in the single binary; undefined in a checkout, where every package has its own. */
export function noticesCommand(io: Pick<CliIo, "stdout" | "stderr">, embedded: () => string | undefined): Command {
  return new Command("notices")
    .description("print the licences of this program and of what it is made of")
    .exitOverride()
    .configureOutput({ writeOut: io.stdout, writeErr: io.stderr })
    .action(() => {
      io.stdout(
        embedded() ?? "This runs from its sources: see LICENSE, and the licence of each package in node_modules.\n",
      );
    });
}
