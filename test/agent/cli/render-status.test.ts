import { expect, test } from "vitest";
import { renderStatus } from "#agent/cli/render-status.ts";
import { ago, madeFogStatus, madeStatus, madeStream, withoutRanges } from "../client/node-server.ts";

const plain = { unicode: false, colour: false, columns: undefined };

test("a root: tree, streams, store", () => {
  const streams = [withoutRanges(madeStream({ stored: 1100, lost: 3, pending: 101, here: 1, below: 100 }))];
  expect(renderStatus(madeStatus({ streams }), plain)).toBe(
    [
      "cloud-1, cloud node, Fogbank 0.1.0, running for 2 h 5 min, 2026-07-10 12:00:00Z",
      "",
      "NODE                   LEVEL   ZONE    STATE   HEARD    SINCE",
      "* cloud-1 (this node)  cloud           root",
      "`-* fog-1              fog     hall    online  2 s ago  1 h ago (11:00:00Z)",
      "  `-* device-1         device  line-2  online  2 s ago  1 h ago (11:00:00Z)",
      "",
      "ORIGIN    STREAM  PUBLISHED  STORED  LOST  PENDING [HERE/BELOW]  HEARD",
      "device-1  data         1204    1100     3           101 [1/100]  2 s ago",
      "",
      "store: 1.0 MiB of 1.0 GiB used (0.1 %)",
      "",
    ].join("\n"),
  );
});

test("below the root streams are handed on, and a lost uplink says where to and why, without a password", () => {
  const report = madeFogStatus({
    state: "down",
    since: ago(40),
    reason: "ECONNREFUSED",
    url: "mqtt://u:secret@c:1883",
  });
  const text = renderStatus(report, plain);
  expect(text).toContain("  HANDED ON  ");
  expect(text).toContain("uplink to mqtt://u:***@c:1883 down since 2026-07-10 11:59:20Z (40 s ago): ECONNREFUSED\n");
});

test("epochs, unbalanced accounts and refused publishes are shown when there are any", () => {
  const streams = [withoutRanges(madeStream()), withoutRanges(madeStream({ epoch: 8, balanced: false }))];
  const store = { usedBytes: 0, maxBytes: 0, refusing: "the database has reached its limit" };
  const text = renderStatus(madeStatus({ streams, store }), plain);
  expect(text).toMatch(/^ORIGIN +STREAM +EPOCH .* CHECK +HEARD$/m);
  expect(text).toMatch(/^device-1 +data +7 .* ok +2 s ago$/m);
  expect(text).toMatch(/^device-1 +data +8 .* UNBALANCED +2 s ago$/m);
  expect(text).toContain("store: 0 B of 0 B used\nREFUSING durable publishes: the database has reached its limit\n");
  expect(renderStatus(madeStatus({ streams: [] }), plain)).toContain("\nno streams yet\n");
});

test("what is given up, a document store that fails, quarantined segments and alarms are shown when there are any", () => {
  const journal = {
    state: "evicting",
    since: ago(40),
    lost: [{ origin: "pump-1", stream: "data", messages: 5, bytes: 2048 }],
  } as const;
  const documents = { failingSince: ago(300), drained: 10, quarantined: 2 };
  const alarms = [
    { about: "uplink", reason: "an older copy" },
    { about: "pump-1", reason: "another node of this name is kept out", since: ago(60) },
  ];
  const text = renderStatus(madeStatus({ journal, documents, alarms }), plain);
  expect(text.slice(text.indexOf("GIVING"))).toBe(
    [
      "GIVING UP stored messages for want of room since 2026-07-10 11:59:20Z (40 s ago): pump-1/data 5 (2.0 KiB)",
      "DOCUMENT STORE takes no data since 2026-07-10 11:55:00Z (5 min ago): the journal holds it",
      "QUARANTINED since the start: 2 segments that could not be stored, named as lost",
      "ALARM uplink: an older copy",
      "ALARM pump-1: another node of this name is kept out, since 2026-07-10 11:59:00Z (1 min ago)",
      "",
    ].join("\n"),
  );
  const many = Array.from({ length: 12 }, (_, index) => ({ about: `node-${index}`, reason: "r" }));
  expect(renderStatus(madeStatus({ alarms: many }), plain)).toContain("ALARM node-9: r\nand 2 more alarms\n");
  const well = { state: "accepting", since: ago(40) } as const;
  expect(renderStatus(madeStatus({ journal: well, documents: { drained: 1, quarantined: 0 } }), plain)).toMatch(
    /store: 1\.0 MiB of .* used \(0\.1 %\)\n$/,
  );
});

test("a stream that only the documents know has not been heard of yet", () => {
  const streams = [withoutRanges(madeStream({ heardAt: new Date(0).toISOString() }))];
  expect(renderStatus(madeStatus({ streams }), plain)).toMatch(/^device-1 +data .* not yet$/m);
});

test("[J16.5] what the node concludes of its network is shown while something is wrong", () => {
  const children = { online: 1, lost: 3, left: 0, awaited: 0 };
  const network = {
    conclusion: "segment-failed",
    since: ago(40),
    reason: "3 nodes were lost at once",
    children,
    lost: [],
  };
  const text = renderStatus(madeStatus({ streams: [], network }), plain);
  expect(text).toContain("NETWORK segment-failed since 2026-07-10 11:59:20Z (40 s ago): 3 nodes were lost at once\n");
  const well = { conclusion: "connected", since: ago(40), children, lost: [] };
  expect(renderStatus(madeStatus({ streams: [], network: well }), plain)).not.toContain("NETWORK");
});

test("[J16.4] a path that is broken behind the parent is shown with since when", () => {
  const path = [
    { node: "fog-2", level: "fog", uplink: "down", since: ago(60) },
    { node: "cloud-1", level: "cloud", uplink: "root", since: ago(7200) },
  ] as const;
  const text = renderStatus({ ...madeFogStatus({ state: "up", since: ago(90), path }) }, plain);
  expect(text).toContain(
    "PATH broken at fog-2: cloud-1 unreachable since 2026-07-10 11:59:00Z (1 min ago), fog-2 ok\n",
  );
});
