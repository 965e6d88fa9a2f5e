// Which clients are connected to this node's broker. Asked when a will comes: where a newer connection of the same client has fired
// it by taking over, nobody has gone [J-T7].
import type { Broker } from "./broker.ts";

export interface ConnectedClients extends Disposable {
  has(clientId: string): boolean;
}

/** Begins before the broker listens. */
export function connectedClients(broker: Pick<Broker, "onClient">): ConnectedClients {
  const connected = new Set<string>();
  const listening = broker.onClient(({ type, clientId }) => {
    if (type === "connected") connected.add(clientId);
    else connected.delete(clientId);
  });
  return {
    has: (clientId) => connected.has(clientId),
    [Symbol.dispose]: () => listening[Symbol.dispose](),
  };
}
