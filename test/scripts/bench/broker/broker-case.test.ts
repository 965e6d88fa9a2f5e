import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import type { BenchContext } from "../../../../scripts/bench/benchmark.ts";
import { toBenchmark, type BrokerCase } from "../../../../scripts/bench/broker/broker-case.ts";
import type { BrokerKind, BrokerName, BrokerPlan } from "../../../../scripts/bench/broker/broker-kind.ts";
import { NotSupported } from "../../../../scripts/bench/mqtt-socket.ts";

function createContext(): BenchContext {
  const folder = mkdtempSync(join(tmpdir(), "fogbank-test-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const refuse = () => Promise.reject(new Error("not used"));
  return {
    folder,
    nodeDeps: {
      guard: { watch: () => undefined, forget: () => undefined, [Symbol.dispose]: () => undefined },
      pickPort: async () => 0,
      nodeArguments: () => [],
    },
    generator: { pid: 0, load: refuse, trickle: refuse, hold: refuse, [Symbol.asyncDispose]: async () => undefined },
    measureMs: 1,
    isQuick: true,
  };
}

function createKind(name: BrokerName) {
  const plans: BrokerPlan[] = [];
  let running = 0;
  const kind: BrokerKind = {
    name,
    describe: () => name,
    async start(_deps, plan) {
      plans.push(plan);
      running++;
      return { pid: 1, port: 2, [Symbol.asyncDispose]: async () => void running-- };
    },
  };
  return { kind, plans, running: () => running };
}

const groupOf = (...cases: readonly BrokerCase[]) => ({ name: "g", title: "t", columns: [], cases });

test("each case runs on each of its brokers, fresh, and nothing of it is left", async () => {
  const [one, two] = [createKind("fogbank"), createKind("aedes")];
  const measure = async () => ({ rate: 7 });
  const group = groupOf({ name: "a", windowMax: 20, measure }, { name: "b", brokers: ["aedes"], measure });
  const { cases } = toBenchmark(group, [one.kind, two.kind], false);
  expect(cases.map(({ name }) => name)).toEqual(["a · fogbank", "a · aedes", "b · aedes"]);
  const context = createContext();
  expect(await cases[0]?.run(context)).toEqual([{ name: "a · fogbank", figures: { rate: 7 } }]);
  expect(one.plans).toMatchObject([{ windowMax: 20, isAclOn: false }]);
  expect([one.running(), two.running()]).toEqual([0, 0]);
  expect(readdirSync(context.folder)).toEqual([]);
});

test("what a broker cannot do, or fails at, is a note and no end of the benchmark", async () => {
  const { kind, running } = createKind("fogbank");
  const refuses = async () => Promise.reject(new NotSupported("no MQTT 5"));
  const fails = async () => Promise.reject(new Error("it broke\nin detail"));
  const group = groupOf({ name: "a", measure: refuses }, { name: "b", measure: fails });
  const rows = [];
  for (const benchCase of toBenchmark(group, [kind], false).cases) rows.push(...(await benchCase.run(createContext())));
  expect(rows.map(({ note }) => note)).toEqual(["not supported: no MQTT 5", "failed: it broke"]);
  expect(running()).toBe(0);
});
