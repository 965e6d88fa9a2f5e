import { expect, test } from "vitest";
import { explainStream, isBalanced, obstacleOf } from "#agent/cli/explain-stream.ts";
import { ago, madeBelow, madeFogStatus, madeStatus, madeStream } from "../client/node-server.ts";

test("everything has arrived", () => {
  expect(explainStream(madeStream(), madeStatus(), false)).toBe(
    "device-1/data: 1204 published, 1204 stored here once each, 0 lost, 0 on the way. " +
      "You have everything it had published when last heard of, 2 s ago.",
  );
});

test("below the root it is handed on, not stored", () => {
  expect(explainStream(madeStream(), madeFogStatus(), true)).toBe(
    "device-1/data (epoch 7): 1204 published, 1204 handed on to cloud-1, 0 lost, 0 on the way. " +
      "cloud-1 has everything it had published when last heard of, 2 s ago.",
  );
});

test("what is lost is named with its reason", () => {
  const lostRanges = [
    { first: 1, last: 4, reason: "evicted" },
    { first: 9, last: 9, reason: "expired" },
  ] as const;
  expect(explainStream(madeStream({ stored: 1199, lost: 5, lostRanges }), madeStatus(), false)).toContain(
    "5 lost, 0 on the way. Lost for good: 1-4 (evicted), 9 (expired). You have everything else it had published",
  );
  const many = Array.from({ length: 25 }, (_, at) => ({
    first: at * 2 + 1,
    last: at * 2 + 1,
    reason: "corrupt" as const,
  }));
  expect(explainStream(madeStream({ stored: 1179, lost: 25, lostRanges: many }), madeStatus(), false)).toContain(
    "39 (corrupt) and 5 more ranges.",
  );
});

const pending = madeStream({ stored: 1100, here: 4, below: 100, pending: 104 });

test("what is on the way is told by place, with the node that holds it up", () => {
  expect(explainStream(pending, madeStatus(), false)).toBe(
    "device-1/data: 1204 published, 1100 stored here once each, 0 lost, 104 on the way. " +
      "4 are durable at cloud-1 and not stored as documents yet. 100 are not at cloud-1 yet: " +
      "every node on the way is online, so they should arrive soon. It was last heard of 2 s ago.",
  );
  const lostFog = madeBelow("fog-1", "cloud-1", { state: "lost", since: ago(300) });
  expect(explainStream(pending, madeStatus({ below: [lostFog, madeBelow("device-1", "fog-1")] }), false)).toContain(
    "100 are not at cloud-1 yet: fog-1, on the way from device-1, has been lost since 2026-07-10 11:55:00Z (5 min ago).",
  );
  const left = madeBelow("device-1", "cloud-1", { state: "left", since: ago(60) });
  const one = madeStream({ stored: 1203, below: 1 });
  expect(explainStream(one, madeStatus({ below: [left] }), false)).toContain(
    "1 is not at cloud-1 yet: device-1 was stopped on purpose 2026-07-10 11:59:00Z (1 min ago).",
  );
  expect(explainStream(pending, madeStatus({ below: [] }), false)).toContain(
    "cloud-1 does not know where device-1 is now.",
  );
});

test("what its origin has handed on and is not there is not told as on its way", () => {
  const entry = madeStream({ stored: 1100, below: 104, pending: 104, overdue: 100 });
  const below = [madeBelow("device-1", "cloud-1")];
  const text = explainStream(entry, madeStatus({ below }), false);
  expect(text).toContain("4 are not at cloud-1 yet: every node on the way is online, so they should arrive soon.");
  expect(text).toContain(
    "100 are not at cloud-1, and device-1 has handed them on and will not send them again: they are with a node that " +
      "was its parent before, or lost with a database above it. What does not come is presumed lost after 30 days.",
  );
  const all = explainStream({ ...entry, stored: 1104, below: 100 }, madeStatus({ below }), false);
  expect(all).not.toContain("should arrive soon");
});

test("an uplink that is down is why data waits here", () => {
  const status = madeFogStatus({ state: "down", since: ago(40), reason: "ECONNREFUSED" });
  expect(explainStream(madeStream({ stored: 1100, here: 104 }), status, false)).toContain(
    "104 are durable at fog-1 and not handed on yet: the uplink to cloud-1 has been down since 2026-07-10 11:59:20Z (40 s ago) (ECONNREFUSED).",
  );
  const own = madeStream({ origin: "fog-1", stored: 1203, below: 1 });
  expect(explainStream(own, status, false)).toContain("1 is being written. These are its own accounts.");
  expect(explainStream(madeStream({ origin: "fog-1" }), status, false)).toContain(
    " cloud-1 has everything it has published.",
  );
});

test("accounts that do not balance are told loudly, whoever notices", () => {
  for (const broken of [madeStream({ stored: 1200 }), madeStream({ balanced: false })]) {
    expect(isBalanced(broken)).toBe(false);
    expect(explainStream(broken, madeStatus(), false)).toContain(
      "device-1/data: THE ACCOUNTS DO NOT BALANCE: 1204 published, but",
    );
  }
  expect(explainStream(madeStream({ stored: 1200 }), madeStatus(), false)).toContain("+ 0 not arrived = 1200.");
});

test("the obstacle is the one nearest to the node that is asked; a way in circles is unknown", () => {
  const lost = { state: "lost" } as const;
  const below = [madeBelow("a", "b", lost), madeBelow("b", "c", lost), madeBelow("c", "cloud-1")];
  expect(obstacleOf("a", madeStatus({ below }))).toMatchObject({ node: "b" });
  const moved = [madeBelow("a", "cloud-1", lost), madeBelow("a", "c"), madeBelow("c", "cloud-1")];
  expect(obstacleOf("a", madeStatus({ below: moved }))).toBeUndefined();
  expect(obstacleOf("a", madeStatus({ below: [madeBelow("a", "b"), madeBelow("b", "a")] }))).toBe("unknown");
});

test("numbers whose messages came under other ones are not called lost for good; presumptions are named as such", () => {
  const lostRanges = [
    { first: 1, last: 4, reason: "renumbered" },
    { first: 9, last: 9, reason: "presumed-lost" },
  ] as const;
  expect(explainStream(madeStream({ stored: 1199, lost: 5, lostRanges }), madeStatus(), false)).toContain(
    "Lost for good: 9 (presumed lost). Not lost: 1-4 (came under new numbers). You have everything else",
  );
  const [renumbered] = lostRanges;
  const text = explainStream(madeStream({ stored: 1200, lost: 4, lostRanges: [renumbered] }), madeStatus(), false);
  expect(text).not.toContain("Lost for good");
});

test("of a stream that only the documents know it says what is stored, and that no more is known", () => {
  const entry = madeStream({ heardAt: new Date(0).toISOString() });
  expect(explainStream(entry, madeStatus(), false)).toBe(
    "device-1/data: 1204 published, 1204 stored here once each, 0 lost, 0 on the way. " +
      "It has not been heard of since the journal of cloud-1 is new: what it published beyond that is not known here.",
  );
});
