// The seven processes of a torture: one cloud, two fogs, four devices that change their parent.
import { createPortPicker } from "../demo/free-ports.ts";
import type { OrphanGuard } from "../demo/orphan-guard.ts";
import { nodeUnderTest, type NodeUnderTest } from "./node-under-test.ts";

export type MemberLevel = "cloud" | "fog" | "device";

/** One of the processes, and how it is to run. */
export interface Member {
  readonly level: MemberLevel;
  readonly node: NodeUnderTest;
  /** The node above; changes when a device moves. */
  parent: Member | undefined;
  /** Settles when it is ready, or has been killed before it was. */
  starting: Promise<void>;
}

export interface TortureTree extends AsyncDisposable {
  readonly cloud: Member;
  readonly fogs: readonly Member[];
  readonly devices: readonly Member[];
  /** All of them, the root first. */
  readonly members: readonly Member[];
  /** SIGKILL, and a start right behind it, which nobody waits for. A device goes to `parent` then. */
  restart(member: Member, parent: Member | undefined): Promise<void>;
  /** Resolves when all are ready; rejects with the reason when one could not start or has ended by itself. */
  allUp(): Promise<void>;
}

// A stream of its own for alarms: two streams of one device travel side by side.
const deviceSettings = `level = device; sources: { host: { enabled = false; }; };
capture = ( { filter = "/data/alarm/#"; stream = "alarm"; }, { filter = "/data/#"; stream = "data"; } );`;

/** Starts them. Disposing ends them all, wherever they are. */
export async function startTortureTree(folder: string, guard: OrphanGuard | undefined): Promise<TortureTree> {
  const pick = createPortPicker();
  const add = async (level: MemberLevel, name: string, settings: string, parent?: Member): Promise<Member> => {
    const ports = { mqtt: await pick(), http: await pick() };
    return {
      level,
      node: nodeUnderTest(folder, name, ports, settings, guard),
      parent,
      starting: Promise.resolve(),
    };
  };
  const cloud = await add("cloud", "cloud-1", "level = cloud;");
  const fogs = [await add("fog", "fog-1", "level = fog;", cloud), await add("fog", "fog-2", "level = fog;", cloud)];
  const devices: Member[] = [];
  for (let number = 1; number <= 4; number++)
    devices.push(await add("device", `device-${number}`, deviceSettings, fogs[number % 2]));
  const members = [cloud, ...fogs, ...devices];
  const tree: TortureTree = {
    cloud,
    fogs,
    devices,
    members,
    async restart(member, parent) {
      await member.node.end();
      member.parent = parent;
      start(member);
    },
    async allUp() {
      for (const { starting } of members) await starting;
      for (const { node } of members) {
        const crash = node.crash();
        if (crash !== undefined) throw new Error(`${node.name} ended by itself: ${crash}`);
      }
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(members.map(({ node }) => node.end()));
    },
  };
  try {
    for (const member of members) {
      start(member);
      await member.starting;
    }
    return tree;
  } catch (error) {
    await tree[Symbol.asyncDispose]();
    throw error;
  }
}

function start(member: Member): void {
  const { node, parent } = member;
  member.starting = node.start(
    ...(parent === undefined ? [] : [`uplink.url=mqtt://127.0.0.1:${parent.node.mqttPort}`]),
  );
  // Whoever awaits it is told; until then it is no unhandled rejection.
  member.starting.catch(() => undefined);
}
