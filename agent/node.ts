// One node, wired from its parts in an order you can read aloud. Returned means running; disposed means stopped and awaited.
import { existsSync, readFileSync } from "node:fs";
import { mkdir, statfs } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { parseNamed } from "#shared/condition/named.ts";
import { FogbankError } from "#shared/errors.ts";
import { limits } from "#shared/limits.ts";
import type { NodePlace } from "#shared/link/descendant.ts";
import type { Fingerprint } from "#shared/journal/fingerprint.ts";
import type { Backlog } from "#shared/system/backlog.ts";
import type { Clock } from "#shared/system/clock.ts";
import type { DocumentStore } from "#shared/system/document-store.ts";
import type { Logger } from "#shared/system/logger.ts";
import { noParent } from "#shared/system/parent-link.ts";
import type { Random } from "#shared/system/random.ts";
import type { SessionStore } from "#shared/system/session-store.ts";
import { noticedSubscriptions } from "./auth/noticed-subscriptions.ts";
import { createAuthorizer, type NodeAuthorizer } from "./auth/authorizer.ts";
import { isReadByOthers, noUsers, readUsersFile } from "./auth/users-file.ts";
import type { Address, Authorizer, Broker } from "./broker/broker.ts";
import { startCalls } from "./calls.ts";
import { createConditions, type Conditions } from "./conditions/conditions.ts";
import { createDataWindows, type DataWindows } from "./conditions/data-windows.ts";
import type { NodeConfig } from "./config/config.ts";
import type { UplinkConfig } from "./config/uplink-url.ts";
import type { LogControl } from "./functions/built-in.ts";
import { startHttpServer, type HttpServer } from "./http/http-server.ts";
import { createNodeView } from "./http/node-view.ts";
import { nodeRoutes, type NodeView } from "./http/routes.ts";
import { lastSegmentId, meetDocuments, unlessAway } from "./journal/absent-documents.ts";
import { startCapture, type CaptureRule } from "./journal/capture.ts";
import { checkLimit } from "./journal/limit-check.ts";
import { startDocumentScrub } from "./journal/document-scrub.ts";
import { startFanOut } from "./journal/fan-out.ts";
import { createJournal } from "./journal/journal.ts";
import { forgetEpochs } from "./journal/old-epochs.ts";
import { tellKeptDocuments } from "./journal/kept-documents.ts";
import { createJournalNotices, type JournalState } from "./journal/notices.ts";
import { startSink, type Sink, type SinkStatus } from "./journal/sink.ts";
import { startUpkeep } from "./journal/upkeep.ts";
import { type ChildGate, createChildGate } from "./link/child-gate.ts";
import { connectedClients } from "./broker/connected-clients.ts";
import { startChildLinks } from "./link/child-links.ts";
import type { DialParent } from "./link/parent-connection.ts";
import { createOwnIdentity, renumberAll, type OwnIdentity } from "./link/own-identity.ts";
import { createTreeTime, stampingClock, type TreeTime } from "./link/tree-time.ts";
import { startUplink } from "./link/uplink.ts";
import type { ListenAddress } from "./net/listen-spec.ts";
import type { TlsCredentials, TlsFiles } from "./net/tls-credentials.ts";
import { createNetworkWatch, type NetworkWatch } from "./presence/network-watch.ts";
import { createOwnState, type OwnState } from "./presence/own-state.ts";
import { createPresence, type Presence } from "./presence/presence.ts";
import { createHostReader } from "./sources/host-metrics.ts";
import { startHostSource } from "./sources/host-source.ts";
import type { Opened, OwnStream } from "./store/identity-operations.ts";
import type { NodeDatabaseConfig } from "./store/node-database.ts";
import type { NodeStore } from "./store/node-store.ts";
import { storedSessions } from "./store/stored-sessions.ts";

export interface NodeDeps {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  /** The threshold of that log. */
  readonly logControl: LogControl;
  openStore(config: NodeDatabaseConfig): Promise<NodeStore>;
  createBroker(authorizer: Authorizer, store: SessionStore): Promise<Broker>;
  dialParent(uplink: UplinkConfig): DialParent;
  /** Whether the node of that directory has documents: it is a root, or has been one. */
  hasDocuments(dataDir: string): boolean;
  /** Opens what only a root at level cloud has. */
  openDocuments(dataDir: string): Promise<OpenedDocuments>;
  /** What tells this database from a copy of it; undefined for one in memory. */
  fingerprint(databaseFile: string): Fingerprint | undefined;
  readonly version: string;
  readonly pid: number;
}

export interface OpenedDocuments extends AsyncDisposable {
  readonly documents: DocumentStore;
  /** Name of the newest damaged file of it that was put aside, if there is one. */
  readonly damaged?: string | undefined;
  /** They are at a server, without which the node runs all the same. */
  readonly mayBeAway?: boolean;
}

export interface RunningNode extends AsyncDisposable {
  readonly mqtt: readonly ListenAddress[];
  readonly http: readonly Address[];
  /**
   * Reads users, access rules and certificates again. Connections stand, but for those whose user or secret is no longer what they
   * were admitted by. What cannot be read is logged, and what was in force stays.
   */
  reload(): void;
  /** Resolves when a transaction has gone through the event loop and the store. Rejects with a FogbankError of the store. */
  proveLife(): Promise<void>;
}

/** Starts a node; rejects with a FogbankError that says what to do, and leaves nothing running. */
export async function startNode(deps: NodeDeps, config: NodeConfig): Promise<RunningNode> {
  await using stack = new AsyncDisposableStack();
  const { clock, log } = deps;
  await makeDataDir(config.dataDir);

  // Where everything durable is: locked by this process, last to close.
  const isRoot = config.uplink === undefined;
  const maxBytes = config.journal.maxBytes ?? (await defaultJournalBytes(config.dataDir));
  const store = stack.use(
    await deps.openStore({
      name: config.name,
      file: join(config.dataDir, "fogbank.db"),
      maxBytes,
      isFinal: isRoot,
      minCommitMs: config.journal.minCommitMs,
    }),
  );
  const hasDocuments = isRoot ? config.level === "cloud" : deps.hasDocuments(config.dataDir);
  const cloud = hasDocuments ? stack.use(await deps.openDocuments(config.dataDir)) : undefined;
  const documents = isRoot ? cloud?.documents : undefined;
  const bootId = deps.random.uuid();
  const opened = await openIdentity(deps, config, { store, documents, bootId });
  await checkLimit({ store, log }, maxBytes);
  const { newestId, adopts } = opened;
  const meet =
    documents && meetDocuments({ store, documents, clock, log }, { newestId, adopts, damaged: cloud?.damaged });
  if (meet !== undefined) await meet().catch(unlessAway(log));
  await beginAnew(deps, store, opened);

  // The broker, and the parts that stand before and behind its routing. It listens when all of them are in place.
  let gate: ChildGate = () => true;
  const access = await openAccess(deps, config, (...connection) => gate(...connection));
  const { authorizer, onSubscribing } = noticedSubscriptions(access.authorizer);
  const broker = stack.use(await deps.createBroker(authorizer, storedSessions(store)));
  const network = createNetworkWatch(
    { bus: broker, clock, log },
    { name: config.name, level: config.level, hasUplink: !isRoot },
  );
  const presence = createPresence(
    { bus: broker, clock, log, watch: network },
    { name: config.name, level: config.level, url: config.uplink?.url },
  );
  presence.setParents(opened.parents);
  for (const child of opened.children) presence.restoreChild(child);
  gate = createChildGate({ tree: presence, clock, log });
  const notices = createJournalNotices({ bus: broker, clock, log, changed: (state) => network.journal(state) });
  const ownState = createOwnState(
    { bus: broker, clock, log },
    { name: config.name, version: deps.version, pid: deps.pid, earlier: opened.earlier },
  );
  const time = createTreeTime(clock, isRoot);
  const journal = createJournal(
    store,
    (refusing) => notices.refusing(refusing),
    () => time.stamps(),
    isUrgent(config, opened),
    () => clock.monotonic(),
  );
  const stamping = stampingClock(clock, time);
  const data = createDataWindows(() => clock.monotonic(), config.dataWindowMs);
  const saw: DataWindows["saw"] = (topic, payload, timeMs) => data.saw(topic, payload, timeMs);
  stack.use(startCapture({ bus: broker, journal, clock: stamping, log, saw }, captureRules(config, opened)));
  const fanOut = stack.use(
    startFanOut(
      { bus: broker, store, clock, log },
      { name: config.name, cursor: opened.cursors["fan-out"], newestId: opened.newestId },
    ),
  );

  // Upward: to the parent, or at the root into the document store. From below: the children.
  const sink =
    documents === undefined
      ? undefined
      : stack.use(
          startSink({
            store,
            documents,
            backlog: fanOut,
            clock,
            log,
            stamps: () => time.stamps(),
            ...(cloud?.mayBeAway === true && meet !== undefined && { check: meet }),
          }),
        );
  if (documents !== undefined) stack.use(startDocumentScrub({ store, documents, clock, log }));
  const identity = createOwnIdentity({ store, tree: presence, clock, random: deps.random, log }, opened);
  const self = { name: config.name, identity };
  stack.use(startUpkeep({ store, notices, clock, treeNow: () => time.now(), log }));
  const clients = stack.use(connectedClients(broker));
  const connections = {
    disconnect: (id: string) => broker.disconnect(id),
    isConnected: (id: string) => clients.has(id),
  };
  const childLinks = stack.use(
    startChildLinks({ bus: broker, ...connections, store, tree: presence, time, clock, log }, self),
  );
  const uplink = startUplinkOf(deps, config, { store, backlog: fanOut, tree: presence, time }, { identity, bootId });
  if (uplink !== undefined) stack.use(uplink);
  if (!isRoot && cloud !== undefined)
    await tellKeptDocuments({ store, documents: cloud.documents, log }).catch(unlessAway(log));

  // Calls: of functions down the tree, and of this level.
  const conditions = createConditions(
    { tree: presence, clock, data },
    { name: config.name, place: placeOf(config), named: parseNamed(config.cond) },
  );
  const parent = uplink ?? noParent;
  const calls = stack.use(
    await startCalls(deps, config, {
      broker,
      store,
      presence,
      conditions,
      parent,
      treeNow: () => time.now(),
      isSynced: () => time.synced(),
      maxBytes,
      onSubscribing,
    }),
  );

  stack.use(network.run((event) => calls.raise(event)));

  stack.defer(() => drained(clock, store, () => sink !== undefined || presence.uplink().state === "up"));

  // What takes in new data: stopped first, so that the rest can drain.
  const mqtt = await listen(broker, config, access.tls);
  stack.defer(() => broker[Symbol.asyncDispose]());
  stack.defer(() => calls.endAll());
  const { host } = config.sources;
  const source = stack.use(
    await startHostSource(
      { bus: broker, clock: stamping, log, readMetrics: createHostReader({ clock, dataDir: config.dataDir }) },
      { ...host, topicPrefix: "/data/host" },
    ),
  );
  const view = createView(
    deps,
    config,
    {
      store,
      presence,
      network,
      conditions,
      documents: cloud?.documents,
      identity,
      journal: () => notices.state(),
      sink: () => sink?.status(),
    },
    () => ({
      ...prefixed("broker", broker.stats()),
      ...prefixed("journal", journal.stats()),
      ...prefixed("children", childLinks.stats()),
      ...prefixed("tree", { alarms: presence.alarms().length }),
      ...prefixed("uplink", uplink?.stats() ?? {}),
      ...prefixed("calls", calls.stats()),
      ...prefixed("level", calls.levelStats()),
      ...prefixed("conditions", conditions.stats()),
      ...prefixed("network", network.stats()),
      ...prefixed("source", source.counts()),
      ...prefixed("sink", sinkCounters(sink)),
    }),
  );
  const http: HttpServer = stack.use(await startHttpServer({ log }, config.listen.http, nodeRoutes(view)));
  if (config.insecure) log.warn({ mqtt: config.listen.mqtt }, "insecure: listeners without TLS may leave this machine");
  // First of all at a stop.
  stack.defer(() => sayGoodbye(deps, store, ownState));
  const owned = stack.move();
  return {
    mqtt,
    http: http.addresses,
    reload: () => reload(deps, access, broker),
    proveLife: async () => void (await store.write("beat", {})),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** Local clients hear that the node stops, and its next life that it was on purpose. */
async function sayGoodbye({ clock, log }: NodeDeps, store: NodeStore, ownState: OwnState): Promise<void> {
  const ended = store.write("endLife", { nowMs: clock.now() });
  await Promise.all([ownState.stopping(), ended]).catch((error: unknown) =>
    log.warn({ error: String(error) }, "the end of this life was not recorded"),
  );
}

/** What decides who may use this node. */
interface NodeAccess {
  readonly authorizer: NodeAuthorizer;
  readonly tls: TlsCredentials | undefined;
}

async function openAccess(
  { clock, log }: NodeDeps,
  { auth, tls }: NodeConfig,
  admitChild: ChildGate,
): Promise<NodeAccess> {
  const { users, anonymous } = auth;
  const readUsers = () => (users === undefined ? noUsers : readUsersFile(users));
  const authorizer = createAuthorizer({ clock, log, readUsers, admitChild }, anonymous);
  if (users !== undefined && isReadByOthers(users)) {
    log.warn({ file: users }, "the users file can be read by others: chmod 600");
  }
  const credentials = tls === undefined ? undefined : await loadCredentials(tls);
  if (credentials !== undefined && credentials.expiresAtMs() <= clock.now()) {
    log.error(
      { expired: new Date(credentials.expiresAtMs()).toISOString() },
      "the certificate of the listeners has expired",
    );
  }
  return { authorizer, tls: credentials };
}

/** What speaks TLS is only loaded where it is spoken. */
async function loadCredentials(files: TlsFiles): Promise<TlsCredentials> {
  const { loadTlsCredentials } = await import("./net/tls-credentials.ts");
  return loadTlsCredentials(files, (path) => readFileSync(path, "utf8"));
}

async function listen(
  broker: Broker,
  { listen: { mqtt } }: NodeConfig,
  tls: TlsCredentials | undefined,
): Promise<readonly ListenAddress[]> {
  const bound = await broker.listen(mqtt.map((address) => ({ ...address, ...(tls !== undefined && { tls }) })));
  return mqtt.map((address, index) => ({ ...address, port: bound[index]?.port ?? address.port }));
}

function reload({ log }: NodeDeps, { authorizer, tls }: NodeAccess, broker: Broker): void {
  try {
    const { users, children, isRevoked } = authorizer.reload();
    const revoked = broker.clients().filter(isRevoked);
    for (const { clientId } of revoked) broker.disconnect(clientId);
    broker.reauthorize();
    log.info({ users, children, closed: revoked.length }, "users and access rules read again");
  } catch (error) {
    if (!(error instanceof FogbankError)) throw error;
    log.error({ code: error.code, reason: error.message }, "users and access rules stay as they were");
  }
  if (tls === undefined) return;
  try {
    tls.reload();
    log.info({ expires: new Date(tls.expiresAtMs()).toISOString() }, "certificates read again");
  } catch (error) {
    if (!(error instanceof FogbankError)) throw error;
    log.error({ code: error.code, reason: error.message }, "certificates stay as they were");
  }
}

/** What the HTTP API shows. */
function createView(
  { clock, version, pid }: NodeDeps,
  config: NodeConfig,
  parts: {
    readonly store: NodeStore;
    readonly presence: Presence;
    readonly conditions: Conditions;
    readonly network: NetworkWatch;
    readonly documents: DocumentStore | undefined;
    readonly identity: OwnIdentity;
    readonly journal: () => JournalState;
    readonly sink: () => SinkStatus | undefined;
  },
  counters: () => Readonly<Record<string, number>>,
): NodeView {
  const { store, presence, network, conditions, documents, identity, journal, sink } = parts;
  const self = {
    name: config.name,
    place: placeOf(config),
    identity: () => identity.current(),
    version,
    pid,
    startedAtMs: clock.now(),
  };
  return createNodeView(
    {
      store,
      tree: presence,
      network: () => network.report(),
      clock,
      documents,
      journal,
      sink,
      counters,
      explain: (text) => conditions.explain(text),
    },
    self,
  );
}

async function makeDataDir(dataDir: string): Promise<void> {
  try {
    await makeDirectory(resolve(dataDir), 0o750);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new FogbankError(
      "FOGBANK_DATA_DIR",
      `could not make the data directory ${dataDir}: ${reason}. Set data-dir to a place where this user may write`,
      { cause: error },
    );
  }
}

/** With its parents; those with the usual rights. Not by the `recursive` of mkdir, which never returns below /proc. */
async function makeDirectory(path: string, mode = 0o777): Promise<void> {
  if (existsSync(path)) return;
  const parent = dirname(path);
  if (parent !== path) await makeDirectory(parent);
  await mkdir(path, { mode });
}

/** 1 GiB, or half of what is free now when that is less. */
async function defaultJournalBytes(dataDir: string): Promise<number> {
  const { bavail, bsize } = await statfs(dataDir);
  return Math.min(limits.journalBytes, Math.floor((bavail * bsize) / 2));
}

async function openIdentity(
  deps: NodeDeps,
  config: NodeConfig,
  parts: { readonly store: NodeStore; readonly documents: DocumentStore | undefined; readonly bootId: string },
): Promise<Opened> {
  const { random, clock } = deps;
  const { store, documents } = parts;
  const fingerprint = deps.fingerprint(join(config.dataDir, "fogbank.db"));
  const fresh = { uuid: random.uuid(), epoch: random.uint32(), instance: random.uint32() };
  // Behind what the document store has seen: arrival numbers must grow even when this database is new.
  const idsAbove = documents === undefined ? 0 : await lastSegmentId(documents, clock.now());
  return store.write("open", {
    fresh,
    ...(fingerprint && { fingerprint }),
    bootId: fingerprint?.bootId ?? parts.bootId,
    streams: ownStreams(config),
    nowMs: clock.now(),
    idsAbove,
    hasDocuments: documents !== undefined,
  });
}

/** Once what the documents have is known, as far as it can be. */
async function beginAnew({ clock, log }: NodeDeps, store: NodeStore, { identity, renewed }: Opened): Promise<void> {
  await forgetEpochs({ store, clock, log }); // before a hello names them
  await renumberAll(store); // which a crash may have cut short
  const { epoch } = identity;
  if (renewed === "reboot") log.info({ epoch }, "the machine was started anew: messages get a new epoch");
  if (renewed === "other-file")
    log.warn({ epoch }, "the database was moved, copied or restored: messages get a new epoch");
}

function ownStreams({ streams }: NodeConfig): readonly OwnStream[] {
  return streams.map(({ filters: _, ...stream }) => stream);
}

function captureRules({ streams }: NodeConfig, { streamIds }: Opened): readonly CaptureRule[] {
  return streams.flatMap(({ filters }, index) => {
    const streamId = streamIds[index];
    return streamId === undefined ? [] : filters.map((filter) => ({ filter, streamId }));
  });
}

/** Alarms do not wait for the pause between commits. */
function isUrgent({ streams }: NodeConfig, { streamIds }: Opened): (streamId: number) => boolean {
  const urgent = new Set(streamIds.filter((_, index) => streams[index]?.priority === 0));
  return (streamId) => urgent.has(streamId);
}

function placeOf({ level, zone, tags, lat, lon, class: kind }: NodeConfig): NodePlace {
  return { level, zone, tags, site: { lat, lon, class: kind } };
}

function startUplinkOf(
  deps: NodeDeps,
  config: NodeConfig,
  parts: { readonly store: NodeStore; readonly backlog: Backlog; readonly tree: Presence; readonly time: TreeTime },
  self: { readonly identity: OwnIdentity; readonly bootId: string },
): ReturnType<typeof startUplink> | undefined {
  if (config.uplink === undefined) return undefined;
  const { clock, random, log } = deps;
  const dial = deps.dialParent(config.uplink);
  return startUplink({ ...parts, dial, clock, random, log }, { name: config.name, ...self, place: placeOf(config) });
}

/** Waits at a stop until what is stored here has been handed on, while that is possible, for a short time: the rest goes after the next start. */
async function drained(clock: Clock, store: NodeStore, canDrain: () => boolean): Promise<void> {
  const deadlineMs = clock.monotonic() + limits.stopDrainMs;
  while (canDrain() && clock.monotonic() < deadlineMs) {
    const entries = await store.read("accounting", {});
    if (entries.every(({ row }) => row.held <= (row.handed ?? 0))) return;
    await clock.sleep(20);
  }
}

/** Of a node without documents, too. */
function sinkCounters(sink: Sink | undefined): Pick<SinkStatus, "drained" | "quarantined"> {
  const status = sink?.status();
  return { drained: status?.drained ?? 0, quarantined: status?.quarantined ?? 0 };
}

function prefixed(prefix: string, counters: object): Record<string, number> {
  const entries = Object.entries(counters).filter((entry): entry is [string, number] => typeof entry[1] === "number");
  return Object.fromEntries(entries.map(([name, value]) => [`${prefix}.${name}`, value]));
}
