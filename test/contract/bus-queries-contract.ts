// What every implementation of the Bus port can be asked about its subscriptions and retained messages.
import { expect } from "vitest";
import { clause, message, type StartBench } from "./broker-contract.ts";

export function busQueriesContract(name: string, start: StartBench): void {
  clause(start, `${name}: exactSubscribers overlooks wildcards and whoever is gone`, async () => {
    await using bench = await start();
    const { broker } = bench;
    const first = await bench.connect("first");
    for (const filter of ["#", "a/+", "a/#", "a/b/c"]) await first.subscribe(filter);
    expect([broker.hasSubscriber("a/b"), broker.exactSubscribers("a/b")]).toEqual([true, []]);
    const second = await bench.connect("second");
    for (const client of [first, second]) await client.subscribe("a/b");
    expect(broker.exactSubscribers("a/b").toSorted()).toEqual(["first", "second"]);
    expect(broker.exactSubscribers("a")).toEqual([]);
    await first.unsubscribe("a/b");
    expect(broker.exactSubscribers("a/b")).toEqual(["second"]);
    const gone = Promise.withResolvers<readonly string[]>();
    broker.onClient(({ type }) => {
      if (type === "disconnected") gone.resolve(broker.exactSubscribers("a/b"));
    });
    await second.drop();
    expect(await gone.promise).toEqual([]);
  });

  clause(start, `${name}: retainedPayload is what a new subscriber would get`, async () => {
    await using bench = await start();
    const { broker } = bench;
    const client = await bench.connect("c");
    const kept = () => {
      const payload = broker.retainedPayload("r/a");
      return payload && new TextDecoder().decode(payload);
    };
    expect(kept()).toBeUndefined();
    await client.publish(message("r/a", "live"));
    expect(kept()).toBeUndefined();
    await client.publish(message("r/a", "kept", 1, true));
    expect([kept(), broker.retainedPayload("r/+")]).toEqual(["kept", undefined]);
    await client.publish(message("r/a", "", 1, true));
    expect(kept()).toBeUndefined();
  });
}
