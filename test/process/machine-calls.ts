// Calls that stock MQTT clients make on a tree of real processes.
import { eventually } from "../../scripts/torture/node-under-test.ts";
import { hear, type MachineTree, type NodeId } from "./machine-tree.ts";

const answerMsMax = 30_000;

interface Reply {
  readonly id: string;
  readonly final: boolean;
  readonly error?: { readonly message: string };
  readonly counts: Readonly<Record<string, number>>;
  readonly results: readonly { readonly node: string; readonly status: string; readonly value?: unknown }[];
  readonly waiting: readonly { readonly node: string; readonly at: string }[];
}

/** A call down the tree, at the cloud, and what its caller hears. */
export function beginCall(tree: MachineTree, name: string, body: object) {
  return begin<Reply>(tree, "cloud-1", `/machine/functions/${name}`, body);
}

interface LevelsReply {
  readonly final: boolean;
  readonly ok?: boolean;
  readonly outcomes: readonly { readonly node: string; readonly status: string; readonly value?: unknown }[];
}

/** A call at several levels, at `node`: its last reply. */
export async function callLevels(tree: MachineTree, node: NodeId, name: string, body: object): Promise<LevelsReply> {
  const call = await begin<LevelsReply>(tree, node, `/level/calls/${name}`, body);
  const final = await call.final();
  if (final === undefined) throw new Error("unreachable");
  return final;
}

async function begin<T extends { readonly final: boolean }>(
  tree: MachineTree,
  node: NodeId,
  topic: string,
  body: object,
) {
  const reply = `/answers/${Math.random().toString(16).slice(2)}`;
  const heard = (await hear(tree, node, reply)) as readonly T[];
  const caller = await tree.client(node);
  await caller.publishAsync(topic, JSON.stringify({ ...body, reply }), { qos: 1 });
  const until = (isRight: (reply: T) => boolean): Promise<T | undefined> =>
    eventually(
      async () => heard.at(-1),
      (last) => last !== undefined && isRight(last),
      answerMsMax,
    );
  return { heard, until, final: () => until(({ final }) => final) };
}

/** Until `value` is at least so much. */
export async function reached(value: () => number, least: number): Promise<void> {
  await eventually(
    async () => value(),
    (now) => now >= least,
    answerMsMax,
  );
}
