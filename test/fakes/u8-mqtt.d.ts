// What the tests use of u8-mqtt, which comes without types.
declare module "u8-mqtt" {
  import type { Socket } from "node:net";

  interface U8Publish {
    readonly topic: string;
    readonly payload: Uint8Array;
    readonly qos: 0 | 1 | 2;
    readonly retain: boolean;
  }

  interface U8Options {
    log_conn(): void;
    on_error(error: unknown): void;
    on_disconnect(): void;
  }

  interface U8Client {
    with_stream(socket: Socket): U8Client;
    connect(packet: object): Promise<unknown>;
    disconnect(): Promise<unknown>;
    /** Answers of the broker: a packet, or nothing and a reason. */
    pub(packet: object): Promise<readonly [object?, string?] | true>;
    /** Without a wait for an answer. */
    _send(type: "publish", packet: object): Promise<true>;
    subscribe(packet: object): Promise<readonly [object?, string?]>;
    /** Calls `handler` for messages on a pattern of topics, and acknowledges them. */
    on_topic(pattern: string, handler: (packet: U8Publish) => void): U8Client;
  }

  export function mqtt_v4(options: U8Options): U8Client;
  export function mqtt_v5(options: U8Options): U8Client;
}
