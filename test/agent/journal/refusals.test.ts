import { expect, test } from "vitest";
import { Refusals } from "#agent/journal/refusals.ts";
import { FogbankError } from "#shared/errors.ts";
import { limits } from "#shared/limits.ts";

const full = new FogbankError("FOGBANK_STORE_FULL", "full");
const [alarms, bulk] = [1, 2];

function scene() {
  const clock = { ms: 0 };
  const changes: (string | null)[] = [];
  const refusals = new Refusals(
    () => clock.ms,
    (refusing) => changes.push(refusing?.code ?? null),
  );
  return { clock, changes, refusals };
}

test("one stream that is refused while another is stored is one change, and its own success the other", () => {
  const { refusals, changes } = scene();
  for (let count = 0; count < 10; count++) {
    refusals.settled(bulk, full);
    refusals.settled(alarms, null);
  }
  expect(changes).toEqual(["FOGBANK_STORE_FULL"]);
  refusals.settled(bulk, null);
  expect(changes).toEqual(["FOGBANK_STORE_FULL", null]);
});

test("of a stream that was refused and is published no more the refusal ends with time", () => {
  const { refusals, changes, clock } = scene();
  refusals.settled(bulk, full);
  clock.ms = limits.refusalStandsMs;
  refusals.settled(alarms, null);
  expect(changes).toHaveLength(1);
  clock.ms++;
  refusals.settled(alarms, null);
  expect(changes).toEqual(["FOGBANK_STORE_FULL", null]);
});
