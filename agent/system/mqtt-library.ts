// The `mqtt` package, loaded when the first connection is dialled: a node that dials nobody does without it.
import type { connect } from "mqtt";

/** Its `connect`. */
export async function loadMqtt(): Promise<typeof connect> {
  const [mqtt, { writeToStream }] = await Promise.all([import("mqtt"), import("mqtt-packet")]);
  // Its encoder would keep a buffer for every number of 16 bits, from the first packet on: 16 MB, on a device a third of all.
  writeToStream.cacheNumbers = false;
  return mqtt.connect;
}
