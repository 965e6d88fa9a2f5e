// Calls of functions that travel down the tree. Taken in from local clients and from the parent; run here where the condition
// holds; passed to every child that is connected; receipts merged on the way up; one final reply to the caller.
//
//   client ──▶ check ──▶ open ──▶ remember, run ──▶ own outcome ─┐
//   parent ──▶   │          └────▶ children ──▶ receipts ────────┴▶ merged: to the parent, or the reply
//
// What this node passes on it never takes in again, and an id is only followed once.
import { FogbankError } from "#shared/errors.ts";
import type { NodeName } from "#shared/ids.ts";
import {
  callStatuses,
  decodeReceipt,
  encodeReceipt,
  matchedOf,
  mergeReceipts,
  type NodeResult,
  type Receipt,
  type Unheard,
} from "#shared/machine/receipt.ts";
import { OpenCall } from "#shared/machine/call.ts";
import { bytesOfCallId, drawCallId } from "#shared/machine/call-id.ts";
import { decodeEnvelope, encodeEnvelope, isFunctionName, type Envelope } from "#shared/machine/envelope.ts";
import type { PlainValue } from "#shared/machine/plain-value.ts";
import { encodeReply, parseRequest, type BadRequest, type CallRequest } from "#shared/machine/request.ts";
import { limits } from "#shared/limits.ts";
import type { Bus, InboundPublish } from "#shared/system/bus.ts";
import type { Clock } from "#shared/system/clock.ts";
import type { Logger } from "#shared/system/logger.ts";
import type { ParentLink } from "#shared/system/parent-link.ts";
import type { Random } from "#shared/system/random.ts";
import {
  downTopic,
  functionTopic,
  functionFilter,
  functionPrefix,
  machineReplyTopic,
  upFilterOf,
  parseUpTopic,
} from "#shared/topics.ts";
import type { FunctionRunner } from "../functions/function-runner.ts";
import type { NodeStore } from "../store/node-store.ts";

/** What a condition sees of this node, and what it comes to. */
export interface ConditionCheck {
  /** Undefined: the text cannot be parsed; `error` says where. */
  (text: string): { readonly holds: boolean } | { readonly error: string };
}

export interface ChildrenView {
  children(): readonly {
    readonly name: NodeName;
    readonly state: "online" | "lost" | "left";
    readonly sinceMs: number;
  }[];
}

export interface MachineDeps {
  readonly bus: Pick<Bus, "intercept" | "publish">;
  readonly store: Pick<NodeStore, "write">;
  readonly parent: ParentLink;
  readonly tree: ChildrenView;
  readonly runner: FunctionRunner;
  readonly check: ConditionCheck;
  readonly clock: Clock;
  /** Tree time, milliseconds since 1970. */
  readonly treeNow: () => number;
  readonly random: Random;
  readonly log: Logger;
}

export interface MachineStats {
  readonly accepted: number;
  readonly refused: number;
  readonly ran: number;
  readonly open: number;
}

export interface MachineMessaging extends AsyncDisposable {
  stats(): MachineStats;
  /** Says the last word on every call, while there is still somebody to hear it. */
  endAll(): void;
}

/** Follows calls until it is disposed. `name`: this node. */
export function startMachineMessages(deps: MachineDeps, name: NodeName): MachineMessaging {
  return new MachineMessages(deps, name);
}

/** Where the answer goes: to the parent that sent it, or on topics to local callers. */
type Caller =
  /** `parent` is not known while the link is still greeting. */
  { readonly kind: "parent"; parent: string | undefined } | { readonly kind: "local"; readonly replies: Set<string> };

/** A call that this node follows. */
interface Followed {
  envelope: Envelope;
  readonly call: OpenCall;
  readonly caller: Caller;
  /** The deadline on the clock that never steps: tree time is for the wire. */
  readonly deadlineMonotonicMs: number;
  /** Something changed since the last report. */
  dirty: boolean;
  reportedAtMs: number;
  /** The last word, and when it was said: kept for a while to be repeated, and so that the id stays known. */
  ended: { readonly receipt: Receipt; readonly atMs: number } | undefined;
}

const sweepMs = 50;

class MachineMessages implements MachineMessaging {
  readonly #deps: MachineDeps;
  readonly #name: NodeName;
  readonly #stack = new DisposableStack();
  readonly #stop = new AbortController();
  readonly #followed = new Map<string, Followed>();
  readonly #sweeping: Promise<void>;
  #firstCall = Promise.withResolvers<void>();
  /** Of those followed, how many have not ended. */
  #open = 0;
  #stats = { accepted: 0, refused: 0, ran: 0 };
  readonly #refusedBefore = new Set<string>();

  constructor(deps: MachineDeps, name: NodeName) {
    this.#deps = deps;
    this.#name = name;
    this.#stack.use(
      deps.bus.intercept(functionFilter, (publish, settle) => {
        settle({ type: "take" });
        this.#fromClient(publish);
      }),
    );
    this.#stack.use(
      deps.bus.intercept(upFilterOf("r"), (publish, settle) => {
        settle({ type: "take" });
        this.#receipt(publish);
      }),
    );
    this.#stack.use(deps.parent.onFrame("c", (payload) => this.#fromParent(payload)));
    this.#stack.use(deps.parent.onUp(() => this.#repeatReceipts()));
    this.#sweeping = this.#sweep();
  }

  stats(): MachineStats {
    return { ...this.#stats, open: this.#open };
  }

  endAll(): void {
    for (const followed of this.#followed.values()) {
      followed.call.setOwn({ node: this.#name, status: "cancelled", reason: "the node stops" });
      this.#end(followed);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.endAll();
    this.#stack.dispose();
    this.#stop.abort();
    this.#firstCall.resolve();
    await this.#sweeping;
  }

  #fromClient({ topic, payload, clientId, repeated = false }: InboundPublish): void {
    const functionName = topic.slice(functionPrefix.length);
    const request = isFunctionName(functionName) ? parseRequest(payload) : this.#badName(functionName, payload);
    if ("refused" in request) {
      this.#refuse(request, clientId);
      return;
    }
    const id = request.id ?? drawCallId(this.#deps.random);
    const reply = request.reply ?? machineReplyTopic(id);
    const known = this.#followed.get(id);
    if (known?.caller.kind === "local") {
      // Asked again: the answer as it stands, and the last word when it comes.
      known.caller.replies.add(reply);
      this.#report(id, known);
      return;
    }
    const checked = this.#deps.check(request.condition);
    const refused =
      "error" in checked
        ? `the condition cannot be used: ${checked.error}`
        : known !== undefined
          ? "a call with this id has come from above"
          : repeated && request.id === undefined
            ? "this publish may have come before, and a call without an id of its own could run twice: publish anew, or give calls an id"
            : this.#open >= limits.openCalls
              ? `this node follows ${limits.openCalls} calls already: try again later`
              : undefined;
    if (refused !== undefined || "error" in checked) {
      this.#refuse({ ...request, id, refused: refused ?? "" }, clientId);
      return;
    }
    const envelope = this.#envelope(id, functionName, request);
    this.#follow(envelope, { kind: "local", replies: new Set([reply]) }, checked.holds);
  }

  #badName(functionName: string, payload: Uint8Array): BadRequest {
    const request = parseRequest(payload);
    const refused = `"${functionName.slice(0, 80)}" cannot be a function's name: use letters, digits, ".", "_" or "-"`;
    return { id: request.id, reply: request.reply, encoding: request.encoding, refused };
  }

  #envelope(id: string, functionName: string, { args, condition, ttlMs, encoding }: CallRequest): Envelope {
    const deadlineMs = this.#deps.treeNow() + ttlMs;
    return { id, name: functionName, args, condition, origin: this.#name, deadlineMs, hops: 0, encoding };
  }

  #fromParent(payload: Uint8Array): void {
    const decoded = decodeEnvelope(payload);
    if ("malformed" in decoded) {
      this.#countRefused("parent", decoded.malformed);
      return;
    }
    const envelope = decoded.frame;
    const known = this.#followed.get(envelope.id);
    const parent = this.#deps.parent.parent();
    if (known !== undefined) {
      // Sent again, because the answer may have been lost: it is not run again. By another parent, or under an id that was used here:
      // this node is counted where it was asked first.
      if (known.caller.kind === "parent" && (known.caller.parent ?? parent) === parent)
        this.#report(envelope.id, known);
      else this.#deps.parent.send("r", encodeReceipt(envelope.id, mergeReceipts([])));
      return;
    }
    const checked = this.#deps.check(envelope.condition);
    const problem =
      envelope.hops > limits.callHops
        ? `it has passed more than ${limits.callHops} nodes`
        : this.#open >= limits.openCalls
          ? `this node follows ${limits.openCalls} calls already`
          : "error" in checked
            ? `its condition cannot be used here: ${checked.error}`
            : undefined;
    if (problem !== undefined) this.#countRefused(envelope.origin, problem);
    this.#follow(envelope, { kind: "parent", parent }, "error" in checked ? false : checked.holds, problem);
  }

  /** Opens the call: passes it on, and runs it here if the condition holds. */
  #follow(envelope: Envelope, caller: Followed["caller"], holds: boolean, problem?: string): void {
    const nowMs = this.#deps.treeNow();
    const isPast = nowMs >= envelope.deadlineMs;
    const own = holds || problem !== undefined ? this.#firstOutcome(isPast, problem) : undefined;
    const goesOn = !isPast && problem === undefined;
    const { sentTo, unreached } = goesOn ? this.#passOn(envelope) : { sentTo: [], unreached: [] };
    const { id, deadlineMs } = envelope;
    // A wrong clock somewhere must not keep a call for ever, nor end it unanswered.
    const leftMs = Math.min(Math.max(0, deadlineMs - nowMs), limits.callTtlMsMax);
    const followed: Followed = {
      envelope,
      call: new OpenCall(own, sentTo, unreached, nowMs),
      caller,
      deadlineMonotonicMs: this.#deps.clock.monotonic() + leftMs,
      dirty: true,
      reportedAtMs: Number.NEGATIVE_INFINITY,
      ended: undefined,
    };
    this.#followed.set(id, followed);
    this.#open++;
    this.#firstCall.resolve();
    this.#stats.accepted++;
    if (own?.status === "queued") void this.#run(followed);
    this.#settle(followed);
  }

  #firstOutcome(isPast: boolean, problem: string | undefined): NodeResult {
    if (problem !== undefined) return { node: this.#name, status: "refused", reason: problem };
    if (isPast) return { node: this.#name, status: "expired", reason: "its deadline had passed when it arrived" };
    return { node: this.#name, status: "queued" };
  }

  #passOn(envelope: Envelope): { readonly sentTo: readonly NodeName[]; readonly unreached: readonly Unheard[] } {
    const bytes = encodeEnvelope({ ...envelope, hops: envelope.hops + 1 });
    const sentTo: NodeName[] = [];
    const unreached: Unheard[] = [];
    for (const { name, state, sinceMs } of this.#deps.tree.children()) {
      if (state === "online") {
        sentTo.push(name);
        this.#publish(downTopic(name, "c"), bytes, 0);
      } else if (state === "lost") {
        unreached.push({ node: name, sinceMs });
      }
    }
    return { sentTo, unreached };
  }

  /** At most once: the id is durable before anything happens. */
  async #run(followed: Followed): Promise<void> {
    const { envelope } = followed;
    const { id, name, deadlineMs } = envelope;
    const topic = functionTopic(name);
    const outcome = (status: NodeResult["status"], reason?: string): void =>
      this.#ownOutcome(followed, { node: this.#name, status, ...(reason === undefined ? {} : { reason }) });
    if (!this.#deps.runner.offers({ name, topic })) {
      outcome("refused", `nobody on this node offers the function "${name}"`);
      return;
    }
    const nowMs = this.#deps.treeNow();
    const remembered = await this.#deps.store
      .write("remember", { id: bytesOfCallId(id), deadlineMs, nowMs })
      .catch(asError);
    if (remembered instanceof FogbankError)
      outcome("refused", `the call could not be made durable (${remembered.code})`);
    else if (remembered === "known") outcome("refused", "this node has begun to run this call before");
    else if (remembered === "full") outcome("refused", `this node remembers ${limits.seenCalls} calls already`);
    else if (this.#deps.treeNow() >= deadlineMs) outcome("expired", "its deadline passed before it could run");
    else {
      outcome("started");
      this.#stats.ran++;
      this.#deps.runner.start({ ...envelope, topic }, (ended) =>
        this.#ownOutcome(followed, { node: this.#name, ...ended }),
      );
    }
  }

  #ownOutcome(followed: Followed, own: NodeResult): void {
    if (followed.ended !== undefined || !followed.call.setOwn(own)) return;
    followed.dirty = true;
    this.#settle(followed);
  }

  #receipt({ topic, payload }: InboundPublish): void {
    const child = parseUpTopic(topic)?.child;
    const decoded = decodeReceipt(payload);
    if ("malformed" in decoded) {
      this.#countRefused(child ?? "child", decoded.malformed);
      return;
    }
    const followed = this.#followed.get(decoded.frame.id);
    if (followed === undefined || followed.ended !== undefined) return;
    if (!followed.call.setReceipt(child as NodeName, decoded.frame.receipt)) return;
    followed.dirty = true;
    this.#settle(followed);
  }

  /** Reports what is complete at once. */
  #settle(followed: Followed): void {
    if (followed.call.isComplete) this.#end(followed);
  }

  /** The last word: whoever has not answered stays unheard [T5]. */
  #end(followed: Followed): void {
    if (followed.ended !== undefined) return;
    const { id } = followed.envelope;
    followed.ended = { receipt: { ...followed.call.receipt(), complete: true }, atMs: this.#deps.clock.monotonic() };
    // What is kept now is kept to be repeated: the arguments are not.
    followed.envelope = { ...followed.envelope, args: null };
    this.#open--;
    this.#deps.runner.cancel(id);
    this.#report(id, followed);
  }

  #report(id: string, followed: Followed): void {
    followed.dirty = false;
    followed.reportedAtMs = this.#deps.clock.monotonic();
    const receipt = followed.ended?.receipt ?? followed.call.receipt();
    if (followed.caller.kind === "parent") {
      this.#deps.parent.send("r", encodeReceipt(id, receipt));
      return;
    }
    const reply = encodeReply(replyOf(id, receipt, followed.ended !== undefined), followed.envelope.encoding);
    for (const topic of followed.caller.replies) this.#publish(topic, reply, 1);
  }

  /** A receipt that was sent while the link was down is lost. To another parent it means nothing. */
  #repeatReceipts(): void {
    const parent = this.#deps.parent.parent();
    for (const [id, followed] of this.#followed) {
      const { caller } = followed;
      if (caller.kind !== "parent") continue;
      caller.parent ??= parent;
      if (caller.parent === parent) this.#report(id, followed);
    }
  }

  async #sweep(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      // Without calls there is nothing to watch: an idle node sleeps.
      if (this.#followed.size === 0) await this.#firstCall.promise;
      this.#firstCall = Promise.withResolvers<void>();
      await this.#deps.clock.sleep(sweepMs, this.#stop.signal).catch(() => undefined);
      const nowMs = this.#deps.clock.monotonic();
      for (const [id, followed] of this.#followed) this.#sweepOne(id, followed, nowMs);
    }
  }

  #sweepOne(id: string, followed: Followed, nowMs: number): void {
    const { ended, deadlineMonotonicMs, caller } = followed;
    if (ended !== undefined) {
      // Ended ones give way when there are many; the durable ids still keep a function from running twice.
      const isCrowded = this.#followed.size > 2 * limits.openCalls;
      if (isCrowded || nowMs - ended.atMs >= limits.endedCallMs) this.#followed.delete(id);
      return;
    }
    if (nowMs >= deadlineMonotonicMs) this.#ownOutcome(followed, overdue(this.#name));
    // Those below have had their last word by then; the caller's node waits longest.
    const graceMs = caller.kind === "local" ? limits.callHopMs : limits.callHopMs / 2;
    if (nowMs >= deadlineMonotonicMs + graceMs) this.#end(followed);
    else if (followed.dirty && nowMs - followed.reportedAtMs >= limits.receiptMs) this.#report(id, followed);
  }

  #refuse(request: BadRequest | (CallRequest & { readonly refused: string }), clientId: string | null): void {
    this.#countRefused(clientId ?? "this node", request.refused);
    const id = request.id ?? drawCallId(this.#deps.random);
    const topic = request.reply ?? machineReplyTopic(id);
    const error = { code: "FOGBANK_CALL_REFUSED", message: request.refused };
    this.#publish(topic, encodeReply({ id, final: true, error }, request.encoding), 1);
  }

  /** Logged once per sender: a program that does it wrong does it again. */
  #countRefused(sender: string, reason: string): void {
    this.#stats.refused++;
    if (this.#refusedBefore.has(sender)) return;
    if (this.#refusedBefore.size >= refusedSendersMax) this.#refusedBefore.clear();
    this.#refusedBefore.add(sender);
    this.#deps.log.warn({ sender, reason }, "machine message refused");
  }

  #publish(topic: string, payload: Uint8Array, qos: 0 | 1): void {
    this.#deps.bus.publish({ topic, payload, qos, retain: false }).catch((error: unknown) => {
      if (!this.#stop.signal.aborted)
        this.#deps.log.warn({ topic, error: String(error) }, "machine message not published");
    });
  }
}

/** Of what was still under way here at the deadline. */
function overdue(node: NodeName): NodeResult {
  return { node, status: "failed", reason: "no answer before the deadline" };
}

const refusedSendersMax = 1_000;

function asError(error: unknown): FogbankError {
  if (error instanceof FogbankError) return error;
  throw error;
}

function replyOf(id: string, receipt: Receipt, final: boolean): PlainValue {
  const counts: Record<string, number> = { matched: matchedOf(receipt.counts) };
  for (const status of callStatuses) counts[status] = receipt.counts[status];
  return {
    id,
    final,
    counts,
    results: receipt.results.map(({ node, status, value, reason }) => ({
      node,
      status,
      ...(value === undefined ? {} : { value }),
      ...(reason === undefined ? {} : { reason }),
    })),
    ...(receipt.omitted === 0 ? {} : { omitted: receipt.omitted }),
    waiting: receipt.waiting.map(({ node, sinceMs }) => ({ node, since: new Date(sinceMs).toISOString() })),
  };
}
