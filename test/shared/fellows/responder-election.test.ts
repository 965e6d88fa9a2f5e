// Elections among servers with a coordinator that is a few variables: every order of what they do, with deaths and lost sessions.
import fc from "fast-check";
import { expect, test } from "vitest";
import {
  newElection,
  stepElection,
  type Election,
  type ElectionEffect,
  type ElectionEvent,
  type Named,
} from "#shared/fellows/responder-election.ts";
import type { Offer } from "#shared/fellows/server-score.ts";
import { limits } from "#shared/limits.ts";
import { fellowOf } from "../../fakes/made-fellows.ts";

class Server {
  readonly offer: Offer;
  state: Election;
  readonly todo: ElectionEffect[];
  isDead = false;
  /** Has been told to answer and not to stop. */
  isAnswering = false;
  answers = 0;

  constructor(offer: Offer, electors: number) {
    this.offer = offer;
    const [state, effects] = newElection(offer, electors, 0);
    this.state = state;
    this.todo = [...effects];
  }

  step(event: ElectionEvent, nowMs: number): void {
    if (this.isDead) return;
    const [state, effects] = stepElection(this.state, event, nowMs);
    this.state = state;
    for (const effect of effects) {
      // What is told first is to stop: no other effect comes between.
      if (effect.type === "stop") this.isAnswering = false;
      if (effect.type === "answer") this.isAnswering = true;
      this.todo.push(effect);
    }
  }
}

class World {
  readonly servers: readonly Server[];
  readonly offers = new Map<string, Offer>();
  named: Named | undefined;
  nowMs = 0;
  /** Ids under which the document was written. */
  readonly updates = new Set<string>();
  responses = 0;

  constructor(scores: readonly number[]) {
    this.servers = scores.map((score, at) => new Server({ ...fellowOf(at), score }, scores.length));
  }

  at(index: number): Server {
    const server = this.servers[index % this.servers.length];
    if (server === undefined) throw new Error("no server");
    return server;
  }

  view(server: Server): void {
    server.step({ type: "view", named: this.named, offers: [...this.offers.values()] }, this.nowMs);
  }

  /** Does the first thing that the server wants done. */
  perform(server: Server): void {
    const effect = server.isDead || server.state.at === "suspended" ? undefined : server.todo.shift();
    switch (effect?.type) {
      case undefined:
      case "stop":
        return;
      case "offer":
        this.offers.set(server.offer.uuid, server.offer);
        return;
      case "name":
        if (this.named?.version === effect.ifVersion)
          this.named = { uuid: effect.uuid, version: (effect.ifVersion ?? -1) + 1, isFinished: false };
        return;
      case "answer":
        if (!server.isAnswering) return;
        this.updates.add("message");
        this.responses++;
        server.answers++;
        server.step({ type: "answered" }, this.nowMs);
        return;
      case "finish":
        if (this.named?.version === effect.ifVersion)
          this.named = { ...this.named, version: effect.ifVersion + 1, isFinished: true };
        return;
      case "withdraw":
        this.offers.delete(server.offer.uuid);
    }
  }

  kill(server: Server): void {
    server.isDead = true;
    server.isAnswering = false;
    this.offers.delete(server.offer.uuid);
  }

  /** The server knows before the others do. */
  loseSession(server: Server): void {
    server.step({ type: "session-lost" }, this.nowMs);
    server.todo.length = 0;
    this.offers.delete(server.offer.uuid);
  }

  /** Everybody sees and does everything, for a while. */
  settle(): void {
    for (let round = 0; round < 60; round++) {
      this.nowMs += limits.offerMs;
      for (const server of this.servers) {
        server.step({ type: "session-regained" }, this.nowMs);
        this.view(server);
        server.step({ type: "tick" }, this.nowMs);
        while (server.todo.length > 0 && !server.isDead) this.perform(server);
      }
    }
  }
}

test("[U-S5] [U10] three servers, one message: the best alone answers, without waiting", () => {
  const world = new World([1, 3, 2]);
  for (const server of world.servers) world.perform(server);
  for (const server of world.servers) world.view(server);
  for (const server of world.servers) while (server.todo.length > 0) world.perform(server);
  for (const server of world.servers) world.view(server);
  expect(world.servers.map(({ state }) => state.at)).toEqual(["watching", "answering", "watching"]);
  world.settle();
  expect(world.servers.map(({ answers }) => answers)).toEqual([0, 1, 0]);
  expect(world.servers.map(({ state }) => state.at)).toEqual(["over", "over", "over"]);
  expect(world.offers.size).toBe(0);
});

test("[U-S5] the elected server is killed before it answers: another one answers", () => {
  const world = new World([1, 3, 2]);
  for (const server of world.servers) world.perform(server);
  world.view(world.at(1));
  world.perform(world.at(1));
  world.view(world.at(1));
  expect(world.at(1).isAnswering).toBe(true);
  world.kill(world.at(1));
  world.settle();
  expect(world.servers.map(({ answers }) => answers)).toEqual([0, 0, 1]);
  expect(world.responses).toBe(1);
});

test("[U10] equal scores: the lower name", () => {
  const world = new World([2, 2, 2]);
  world.settle();
  expect(world.servers.map(({ answers }) => answers)).toEqual([1, 0, 0]);
});

test("[U10] a server that never offers is waited for no longer than offers are collected", () => {
  const world = new World([1, 3, 2]);
  world.servers.filter((_, at) => at !== 1).forEach((server) => world.perform(server));
  for (const index of [0, 2]) world.view(world.at(index));
  expect(world.named).toBeUndefined();
  world.at(1).isDead = true;
  world.settle();
  expect(world.servers.map(({ answers }) => answers)).toEqual([0, 0, 1]);
});

test("[U10] the best does not see that it is: the others name it when time is up", () => {
  const world = new World([1, 3]);
  for (const server of world.servers) world.perform(server);
  world.view(world.at(0));
  world.nowMs = limits.offerMs;
  world.at(0).step({ type: "tick" }, world.nowMs);
  world.perform(world.at(0));
  expect(world.named).toMatchObject({ uuid: world.at(1).offer.uuid, version: 0 });
});

test("a server whose session is lost stops at once, and does not go on by itself", () => {
  const world = new World([1, 3]);
  for (const server of world.servers) world.perform(server);
  world.view(world.at(1));
  world.perform(world.at(1));
  world.view(world.at(1));
  world.loseSession(world.at(1));
  expect(world.at(1).isAnswering).toBe(false);
  world.perform(world.at(1));
  expect(world.responses).toBe(0);
  world.view(world.at(0));
  world.perform(world.at(0));
  expect(world.named).toMatchObject({ uuid: world.at(0).offer.uuid });
  world.settle();
  expect(world.servers.map(({ answers }) => answers)).toEqual([1, 0]);
});

test("a server that is still named, and has a new session but no new offer yet, does not answer", () => {
  const world = new World([1, 3]);
  for (const server of world.servers) world.perform(server);
  world.view(world.at(1));
  world.perform(world.at(1));
  world.loseSession(world.at(1));
  world.at(1).step({ type: "session-regained" }, world.nowMs);
  world.view(world.at(1));
  expect(world.at(1).isAnswering).toBe(false);
  world.view(world.at(0));
  world.perform(world.at(0));
  world.view(world.at(0));
  expect(world.at(0).isAnswering).toBe(true);
  world.settle();
  expect(world.servers.map(({ answers }) => answers)).toEqual([1, 0]);
});

test("a write that got lost is tried again when it is due, and not before", () => {
  const world = new World([1]);
  const only = world.at(0);
  world.perform(only);
  world.view(only);
  expect(only.todo.splice(0)).toMatchObject([{ type: "name" }]);
  world.view(only);
  expect(only.todo).toEqual([]);
  world.nowMs = limits.offerMs;
  only.step({ type: "tick" }, world.nowMs);
  expect(only.todo.splice(0)).toMatchObject([{ type: "name" }]);
  world.offers.clear();
  world.view(only);
  world.nowMs *= 2;
  only.step({ type: "tick" }, world.nowMs);
  expect(only.todo).toMatchObject([{ type: "offer" }]);
});

test("[U10] the word that it is finished got lost: it is said again, and nothing is answered twice", () => {
  const world = new World([1]);
  const only = world.at(0);
  world.perform(only);
  world.view(only);
  world.perform(only);
  world.view(only);
  world.perform(only);
  expect(only.todo.splice(0)).toEqual([{ type: "finish", ifVersion: 0 }]);
  world.view(only);
  expect(only.todo).toEqual([]);
  world.nowMs = 2 * limits.offerMs;
  only.step({ type: "tick" }, world.nowMs);
  expect(only.todo).toEqual([{ type: "finish", ifVersion: 0 }]);
  world.settle();
  expect(only.answers).toBe(1);
  expect(only.state.at).toBe("over");
});

test("[U-S5] whatever happens in whatever order: one server at a time answers, and in the end the message is answered", () => {
  const index = fc.nat(3);
  const action = fc.oneof(
    { weight: 6, arbitrary: fc.record({ act: fc.constant("perform" as const), index }) },
    { weight: 6, arbitrary: fc.record({ act: fc.constant("view" as const), index }) },
    { weight: 3, arbitrary: fc.record({ act: fc.constant("tick" as const), index }) },
    fc.record({ act: fc.constantFrom("kill", "lose-session", "regain", "lose-write"), index }),
  );
  const scores = fc.array(fc.integer({ min: 0, max: 2 }), { minLength: 1, maxLength: 4 });
  fc.assert(
    fc.property(scores, fc.array(action, { maxLength: 80 }), (all, actions) => {
      const world = new World(all);
      let excused = 0;
      for (const { act, index: which } of actions) {
        const server = world.at(which);
        const isLast = world.servers.filter(({ isDead }) => !isDead).length === 1;
        const wasUnfinished = server.answers > 0 && world.named?.isFinished !== true;
        if (act === "perform") world.perform(server);
        if (act === "view" && server.state.at !== "suspended") world.view(server);
        if (act === "tick") server.step({ type: "tick" }, (world.nowMs += limits.offerMs));
        if (act === "regain") server.step({ type: "session-regained" }, world.nowMs);
        if (act === "lose-write" && server.todo[0]?.type !== "answer") server.todo.shift();
        if (act === "lose-session") world.loseSession(server);
        if (act === "kill" && !isLast) world.kill(server);
        if ((act === "lose-session" || (act === "kill" && !isLast)) && wasUnfinished) excused++;
        expect(
          world.servers.filter(({ isAnswering, state }) => isAnswering && state.at === "answering").length,
        ).toBeLessThan(2);
      }
      world.settle();
      expect(world.named?.isFinished).toBe(true);
      expect(world.updates.size).toBe(1);
      expect(world.responses).toBeGreaterThan(0);
      // More than one only where one had answered and could not say so.
      expect(world.responses).toBeLessThanOrEqual(1 + excused);
      expect(world.servers.filter(({ isDead, state }) => !isDead && state.at !== "over")).toEqual([]);
    }),
    { numRuns: 2_000 },
  );
});
