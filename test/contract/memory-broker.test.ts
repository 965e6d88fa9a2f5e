import { treeAuthorizer } from "#agent/broker/authorize.ts";
import type { Authorizer } from "#agent/broker/broker.ts";
import { FakeClock } from "../fakes/fake-clock.ts";
import { MemoryBroker } from "../fakes/memory-broker.ts";
import { silentLogger } from "../fakes/silent-logger.ts";
import { testBroker, type BrokerBench } from "./broker-contract.ts";
import { busQueriesContract } from "./bus-queries-contract.ts";

async function start(authorizer: Authorizer = treeAuthorizer): Promise<BrokerBench> {
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
}

testBroker("memory", start);
busQueriesContract("memory", start);
