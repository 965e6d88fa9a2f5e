// A real device below a real cloud, and a link between them that breaks in every way a link can break. Most of it is waiting, so the
// tests run beside each other, each with nodes of its own.
import { test, type ExpectStatic } from "vitest";
import type { Direction } from "../../scripts/torture/fault-proxy.ts";
import { eventually } from "../../scripts/torture/node-under-test.ts";
import { withFaultyLink, withFaultyLinks, type FaultyLink } from "../fakes/faulty-link.ts";

/** What the link promises, which tests with a clock of their own hold to the millisecond, and what a slow and busy machine may add. */
const noticedMs = 10_000;
const slackMs = 10_000;

/** Exactly this was published, and all of it is at the cloud, each once, in order of its numbers; the ledgers of both ends agree. */
async function expectAllOnce(
  expect: ExpectStatic,
  { cloud, device }: FaultyLink,
  payloads: readonly string[],
): Promise<void> {
  await eventually(
    async () => [await device.accounting(device.name), await cloud.accounting(device.name)].flat(),
    (rows) =>
      rows.length === 2 &&
      rows.every(({ pending, next, balanced }) => balanced && pending === 0 && next === payloads.length + 1),
  );
  const stored = (await cloud.data(device.name)).toSorted((a, b) => a.seq - b.seq);
  expect(stored.map(({ payload }) => payload)).toEqual(payloads);
  expect(stored.map(({ seq }) => seq)).toEqual(payloads.map((_, index) => index + 1));
}

/** One message has gone all the way. From here on only heartbeats pass. */
async function settle(link: FaultyLink, payload: string): Promise<void> {
  const arrived = link.arrivals.next(` ${payload}`);
  await link.publish([payload]);
  await arrived;
  await eventually(
    () => link.device.accounting(link.device.name),
    (rows) => rows.every(({ pending }) => pending === 0),
  );
}

function lines(from: number, to: number, fill = ""): readonly string[] {
  return Array.from({ length: to - from + 1 }, (_, index) => `${from + index} ${fill}`);
}

test.concurrent("a silent cut is noticed within ten seconds at both ends, whenever it begins", ({ expect }) =>
  withFaultyLinks(4, async (links) => {
    const waits = links.map(async (link) => {
      await settle(link, "1");
      // Right behind a heartbeat: no silence could begin later. Where the parent is in its own round is up to chance.
      await link.proxy.passed("up");
      link.proxy.set({ type: "silent" });
      return Promise.all([link.uplink.next('"down"'), link.presence.next('"lost"')]);
    });
    const noticed = await Promise.all(waits);
    const [atChild, atParent] = [0, 1].map((end) => Math.round(Math.max(...noticed.map((pair) => pair[end] ?? 0))));
    console.log(`silent cut noticed after ${atChild} ms by the child, ${atParent} ms by the parent, at the latest`);
    // Several watches run, those of the link and those of MQTT: which one is first depends on when the last packet of each came.
    expect(links.map(({ uplink }) => uplink.heard.at(-1))).toEqual(
      links.map(() => expect.stringMatching(/the parent has fallen silent|timeout/)),
    );
    expect(atChild).toBeLessThan(noticedMs + slackMs);
    expect(atParent).toBeLessThan(noticedMs + slackMs);
  }));

test.concurrent("a parent that is frozen is given up within ten seconds, and taken back when it goes on", ({
  expect,
}) =>
  withFaultyLink(async (link) => {
    await settle(link, "1");
    const down = link.uplink.next('"down"');
    link.cloud.freeze(true);
    await link.publish(["2"]);
    expect(await down).toBeLessThan(noticedMs + slackMs);
    const up = link.uplink.next('"up"');
    link.cloud.freeze(false);
    await up;
    await expectAllOnce(expect, link, ["1", "2"]);
  }));

test.concurrent("acknowledgements swallowed on the way down: the child gives up within ten seconds, the parent hears it", ({
  expect,
}) =>
  withFaultyLink(async (link) => {
    await settle(link, "1");
    const down = link.uplink.next('"down"');
    const lost = link.presence.next('"lost"');
    link.proxy.set({ type: "silent", direction: "down" });
    await link.publish(["2"]);
    const downMs = await down;
    expect(downMs).toBeLessThan(noticedMs + slackMs);
    // The parent heard the child's heartbeats up to then.
    expect((await lost) - downMs).toBeLessThan(noticedMs + slackMs);
    link.proxy.set({ type: "pass" });
    await expectAllOnce(expect, link, ["1", "2"]);
  }));

test.concurrent("data swallowed on the way up while the parent's heartbeats arrive: no progress is noticed", ({
  expect,
}) =>
  withFaultyLink(async (link) => {
    await settle(link, "1");
    const down = link.uplink.next('"down"');
    link.proxy.set({ type: "silent", direction: "up" });
    await link.publish(["2"]);
    expect(await down).toBeLessThan(noticedMs + slackMs);
    expect(link.uplink.heard.at(-1)).toContain("connected, but without progress");
    link.proxy.set({ type: "pass" });
    await expectAllOnce(expect, link, ["1", "2"]);
  }));

test.concurrent.for([
  ["a silent cut", { type: "silent" }],
  ["connections that go nowhere", { type: "half-open" }],
  ["connections that are dropped at once", { type: "accept-and-drop" }],
] as const)("after %s what was published meanwhile goes up by itself", ([, fault], { expect }) =>
  withFaultyLink(async (link) => {
    await settle(link, "first");
    const down = link.uplink.next('"down"');
    link.proxy.set(fault);
    if (fault.type !== "silent") link.proxy.reset();
    await link.publish(lines(1, 100));
    await down;
    const arrived = link.arrivals.next(" 1 ");
    link.proxy.set({ type: "pass" });
    console.log(
      `${fault.type}: the first message was at the cloud ${Math.round(await arrived)} ms after the link worked again`,
    );
    await expectAllOnce(expect, link, ["first", ...lines(1, 100)]);
  }),
);

test.concurrent("a link that is slow to answer, by half a second each way and more, works", ({ expect }) =>
  withFaultyLink(async (link) => {
    const before = link.uplink.heard.length;
    link.proxy.set({ type: "delay", ms: 500, jitterMs: 100 });
    await link.publish(lines(1, 200));
    await expectAllOnce(expect, link, lines(1, 200));
    expect(link.uplink.heard.slice(before).filter((line) => line.includes('"down"'))).toEqual([]);
  }));

test.concurrent("at 20 kB/s a backlog drains, and heartbeats still get through", ({ expect }) =>
  withFaultyLink(async (link) => {
    const down = link.uplink.next('"down"');
    link.proxy.set({ type: "accept-and-drop" });
    link.proxy.reset();
    await down;
    const payloads = lines(1, 300, "x".repeat(1_000));
    await link.publish(payloads);
    // The parent may hear later than the child that the connection was lost, and the child try again meanwhile.
    const back = Promise.all([link.uplink.next('"up"'), link.presence.next('"online"')]);
    link.proxy.set({ type: "throttle", bytesPerSecond: 20_000 });
    await back;
    const from = [link.uplink.heard.length, link.presence.heard.length];
    await expectAllOnce(expect, link, payloads);
    const said = [...link.uplink.heard.slice(from[0]), ...link.presence.heard.slice(from[1])];
    expect(said.filter((line) => /"(down|lost)"/.test(line))).toEqual([]);
  }));

test.concurrent("a cut at any byte of the handshake and the first batch, in either direction, loses nothing", ({
  expect,
}) =>
  withFaultyLinks(4, async (links) => {
    const measured = links[0] === undefined ? { up: 0, down: 0 } : await bytesOfOneSession(links[0]);
    const cuts = (["up", "down"] as const).flatMap((direction) => positionsIn(direction, measured[direction]));
    expect(cuts.length).toBe(40);
    let done = 0;
    await Promise.all(
      links.map(async (link, index) => {
        const payloads = index === 0 ? ["measured"] : [];
        for (const { direction, byte } of cuts.filter((_, place) => place % links.length === index)) {
          await cutOnce(link, direction, byte, payloads);
          done++;
        }
        await expectAllOnce(expect, link, payloads);
      }),
    );
    console.log(`cut ${done} times, at bytes 1 to ${measured.up} upward and 1 to ${measured.down} downward`);
  }));

const cutsPerDirection = 20;

/** From the first byte to the last. */
function positionsIn(direction: Direction, bytes: number): readonly { direction: Direction; byte: number }[] {
  return Array.from({ length: cutsPerDirection }, (_, index) => ({
    direction,
    byte: 1 + Math.floor((index * (bytes - 1)) / (cutsPerDirection - 1)),
  }));
}

/** How many bytes it takes from the connection to the acknowledged batch. */
async function bytesOfOneSession(link: FaultyLink): Promise<{ readonly up: number; readonly down: number }> {
  await interrupt(link);
  await link.publish(["measured"]);
  link.proxy.set({ type: "pass" });
  await eventually(
    () => link.device.accounting(link.device.name),
    (rows) => rows.every(({ pending }) => pending === 0),
  );
  return { up: link.proxy.bytes("up"), down: link.proxy.bytes("down") };
}

async function interrupt(link: FaultyLink): Promise<void> {
  const down = link.uplink.next('"down"');
  link.proxy.set({ type: "accept-and-drop" });
  link.proxy.reset();
  await down;
}

/** Publishes while there is no link, lets the next session come as far as `byte`, and waits for what was published. */
async function cutOnce(link: FaultyLink, direction: Direction, byte: number, payloads: string[]): Promise<void> {
  await interrupt(link);
  const fresh = [`${direction} ${byte} a`, `${direction} ${byte} b`];
  const arrived = link.arrivals.next(fresh[1] ?? "");
  await link.publish(fresh);
  payloads.push(...fresh);
  link.proxy.set({ type: "cut-at", direction, byte });
  await arrived;
  await link.uplink.last('"up"');
}
