// Takes what clients publish on the captured topics into the journal. A publish with QoS 1 or 2 is acknowledged after its commit.
import { limits } from "#shared/limits.ts";
import { matchesFilter } from "#shared/mqtt/topic.ts";
import type { Bus, InboundPublish, Verdict } from "#shared/system/bus.ts";
import type { Clock } from "#shared/system/clock.ts";
import type { Logger } from "#shared/system/logger.ts";
import type { Journal } from "./journal.ts";

export interface CaptureRule {
  readonly filter: string;
  readonly streamId: number;
}

export interface CaptureDeps {
  readonly bus: Bus;
  readonly journal: Journal;
  readonly clock: Clock;
  readonly log: Logger;
  /** Hears of each message that is captured, with its stamp; the payload may alias a network buffer. */
  saw?(topic: string, payload: Uint8Array, timeMs: number): void;
}

const pass: Verdict = { type: "pass" };

/** The first rule that matches a topic takes its messages. Disposed, nothing more is captured. */
export function startCapture(deps: CaptureDeps, rules: readonly CaptureRule[]): Disposable {
  const stack = new DisposableStack();
  const tooLarge = new Set<string>();
  rules.forEach((rule, index) => {
    const earlier = rules.slice(0, index);
    stack.use(
      deps.bus.intercept(rule.filter, (publish, settle) => {
        if (earlier.some(({ filter }) => matchesFilter(filter, publish.topic))) settle(pass);
        else capture(rule.streamId, publish, settle);
      }),
    );
  });
  return stack;

  function capture(streamId: number, publish: InboundPublish, settle: (verdict: Verdict) => void): void {
    const { topic, payload, qos, retain } = publish;
    if (payload.length > limits.journalPayloadBytes) {
      settle({ type: "refuse", reason: tooLargeReason(publish), now: true });
      return;
    }
    const item = { timeMs: publish.timeMs ?? deps.clock.now(), topic, payload, retain };
    const receipt = deps.journal.append(streamId, item, qos === 0);
    deps.saw?.(topic, payload, item.timeMs);
    settle(qos === 0 || receipt === undefined ? pass : { type: "pass", receipt });
  }

  /** Logged once per topic: a sensor that is set up wrong sends it every second. */
  function tooLargeReason(publish: InboundPublish): string {
    const { topic, payload, clientId } = publish;
    const reason = `a payload of ${payload.length} bytes on ${topic} is larger than the ${limits.journalPayloadBytes} that the journal takes`;
    if (!tooLarge.has(topic) && tooLarge.size < 1_000) {
      tooLarge.add(topic);
      deps.log.warn({ topic, clientId, payloadBytes: payload.length }, "publish refused: too large for the journal");
    }
    return reason;
  }
}
