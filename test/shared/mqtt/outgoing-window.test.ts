import fc from "fast-check";
import { expect, test } from "vitest";
import { OutgoingWindow, packetIdOf, windowSpanMax } from "#shared/mqtt/outgoing-window.ts";

type State = "sent 1" | "sent 2" | "released" | "done" | "unsure";

interface Entry {
  state: State;
  size: number;
}

/** What the window should be, by the number of each message. */
class Model {
  cursor: number;
  next: number;
  readonly entries = new Map<number, Entry>();

  constructor(cursor: number) {
    this.cursor = cursor;
    this.next = cursor + 1;
  }

  get count(): number {
    return [...this.entries.values()].filter(({ state }) => state.startsWith("sent") || state === "released").length;
  }

  get bytes(): number {
    return [...this.entries.values()].reduce((sum, { size }) => sum + size, 0);
  }

  get hasSpan(): boolean {
    return this.next - this.cursor <= windowSpanMax;
  }

  in(state: State): readonly number[] {
    return [...this.entries].filter(([, entry]) => entry.state === state).map(([number]) => number);
  }

  /** Identifiers that the client may still have to do with. */
  get idsInUse(): ReadonlySet<number> {
    return new Set([...this.entries].filter(([, { state }]) => state !== "done").map(([number]) => packetIdOf(number)));
  }

  put(number: number, state: State, size: number): void {
    this.entries.set(number, { state, size: state === "done" ? 0 : size });
    while (this.entries.get(this.cursor + 1)?.state === "done") this.entries.delete(++this.cursor);
  }

  add(state: State, size: number): number {
    const number = this.next++;
    this.put(number, state, size);
    return number;
  }

  /** The connection ends; of what is released nothing is on its way any more. */
  detach(): void {
    for (const entry of this.entries.values()) {
      entry.size = 0;
      if (entry.state.startsWith("sent")) entry.state = "unsure";
    }
  }
}

interface Real {
  window: OutgoingWindow;
}

type Command = fc.Command<Model, Real>;

function command(name: string, check: (model: Model) => boolean, run: (model: Model, real: Real) => void): Command {
  return {
    check: (model) => check(model),
    run(model, real) {
      run(model, real);
      compare(model, real.window);
    },
    toString: () => name,
  };
}

function compare(model: Model, window: OutgoingWindow): void {
  expect({ cursor: window.cursor, next: window.next, count: window.count }).toEqual({
    cursor: model.cursor,
    next: model.next,
    count: model.count,
  });
  expect(window.progress()).toEqual({ done: model.in("done"), released: model.in("released") });
  // Its bytes, by the bound that they are just below.
  expect([window.hasRoom(1e9, model.bytes), window.hasRoom(1e9, model.bytes + 1)]).toEqual([false, model.hasSpan]);
  expect([window.hasRoom(model.count, 1e9), window.hasRoom(model.count + 1, 1e9)]).toEqual([false, model.hasSpan]);
  const unsure = model.in("unsure");
  for (let number = model.cursor - 1; number <= model.next; number++)
    expect(window.isUnsure(number), `number ${number}`).toBe(unsure.includes(number));
}

const always = (): boolean => true;
const pickOf = (numbers: readonly number[], pick: number): number => numbers[pick % numbers.length] ?? 0;

const send = (qos: 1 | 2, size: number): Command =>
  command(
    `send(${qos}, ${size})`,
    ({ hasSpan }) => hasSpan,
    (model, { window }) => {
      const inUse = model.idsInUse;
      const id = window.send(qos, size);
      expect(id).toBe(packetIdOf(model.add(qos === 1 ? "sent 1" : "sent 2", size)));
      expect(inUse.has(id)).toBe(false);
    },
  );

/** Of the numbers in that state the one picked; or an identifier that nobody waits for. */
const answer = (method: "acknowledge" | "receive" | "refuse" | "complete", pick: number): Command => {
  const from: State = method === "acknowledge" ? "sent 1" : method === "complete" ? "released" : "sent 2";
  return command(`${method}(${pick})`, always, (model, { window }) => {
    const candidates = model.in(from);
    const id = pick % 5 > 0 && candidates.length > 0 ? packetIdOf(pickOf(candidates, pick)) : (pick % 65_535) + 1;
    const number = candidates.find((one) => packetIdOf(one) === id) ?? 0;
    expect(window.isReleased(id)).toBe(model.in("released").some((one) => packetIdOf(one) === id));
    expect(window[method](id)).toBe(number);
    if (number === 0) return;
    const { size = 0 } = model.entries.get(number) ?? {};
    model.put(number, method === "receive" ? "released" : "done", size);
  });
};

const skip = (): Command =>
  command(
    "skip",
    ({ hasSpan }) => hasSpan,
    (model, { window }) => {
      window.skip();
      model.add("done", 0);
    },
  );

const skipTo = (ahead: number): Command =>
  command(`skipTo(+${ahead})`, always, (model, { window }) => {
    const number = model.next + ahead;
    if (model.entries.size === 0 && ahead > 0) {
      model.next = number;
      model.cursor = number - 1;
    } else while (model.next < number && model.hasSpan) model.add("done", 0);
    expect(window.skipTo(number)).toBe(model.next >= number);
  });

const detach = (): Command =>
  command("detach", always, (model, { window }) => {
    window.detach();
    model.detach();
  });

const resend = (qos: 1 | 2, size: number, pick: number): Command =>
  command(
    `resend(${qos}, ${size}, ${pick})`,
    (model) => model.in("unsure").length > 0,
    (model, { window }) => {
      const number = pickOf(model.in("unsure"), pick);
      expect(window.resend(number, qos, size)).toBe(packetIdOf(number));
      model.put(number, qos === 1 ? "sent 1" : "sent 2", size);
    },
  );

const abandon = (pick: number): Command =>
  command(`abandon(${pick})`, always, (model, { window }) => {
    const unsure = model.in("unsure");
    const number = unsure.length > 0 && pick % 4 > 0 ? pickOf(unsure, pick) : model.cursor - 2 + (pick % 40);
    window.abandon(number);
    if (unsure.includes(number)) model.put(number, "done", 0);
  });

/** A restart: the window is made anew of what was stored of it. */
const restore = (): Command =>
  command("restore", always, (model, real) => {
    const { done, released } = real.window.progress();
    const { cursor, next } = real.window;
    real.window = new OutgoingWindow(cursor);
    real.window.restore(
      next - 1,
      (number) => done.includes(number),
      (number) => released.includes(number),
    );
    model.detach();
    if (model.entries.size === 0) model.next = model.cursor + 1;
  });

const anySize = fc.oneof(fc.nat(3), fc.nat(100_000));
const anyQos = fc.constantFrom(1 as const, 2 as const);
const anyCommands = fc.commands(
  [
    fc.tuple(anyQos, anySize).map(([qos, size]) => send(qos, size)),
    fc.tuple(anyQos, anySize).map(([qos, size]) => send(qos, size)),
    fc.nat().map((pick) => answer("acknowledge", pick)),
    fc.nat().map((pick) => answer("receive", pick)),
    fc.nat().map((pick) => answer("complete", pick)),
    fc.nat().map((pick) => answer("refuse", pick)),
    fc.constant(skip()),
    fc.nat(40).map(skipTo),
    fc.constant(detach()),
    fc.tuple(anyQos, anySize, fc.nat()).map(([qos, size, pick]) => resend(qos, size, pick)),
    fc.nat().map(abandon),
    fc.constant(restore()),
  ],
  { size: "large", maxCommands: 80 },
);

test("it does what a plain model does, wherever its numbers begin", () => {
  const anyCursor = fc.constantFrom(0, 1, 65_500, 65_530, 65_535, 65_535 * 3 - 20, 2 ** 40);
  fc.assert(
    fc.property(anyCursor, anyCommands, (cursor, commands) => {
      const real: Real = { window: new OutgoingWindow(cursor) };
      fc.modelRun(() => ({ model: new Model(cursor), real }), commands);
      expect(real.window.next).toBeGreaterThan(real.window.cursor);
    }),
    { numRuns: 200 },
  );
});

test("packet identifiers go from 1 to 65535 and around", () => {
  expect([1, 2, 65_535, 65_536, 131_070, 131_071].map(packetIdOf)).toEqual([1, 2, 65_535, 1, 65_535, 1]);
});

test("100 000 messages in a row are sent and confirmed, across the end of the identifiers", () => {
  const window = new OutgoingWindow();
  const waiting: number[] = [];
  const inUse = new Set<number>();
  let clashes = 0;
  for (let at = 1; at <= 100_000; at++) {
    const id = window.send(at % 2 === 0 ? 2 : 1, 10);
    if (inUse.has(id)) clashes++;
    inUse.add(id);
    waiting.push(id);
    if (waiting.length < 100) continue;
    const oldest = waiting.shift() ?? 0;
    if (window.acknowledge(oldest) === 0) {
      window.receive(oldest);
      window.complete(oldest);
    }
    inUse.delete(oldest);
  }
  expect([clashes, window.count, window.cursor, window.next]).toEqual([0, 99, 99_901, 100_001]);
});

test("a client that leaves out the oldest cannot stretch the window [B2]", () => {
  const window = new OutgoingWindow();
  window.send(1, 1);
  let sent = 1;
  while (window.hasRoom(65_535, 1e9)) {
    const id = window.send(1, 1);
    window.acknowledge(id);
    sent++;
  }
  expect(sent).toBe(windowSpanMax);
  expect([window.count, window.cursor]).toEqual([1, 0]);
  expect(window.skipTo(windowSpanMax * 2)).toBe(false);
  window.acknowledge(1);
  expect(window.hasRoom(1, 1)).toBe(true);
  expect(window.skipTo(windowSpanMax * 2)).toBe(true);
});

test("a span that no window of ours has is cut when it is restored [B2]", () => {
  const window = new OutgoingWindow(10);
  window.restore(
    1e9,
    () => false,
    () => false,
  );
  expect([window.cursor, window.next, window.count]).toEqual([10, 11 + windowSpanMax, 0]);
  expect([window.isUnsure(11), window.isUnsure(10 + windowSpanMax), window.isUnsure(11 + windowSpanMax)]).toEqual([
    true,
    true,
    false,
  ]);
});

test("what is released counts on the next connection, without its bytes", () => {
  const window = new OutgoingWindow();
  const id = window.send(2, 1_000);
  window.receive(id);
  window.detach();
  expect([window.count, window.hasRoom(2, 1)]).toEqual([1, true]);
  expect(window.complete(id)).toBe(1);
  window.send(1, 600);
  expect([window.count, window.hasRoom(9, 600), window.hasRoom(9, 601)]).toEqual([1, false, true]);
});
