import { expect, test } from "vitest";
import type { DeviceCount } from "../../../scripts/demo/accounting.ts";
import { countRemarks, countSentence, countTable } from "../../../scripts/demo/count-table.ts";

const exact: DeviceCount = {
  device: "device-1",
  published: 1234,
  stored: 1234,
  missing: 0,
  twice: 0,
  unrecorded: 0,
  others: 0,
  holes: 0,
  ledger: { stored: 1234, lost: 0, pending: 0 },
  faults: [],
};
const short: DeviceCount = {
  ...exact,
  device: "device-12",
  stored: 1233,
  missing: 1,
  faults: ["published but not in the cloud: 1"],
};

test("the table has aligned columns within 80 characters", () => {
  const lines = countTable([exact, short]);
  expect(lines).toEqual([
    "DEVICE     PUBLISHED  STORED  MISSING  TWICE  LEDGER  LOST  PENDING  VERDICT",
    "device-1       1,234   1,234        0      0   1,234     0        0  exact",
    "device-12      1,234   1,233        1      0   1,234     0        0  DIFFERS",
  ]);
  expect(Math.max(...lines.map(({ length }) => length))).toBeLessThanOrEqual(80);
});

test("the sentence says each once only when every device is exact", () => {
  expect(countSentence([exact, exact])).toBe("published 2468, stored 2468, each once, lost 0");
  expect(countSentence([exact, short])).toBe(
    "published 2468, stored 2467, lost 0: the count does not agree for device-12",
  );
});

test("the remarks name what differs, and messages of others", () => {
  expect(countRemarks([exact])).toEqual([]);
  expect(countRemarks([{ ...short, others: 2 }])).toEqual([
    "device-12: published but not in the cloud: 1",
    "not counted above, but stored too: what others published on the devices, 2 in all",
  ]);
});
