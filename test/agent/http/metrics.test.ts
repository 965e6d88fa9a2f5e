import { expect, test } from "vitest";
import { prometheusText } from "#agent/http/metrics.ts";

test("counters, gauges and reasons in the format of Prometheus, in order, each type said once", () => {
  const counters = {
    "broker.publishesIn": 12,
    "broker.queuedBytes": 5,
    "broker.dropped": 3,
    "broker.droppedSlow": 1,
    "broker.droppedQueueFull": 2,
    "journal.dropped": 0,
  };
  expect(prometheusText(counters)).toBe(
    [
      "# TYPE fogbank_broker_dropped_total counter",
      'fogbank_broker_dropped_total{reason="queue_full"} 2',
      'fogbank_broker_dropped_total{reason="slow"} 1',
      "# TYPE fogbank_broker_publishes_in_total counter",
      "fogbank_broker_publishes_in_total 12",
      "# TYPE fogbank_broker_queued_bytes gauge",
      "fogbank_broker_queued_bytes 5",
      "# TYPE fogbank_journal_dropped_total counter",
      "fogbank_journal_dropped_total 0",
      "",
    ].join("\n"),
  );
});
