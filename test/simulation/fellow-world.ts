// A cluster of three servers with a coordinator and connections that fail, and what must hold whatever happens:
//
//   messages    handled at most once, across starts too; told as delivered only if handled; in quiet all are delivered and answered once
//   the start   nothing is dialled before the gate is open
//   the list    in quiet everybody is connected to everybody, on the right topics
//   elections   one server at a time answers; a message that somebody holds is answered; twice only where one could not say that it had
import { parseClusterName } from "#shared/fellows/fellow-names.ts";
import { hostnameTopic, uuidTopic } from "#shared/fellows/cluster-topics.ts";
import { seeded, type Seeded } from "../../scripts/torture/seeded.ts";
import { cluster, fellowOf } from "../fakes/made-fellows.ts";
import { EventQueue } from "./event-queue.ts";
import { FellowCoordinator } from "./fellow-coordinator.ts";
import { FellowNetwork } from "./fellow-network.ts";
import { FellowServer, type ServerLog } from "./fellow-server.ts";

export interface FellowReport {
  readonly violations: readonly string[];
  readonly counts: {
    readonly asked: number;
    readonly handled: number;
    readonly failed: number;
    readonly lost: number;
    readonly repeated: number;
    readonly deaths: number;
    readonly elections: number;
    readonly answeredTwice: number;
  };
}

const chaosMs = 60_000;
const quietMs = 200_000;

class Log implements ServerLog {
  readonly violations: string[] = [];
  readonly outcomes = new Map<string, string>();
  readonly handledTimes = new Map<string, number>();
  readonly respondedTimes = new Map<string, number>();
  readonly answers = new Map<string, number>();
  readonly excuses = new Map<string, number>();
  readonly #answering = new Map<string, Set<string>>();

  violate(what: string): void {
    this.violations.push(what);
  }

  outcome(key: string, outcome: string): void {
    if (this.outcomes.has(key)) this.violate(`${key} ended twice`);
    this.outcomes.set(key, outcome);
  }

  handled(key: string): void {
    if (add(this.handledTimes, key) > 1) this.violate(`${key} was handled twice`);
  }

  responded(key: string): void {
    if (add(this.respondedTimes, key) > 1) this.violate(`${key} was answered twice`);
  }

  answered(message: string): void {
    add(this.answers, message);
  }

  excused(message: string): void {
    add(this.excuses, message);
  }

  isAnswering(message: string, server: string, is: boolean): void {
    const servers = this.#answering.get(message) ?? new Set();
    if (is) servers.add(server);
    else servers.delete(server);
    this.#answering.set(message, servers);
    if (servers.size > 1) this.violate(`${message}: two servers answer at once`);
  }
}

function add(counts: Map<string, number>, key: string): number {
  const count = (counts.get(key) ?? 0) + 1;
  counts.set(key, count);
  return count;
}

/** `[U-T13]` every fourth seed has two servers of one hostname. */
export function runFellows(seed: number): FellowReport {
  const random = seeded(seed);
  const queue = new EventQueue();
  const log = new Log();
  const coordinator = new FellowCoordinator(queue, random.fork("coordinator"));
  const network = new FellowNetwork(queue, random.fork("network"));
  const third = seed % 4 === 0 ? fellowOf(3, "server-2") : fellowOf(3);
  const servers = [fellowOf(1), fellowOf(2), third].map(
    (fellow) => new FellowServer(fellow, { queue, random: random.fork(fellow.uuid), coordinator, network, log }),
  );
  for (const server of servers) queue.in(random.between(1, 3_000), () => server.start());
  const chaos = new Chaos(servers, queue, random.fork("chaos"), network);
  queue.runUntil(chaosMs);
  network.isQuiet = true;
  for (const server of servers) {
    server.isDeaf = false;
    server.start();
  }
  // Longer than a request lives, and than the latest copy takes.
  queue.runUntil(chaosMs + quietMs / 2);
  const last = askEverybody(servers);
  queue.runUntil(chaosMs + quietMs);
  checkMessages(log, last);
  checkConnections(log, servers, network);
  checkElections(log, chaos, servers);
  return {
    violations: log.violations,
    counts: {
      asked: chaos.asked + last.length,
      handled: log.handledTimes.size,
      failed: [...log.outcomes.values()].filter((outcome) => outcome !== "delivered").length,
      lost: network.lost,
      repeated: network.repeated,
      deaths: chaos.deaths,
      elections: chaos.messages.size,
      answeredTwice: [...log.answers.values()].filter((times) => times > 1).length,
    },
  };
}

class Chaos {
  readonly #servers: readonly FellowServer[];
  readonly #queue: EventQueue;
  readonly #random: Seeded;
  readonly #network: FellowNetwork;
  asked = 0;
  deaths = 0;
  /** Devices' messages, and the processes that have begun an election about each. */
  readonly messages = new Map<string, { readonly server: FellowServer; readonly elections: unknown }[]>();

  constructor(servers: readonly FellowServer[], queue: EventQueue, random: Seeded, network: FellowNetwork) {
    this.#servers = servers;
    this.#queue = queue;
    this.#random = random;
    this.#network = network;
    for (let atMs = 1_000; atMs < chaosMs; atMs += random.between(20, 400)) queue.in(atMs, () => this.#act());
  }

  #act(): void {
    const random = this.#random;
    const chance = random.unit();
    const server = random.pick(this.#servers);
    const other = random.pick(this.#servers.filter((one) => one !== server));
    if (chance < 0.55) this.#ask(server, other);
    else if (chance < 0.8) this.#device();
    else if (chance < 0.84) this.#kill(server);
    else if (chance < 0.9) server.cutFromCoordinator(random.between(100, 8_000));
    else if (chance < 0.95) this.#network.cut(server.fellow.uuid, other.fellow.uuid, random.between(100, 10_000));
    else {
      server.isDeaf = true;
      this.#queue.in(random.between(1_000, 15_000), () => {
        server.isDeaf = false;
      });
    }
  }

  #ask(server: FellowServer, other: FellowServer): void {
    const ttlMs = this.#random.between(500, 30_000);
    if (server.isAlive) server.ask(`chaos-${this.asked++}`, other.fellow.uuid, ttlMs);
  }

  #device(): void {
    const message = `device-${this.messages.size}`;
    const begun: { readonly server: FellowServer; readonly elections: unknown }[] = [];
    this.messages.set(message, begun);
    for (const server of this.#servers) {
      this.#queue.in(this.#random.between(1, 150), () => {
        if (!server.isAlive) return;
        server.elections.begin(message);
        begun.push({ server, elections: server.elections });
      });
    }
  }

  #kill(server: FellowServer): void {
    if (!server.isAlive) return;
    this.deaths++;
    server.kill();
    this.#queue.in(this.#random.between(200, 8_000), () => server.start());
  }
}

function askEverybody(servers: readonly FellowServer[]): readonly string[] {
  const keys: string[] = [];
  for (const server of servers) {
    for (const other of servers) {
      if (other === server) continue;
      const key = `last-${keys.length}`;
      keys.push(key);
      server.ask(key, other.fellow.uuid);
    }
  }
  return keys;
}

function checkMessages(log: Log, last: readonly string[]): void {
  for (const [key, outcome] of log.outcomes) {
    const isAnswer = key.startsWith("re ");
    if (outcome === "delivered" && !isAnswer && !log.handledTimes.has(key))
      log.violate(`${key} delivered, not handled`);
  }
  for (const key of last) {
    const told = log.outcomes.get(key);
    if (told !== "delivered") log.violate(`${key} in quiet: ${told}`);
    if (log.respondedTimes.get(key) !== 1) log.violate(`${key} in quiet: no answer`);
  }
}

function checkConnections(log: Log, servers: readonly FellowServer[], network: FellowNetwork): void {
  for (const server of servers) {
    const { uuid, hostname } = server.fellow;
    const isAlone = servers.filter((one) => one.fellow.hostname === hostname).length === 1;
    const expected = [
      uuidTopic(cluster, uuid),
      ...(isAlone ? [hostnameTopic(parseClusterName(cluster), hostname)] : []),
    ];
    for (const other of servers) {
      if (other === server) continue;
      const filters = [...(network.filtersOf(uuid, other.fellow.uuid) ?? [])];
      if (filters.toSorted().join() !== expected.toSorted().join()) log.violate(`${hostname} hears ${filters.join()}`);
    }
    const { open, remembered } = server.size;
    if (open > 0) log.violate(`${hostname} has ${open} messages open`);
    // One answered message each way and per fellow, whose sender has said nothing since.
    if (remembered > 20) log.violate(`${hostname} remembers ${remembered} numbers`);
  }
}

function checkElections(log: Log, chaos: Chaos, servers: readonly FellowServer[]): void {
  for (const [message, begun] of chaos.messages) {
    const times = log.answers.get(message) ?? 0;
    const isHeld = begun.some(({ server, elections }) => server.elections === elections);
    if (isHeld && times === 0) log.violate(`${message} has no answer`);
    if (times > 1 + (log.excuses.get(message) ?? 0)) log.violate(`${message} was answered ${times} times`);
  }
  for (const server of servers)
    for (const message of server.elections.open) log.violate(`${server.fellow.hostname} still elects for ${message}`);
}
