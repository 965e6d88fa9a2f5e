// Messages of fellows at their addressee: each is handled once, whatever path it came on and however often, and acknowledged whenever
// it comes [U30] [U-T10]. No time goes into it: who sends tells with every message below which number it has done with all (the floor),
// and a sender that starts anew has a greater life. So what is remembered is bounded, and a copy may be as late as it likes.
//
//   arrives --take--> handling --taken--> taken (acknowledged, each time)          --not-taken--> as if it had never come
//
// `take` is one transaction: what the message does, the row (from, life, number), and the floor, below which rows are deleted. Those rows
// restore the inbox at a start, so that nothing is handled twice across one.
import { limits } from "../limits.ts";
import type { PathKind } from "./cluster-topics.ts";
import type { FellowAck, FellowMessage } from "./fellow-frames.ts";
import type { FellowId } from "./fellow-names.ts";

/** What is remembered of one sender; stored as rows. */
export interface SenderRecord {
  /** The newest that is known. */
  readonly life: number;
  readonly floor: number;
  /** At or above the floor. */
  readonly taken: ReadonlySet<number>;
}

interface Sender extends SenderRecord {
  /** Being handled: the paths on which it came. */
  readonly handling: ReadonlyMap<number, ReadonlySet<PathKind>>;
}

export interface Inbox {
  readonly self: FellowId;
  /** In the order in which they were heard, the latest last. */
  readonly senders: ReadonlyMap<FellowId, Sender>;
}

/** Which message. */
export interface Taken {
  readonly from: FellowId;
  readonly life: number;
  readonly number: number;
}

export type InboxEvent =
  /** `peer`: whose connection it came on; `path`: on which of our topics. */
  | {
      readonly type: "arrived";
      readonly peer: FellowId;
      readonly path: PathKind;
      readonly message: FellowMessage;
    }
  /** The transaction of `take` is on disk. */
  | ({ readonly type: "taken" } & Taken)
  /** It could not be done: no acknowledgement, and the sender will send it again. */
  | ({ readonly type: "not-taken" } & Taken);

/** `late`: its sender has done with it. `outlived`: of an earlier life of its sender. */
export type Discarded = "forged" | "misdirected" | "late" | "outlived" | "beyond-window" | "too-many-senders";

export type InboxEffect =
  | { readonly type: "take"; readonly message: FellowMessage; readonly floor: number }
  /** To the sender's topic of that kind. */
  | { readonly type: "acknowledge"; readonly to: FellowId; readonly path: PathKind; readonly ack: FellowAck }
  /** To be counted and told once; the message is not handled. */
  | { readonly type: "discard"; readonly from: FellowId; readonly reason: Discarded };

/** `records`: what was stored. */
export function newInbox(self: FellowId, records: ReadonlyMap<FellowId, SenderRecord> = new Map()): Inbox {
  return { self, senders: new Map([...records].map(([from, record]) => [from, { ...record, handling: new Map() }])) };
}

export function stepInbox(state: Inbox, event: InboxEvent): readonly [Inbox, readonly InboxEffect[]] {
  switch (event.type) {
    case "arrived":
      return arrive(state, event);
    case "taken":
      return finish(state, event, true);
    case "not-taken":
      return finish(state, event, false);
  }
}

function arrive(
  state: Inbox,
  { peer, path, message }: InboxEvent & { readonly type: "arrived" },
): readonly [Inbox, readonly InboxEffect[]] {
  const { from, number } = message;
  const discard = (to: Inbox, reason: Discarded) => [to, [{ type: "discard", from, reason }]] as const;
  if (from !== peer) return discard(state, "forged");
  if (message.to !== state.self) return discard(state, "misdirected");
  const known = state.senders.get(from);
  if (known !== undefined && message.life < known.life) {
    const ack = acknowledgementOf(state.self, message, path, known.life);
    return [state, [ack, { type: "discard", from, reason: "outlived" }]];
  }
  const sender = heard(known, message);
  const next = withSender(state, from, sender);
  if (next === undefined) return discard(state, "too-many-senders");
  if (number < sender.floor) return discard(next, "late");
  if (number >= sender.floor + limits.fellowWindow) return discard(next, "beyond-window");
  if (sender.taken.has(number)) return [next, [acknowledgementOf(state.self, message, path, sender.life)]];
  const paths = new Set(sender.handling.get(number)).add(path);
  const handled = { ...sender, handling: new Map(sender.handling).set(number, paths) };
  const after = withSender(next, from, handled) ?? next;
  return [after, paths.size > 1 || sender.handling.has(number) ? [] : [{ type: "take", message, floor: sender.floor }]];
}

/** With the floor that the message tells; all that is below is forgotten. */
function heard(known: Sender | undefined, { life, floor }: FellowMessage): Sender {
  if (known === undefined || known.life < life) return { life, floor, taken: new Set(), handling: new Map() };
  if (floor <= known.floor) return known;
  return { ...known, floor, taken: new Set([...known.taken].filter((number) => number >= floor)) };
}

/** Undefined: there are too many, and each is busy. Whoever was silent for longest is forgotten first. */
function withSender(state: Inbox, from: FellowId, sender: Sender): Inbox | undefined {
  const senders = new Map(state.senders);
  senders.delete(from);
  if (senders.size >= limits.fellowsRemembered) {
    const [idle] = [...senders].find(([, { handling }]) => handling.size === 0) ?? [];
    if (idle === undefined) return undefined;
    senders.delete(idle);
  }
  return { ...state, senders: senders.set(from, sender) };
}

function finish(
  state: Inbox,
  { from, life, number }: Taken,
  isTaken: boolean,
): readonly [Inbox, readonly InboxEffect[]] {
  const sender = state.senders.get(from);
  const paths = sender?.life === life ? sender.handling.get(number) : undefined;
  if (sender === undefined || paths === undefined) return [state, []];
  const handling = new Map(sender.handling);
  handling.delete(number);
  const taken = isTaken && number >= sender.floor ? new Set(sender.taken).add(number) : sender.taken;
  const senders = new Map(state.senders).set(from, { ...sender, handling, taken });
  const acks = isTaken
    ? [...paths].map((path) => acknowledgementOf(state.self, { from, life, number }, path, life))
    : [];
  return [{ ...state, senders }, acks];
}

function acknowledgementOf(
  self: FellowId,
  { from, life, number }: Taken,
  path: PathKind,
  newestLife: number,
): InboxEffect {
  return { type: "acknowledge", to: from, path, ack: { from, to: self, life, number, newestLife } };
}
