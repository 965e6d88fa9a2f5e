import { expect, test } from "vitest";
import { renderTree } from "#agent/cli/render-tree.ts";
import { ago, madeBelow, madeFogStatus, madeStatus } from "../client/node-server.ts";

const unicode = { unicode: true, colour: false, columns: undefined };
const ascii = { ...unicode, unicode: false };

test("a root shows what is below it; behind a lost node nothing is certain", () => {
  const report = madeStatus({
    below: [
      ...madeStatus().below,
      madeBelow("device-10", "fog-2"),
      madeBelow("device-9", "fog-2", { state: "left" }),
      madeBelow("fog-2", "cloud-1", { level: "fog", state: "lost", since: ago(300), ageMs: 300_000 }),
    ],
  });
  expect(renderTree(report, unicode)).toBe(
    [
      "NODE                   LEVEL   ZONE    STATE         HEARD      SINCE",
      "● cloud-1 (this node)  cloud           root",
      "├─● fog-1              fog     hall    online        2 s ago    1 h ago (11:00:00Z)",
      "│ └─● device-1         device  line-2  online        2 s ago    1 h ago (11:00:00Z)",
      "└─○ fog-2              fog             lost          5 min ago  5 min ago (11:55:00Z)",
      "  ├─○ device-9         device          ? was left    2 s ago    1 h ago (11:00:00Z)",
      "  └─○ device-10        device          ? was online  2 s ago    1 h ago (11:00:00Z)",
      "",
    ].join("\n"),
  );
});

test("class and position have columns where some node has one", () => {
  const below = [
    madeBelow("device-1", "cloud-1", { class: "pump", lat: 52.5, lon: 13.4 }),
    madeBelow("device-2", "cloud-1", { lon: -7 }),
  ];
  expect(renderTree(madeStatus({ below }), ascii)).toBe(
    [
      "NODE                   LEVEL   ZONE  CLASS  POSITION    STATE   HEARD    SINCE",
      "* cloud-1 (this node)  cloud                            root",
      "|-* device-1           device        pump   52.5, 13.4  online  2 s ago  1 h ago (11:00:00Z)",
      "`-* device-2           device               ?, -7       online  2 s ago  1 h ago (11:00:00Z)",
      "",
    ].join("\n"),
  );
});

test("the path is drawn from the root; above the first broken hop nothing is certain", () => {
  const path = [
    { node: "fog-0", level: "fog", uplink: "down", since: ago(30) },
    { node: "fog-00", level: "fog", uplink: "up", since: ago(600) },
    { node: "cloud-1", level: "cloud", uplink: "root", since: ago(7500) },
  ] as const;
  expect(renderTree(madeFogStatus({ path }), ascii)).toBe(
    [
      "NODE                       LEVEL   ZONE    STATE        HEARD    SINCE",
      "o cloud-1                  cloud           ? was root",
      "`-o fog-00                 fog             ? was up              10 min ago (11:50:00Z)",
      "  `-* fog-0                fog             uplink down           30 s ago (11:59:30Z)",
      "    `-* fog-1 (this node)  fog     hall    uplink up             1 h ago (11:00:00Z)",
      "      `-* device-1         device  line-2  online       2 s ago  1 h ago (11:00:00Z)",
      "",
    ].join("\n"),
  );
});

test("a parent that never answered has its place all the same", () => {
  const lines = renderTree(madeFogStatus({ state: "down", path: [] }), ascii).split("\n");
  expect(lines[1]).toMatch(/^o \(parent\) +never reached$/);
  expect(lines[2]).toMatch(/^`-\* fog-1 \(this node\) .* uplink down/);
  expect(lines[3]).toMatch(/^ {2}`-\* device-1 /);
});

test("a report that contradicts itself is drawn once, with what has no place at the end", () => {
  const below = [madeBelow("a", "b"), madeBelow("b", "a"), madeBelow("cloud-1", "cloud-1"), madeBelow("c", "gone")];
  const lines = renderTree(madeStatus({ below }), ascii).trimEnd().split("\n");
  expect(lines.slice(2).map((line) => line.replace(/ {2,}.*/, ""))).toEqual([
    "`-* cloud-1",
    "o a (below b)",
    "o b (below a)",
    "o c (below gone)",
  ]);
});
