// What servers of a cluster say to each other on their two topics: a message, and the application's acknowledgement. Keys: PROTOCOL.md.
import { encodeCbor } from "../cbor.ts";
import { asArray, asBytes, asMap, asText, asUint, decodeFrame, Malformed, optional, wireInt } from "../link/fields.ts";
import { limits } from "../limits.ts";
import { isFellowId, type FellowId } from "./fellow-names.ts";

/** Which message of `from` to `to`. Never used for another one. */
interface Numbered {
  readonly from: FellowId;
  readonly to: FellowId;
  /** Of the sender: greater at each of its starts. */
  readonly life: number;
  /** From 1, one more for each message to the same fellow in one life. */
  readonly number: number;
}

export interface FellowMessage extends Numbered {
  /** The sender has done with all messages of this life below this number: acknowledged, or given up. */
  readonly floor: number;
  /** What it is about, for the application. */
  readonly subject: string;
  readonly body: Uint8Array;
  /** The message of the addressee that it answers. */
  readonly answers: { readonly life: number; readonly number: number } | undefined;
}

/** `from` is who sent the message and `to` who had it, as in the message itself. */
export interface FellowAck extends Numbered {
  /** The sender's newest life that the addressee knows of. If it is not that of the message, the message has not been taken. */
  readonly newestLife: number;
}

export type FellowFrame =
  | { readonly type: "message"; readonly message: FellowMessage }
  | { readonly type: "ack"; readonly ack: FellowAck };

const subjectChars = 64;
const kinds = ["message", "ack"] as const;

export function encodeFellowMessage(message: FellowMessage): Uint8Array {
  const { floor, subject, body, answers } = message;
  const fields: [number, unknown][] = [...headOf(message, "message"), [5, wireInt(floor)], [6, subject], [7, body]];
  if (answers !== undefined) fields.push([8, [wireInt(answers.life), wireInt(answers.number)]]);
  return encodeCbor(new Map(fields));
}

export function encodeFellowAck(ack: FellowAck): Uint8Array {
  return encodeCbor(new Map<number, unknown>([...headOf(ack, "ack"), [9, wireInt(ack.newestLife)]]));
}

/** `bytes` are not kept. */
export function decodeFellowFrame(bytes: Uint8Array): { readonly frame: FellowFrame } | { readonly malformed: string } {
  return decodeFrame(bytes, (value): FellowFrame => {
    const map = asMap(value, "frame");
    const kind = kinds[asUint(map.get(0), "kind", 255)];
    const head: Numbered = {
      from: asFellowId(map.get(1), "from"),
      to: asFellowId(map.get(2), "to"),
      life: asUint(map.get(3), "life"),
      number: asUint(map.get(4), "number"),
    };
    if (kind === "message") return { type: "message", message: { ...head, ...readMessage(map, head.number) } };
    if (kind === "ack") return { type: "ack", ack: { ...head, newestLife: asUint(map.get(9), "newest life") } };
    throw new Malformed("a frame of an unknown kind");
  });
}

function readMessage(map: ReadonlyMap<unknown, unknown>, number: number): Omit<FellowMessage, keyof Numbered> {
  return {
    floor: asUint(map.get(5), "floor", number),
    subject: asText(map.get(6), "subject", subjectChars),
    body: Uint8Array.from(asBytes(map.get(7), "body", limits.fellowMessageBytes)),
    answers: optional(map.get(8), (pair) => {
      const [life, answered] = asArray(pair, "answers", 2);
      return { life: asUint(life, "answers"), number: asUint(answered, "answers") };
    }),
  };
}

function headOf({ from, to, life, number }: Numbered, kind: (typeof kinds)[number]): [number, unknown][] {
  return [
    [0, kinds.indexOf(kind)],
    [1, from],
    [2, to],
    [3, wireInt(life)],
    [4, wireInt(number)],
  ];
}

function asFellowId(value: unknown, what: string): FellowId {
  const text = asText(value, what, 36);
  if (isFellowId(text)) return text;
  throw new Malformed(`${what} is not the UUID of a server`);
}
