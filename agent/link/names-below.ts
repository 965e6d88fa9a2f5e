// Whom a hello or a heartbeat names below a child: whose messages the child may send besides its own.
import type { NodeName } from "#shared/ids.ts";
import type { Heartbeat, Hello } from "#shared/link/hello.ts";

export function namesInHello({ descendants, relays = [] }: Hello): readonly NodeName[] {
  return [...descendants.map(({ name }) => name), ...relays];
}

export function namesInBeat({ descendants = [], below, relays = [] }: Heartbeat): readonly NodeName[] {
  const told = below?.told.map(([, { name }]) => name) ?? [];
  return [...descendants.map(({ name }) => name), ...told, ...relays];
}
