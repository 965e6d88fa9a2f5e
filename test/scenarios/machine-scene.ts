// Programs that call, answer and listen on whole nodes in memory.
import { expect } from "vitest";
import type { MemoryClient } from "../fakes/memory-broker.ts";
import { MemoryTree } from "../fakes/memory-tree.ts";

const utf8 = new TextDecoder();

export interface Reply {
  readonly id: string;
  readonly final: boolean;
  readonly error?: { readonly code: string; readonly message: string };
  readonly confirmed?: boolean;
  readonly settled?: boolean;
  readonly counts?: Readonly<Record<string, number>>;
  readonly results: readonly {
    readonly node: string;
    readonly status: string;
    readonly value?: unknown;
    readonly reason?: string;
  }[];
  readonly waiting: readonly { readonly node: string; readonly at: string }[];
}

export const callId = "0123456789abcdef0123456789abcdef";

/** cloud-1 above fog-1 (device-1, device-2) and fog-2 (device-3). */
export async function sixNodes(): Promise<MemoryTree> {
  const tree = new MemoryTree();
  await tree.add("cloud-1", { level: "cloud" });
  for (const fog of ["fog-1", "fog-2"]) await tree.add(fog, { level: "fog", parent: "cloud-1" });
  for (const [device, fog] of [
    ["device-1", "fog-1"],
    ["device-2", "fog-1"],
    ["device-3", "fog-2"],
  ] as const) {
    await tree.add(device, { level: "device", parent: fog });
  }
  await tree.advance(2000);
  return tree;
}

let programs = 0;

/** A program at `node`: what arrives at `filter`, as text. */
export async function program(tree: MemoryTree, node: string, filter: string) {
  const client = await tree.client(node, `program-${++programs}`);
  const heard: { readonly topic: string; readonly text: string }[] = [];
  client.onMessage(({ topic, payload }) => heard.push({ topic, text: utf8.decode(payload) }));
  await client.subscribe(filter, 1);
  return { client, heard };
}

/** A program that offers `blink` at `node`; `answer` undefined: it never answers. Answers how often it was asked. */
export async function blinker(tree: MemoryTree, node: string, answer?: unknown): Promise<{ asked: number }> {
  const { client } = await program(tree, node, "/machine/functions/blink");
  const counter = { asked: 0 };
  client.onMessage(({ payload }) => {
    counter.asked++;
    const { reply } = JSON.parse(utf8.decode(payload)) as { readonly reply: string };
    if (answer !== undefined) void publish(client, reply, { result: answer });
  });
  return counter;
}

export function publish(client: MemoryClient, topic: string, body: unknown, qos: 0 | 1 = 1): Promise<void> {
  const text = typeof body === "string" ? body : JSON.stringify(body);
  return client.publish({ topic, payload: new TextEncoder().encode(text), qos, retain: false });
}

/** A call that goes on: `replies` so far, and its one `final`. */
export async function beginCall(tree: MemoryTree, node: string, name: string, body: unknown) {
  const { client, heard } = await program(tree, node, "/machine/replies/#");
  await publish(client, `/machine/functions/${name}`, body);
  const replies = (): readonly Reply[] => heard.map(({ text }) => JSON.parse(text) as Reply);
  return { client, replies, last: () => replies().at(-1), final: () => finalOf(replies()) };
}

/** The one final reply, whose counts add up. */
export function finalOf(replies: readonly Reply[]): Reply {
  const finals = replies.filter(({ final }) => final);
  expect(finals).toHaveLength(1);
  const [final] = finals;
  if (final === undefined) throw new Error("unreachable");
  const { matched, ...others } = final.counts ?? {};
  if (matched !== undefined) expect(Object.values(others).reduce((sum, count) => sum + count, 0)).toBe(matched);
  return final;
}

/** What became of each node. */
export function statuses({ results }: Pick<Reply, "results">): Readonly<Record<string, string>> {
  const names = results.map(({ node }) => node);
  expect(new Set(names).size).toBe(names.length);
  return Object.fromEntries(results.map(({ node, status }) => [node, status]));
}
