// The `mqtt` package, loaded when a command dials a node. Nodes have no need of it.
import type { connect } from "mqtt";
import { loadApart } from "./apart.ts";

/** Its `connect`. */
export async function loadMqtt(): Promise<typeof connect> {
  const mqtt = await loadApart<typeof import("./mqtt-package.ts")>(new URL("./mqtt-package.ts", import.meta.url));
  return mqtt.connect;
}
