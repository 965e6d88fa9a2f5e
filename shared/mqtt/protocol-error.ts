// What a peer did wrong, with the reason code that it is told (MQTT 5, section 4.13). An older client is only disconnected.

export class MqttProtocolError extends Error {
  readonly reasonCode: number;

  constructor(reasonCode: number, message: string) {
    super(message);
    this.name = "MqttProtocolError";
    this.reasonCode = reasonCode;
  }
}
