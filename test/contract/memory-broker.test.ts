import { treeAuthorizer } from "#agent/broker/authorize.ts";
import { FakeClock } from "../fakes/fake-clock.ts";
import { MemoryBroker } from "../fakes/memory-broker.ts";
import { silentLogger } from "../fakes/silent-logger.ts";
import { testBroker } from "./broker-contract.ts";

testBroker("memory", async (authorizer = treeAuthorizer) => {
  const clock = new FakeClock();
  const log = silentLogger();
  const broker = new MemoryBroker({ clock, log }, { authorizer });
  return {
    broker,
    clock,
    log,
    connect: (clientId, options) => broker.connect(clientId, options),
    [Symbol.asyncDispose]: () => broker[Symbol.asyncDispose](),
  };
});
