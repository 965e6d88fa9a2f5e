// A tree in this process for the client library: whole nodes on real sockets.
import { startFaultProxy, type FaultProxy } from "../../scripts/torture/fault-proxy.ts";
import { eventually } from "../../scripts/torture/node-under-test.ts";
import { LiveNode, quickly } from "./live-node.ts";

export interface LiveTree extends AsyncDisposable {
  readonly cloud: LiveNode;
  readonly fog: LiveNode;
  readonly device: LiveNode;
  /** From device-1 up to fog-1. */
  readonly link: FaultProxy;
}

const linkedMsMax = 30_000;

/** cloud-1 above fog-1 above device-1; when it resolves each knows of the others. */
export async function startLiveTree(): Promise<LiveTree> {
  await using stack = new AsyncDisposableStack();
  const cloud = stack.use(await LiveNode.start({ name: "cloud-1", level: "cloud" }));
  const fog = stack.use(await LiveNode.start({ name: "fog-1", level: "fog", "uplink.url": cloud.url }));
  const link = stack.use(await startFaultProxy(fog.port));
  const device = stack.use(await LiveNode.start({ "uplink.url": `mqtt://127.0.0.1:${link.port}` }));
  await knowEachOther(cloud, device);
  const owned = stack.move();
  return { cloud, fog, device, link, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

async function knowEachOther(cloud: LiveNode, device: LiveNode): Promise<void> {
  await using below = await quickly(device.url);
  const path = Promise.withResolvers<void>();
  await below.onPresence((event) => {
    if (event.type === "uplink" && event.path.length === 2) path.resolve();
  });
  await using root = await quickly(cloud.url);
  const reached = async (): Promise<number> =>
    (await root.call("ping", null, { if: "level == 'device'", ttl: 5 })).counts.done;
  await eventually(reached, (done) => done === 1, linkedMsMax);
  await path.promise;
}
