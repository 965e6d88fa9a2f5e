// The seven processes of a torture: one cloud, two fogs, four devices that change their parent, and the links between them.
import { createPortPicker } from "../demo/free-ports.ts";
import type { OrphanGuard } from "../demo/orphan-guard.ts";
import { startFaultProxy, type FaultProxy } from "./fault-proxy.ts";
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

/** The way from a child to one of its parents. */
export interface TortureLink {
  readonly child: Member;
  readonly parent: Member;
  readonly proxy: FaultProxy;
}

export interface TortureTree extends AsyncDisposable {
  readonly cloud: Member;
  readonly fogs: readonly Member[];
  readonly devices: readonly Member[];
  /** All of them, the root first. */
  readonly members: readonly Member[];
  /** The link that `child` uses now; undefined at the root, and in a tree without breakable links. */
  linkOf(child: Member): TortureLink | undefined;
  /** Keeps faults that ask away from these until it is disposed; undefined when one of them is held already. */
  hold(...targets: readonly (Member | TortureLink)[]): Disposable | undefined;
  /** SIGKILL, and it stays away. */
  end(member: Member): Promise<void>;
  /** SIGKILL, and a start right behind it, which nobody waits for. A device goes to `parent` then. */
  restart(member: Member, parent: Member | undefined): Promise<void>;
  /** Resolves when all are ready; rejects with the reason when one could not start or has ended by itself. */
  allUp(): Promise<void>;
}

// A stream of its own for alarms: two streams of one device travel side by side.
const deviceSettings = `level = device; sources: { host: { enabled = false; }; };
streams = ( { name = "alarm"; filters = "/data/alarm/#"; order = "strict"; policy = "newest"; }, { name = "data"; filters = "/data/#"; order = "strict"; policy = "newest"; } );`;

/** The first fog takes messages of its own, into two streams, and has little room for what waits. */
export const smallFogStreams = ["patient-4", "patient-5"] as const;
const smallFogSettings = `level = fog; journal: { max-bytes = 1048576; };
streams = ( ${smallFogStreams.map((name) => `{ name = "${name}"; filters = "/data/${name}/#"; policy = "newest"; }`).join(", ")} );`;

/** Starts them, with links that can break if asked for. Disposing ends them all, wherever they are. */
export async function startTortureTree(
  folder: string,
  guard: OrphanGuard | undefined,
  hasLinks: boolean,
): Promise<TortureTree> {
  const pick = createPortPicker();
  await using stack = new AsyncDisposableStack();
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
  const fogs = [await add("fog", "fog-1", smallFogSettings, cloud), await add("fog", "fog-2", "level = fog;", cloud)];
  const devices: Member[] = [];
  for (let number = 1; number <= 4; number++)
    devices.push(await add("device", `device-${number}`, deviceSettings, fogs[number % 2]));
  const members = [cloud, ...fogs, ...devices];
  stack.defer(async () => void (await Promise.all(members.map(({ node }) => node.end()))));
  const links: TortureLink[] = [];
  for (const [child, parent] of hasLinks ? waysUp(cloud, fogs, devices) : [])
    links.push({ child, parent, proxy: stack.use(await startFaultProxy(parent.node.mqttPort, await pick())) });
  const linkOf = (child: Member): TortureLink | undefined =>
    links.find((link) => link.child === child && link.parent === child.parent);
  const held = new Set<Member | TortureLink>();
  const tree: TortureTree = {
    cloud,
    fogs,
    devices,
    members,
    linkOf,
    hold(...targets) {
      if (targets.some((target) => held.has(target))) return undefined;
      for (const target of targets) held.add(target);
      return { [Symbol.dispose]: () => targets.forEach((target) => held.delete(target)) };
    },
    async end({ node }) {
      await node.end();
    },
    async restart(member, parent) {
      await member.node.end();
      member.parent = parent;
      start(member, linkOf(member));
    },
    async allUp() {
      for (const { starting } of members) await starting;
      for (const { node } of members) {
        const crash = node.crash();
        if (crash !== undefined) throw new Error(`${node.name} ended by itself: ${crash}`);
      }
    },
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  };
  for (const member of members) {
    start(member, linkOf(member));
    await member.starting;
  }
  const running = stack.move();
  return tree;
}

/** Every link that there may ever be. */
function waysUp(
  cloud: Member,
  fogs: readonly Member[],
  devices: readonly Member[],
): readonly (readonly [child: Member, parent: Member])[] {
  const above = [...fogs, cloud];
  return [
    ...fogs.map((fog) => [fog, cloud] as const),
    ...devices.flatMap((device) => above.map((parent) => [device, parent] as const)),
  ];
}

function start(member: Member, link: TortureLink | undefined): void {
  const { node, parent } = member;
  const port = link?.proxy.port ?? parent?.node.mqttPort;
  member.starting = node.start(...(port === undefined ? [] : [`uplink.url=mqtt://127.0.0.1:${port}`]));
  // Whoever awaits it is told; until then it is no unhandled rejection.
  member.starting.catch(() => undefined);
}
