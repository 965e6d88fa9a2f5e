// Calls and events that travel through the simulated tree while things go wrong. A program at every node counts what reaches it; callers
// write down what they hear. What each saw is held against the others: nothing runs twice [T3] or where its condition is false [T4],
// each caller hears one last word [T5], and its counts are those of the programs [T6].
import { limits } from "#shared/limits.ts";
import type { Clock } from "#shared/system/clock.ts";
import type { Seeded } from "../../scripts/torture/seeded.ts";
import type { MemoryBroker, MemoryClient } from "../fakes/memory-broker.ts";

/** A node from its start to its death, as programs at it see it. */
export interface Place {
  /** The machine; copies of one node differ. */
  readonly id: string;
  readonly name: string;
  readonly level: string;
  /** Which of its disks it runs on: an older copy does not know what has run since. */
  readonly generation: number;
  readonly broker: MemoryBroker;
  isAlive(): boolean;
}

interface Condition {
  readonly text: string;
  holds(place: Pick<Place, "name" | "level">): boolean;
}

const conditions: readonly Condition[] = [
  { text: "", holds: () => true },
  { text: "level == 'device'", holds: ({ level }) => level === "device" },
  { text: "level != 'device'", holds: ({ level }) => level !== "device" },
  { text: "name == 'device-1'", holds: ({ name }) => name === "device-1" },
  { text: "name != 'fog-1' && level in ['fog', 'cloud']", holds: (at) => at.name !== "fog-1" && at.level !== "device" },
];

interface Sent {
  readonly condition: Condition;
  readonly by: Place;
  /** Monotonic time of the deadline as the caller's node sees it. */
  readonly deadlineMs: number;
}

interface Call extends Sent {
  readonly mode: "async" | "sync";
  readonly isWide: boolean;
  isTaken: boolean;
  /** A node that dies may have said its last word without knowing that of itself later. */
  readonly finals: { readonly life: Place; readonly reply: Reply }[];
  /** What it has heard has been held against the programs. */
  isChecked: boolean;
}

interface Event extends Sent {
  /** Durable at the node that raised it, at that monotonic time; undefined as long as it has not said so. */
  takenMs: number | undefined;
}

interface Reply {
  readonly final: boolean;
  readonly error?: unknown;
  readonly counts: Readonly<Record<string, number>>;
  readonly results: readonly { readonly node: string; readonly status: string }[];
}

export interface TrafficCounts {
  calls: number;
  finals: number;
  runs: number;
  raised: number;
  told: number;
}

const callSeconds = [2, 5, 20] as const;
/** Longer than any history. */
const eventSeconds = 3_600;
/** Frames of the last word, and the look at which it is said. */
const slackMs = 500;
/** What it does not matter by how much clocks differ. */
const misdatedMsMax = 600_000;
const callTopic = "/machine/functions/work";
const eventTopic = "/machine/events/external/news";
const utf8 = new TextDecoder();

export class Traffic {
  readonly counts: TrafficCounts = { calls: 0, finals: 0, runs: 0, raised: 0, told: 0 };
  readonly faults: string[] = [];
  readonly #random: Seeded;
  readonly #clock: Clock;
  #senders = 0;
  readonly #calls = new Map<string, Call>();
  readonly #events = new Map<string, Event>();
  /** How often a call has begun, by disk, and where each call and event has been, by name. */
  readonly #runs = new Map<string, number>();
  readonly #been = new Map<string, Set<string>>();
  readonly #copied = new Set<string>();
  #upsetMs = Number.NEGATIVE_INFINITY;

  constructor(random: Seeded, clock: Clock) {
    this.#random = random;
    this.#clock = clock;
  }

  /** A disk has lost what it had: what was raised before need not reach anybody. */
  upset(): void {
    this.#upsetMs = Math.max(this.#upsetMs, this.#clock.monotonic());
  }

  /** A wall clock is wrong: when an event ends cannot be told any more. */
  misdate(ms: number): void {
    if (Math.abs(ms) > misdatedMsMax) this.#upsetMs = Number.POSITIVE_INFINITY;
  }

  /** There are two nodes of that name now. */
  copied(name: string): void {
    this.#copied.add(name);
    this.upset();
  }

  /** Sets a program to work at a node whose broker has just come to life. */
  attend(place: Place): void {
    void place.broker.connect("program").then(
      async (client) => {
        const told = new Set<string>();
        client.onMessage(({ topic, payload }) => {
          if (!place.isAlive()) return;
          const body = JSON.parse(utf8.decode(payload)) as Asked & Reply;
          if (topic === callTopic) this.#run(place, client, body);
          else if (topic === eventTopic) this.#hear(place, told, body.id);
          else if (body.final) this.#calls.get(body.id)?.finals.push({ life: place, reply: body });
        });
        for (const filter of [callTopic, eventTopic, "/machine/replies/#"]) await client.subscribe(filter, 1);
      },
      () => undefined, // it died before
    );
  }

  /** A call from a node that runs. */
  call(by: Place, random: Seeded): void {
    const [id, seconds] = [this.#drawId(random), random.pick(callSeconds)];
    const condition = random.pick(conditions);
    const [mode, isWide] = [random.pick(["async", "sync"] as const), random.unit() < 0.3];
    const deadlineMs = this.#clock.monotonic() + seconds * 1000;
    const call: Call = { condition, by, deadlineMs, mode, isWide, isTaken: false, finals: [], isChecked: false };
    this.#calls.set(id, call);
    this.counts.calls++;
    const body = { id, if: condition.text, ttl: seconds, mode, scope: isWide ? "machine" : "subtree" };
    void this.#publish(by, callTopic, body).then((isTaken) => (call.isTaken = isTaken));
  }

  /** An event that waits for everybody, from a node that runs. */
  raise(by: Place, random: Seeded): void {
    const [id, condition] = [this.#drawId(random), random.pick(conditions)];
    const nowMs = this.#clock.monotonic();
    const event: Event = { condition, by, deadlineMs: nowMs + eventSeconds * 1000, takenMs: undefined };
    this.#events.set(id, event);
    this.counts.raised++;
    void this.#publish(by, eventTopic, { id, if: condition.text, ttl: eventSeconds }).then((isTaken) => {
      if (isTaken && by.isAlive()) event.takenMs = this.#clock.monotonic();
    });
  }

  /** What does not hold so far. */
  look(): readonly string[] {
    for (const [id, call] of this.#calls) {
      if (new Set(call.finals.map(({ life }) => life)).size !== call.finals.length)
        this.faults.push(`[T5] ${describe(id, call)} was answered twice in one life`);
      if (call.isChecked || this.#clock.monotonic() < call.deadlineMs + limits.callHopMs + slackMs) continue;
      call.isChecked = true;
      this.counts.finals += call.finals.length;
      if (call.finals.length === 0 && call.isTaken && call.by.isAlive())
        this.faults.push(`[T5] ${describe(id, call)} was not answered`);
      for (const { reply } of call.finals) this.#countFaults(id, call, reply);
    }
    return this.faults;
  }

  /** Whether a call is still to be answered. */
  get isOpen(): boolean {
    return [...this.#calls.values()].some(({ isChecked }) => !isChecked);
  }

  /** Whom durable events have not reached, of `places`, all of which run. */
  unheard(places: readonly Pick<Place, "name" | "level">[]): readonly string[] {
    return [...this.#events].flatMap(([id, event]) => {
      const { takenMs, condition } = event;
      if (takenMs === undefined || takenMs <= this.#upsetMs) return [];
      return places
        .filter((place) => condition.holds(place) && this.#been.get(id)?.has(place.name) !== true)
        .map(({ name }) => `${describe(id, event)} has not reached ${name}`);
    });
  }

  #countFaults(id: string, call: Call, { counts, results, error }: Reply): void {
    if (error !== undefined) return;
    const { matched = 0, ...statuses } = counts;
    const what = `${describe(id, call)}, ${JSON.stringify(counts)}`;
    const sum = Object.values(statuses).reduce((total, count) => total + count, 0);
    if (sum !== matched) this.faults.push(`[T6] ${what}: the counts make ${sum}`);
    if (results.length !== matched) this.faults.push(`[T6] ${what}: ${results.length} results`);
    const singles = results.map(({ node }) => node).filter((node) => !this.#copied.has(node));
    if (new Set(singles).size !== singles.length)
      this.faults.push(`[T6] ${what}: a node counts twice: ${singles.join(", ")}`);
    for (const { node } of results.filter(({ status }) => status === "done")) {
      if (this.#been.get(id)?.has(node) !== true) this.faults.push(`[T6] ${what}: ${node} says done and has not run`);
    }
  }

  #run(place: Place, client: MemoryClient, { id, reply }: Asked): void {
    const call = this.#calls.get(id);
    if (call === undefined) return;
    this.counts.runs++;
    this.#arrive(place, id, call);
    const key = `${place.id} ${place.generation} ${id}`;
    const times = (this.#runs.get(key) ?? 0) + 1;
    this.#runs.set(key, times);
    if (call.mode === "async" && times > 1) this.faults.push(`[T3] ${describe(id, call)} ran ${times} times at ${key}`);
    const random = this.#random.fork(`answer to ${key} ${times}`);
    const [chance, waitMs] = [random.unit(), random.between(0, 3_000)];
    if (chance < 0.1) return; // it hangs
    const answer = JSON.stringify(chance < 0.2 ? { error: "no" } : { result: place.id });
    const send = async (): Promise<void> => {
      if (chance < 0.6) await this.#clock.sleep(waitMs);
      if (place.isAlive()) await client.publish({ topic: reply, payload: Buffer.from(answer), qos: 1, retain: false });
    };
    send().catch(() => undefined); // its node died meanwhile
  }

  #hear(place: Place, told: Set<string>, id: string): void {
    const event = this.#events.get(id);
    if (event === undefined) return;
    this.counts.told++;
    this.#arrive(place, id, event);
    if (told.has(id)) this.faults.push(`[J15] ${describe(id, event)} was told twice in one life of ${place.id}`);
    told.add(id);
  }

  #arrive(place: Place, id: string, sent: Sent): void {
    if (!sent.condition.holds(place))
      this.faults.push(`[T4] ${describe(id, sent)} has come to ${place.id}, where that is false`);
    this.#been.set(id, (this.#been.get(id) ?? new Set()).add(place.name));
  }

  /** Answers whether the node took it. */
  async #publish(by: Place, topic: string, body: object): Promise<boolean> {
    try {
      // A connection of its own: it ends when the node refuses.
      const client = await by.broker.connect(`sender-${++this.#senders}`);
      await client.publish({ topic, payload: Buffer.from(JSON.stringify(body)), qos: 1, retain: false });
      await client.disconnect();
      return true;
    } catch {
      return false; // refused, or the node died before it could say
    }
  }

  #drawId(random: Seeded): string {
    return Array.from({ length: 32 }, () => random.between(0, 15).toString(16)).join("");
  }
}

interface Asked {
  readonly id: string;
  readonly reply: string;
}

function describe(id: string, { by, condition }: Sent): string {
  return `${id.slice(0, 8)} of ${by.id} for "${condition.text}"`;
}
