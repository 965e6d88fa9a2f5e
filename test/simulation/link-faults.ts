// What happens to the network.
import type { Seeded } from "../../scripts/torture/seeded.ts";
import { drawMs, type Fault } from "./fault.ts";
import type { Machine } from "./machine.ts";
import type { SimulatedTree } from "./simulated-tree.ts";

function drawChild(tree: SimulatedTree, random: Seeded): Machine {
  return random.pick(tree.machines.filter(({ parent }) => parent !== undefined));
}

/** Late frames: sometimes none, sometimes for seconds. */
function drawLateMs(random: Seeded): number {
  return random.unit() < 0.5 ? 0 : drawMs(random, 50, 6_000);
}

/** Connections break, and no new one can be made for a while. */
const cut: Fault = {
  weight: 5,
  inflict(tree, random) {
    const { id, link } = drawChild(tree, random);
    const [ms, lateMs] = [drawMs(random, 100, 12_000), drawLateMs(random)];
    link.setCondition("down");
    link.cut(lateMs);
    tree.later(ms, () => link.setCondition("up"));
    return `${id}: link cut for ${ms} ms, frames late by ${lateMs} ms`;
  },
};

/** Connections break. */
const reset: Fault = {
  weight: 4,
  inflict(tree, random) {
    const { id, link } = drawChild(tree, random);
    const lateMs = drawLateMs(random);
    link.cut(lateMs);
    return `${id}: connections reset, frames late by ${lateMs} ms`;
  },
};

/** Half-open: nothing arrives, nobody is told; what was sent arrives when the link speaks again. */
const silence: Fault = {
  weight: 3,
  inflict(tree, random) {
    const { id, link } = drawChild(tree, random);
    const ms = drawMs(random, 200, 20_000);
    link.setCondition("silent");
    tree.later(ms, () => link.setCondition("up"));
    return `${id}: link silent for ${ms} ms`;
  },
};

const delay: Fault = {
  weight: 2,
  inflict(tree, random) {
    const { id, link } = drawChild(tree, random);
    const [latencyMs, ms] = [drawMs(random, 20, 3_000), drawMs(random, 500, 10_000)];
    link.quality.latencyMs = latencyMs;
    tree.later(ms, () => void (link.quality.latencyMs = 5));
    return `${id}: latency ${latencyMs} ms for ${ms} ms`;
  },
};

/** Single frames vanish: QoS 0 promises no more. */
const loss: Fault = {
  weight: 3,
  inflict(tree, random) {
    const { id, link } = drawChild(tree, random);
    const [share, ms] = [0.02 + random.unit() * 0.5, drawMs(random, 500, 8_000)];
    link.quality.loss = share;
    tree.later(ms, () => void (link.quality.loss = 0));
    return `${id}: ${Math.round(share * 100)} % of frames lost for ${ms} ms`;
  },
};

/** Frames of older sessions arrive again. */
const echo: Fault = {
  weight: 4,
  inflict(tree, random) {
    const { id, link } = drawChild(tree, random);
    const repeated = link.repeatEchoes();
    tree.network.repeated += repeated;
    return repeated === 0 ? undefined : `${id}: ${repeated} frames of older connections arrive again`;
  },
};

export const linkFaults = { cut, reset, silence, delay, loss, echo };
