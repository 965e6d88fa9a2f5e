import { writeToStream } from "mqtt-packet";
import { expect, test } from "vitest";
import { loadMqtt } from "#agent/system/mqtt-library.ts";

test("the package comes without its buffers for all numbers of 16 bits", async () => {
  expect(writeToStream.cacheNumbers).toBe(true);
  expect(await loadMqtt()).toBeTypeOf("function");
  expect(writeToStream.cacheNumbers).toBe(false);
});
