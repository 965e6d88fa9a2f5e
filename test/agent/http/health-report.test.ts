import * as v from "valibot";
import { expect, test } from "vitest";
import { statusSchema } from "#agent/client/report-schema.ts";
import { healthReport } from "#agent/http/health-report.ts";
import { madeStatus } from "../client/node-server.ts";

const well = { state: "accepting", sinceMs: 0, reason: undefined, givenUp: [], scattered: [] } as const;

test("a node that is well has its journal's state and no alarms", () => {
  expect(healthReport(well, undefined, [])).toEqual({
    journal: { state: "accepting", since: "1970-01-01T00:00:00.000Z" },
  });
});

test("what is given up, refused or in pieces, a document store that fails, and alarms of the tree are all there, as a client reads them", () => {
  const lost = [{ origin: "pump-1", stream: "data", messages: 5, bytes: 50 }];
  const scattered = [{ origin: "pump-1", stream: "data", ranges: 70 }];
  const health = healthReport(
    { state: "refusing", sinceMs: 1_000, reason: "full", givenUp: lost, scattered },
    { failingSinceMs: 2_000, drained: 3, quarantined: 4 },
    [
      { about: "uplink", reason: "an older copy" },
      { about: "pump-2", reason: "twice", sinceMs: 3_000 },
    ],
  );
  expect(health).toEqual({
    journal: { state: "refusing", since: "1970-01-01T00:00:01.000Z", reason: "full", lost },
    documents: { failingSince: "1970-01-01T00:00:02.000Z", drained: 3, quarantined: 4 },
    alarms: [
      { about: "uplink", reason: "an older copy" },
      { about: "pump-2", reason: "twice", since: "1970-01-01T00:00:03.000Z" },
      { about: "pump-1/data", reason: "its numbers have come in 70 pieces: messages in between are missing" },
    ],
  });
  expect(v.parse(statusSchema, madeStatus(health))).toMatchObject(health);
});
