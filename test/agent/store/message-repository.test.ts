import { expect, onTestFinished, test } from "vitest";
import { inMemory, openDatabase } from "#agent/store/database.ts";
import { MessageRepository } from "#agent/store/message-repository.ts";
import { nodeMigrations } from "#agent/store/node-migrations.ts";

function database() {
  const opened = openDatabase(inMemory, { migrations: nodeMigrations, cacheBytes: 1_000_000 });
  onTestFinished(() => opened.close());
  return opened;
}

const idOf = (number: number): Uint8Array => Uint8Array.from({ length: 16 }, (_, at) => (at === 0 ? number : 0));
const none = new Uint8Array(0);

test("what is open is read page by page in the order of ids, each once, also by whoever opens the database later", () => {
  const file = database();
  const messages = new MessageRepository(file);
  for (const number of [200, 3, 127, 1, 128]) messages.put(idOf(number), Uint8Array.of(number), 1_000);
  for (const one of [messages, new MessageRepository(file)]) {
    const read: number[] = [];
    for (let after: Uint8Array = none; read.length < 20;) {
      const page = one.list(after, 2);
      expect(page.length).toBeLessThanOrEqual(2);
      if (page.length === 0) break;
      read.push(...page.map(({ body: [number = 0] }) => number));
      after = idOf(read.at(-1) ?? 0);
    }
    expect(read).toEqual([1, 3, 127, 128, 200]);
  }
});

test("a message that has changed takes the place of what it was; one that has ended is gone", () => {
  const messages = new MessageRepository(database());
  expect(messages.has(idOf(1))).toBe(false);
  messages.put(idOf(1), Uint8Array.of(1), 1_000);
  messages.put(idOf(2), Uint8Array.of(2), 1_000);
  messages.put(idOf(1), Uint8Array.of(7), 2_000);
  expect(messages.list(none, 10).map(({ body }) => body)).toEqual([Uint8Array.of(7), Uint8Array.of(2)]);
  messages.remove(idOf(1));
  messages.remove(idOf(9));
  expect(messages.list(none, 10).map(({ body }) => body)).toEqual([Uint8Array.of(2)]);
  expect([1, 2].map((number) => messages.has(idOf(number)))).toEqual([false, true]);
});
