import { expect, test } from "vitest";
import { explainConditionCommand } from "#agent/cli/explain-condition.ts";
import type { CliIo } from "#agent/cli/io.ts";
import type { Random } from "#shared/system/random.ts";
import { ok, startNodeServer } from "../client/node-server.ts";
import { type Script, startScriptedMqttServer } from "../client/scripted-mqtt-server.ts";
import { createBench } from "./command-bench.ts";

const random: Random = { unit: () => 0.5, uint32: () => 0xabc, uuid: () => "" };
const id = "00000abc".repeat(4);
const condition = "zone == 'hall-3' && cond.hot";
const report = {
  condition,
  nodes: [
    { node: "fog-1", result: "true", why: "cond.hot is true" },
    { node: "pump-1", parent: "fog-1", result: "unknown", why: "cond.hot depends on what only the node knows" },
    { node: "pump-2", parent: "fog-1", result: "false", why: "zone == 'hall-3' is false: zone is \"roof\"" },
  ],
};

function create(io: CliIo): ReturnType<typeof explainConditionCommand> {
  return explainConditionCommand(io, random);
}

test("[J8] shows for each node whether the condition holds, and why", async () => {
  const path = `/api/v1/condition?${new URLSearchParams({ if: condition }).toString()}`;
  await using server = await startNodeServer({ [path]: ok(report) });
  const bench = createBench({ columns: 200 });
  expect(await bench.run(create, [condition, "--http", server.url])).toBe(0);
  expect(bench.written.stdout).toBe(
    [
      "NODE    RESULT   WHY",
      "fog-1   true     cond.hot is true",
      "pump-1  unknown  cond.hot depends on what only the node knows",
      "pump-2  false    zone == 'hall-3' is false: zone is \"roof\"\n",
    ].join("\n"),
  );
  const json = createBench();
  expect(await json.run(create, [condition, "--http", server.url, "--json"])).toBe(0);
  expect(JSON.parse(json.written.stdout)).toEqual(report);
});

test("[J8] a text that is no condition is refused with its place, and nobody is asked", async () => {
  const bench = createBench();
  expect(await bench.run(create, ["level =\n= 'device'", "--http", "http://127.0.0.1:1"])).toBe(2);
  expect(bench.written.stderr).toMatch(/^FOGBANK_USAGE: the condition cannot be used: line 1, column 7: unexpected/);
  const unreachable = createBench();
  expect(await unreachable.run(create, ["true", "--http", "http://127.0.0.1:1"])).toBe(3);
});

const counts = { matched: 2, queued: 0, started: 0, done: 2, failed: 0, refused: 0, expired: 0, cancelled: 0 };
const results = [
  { node: "pump-10", status: "done", value: { result: "true", why: "so it is" } },
  { node: "pump-9", status: "done", value: { result: "false", why: "it is not" } },
];

/** Answers the call with `reply`, and notes what was published. */
function answering(reply: object, published: { topic: string; body: unknown }[]): Script {
  return (packet, { send }) => {
    if (packet.cmd !== "publish") return false;
    send({ cmd: "puback", messageId: packet.messageId ?? 0 });
    published.push({ topic: packet.topic, body: JSON.parse(packet.payload.toString()) as unknown });
    const payload = Buffer.from(JSON.stringify({ id, final: true, counts, results, waiting: [], ...reply }));
    send({ cmd: "publish", topic: `/machine/replies/${id}`, payload, qos: 0, retain: false, dup: false });
    return true;
  };
}

test("[J8] --ask calls every node for its own answer", async () => {
  const published: { topic: string; body: unknown }[] = [];
  await using server = await startScriptedMqttServer(answering({}, published));
  const bench = createBench({ columns: 200 });
  const mqtt = ["--mqtt", `mqtt://127.0.0.1:${server.port}`];
  expect(await bench.run(create, ["cond.hot", "--ask", ...mqtt])).toBe(0);
  expect(bench.written.stdout).toBe("NODE     RESULT  WHY\npump-9   false   it is not\npump-10  true    so it is\n");
  expect(published).toEqual([
    { topic: "/machine/functions/explain-condition", body: { id, args: "cond.hot", ttl: 5 } },
  ]);
});

test("[J8] with --ask exit code 1 tells that not everybody has answered", async () => {
  const more = [
    ...results,
    { node: "old", status: "refused", reason: 'nobody on this node offers the function "explain-condition"' },
    { node: "odd", status: "done", value: "yes" },
  ];
  const waiting = [{ node: "away", since: "2026-07-10T11:00:00.000Z" }];
  const reply = { results: more, counts: { ...counts, matched: 4, done: 3, refused: 1 }, waiting, omitted: 3 };
  await using server = await startScriptedMqttServer(answering(reply, []));
  const bench = createBench({ columns: 200 });
  const mqtt = ["--mqtt", `mqtt://127.0.0.1:${server.port}`];
  expect(await bench.run(create, ["cond.hot", "--ask", "--json", ...mqtt])).toBe(1);
  const { nodes } = JSON.parse(bench.written.stdout) as { readonly nodes: readonly { readonly node: string }[] };
  expect(nodes.map(({ node }) => node)).toEqual(["odd", "old", "pump-9", "pump-10", "away", "(3 more)"]);
  await using refusing = await startScriptedMqttServer(answering({ error: { code: "X", message: "too many" } }, []));
  const refused = createBench();
  const other = ["--mqtt", `mqtt://127.0.0.1:${refusing.port}`];
  expect(await refused.run(create, ["cond.hot", "--ask", ...other])).toBe(1);
  expect(refused.written.stderr).toBe("FOGBANK_CALL_REFUSED: too many\n");
});
