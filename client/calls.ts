// Calls: down the tree, of this level, and of several levels. Each carries an id, so that asking again after a lost connection does
// not run anything twice; the node then tells its answer again.
import { isFunctionName } from "../shared/machine/envelope.ts";
import { limits } from "../shared/limits.ts";
import { functionTopic, levelFunctionPrefix, levelReplyTopic } from "../shared/topics.ts";
import { decodeBody, encodeBody, fieldsOf, type Encoding } from "./body.ts";
import { FogbankClientError } from "./client-error.ts";
import { drawId } from "./draw-id.ts";
import { within } from "./patience.ts";
import {
  readCallReport,
  readLevelsReport,
  readNodeAnswer,
  type CallReport,
  type LevelsReport,
  type NodeAnswer,
} from "./reports.ts";
import type { Message, Session, Subscription } from "./session.ts";

interface WaitOptions {
  /** 32 hexadecimal digits in lower case; drawn when absent. The same id does not run twice. */
  readonly id?: string;
  /** Gives the call up: it is cancelled, and the promise rejects with `cancelled`. */
  readonly signal?: AbortSignal;
}

export interface CallOptions extends WaitOptions {
  /** Condition in CEL on the nodes that run it; absent: every node. */
  readonly if?: string;
  /** Seconds that the call lives: 60 unless said otherwise. */
  readonly ttl?: number;
  /** `async` (default): at most once on each node; `sync`: at least once. */
  readonly mode?: "async" | "sync";
  /** `subtree` (default): from this node down; `machine`: the whole tree. */
  readonly scope?: "subtree" | "machine";
  /** When the nodes begin. */
  readonly at?: Date;
  /** Of a sync call: nobody begins before so many nodes are ready. */
  readonly minNodes?: number;
  /** Of a sync call: the share of nodes, from 0 to 1, that must be done for the report to be `confirmed`. */
  readonly confirm?: number;
  /** Hears how far the call is, five times a second at most; not the final report. */
  readonly onProgress?: (report: CallReport) => void;
}

export interface LevelCallOptions extends WaitOptions {
  /** Seconds: 60 unless said otherwise. */
  readonly ttl?: number;
}

export interface LevelsCallOptions extends WaitOptions {
  /** Levels, or names of nodes, on the way to the root; absent: all. */
  readonly levels?: readonly string[];
  /** `concurrent` (default): all at once; `sequential`: one after the other until one is ok. */
  readonly mode?: "concurrent" | "sequential";
  /** `nearest` or as `listed`. */
  readonly order?: "nearest" | "listed";
  readonly if?: string;
  /** Time of each level: 5 s unless said otherwise. */
  readonly timeoutMs?: number;
  readonly onProgress?: (report: LevelsReport) => void;
}

/** One call on its way. */
interface Exchange<T> {
  readonly id: string;
  readonly topic: string;
  /** The request with `leftMs` to live. */
  readonly request: (leftMs: number) => object;
  /** How long an answer may take, with the way back. */
  readonly waitMs: number;
  readonly liveMs: number;
  /** The result when it is the last answer. May throw. */
  readonly take: (body: unknown) => T | undefined;
  readonly cancel?: () => void;
  readonly signal: AbortSignal | undefined;
}

/** A node makes its final reply a second after the deadline at the latest; the rest is for the way. */
const graceMs = limits.callHopMs + 2_000;
const levelTimeoutMs = 5_000;
/** Levels of a tree that are asked one after the other. */
const levelsMax = 2 * limits.treeDepth;

export class Calls {
  readonly #session: Session;
  readonly #encoding: Encoding;
  readonly #caller: string;
  readonly #open = new Map<string, (body: unknown) => void>();
  #listening: Promise<Subscription> | undefined;

  /** `clientId`: answers come on topics that carry it. */
  constructor(session: Session, encoding: Encoding, clientId: string) {
    this.#session = session;
    this.#encoding = encoding;
    this.#caller = encodeURIComponent(clientId);
  }

  async call(name: string, args: unknown, options: CallOptions): Promise<CallReport> {
    const { id = drawId(), ttl = limits.callTtlMs / 1000, at, onProgress, signal } = options;
    const { if: condition, mode, scope, minNodes, confirm } = options;
    const fields = { id, args, if: condition, mode, scope, at: at?.toISOString(), minNodes, confirm };
    return this.#exchange({
      id,
      topic: functionTopic(checked(name)),
      request: (leftMs) => ({ ...fields, ttl: leftMs / 1000 }),
      liveMs: ttl * 1000,
      waitMs: ttl * 1000 + graceMs,
      take: (body) => lastOf(readCallReport(body), onProgress),
      cancel: () => void this.cancel(id).catch(() => undefined),
      signal,
    });
  }

  async callLevel(name: string, args: unknown, options: LevelCallOptions): Promise<NodeAnswer> {
    const { id = drawId(), ttl = limits.callTtlMs / 1000, signal } = options;
    return this.#exchange({
      id,
      topic: `${levelFunctionPrefix}${checked(name)}`,
      request: (leftMs) => ({ id, args, ttl: leftMs / 1000 }),
      liveMs: ttl * 1000,
      waitMs: ttl * 1000 + graceMs,
      take: readNodeAnswer,
      signal,
    });
  }

  async callLevels(name: string, args: unknown, options: LevelsCallOptions): Promise<LevelsReport> {
    const { id = drawId(), levels, mode, order, timeoutMs = levelTimeoutMs, onProgress, signal } = options;
    const rounds = mode === "sequential" ? (levels?.length ?? levelsMax) : 1;
    return this.#exchange({
      id,
      topic: `/level/calls/${checked(name)}`,
      request: () => ({ id, args, levels, mode, order, if: options.if, timeoutMs }),
      liveMs: timeoutMs * rounds,
      waitMs: timeoutMs * rounds + graceMs,
      take: (body) => lastOf(readLevelsReport(body), onProgress),
      signal,
    });
  }

  /** Ends what has not begun of a call that this node's clients have made. Resolves when the node knows. */
  cancel(id: string): Promise<void> {
    const payload = encodeBody({}, this.#encoding);
    const message = { topic: `/machine/calls/${id}/cancel`, payload, qos: 1, retain: false } as const;
    return this.#session.publish(message, { timeoutMs: graceMs });
  }

  async #exchange<T>(exchange: Exchange<T>): Promise<T> {
    const { id, signal, waitMs, topic } = exchange;
    if (this.#open.has(id)) throw new FogbankClientError("bad-argument", `a call with the id ${id} is under way`);
    const answer = Promise.withResolvers<T>();
    answer.promise.catch(() => undefined); // it may fail before anybody waits for it
    this.#open.set(id, (body) => {
      try {
        const last = exchange.take(body);
        if (last !== undefined) answer.resolve(last);
      } catch (error) {
        answer.reject(error);
      }
    });
    const late = `no answer to the call on "${topic}" within ${waitMs / 1000} s: it may or may not have run`;
    try {
      return await within(this.#ask(exchange, answer), { ms: waitMs, signal, late });
    } catch (error) {
      if (signal?.aborted === true) exchange.cancel?.();
      throw error;
    } finally {
      this.#open.delete(id);
      answer.reject(new FogbankClientError("cancelled", "nobody waits for the answer any more"));
    }
  }

  /** Asks, and asks again on every new connection, until there is an answer or nobody waits for one. */
  async #ask<T>(exchange: Exchange<T>, { promise, reject }: PromiseWithResolvers<T>): Promise<T> {
    const { id, topic, request, liveMs, waitMs } = exchange;
    await this.#listen();
    const untilMs = performance.now() + liveMs;
    const ask = async (): Promise<void> => {
      const leftMs = untilMs - performance.now();
      if (leftMs <= 0) return; // what is on the way now is all that will come
      const body = { ...request(leftMs), reply: levelReplyTopic(this.#caller, id) };
      const payload = encodeBody(body, this.#encoding);
      await this.#session.publish({ topic, payload, qos: 1, retain: false }, { timeoutMs: waitMs });
    };
    let isAsked = false;
    const again = this.#session.onConnection(({ state }) => {
      if (state === "connected" && isAsked) ask().catch(reject);
    });
    ask().then(() => (isAsked = true), reject);
    try {
      return await promise;
    } finally {
      again[Symbol.dispose]();
    }
  }

  /** One subscription for the answers to all calls: each waits for it as long as it waits for its answer. */
  async #listen(): Promise<void> {
    const filter = levelReplyTopic(this.#caller, "+");
    this.#listening ??= this.#session.subscribe(filter, 1, (message) => this.#take(message), { timeoutMs: Infinity });
    try {
      await this.#listening;
    } catch (error) {
      this.#listening = undefined;
      throw error;
    }
  }

  #take({ topic, payload }: Message): void {
    const body = decodeBody(payload);
    const id = fieldsOf(body)?.["id"];
    this.#open.get(typeof id === "string" ? id : (topic.split("/").at(-1) ?? ""))?.(body);
  }
}

function lastOf<T extends { readonly final: boolean }>(report: T, onProgress?: (report: T) => void): T | undefined {
  if (report.final) return report;
  onProgress?.(report);
  return undefined;
}

function checked(name: string): string {
  if (isFunctionName(name)) return name;
  throw new FogbankClientError("bad-argument", `"${name.slice(0, 80)}" cannot be a function's name`);
}
