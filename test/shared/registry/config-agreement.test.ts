import fc from "fast-check";
import { expect, test } from "vitest";
import {
  type AgreementEffect,
  type AgreementEvent,
  type AgreementState,
  agreementTimes,
  startAgreement,
  stepAgreement,
} from "#shared/registry/config-agreement.ts";
import { chooseWinner } from "#shared/registry/config-winner.ts";

const file = "light.xml";

interface Message {
  readonly to: string;
  readonly event: AgreementEvent;
}

/** Fellows in one process, and the messages between them, which a test delivers, repeats, turns around or drops. */
class Cluster {
  readonly states = new Map<string, AgreementState>();
  readonly reports: AgreementEffect[] = [];
  readonly records: AgreementEffect[] = [];
  asks = 0;
  readonly wire: Message[] = [];
  nowMs = 0;
  readonly #invalid: ReadonlyMap<string, string>;

  /** `invalid`: a version that a fellow does not take. */
  constructor(weights: Readonly<Record<string, number>>, invalid: ReadonlyMap<string, string> = new Map()) {
    this.#invalid = invalid;
    for (const [name, weight] of Object.entries(weights)) this.states.set(name, startAgreement(name, weight, 0, 0));
  }

  get names(): readonly string[] {
    return [...this.states.keys()];
  }

  step(name: string, event: AgreementEvent): void {
    const state = this.states.get(name);
    if (state === undefined) return;
    const [next, effects] = stepAgreement(state, event, this.nowMs);
    this.states.set(name, next);
    for (const effect of effects) this.#perform(name, effect);
  }

  meet(): void {
    for (const name of this.names)
      this.step(name, { type: "fellows", fellows: new Set(this.names.filter((other) => other !== name)) });
  }

  hold(name: string, hash: string | undefined, of = file): void {
    this.step(name, { type: "held", file: of, ...(hash !== undefined && { hash }) });
  }

  deliver(at: number): void {
    const [message] = this.wire.splice(at % this.wire.length, 1);
    if (message !== undefined) this.step(message.to, message.event);
  }

  /** Time passes and everything arrives, until nothing more happens for longer than claims take. */
  settle(): void {
    let quietMs = 0;
    for (let round = 0; quietMs <= 2 * agreementTimes.claimMs; round++) {
      if (round > 500) throw new Error("it never ends");
      const before = this.heldBy();
      for (let sent = 0; this.wire.length > 0; sent++) {
        if (sent > 10_000) throw new Error("they never stop talking");
        this.deliver(0);
      }
      this.nowMs += agreementTimes.askMs;
      for (const name of this.names) this.step(name, { type: "tick" });
      quietMs = JSON.stringify(before) === JSON.stringify(this.heldBy()) ? quietMs + agreementTimes.askMs : 0;
    }
  }

  heldBy(of = file): readonly (string | undefined)[] {
    return this.names.map((name) => this.states.get(name)?.own.files.get(of));
  }

  #perform(name: string, effect: AgreementEffect): void {
    switch (effect.type) {
      case "tell":
        for (const to of this.names)
          if (to !== name) this.wire.push({ to, event: { type: "claim", claim: effect.claim } });
        return;
      case "ask":
        this.asks++;
        this.wire.push({ to: effect.fellow, event: { ...effect, type: "asked", fellow: name } });
        return;
      case "give":
        this.wire.push({ to: effect.fellow, event: { ...effect, type: "given", data: new Uint8Array() } });
        return;
      case "adopt":
        if (this.#invalid.get(name) === effect.hash)
          this.step(name, { type: "refused", file: effect.file, hash: effect.hash, reason: "not valid" });
        else this.hold(name, effect.hash, effect.file);
        return;
      case "record":
        this.records.push(effect);
        return;
      case "report":
        this.reports.push(effect);
    }
  }
}

const madeWeights = fc.uniqueArray(fc.tuple(fc.constantFrom("a", "b", "c", "d", "e"), fc.nat(3)), {
  selector: ([name]) => name,
  minLength: 2,
});
const madeHash = fc.constantFrom("h1", "h2", "h3");

test("[U9] all fellows end with the version of the highest configuration weight, and it is recorded once", () => {
  fc.assert(
    fc.property(
      madeWeights,
      fc.array(fc.option(madeHash, { nil: undefined }), { minLength: 5, maxLength: 5 }),
      (weights, hashes) => {
        const cluster = new Cluster(Object.fromEntries(weights));
        cluster.meet();
        const holders = cluster.names.flatMap((fellow, at) => {
          const hash = hashes[at];
          if (hash !== undefined) cluster.hold(fellow, hash);
          return hash === undefined ? [] : [{ fellow, weight: Object.fromEntries(weights)[fellow] ?? 0, hash }];
        });
        cluster.settle();
        const winner = chooseWinner(holders);
        expect(new Set(cluster.heldBy())).toEqual(new Set([winner?.hash]));
        expect(cluster.records.map((one) => "hash" in one && one.hash)).toEqual(
          winner === undefined ? [] : [winner.hash],
        );
        expect(cluster.reports).toEqual([]);
      },
    ),
  );
});

type Action =
  | { readonly do: "edit"; readonly fellow: number; readonly hash: string | undefined }
  | { readonly do: "weigh"; readonly fellow: number; readonly weight: number }
  | { readonly do: "deliver" | "drop" | "repeat"; readonly at: number }
  | { readonly do: "wait"; readonly ms: number };

const madeAction: fc.Arbitrary<Action> = fc.oneof(
  fc.record({ do: fc.constant("edit" as const), fellow: fc.nat(4), hash: fc.option(madeHash, { nil: undefined }) }),
  fc.record({ do: fc.constant("weigh" as const), fellow: fc.nat(4), weight: fc.nat(5) }),
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constantFrom("deliver" as const, "drop" as const, "repeat" as const),
      at: fc.nat(50),
    }),
  },
  fc.record({ do: fc.constant("wait" as const), ms: fc.nat(40_000) }),
);

function act(cluster: Cluster, action: Action): void {
  const nameAt = (index: number): string => cluster.names[index % cluster.names.length] ?? "";
  switch (action.do) {
    case "edit":
      cluster.hold(nameAt(action.fellow), action.hash);
      return;
    case "weigh":
      cluster.step(nameAt(action.fellow), { type: "weight", weight: action.weight });
      return;
    case "deliver":
      if (cluster.wire.length > 0) cluster.deliver(action.at);
      return;
    case "drop":
      if (cluster.wire.length > 0) cluster.wire.splice(action.at % cluster.wire.length, 1);
      return;
    case "repeat": {
      const message = cluster.wire[action.at % Math.max(1, cluster.wire.length)];
      if (message !== undefined) cluster.wire.push(message);
      return;
    }
    case "wait":
      cluster.nowMs += action.ms;
      for (const name of cluster.names) cluster.step(name, { type: "tick" });
  }
}

test("[U9] whatever is edited, lost, repeated and out of order: when messages arrive again, all hold one version", () => {
  fc.assert(
    fc.property(madeWeights, fc.array(madeAction, { maxLength: 60 }), (weights, actions) => {
      const cluster = new Cluster(Object.fromEntries(weights));
      cluster.meet();
      for (const action of actions) act(cluster, action);
      cluster.settle();
      const held = new Set(cluster.heldBy());
      expect(held.size).toBe(1);
      const [hash] = held;
      expect(hash === undefined || ["h1", "h2", "h3"].includes(hash)).toBe(true);
      // And so it stays.
      cluster.settle();
      expect(new Set(cluster.heldBy())).toEqual(held);
    }),
    { numRuns: 300 },
  );
});

test("[U9] a version that is not valid at one fellow is reported there once, and the others agree all the same", () => {
  const cluster = new Cluster({ a: 5, b: 1, c: 1 }, new Map([["c", "h1"]]));
  cluster.meet();
  cluster.hold("c", "h2");
  cluster.hold("a", "h1");
  cluster.settle();
  expect(cluster.heldBy()).toEqual(["h1", "h1", "h2"]);
  expect(cluster.reports).toEqual([{ type: "report", file, hash: "h1", reason: "not valid" }]);
  const { asks } = cluster;
  cluster.settle();
  expect(cluster.asks).toBe(asks); // nobody asks for it again
  // A version that it can use is taken again.
  cluster.hold("a", "h3");
  cluster.settle();
  expect(cluster.heldBy()).toEqual(["h3", "h3", "h3"]);
  expect(cluster.reports).toHaveLength(1);
});

test("[U9] a version that does not come is asked for five times, reported, and asked for again when it is claimed again", () => {
  const cluster = new Cluster({ a: 5, b: 1 });
  cluster.meet();
  cluster.hold("a", "h1");
  const isAsk = ({ event }: Message): boolean => event.type === "asked";
  let asks = 0;
  for (let round = 0; round < 5; round++) {
    while (cluster.wire.length > 0) {
      if (cluster.wire.some(isAsk)) asks += cluster.wire.splice(cluster.wire.findIndex(isAsk), 1).length;
      else cluster.deliver(0);
    }
    cluster.nowMs += agreementTimes.askMs;
    cluster.step("b", { type: "tick" });
  }
  expect([asks, cluster.reports.length]).toEqual([5, 1]);
  cluster.settle();
  expect(cluster.heldBy()).toEqual(["h1", "h1"]);
});

test("[U9] who left does not count any more, and who comes is heard", () => {
  const cluster = new Cluster({ a: 5, b: 1, c: 1 });
  cluster.meet();
  cluster.hold("a", "h1");
  cluster.settle();
  cluster.states.set("d", startAgreement("d", 4, 0, cluster.nowMs));
  cluster.hold("d", "h9");
  cluster.meet();
  cluster.settle();
  expect(cluster.heldBy()).toEqual(["h1", "h1", "h1", "h1"]); // 7 against 4
  cluster.states.delete("a");
  cluster.meet();
  cluster.step("d", { type: "weight", weight: 6 });
  cluster.hold("d", "h9");
  cluster.settle();
  expect(cluster.heldBy()).toEqual(["h9", "h9", "h9"]); // 2 against 6; with who left it would be 7
});

test("[U9] a claim that was overtaken by a later one changes nothing", () => {
  const [met] = stepAgreement(startAgreement("b", 1, 0, 0), { type: "fellows", fellows: new Set(["a"]) }, 0);
  const claim = (stamp: number, hash: string): AgreementEvent => ({
    type: "claim",
    claim: { fellow: "a", stamp, weight: 5, files: new Map([[file, hash]]) },
  });
  const ask = (hash: string) => [{ type: "ask", fellow: "a", file, hash }];
  const [later, first] = stepAgreement(met, claim(2, "h2"), 0);
  expect(first).toEqual(ask("h2"));
  expect(stepAgreement(later, claim(1, "h1"), 0)).toEqual([later, []]);
  expect(stepAgreement(later, claim(3, "h3"), 0)[1]).toEqual(ask("h3"));
});
