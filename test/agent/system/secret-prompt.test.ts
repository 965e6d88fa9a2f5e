import { PassThrough } from "node:stream";
import { expect, test } from "vitest";
import { askSecret } from "#agent/system/secret-prompt.ts";

function terminal() {
  const modes: boolean[] = [];
  const input = Object.assign(new PassThrough(), {
    setRawMode(mode: boolean) {
      modes.push(mode);
      return input;
    },
  });
  let shown = "";
  return {
    input: input as never,
    keys: input,
    modes,
    output: { write: (text: string) => (shown += text) },
    shown: () => shown,
  };
}

test("what is typed is answered and never shown", async () => {
  const { input, keys, modes, output, shown } = terminal();
  const answer = askSecret(input, output, "Password: ", new AbortController().signal);
  keys.write("sexx\u007f\bcré");
  keys.write("t\rrest");
  expect(await answer).toBe("secrét");
  expect(shown()).toBe("Password: \n");
  expect(modes).toEqual([true, false]);
});

test("a signal ends the question and leaves the terminal as it was", async () => {
  const { input, modes, output } = terminal();
  const stop = new AbortController();
  const answer = askSecret(input, output, "Password: ", stop.signal);
  stop.abort(new Error("interrupted"));
  await expect(answer).rejects.toThrow("interrupted");
  expect(modes).toEqual([true, false]);
});
