import { expect, test } from "vitest";
import { Session } from "#agent/broker/session.ts";
import { packetIdOf } from "#shared/mqtt/outgoing-window.ts";

test("progress tells what is done with as ranges, whatever the client leaves out", () => {
  const session = new Session("a", 1, 60, "");
  const { window } = session;
  for (let number = 1; number <= 12; number++) window.send(number === 9 ? 2 : 1, 10);
  for (const number of [1, 3, 4, 5, 7, 11, 12]) window.acknowledge(packetIdOf(number));
  window.receive(packetIdOf(9));
  expect(session.progress()).toEqual({
    cursor: 1,
    done: [
      [3, 5],
      [7, 7],
      [11, 12],
    ],
    released: [9],
    sent: 12,
  });
});

test("progress costs what is on its way: a client that leaves out every other message gains nothing [B2]", () => {
  const session = new Session("a", 1, 60, "");
  for (let number = 1; number <= 4_000; number++) session.window.send(1, 1);
  for (let number = 2; number <= 4_000; number += 2) session.window.acknowledge(packetIdOf(number));
  const startMs = performance.now();
  for (let round = 0; round < 100; round++) expect(session.progress().done).toHaveLength(2_000);
  expect(performance.now() - startMs).toBeLessThan(1_000); // 100 times 50 ms when each number walks all ranges
});
