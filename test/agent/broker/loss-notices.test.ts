import { expect, test } from "vitest";
import { LossNotices } from "#agent/broker/loss-notices.ts";
import { Session } from "#agent/broker/session.ts";
import type { Message } from "#shared/system/bus.ts";

test("losses come together until they are told, once for each client, retained and at QoS 0", () => {
  const notices = new LossNotices();
  const told: Message[] = [];
  const tell = () => notices.tell(1_700_000_000_000, (message) => void told.push(message));
  const [one, two] = [new Session("one", 0, 0, ""), new Session("a/+/#", 1, 60, "")];
  tell();
  notices.lost(one, 2);
  notices.lost(two, 5);
  notices.lost(one, 1);
  tell();
  tell();
  expect(told.map(({ topic, payload }) => [topic, JSON.parse(new TextDecoder().decode(payload))])).toEqual([
    ["/level/losses/one", { client: "one", lost: 3, at: "2023-11-14T22:13:20.000Z" }],
    ["/level/losses/a%2F%2B%2F%23", { client: "a/+/#", lost: 5, at: "2023-11-14T22:13:20.000Z" }],
  ]);
  expect(told.map(({ qos, retain }) => [qos, retain])).toEqual([
    [0, true],
    [0, true],
  ]);
  notices.lost(one, 1);
  tell();
  expect(one.lost).toBe(4);
  expect(told).toHaveLength(3);
});
