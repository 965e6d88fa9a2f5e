// Everybody who publishes during a torture, and what is known of what they publish.
import { countingPublisher, type CountingPublisher } from "./counting-publisher.ts";
import { createMessagePlan } from "./message-plan.ts";
import { judgeStored } from "./oracle.ts";
import { patientPublisher, type PatientPublisher } from "./patient-publisher.ts";
import type { Seeded } from "./seeded.ts";
import { smallFogStreams, type TortureTree } from "./torture-tree.ts";

export interface Cast {
  /** At the devices. */
  readonly counting: readonly CountingPublisher[];
  /** At the fog with the small journal, one for each version of MQTT. */
  readonly patient: readonly PatientPublisher[];
}

export function startCast(tree: TortureTree, random: Seeded): Cast {
  const [fog] = tree.fogs;
  if (fog === undefined) throw new Error("assertion failed: the tree has fogs");
  const page = (drawn: Seeded): number => drawn.between(4_000, 40_000);
  return {
    counting: tree.devices.map(({ node }) => {
      const plan = createMessagePlan(random.fork("messages"), node.name);
      return countingPublisher(node.mqttPort, plan, random.fork(`bursts of ${node.name}`));
    }),
    patient: smallFogStreams.map((name) => {
      const plan = createMessagePlan(random.fork("messages"), name, [`/data/${name}/page`], page);
      return patientPublisher(fog.node.mqttPort, plan, name === "patient-5" ? 5 : 4);
    }),
  };
}

export async function stopCast({ counting, patient }: Cast): Promise<void> {
  await Promise.all([...counting, ...patient].map((publisher) => publisher.stop()));
}

/** Answers how many messages the cloud has stored; adds what is wrong to `faults`. */
export async function judgeCast(tree: TortureTree, { counting, patient }: Cast, faults: string[]): Promise<number> {
  let count = 0;
  for (const { node } of [...tree.devices, ...tree.fogs]) {
    const lines = await tree.cloud.node.data(node.name);
    count += lines.length;
    // A device has one publisher, whatever the stream; at the fog each has a stream of its own.
    for (const publisher of counting) {
      if (publisher.plan.publisher === node.name) faults.push(...judgeStored(publisher, lines));
    }
    if (node === tree.fogs[0]?.node) {
      for (const publisher of patient) {
        const own = lines.filter(({ stream }) => stream === publisher.plan.publisher);
        faults.push(...publisher.faults, ...judgeStored(publisher, own));
      }
    }
    const ledger = await tree.cloud.node.accounting(node.name);
    const known = ledger.reduce((sum, { stored }) => sum + stored, 0);
    if (known !== lines.length)
      faults.push(`${node.name}: ${lines.length} returned, ${known} stored by the cloud's ledger`);
  }
  return count;
}
