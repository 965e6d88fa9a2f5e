// Level calls on the links: requests of nodes below, which this node answers or passes on, and outcomes from above on their way down. What
// is on its way is not remembered here: a request carries the names of the nodes that it has come through, each taken from the topic
// that the node may publish on, and its outcome goes back the same way.
import { decodeLevelAnswer, decodeLevelRequest, encodeLevelAnswer, encodeLevelRequest } from "#shared/level/frames.ts";
import type { LevelAnswer, LevelRequest } from "#shared/level/frames.ts";
import type { LevelOutcome } from "#shared/level/outcome.ts";
import { isNodeName, type NodeName } from "#shared/ids.ts";
import { limits } from "#shared/limits.ts";
import type { Bus, InboundPublish } from "#shared/system/bus.ts";
import type { Logger } from "#shared/system/logger.ts";
import type { ParentLink } from "#shared/system/parent-link.ts";
import { downTopic, parseUpTopic, upFilterOf } from "#shared/topics.ts";
import type { LevelRuns } from "./level-runs.ts";

export interface DirectedRequestsDeps {
  readonly bus: Pick<Bus, "intercept" | "publish">;
  readonly parent: ParentLink;
  readonly runs: LevelRuns;
  readonly isRoot: () => boolean;
  /** Tree time, milliseconds since 1970. */
  readonly treeNow: () => number;
  /** What was asked for by this node itself. */
  readonly onAnswer: (answer: LevelAnswer) => void;
  readonly log: Logger;
}

export interface DirectedStats {
  readonly answered: number;
  readonly relayed: number;
  readonly malformed: number;
}

const childrenLogged = 1_000;

export class DirectedRequests implements Disposable {
  readonly #deps: DirectedRequestsDeps;
  readonly #node: NodeName;
  readonly #stack = new DisposableStack();
  readonly #logged = new Set<string>();
  #stats = { answered: 0, relayed: 0, malformed: 0 };

  constructor(deps: DirectedRequestsDeps, node: NodeName) {
    this.#deps = deps;
    this.#node = node;
    this.#stack.use(
      deps.bus.intercept(upFilterOf("x"), (publish, settle) => {
        settle({ type: "take" });
        this.#fromBelow(publish);
      }),
    );
    this.#stack.use(deps.parent.onFrame("x", (payload) => this.#fromAbove(payload)));
  }

  stats(): DirectedStats {
    return this.#stats;
  }

  /** A request of this node itself. False when there is no link. */
  send(request: Omit<LevelRequest, "via">): boolean {
    return this.#deps.parent.send("x", encodeLevelRequest({ ...request, via: [] }));
  }

  [Symbol.dispose](): void {
    this.#stack.dispose();
  }

  #fromBelow({ topic, payload }: InboundPublish): void {
    const child = parseUpTopic(topic)?.child;
    if (child === undefined || !isNodeName(child)) return;
    const decoded = decodeLevelRequest(payload);
    if ("malformed" in decoded) {
      this.#malformed(child, decoded.malformed);
      return;
    }
    const request = decoded.frame;
    const answer = (outcome: LevelOutcome): void => this.#answer(child, { ...request, outcome });
    const trail = [...request.via, child];
    const isPast = this.#deps.treeNow() >= request.deadlineMs;
    if (isPast) answer({ status: "timeout", reason: `its deadline had passed when it arrived at ${this.#node}` });
    else if (request.target === this.#node) this.#run(request, trail, answer);
    else this.#passOn(request, trail, answer);
  }

  #run(request: LevelRequest, trail: readonly NodeName[], answer: (outcome: LevelOutcome) => void): void {
    const { id, name, args, condition, encoding, deadlineMs } = request;
    const origin = trail[0] ?? this.#node;
    // A wrong clock somewhere must not keep it for ever.
    const ttlMs = Math.min(deadlineMs - this.#deps.treeNow(), limits.levelCallMsMax);
    this.#stats.answered++;
    this.#deps.runs.run({ caller: origin, id, name, args, origin, condition, ttlMs, encoding }, "below", answer);
  }

  #passOn(request: LevelRequest, trail: readonly NodeName[], answer: (outcome: LevelOutcome) => void): void {
    const unreachable = (reason: string): void => answer({ status: "unreachable", reason });
    if (this.#deps.isRoot()) unreachable(`there is no node "${request.target}" above ${this.#node}`);
    else if (trail.length > limits.callHops) unreachable(`the request has passed more than ${limits.callHops} nodes`);
    else if (this.#deps.parent.send("x", encodeLevelRequest({ ...request, via: trail }))) this.#stats.relayed++;
    else unreachable(`${this.#node} has no link to its parent`);
  }

  #fromAbove(payload: Uint8Array): void {
    const decoded = decodeLevelAnswer(payload);
    if ("malformed" in decoded) {
      this.#malformed("parent", decoded.malformed);
      return;
    }
    const child = decoded.frame.via.at(-1);
    if (child === undefined) this.#deps.onAnswer(decoded.frame);
    else this.#answer(child, { ...decoded.frame, via: decoded.frame.via.slice(0, -1) });
  }

  #answer(child: NodeName, answer: LevelAnswer): void {
    const topic = downTopic(child, "x");
    this.#deps.bus
      .publish({ topic, payload: encodeLevelAnswer(answer), qos: 0, retain: false })
      .catch((error: unknown) => {
        this.#deps.log.warn({ topic, error: String(error) }, "outcome of a level call not sent");
      });
  }

  /** Logged once per sender: one that does it wrong does it again. */
  #malformed(sender: string, reason: string): void {
    this.#stats.malformed++;
    if (this.#logged.has(sender) || this.#logged.size >= childrenLogged) return;
    this.#logged.add(sender);
    this.#deps.log.warn({ sender, reason }, "malformed level call");
  }
}
