// Events of the machine: raised here, or on any node in scope, delivered to whoever listens.
import { isFunctionName } from "../shared/machine/envelope.ts";
import { decodeBody, encodeBody, fieldsOf, type Encoding } from "./body.ts";
import { FogbankClientError } from "./client-error.ts";
import { drawId } from "./draw-id.ts";
import type { Session, Subscription } from "./session.ts";

/** `internal`: of the machine's own nodes and functions; `external`: of any client. */
export type EventKind = "internal" | "external";

export interface MachineEvent {
  readonly kind: EventKind;
  readonly id: string;
  readonly name: string;
  readonly args: unknown;
  /** The node where it was raised, and when, ISO 8601. */
  readonly origin: string;
  readonly time: string;
}

export type EventHandler = (event: MachineEvent) => void | Promise<void>;

export interface RaiseOptions {
  /** Condition in CEL on the nodes that hear it. */
  readonly if?: string;
  /** Seconds that it is held for nodes that are away: 60 unless said otherwise. */
  readonly ttl?: number;
  readonly scope?: "subtree" | "machine";
  /** Durable unless this is false: then whoever is away misses it. */
  readonly durable?: boolean;
  readonly signal?: AbortSignal;
}

const timeoutMs = 30_000;

/** Resolves when events come. `name`: one event, or "#" for all. */
export function onEvent(session: Session, kind: EventKind, name: string, handler: EventHandler): Promise<Subscription> {
  const filter = `${prefixOf(kind)}${name === "#" ? "#" : checked(name)}`;
  return session.subscribe(
    filter,
    1,
    async ({ topic, payload }) => {
      const { id, args, origin, time } = fieldsOf(decodeBody(payload)) ?? {};
      if (typeof id !== "string" || typeof origin !== "string") return; // not an event of a node
      await handler({ kind, id, name: topic.slice(prefixOf(kind).length), args, origin, time: String(time) });
    },
    { timeoutMs },
  );
}

/** Resolves when the node has it, durably unless told otherwise. */
export async function raise(
  session: Session,
  encoding: Encoding,
  event: { readonly kind: EventKind; readonly name: string; readonly args: unknown },
  { durable = true, signal, ...fields }: RaiseOptions,
): Promise<void> {
  const payload = encodeBody({ ...fields, id: drawId(), args: event.args }, encoding);
  const topic = `${prefixOf(event.kind)}${checked(event.name)}`;
  await session.publish({ topic, payload, qos: durable ? 1 : 0, retain: false }, { timeoutMs, signal });
}

function prefixOf(kind: EventKind): string {
  return `/machine/events/${kind}/`;
}

function checked(name: string): string {
  if (isFunctionName(name)) return name;
  throw new FogbankClientError("bad-argument", `"${name.slice(0, 80)}" cannot be an event's name`);
}
