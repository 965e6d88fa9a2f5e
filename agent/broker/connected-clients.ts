// Who is connected to the aedes broker, and who is told of it. aedes reports connections by client object; here each client id has
// at most one, and its events alternate whatever the order in which an old connection and its successor end and begin.
import type { Client } from "aedes";
import type { Logger } from "#shared/system/logger.ts";
import type { ClientEvent, ClientInfo, ConnectedClient } from "./broker.ts";

interface Entry {
  readonly client: Client;
  readonly info: ClientInfo;
  readonly connectedSinceMs: number;
}

export class ConnectedClients {
  readonly #log: Logger;
  readonly #entries = new Map<string, Entry>();
  readonly #listeners = new Set<(event: ClientEvent) => void>();

  constructor(log: Logger) {
    this.#log = log;
  }

  get size(): number {
    return this.#entries.size;
  }

  has(clientId: string): boolean {
    return this.#entries.has(clientId);
  }

  get(clientId: string): Client | undefined {
    return this.#entries.get(clientId)?.client;
  }

  list(): readonly ConnectedClient[] {
    return Array.from(this.#entries.values(), ({ info, connectedSinceMs }) => ({ ...info, connectedSinceMs }));
  }

  /** A connection with a client id that is taken ends the older one's entry [MQTT-3.1.4-2]. */
  add(client: Client, info: ClientInfo, connectedSinceMs: number): void {
    const { clientId } = info;
    if (this.#entries.delete(clientId)) this.#tell({ type: "disconnected", clientId });
    this.#entries.set(clientId, { client, info, connectedSinceMs });
    this.#tell({ type: "connected", clientId });
  }

  /** Nothing happens when a newer connection has the id already. */
  remove(client: Client): void {
    const clientId = client.id;
    if (this.#entries.get(clientId)?.client !== client) return;
    this.#entries.delete(clientId);
    this.#tell({ type: "disconnected", clientId });
  }

  listen(listener: (event: ClientEvent) => void): Disposable {
    this.#listeners.add(listener);
    return { [Symbol.dispose]: () => void this.#listeners.delete(listener) };
  }

  #tell(event: ClientEvent): void {
    for (const listener of this.#listeners) {
      try {
        listener(event);
      } catch (error) {
        this.#log.error({ error, ...event }, "a listener for clients failed");
      }
    }
  }
}
