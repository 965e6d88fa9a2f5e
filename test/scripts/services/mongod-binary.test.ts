import { expect, test } from "vitest";
import { whyNoMongod } from "../../../scripts/services/mongod-binary.ts";

test("where there is no mongod the reason says what to do instead", () => {
  expect(whyNoMongod("linux", "x64")).toBeUndefined();
  for (const [platform, architecture] of [
    ["linux", "arm64"],
    ["darwin", "x64"],
  ]) {
    expect(whyNoMongod(platform, architecture)).toContain(`on ${platform} ${architecture}`);
    expect(whyNoMongod(platform, architecture)).toContain("FOGBANK_TEST_MONGO_URL");
  }
});
