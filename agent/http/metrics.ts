// The node's counters in the text format of Prometheus (exposition format 0.0.4).
//
//   broker.publishesIn   -> fogbank_broker_publishes_in_total        a counter since the start
//   broker.queuedBytes   -> fogbank_broker_queued_bytes              a gauge, as of now
//   broker.droppedSlow   -> fogbank_broker_dropped_total{reason="slow"}

/** Last parts of the names whose values go down, too. */
const gauges: ReadonlySet<string> = new Set([
  "connections",
  "sessions",
  "queuedMessages",
  "queuedBytes",
  "retained",
  "open",
  "online",
  "alarms",
  "childrenOnline",
  "childrenLost",
  "partitioned",
]);

/** The sum of the reasons would be counted twice. */
const sums: ReadonlySet<string> = new Set(["broker.dropped"]);

interface Sample {
  readonly name: string;
  readonly labels: string;
  readonly value: number;
  readonly type: "counter" | "gauge";
}

/** One line per counter, in the order of their names. */
export function prometheusText(counters: Readonly<Record<string, number>>): string {
  const lines: string[] = [];
  let previous = "";
  for (const { name, labels, value, type } of Object.entries(counters).flatMap(sampleOf).toSorted(byName)) {
    if (name !== previous) lines.push(`# TYPE ${name} ${type}`);
    previous = name;
    lines.push(`${name}${labels} ${value}`);
  }
  return lines.map((line) => `${line}\n`).join("");
}

function sampleOf([key, value]: readonly [string, number]): readonly Sample[] {
  if (sums.has(key)) return [];
  const [part = "", rest = ""] = key.split(".", 2);
  const reason = /^dropped(?=[A-Z])(.+)$/.exec(rest)?.[1];
  if (reason !== undefined) {
    const labels = `{reason="${snakeCase(reason)}"}`;
    return [{ name: `fogbank_${part}_dropped_total`, labels, value, type: "counter" }];
  }
  const type = gauges.has(rest) ? "gauge" : "counter";
  const name = `fogbank_${snakeCase(part)}_${snakeCase(rest)}${type === "counter" ? "_total" : ""}`;
  return [{ name, labels: "", value, type }];
}

function snakeCase(name: string): string {
  return name.replace(/(?!^)[A-Z]/g, (letter) => `_${letter}`).toLowerCase();
}

function byName(a: Sample, b: Sample): number {
  const [left, right] = [a.name + a.labels, b.name + b.labels];
  return left < right ? -1 : left > right ? 1 : 0;
}
