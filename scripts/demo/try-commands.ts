// Commands to try in another terminal while the demo runs, with the real addresses filled in.
import type { NodePorts } from "./node-plan.ts";

export interface CommandTargets {
  readonly cloud: NodePorts;
  readonly fog: NodePorts;
  readonly device: NodePorts;
  /** Undefined while the fog is down. */
  readonly fogPid: number | undefined;
}

/** Each with what it shows. */
export function tryCommands({
  cloud,
  device,
  fogPid,
}: CommandTargets): readonly { readonly what: string; readonly command: string }[] {
  const http = `http://127.0.0.1:${cloud.http}`;
  const mqtt = (ports: NodePorts): string => `mqtt://127.0.0.1:${ports.mqtt}`;
  return [
    { what: "how the cloud sees its tree", command: `npm run -s fogbank -- status --http ${http}` },
    { what: "did the cloud get everything", command: `npm run -s fogbank -- explain device-1 --http ${http}` },
    { what: "listen at the cloud", command: `npm run -s fogbank -- sub --mqtt ${mqtt(cloud)} -t '/from/+/data/#' -v` },
    { what: "publish on device-1", command: `npm run -s fogbank -- pub --mqtt ${mqtt(device)} -t /data/hello -m hi` },
    {
      what: "call a function on every device",
      command: `npm run -s fogbank -- call --mqtt ${mqtt(cloud)} --if "level == 'device'" info`,
    },
    { what: "what is stored", command: `curl '${http}/api/v1/data?origin=device-1&limit=3'` },
    ...(fogPid === undefined ? [] : [{ what: "cut the fog from outside", command: `kill -9 ${fogPid}` }]),
  ];
}
