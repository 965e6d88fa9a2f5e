// How many bytes a device writes to its disk for each byte of payload, WAL and checkpoints included.
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { payloadBytes, type BenchCase, type Benchmark } from "../benchmark.ts";
import type { LoadOrder } from "../generator-protocol.ts";
import { createChain } from "./chain.ts";
import { assertSupported } from "./config-support.ts";
import { guardedCase } from "./guarded-case.ts";
import { writtenBytes } from "./written-bytes.ts";

const messages = 200_000;
const messagesQuick = 5_000;
const slowPerSecond = 100;
/** Long enough for checkpoints, which come after some megabytes. */
const slowMsMin = 15_000;
const flash = 'journal: { profile = "flash"; };';

export const diskBenchmark: Benchmark = {
  name: "disk",
  title: "bytes written to disk, one device, 256 B",
  columns: [
    { key: "perByte", heading: "per payload byte", digits: 2 },
    { key: "perMessage", heading: "per message", digits: 0 },
    { key: "acked", heading: "acked", digits: 0 },
    { key: "perSegment", heading: "messages a segment", digits: 1 },
    { key: "rate", heading: "msg/s", digits: 0 },
    { key: "p50", heading: "ack p50 ms", digits: 2 },
    { key: "p99", heading: "p99 ms", digits: 2 },
  ],
  cases: [
    diskCase("100 in flight", { publishers: 1, outstanding: 100 }, []),
    diskCase("200 in flight", { publishers: 1, outstanding: 200 }, []),
    diskCase("50 × 20", { publishers: 50, outstanding: 20 }, []),
    diskCase("100 msg/s", { publishers: 1, outstanding: 100, perSecond: slowPerSecond }, []),
    diskCase("100 msg/s, flash profile", { publishers: 1, outstanding: 100, perSecond: slowPerSecond }, [flash]),
  ],
};

function diskCase(name: string, flow: Omit<LoadOrder["flow"], "payloadBytes">, settings: readonly string[]): BenchCase {
  return guardedCase(name, async ({ nodeDeps, generator, measureMs, isQuick }, folder) => {
    await assertSupported(folder, settings);
    await using chain = await createChain(nodeDeps, ["device"], () => ({ folder, settings }));
    const device = chain.at("device");
    const { pid } = await device.start();
    const before = writtenBytes(pid);
    const until =
      flow.perSecond === undefined
        ? { messages: isQuick ? messagesQuick : messages }
        : { warmUpMs: 0, measureMs: isQuick ? measureMs : Math.max(measureMs, slowMsMin) };
    const order = { port: device.node.mqttPort, flow: { ...flow, payloadBytes }, until, pids: [] };
    const { published, measured, measuredMs, ackMs } = await generator.load(order);
    const written = writtenBytes(pid) - before;
    await device.node.stop();
    const figures = {
      perByte: written / (published * payloadBytes),
      perMessage: written / published,
      acked: published,
      perSegment: published / countSegments(join(folder, device.node.name, "fogbank.db")),
      rate: (1000 * measured) / measuredMs,
      p50: ackMs.p50,
      p99: ackMs.p99,
    };
    return [{ name, figures }];
  });
}

/** A commit writes one segment for up to 1000 messages of a stream, so this tells how full the commits were. */
function countSegments(file: string): number {
  const database = new DatabaseSync(file, { readOnly: true });
  try {
    return Number(database.prepare("SELECT count(*) AS n FROM segment").get()?.["n"]);
  } finally {
    database.close();
  }
}
