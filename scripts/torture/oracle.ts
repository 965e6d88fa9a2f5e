// Compares what a publisher was told with what the cloud returns. Knows nothing of Fogbank but the HTTP API's lines.
import type { DataLine } from "#shared/reports.ts";
import type { CountingPublisher } from "./counting-publisher.ts";

/** What is wrong, one sentence each; nothing when all is well. At most a few for each kind. */
export function judgeStored(
  { plan, acknowledged, repeated, sent }: Pick<CountingPublisher, "plan" | "acknowledged" | "repeated" | "sent">,
  lines: readonly DataLine[],
): readonly string[] {
  const faults = new FaultList(plan.publisher);
  const numbers = new Set<number>();
  const streams = new Map<string, { readonly seqs: number[]; readonly numbers: number[] }>();
  for (const line of lines) {
    const payload = payloadOf(line);
    const number = plan.numberOf(payload);
    const at = `${line.epoch}/${line.stream}/${line.seq}`;
    if (number === undefined || number < 1 || number > sent()) {
      faults.add("stored, never sent", at);
      continue;
    }
    if (numbers.has(number) && repeated?.has(number) !== true)
      faults.add("stored twice [O2]", `message ${number}, again as ${at}`);
    numbers.add(number);
    const planned = plan.message(number);
    if (planned.topic !== line.topic || !planned.payload.equals(payload))
      faults.add("stored other than sent [O2]", `message ${number} as ${at}`);
    const key = `${line.epoch}/${line.stream}`;
    const stream = streams.get(key) ?? { seqs: [], numbers: [] };
    streams.set(key, stream);
    stream.seqs.push(line.seq);
    stream.numbers.push(number);
  }
  for (const number of acknowledged)
    if (!numbers.has(number)) faults.add("acknowledged, not stored [O1]", `message ${number}`);
  for (const [key, stream] of streams) judgeNumbers(key, stream, faults);
  return faults.sentences();
}

/** Contiguous from 1, each once, and in the order in which they were published. */
function judgeNumbers(
  key: string,
  { seqs, numbers }: { readonly seqs: readonly number[]; readonly numbers: readonly number[] },
  faults: FaultList,
): void {
  const bySeq = seqs.map((seq, index) => ({ seq, number: numbers[index] ?? 0 })).toSorted((a, b) => a.seq - b.seq);
  let lastSeq = 0;
  let lastNumber = 0;
  for (const { seq, number } of bySeq) {
    if (seq === lastSeq) faults.add("one number given twice [O4]", `${key}/${seq}`);
    else if (seq !== lastSeq + 1) faults.add("a hole in the numbers [O4]", `${key}: ${lastSeq} to ${seq}`);
    if (number < lastNumber) faults.add("out of order", `${key}/${seq}: message ${number} behind ${lastNumber}`);
    lastSeq = seq;
    lastNumber = number;
  }
}

function payloadOf({ payload, payloadBase64 }: DataLine): Buffer {
  return payloadBase64 === undefined ? Buffer.from(payload ?? "") : Buffer.from(payloadBase64, "base64");
}

const examplesMax = 3;

class FaultList {
  readonly #publisher: string;
  readonly #byKind = new Map<string, { readonly examples: string[]; count: number }>();

  constructor(publisher: string) {
    this.#publisher = publisher;
  }

  add(kind: string, example: string): void {
    const found = this.#byKind.get(kind) ?? { examples: [], count: 0 };
    this.#byKind.set(kind, found);
    found.count++;
    if (found.examples.length < examplesMax) found.examples.push(example);
  }

  sentences(): readonly string[] {
    return [...this.#byKind].map(
      ([kind, { examples, count }]) =>
        `${this.#publisher}: ${count} ${kind}: ${examples.join(", ")}${count > examplesMax ? ", …" : ""}`,
    );
  }
}
