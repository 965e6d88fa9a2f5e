// The contract of the port on stock aedes, as far as that can keep it: what is skipped is why the product has a core of its own.
import { treeAuthorizer } from "#agent/broker/authorize.ts";
import type { Authorizer } from "#agent/broker/broker.ts";
import { startAedesBroker } from "../fakes/aedes-broker.ts";
import { FakeClock } from "../fakes/fake-clock.ts";
import { connectMqtt } from "../fakes/mqtt-test-client.ts";
import { silentLogger } from "../fakes/silent-logger.ts";
import { testBroker, type BrokerBench } from "./broker-contract.ts";
import { busQueriesContract } from "./bus-queries-contract.ts";

async function start(authorizer: Authorizer = treeAuthorizer): Promise<BrokerBench> {
  const clock = new FakeClock();
  const log = silentLogger();
  const broker = await startAedesBroker({ clock, log }, authorizer);
  const [address] = await broker.listen([{ host: "127.0.0.1", port: 0 }]);
  return {
    broker,
    clock,
    log,
    connect: (clientId, options) => connectMqtt(address?.port ?? 0, clientId, options),
    [Symbol.asyncDispose]: () => broker[Symbol.asyncDispose](),
  };
}

const cannot = {
  "the QoS of a delivery": "a retained message is delivered at its own QoS",
  "overlapping filters": "an overlapping filter may lower the QoS",
  disposing: "wills are published at a stop",
};

testBroker("aedes", Object.assign(start, { cannot }));
busQueriesContract("aedes", start);
