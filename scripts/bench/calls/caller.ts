// A program at a node that makes calls, as many at once as it likes, and reads what becomes of them.
import { randomBytes } from "node:crypto";
import * as v from "valibot";
import { monotonicMs } from "../process-usage.ts";
import { connectBenchClient } from "./bench-client.ts";

const replyReport = v.object({
  id: v.string(),
  final: v.boolean(),
  error: v.optional(v.object({ message: v.string() })),
  counts: v.optional(v.record(v.string(), v.number())),
  waiting: v.optional(v.array(v.object({ node: v.string(), at: v.string() })), []),
});

export type CallReply = v.InferOutput<typeof replyReport>;

export interface OpenCall {
  readonly id: string;
  /** When it was written to the socket. */
  readonly startMs: number;
  /** The last reply so far. */
  last(): CallReply | undefined;
  /** Resolves with the final reply and when it came; rejects when the call was refused. */
  readonly ended: Promise<{ readonly reply: CallReply; readonly atMs: number }>;
}

export interface Caller extends AsyncDisposable {
  call(name: string, body: Readonly<Record<string, unknown>>): OpenCall;
}

interface Waiting {
  last: CallReply | undefined;
  readonly ended: PromiseWithResolvers<{ readonly reply: CallReply; readonly atMs: number }>;
}

const replies = "/bench/replies";
const utf8 = new TextDecoder();
const idBytes = 16;

/** Connects to the node whose MQTT port that is. Calls are published at QoS 1. */
export async function startCaller(port: number): Promise<Caller> {
  const client = await connectBenchClient(port, "bench-caller");
  const waiting = new Map<string, Waiting>();
  client.on("message", (_topic, payload) => {
    const atMs = monotonicMs();
    const reply = v.parse(replyReport, JSON.parse(utf8.decode(payload)));
    const call = waiting.get(reply.id);
    if (call === undefined) return;
    call.last = reply;
    if (!reply.final) return;
    waiting.delete(reply.id);
    if (reply.error === undefined) call.ended.resolve({ reply, atMs });
    else call.ended.reject(new Error(`the call was refused: ${reply.error.message}`));
  });
  await client.subscribeAsync(replies, { qos: 0 });
  return {
    call(name, body) {
      const id = randomBytes(idBytes).toString("hex");
      const call: Waiting = { last: undefined, ended: Promise.withResolvers() };
      call.ended.promise.catch(() => undefined); // whoever waits for it hears it then
      waiting.set(id, call);
      const startMs = monotonicMs();
      client.publish(`/machine/functions/${name}`, JSON.stringify({ ...body, id, reply: replies }), { qos: 1 });
      return { id, startMs, last: () => call.last, ended: call.ended.promise };
    },
    async [Symbol.asyncDispose]() {
      await client.endAsync(true);
    },
  };
}
