// Who a client is, and what it may: users and their access rules, certificates, child nodes, and programs of this machine.
//
//   certificate verified     the user named by it; if that is the client id's node, also that child node
//   password given           the user of that name, or the child node whose secret it is
//   neither                  anonymous: by default only from this machine, where a client id's node is believed too
//
// The rule of the tree (broker/authorize.ts) holds for all of them. Whom `connect` has not admitted may do nothing.
import { isNodeName } from "#shared/ids.ts";
import type { Clock } from "#shared/system/clock.ts";
import type { Logger } from "#shared/system/logger.ts";
import { nodeOfClientId } from "#shared/topics.ts";
import { mayPublishInTree, maySubscribeInTree } from "../broker/authorize.ts";
import type { Admission, AdmissionRefused, Authorizer, ClientInfo } from "../broker/broker.ts";
import { isLoopback } from "../net/loopback.ts";
import { type Access, closedAccess, compileAccess, dependsOnClientId, openAccess } from "./access.ts";
import { FailedLogins } from "./failed-logins.ts";
import { createPasswordChecker, type PasswordChecker, type PasswordVerdict } from "./password.ts";
import type { User, Users } from "./users-file.ts";

/** Whom to admit without a name: programs of this machine, everybody, nobody. */
export const anonymousModes = ["local", "always", "never"] as const;
export type AnonymousMode = (typeof anonymousModes)[number];

export interface AuthorizerDeps {
  readonly clock: Pick<Clock, "monotonic">;
  readonly log: Logger;
  /** What the users file says now; throws a FogbankError. */
  readUsers(): Users;
  /** Keeps a second node of one name out; `isProven`: this is the node of that name, as far as the authorizer can tell. */
  admitChild(clientId: string, username: string | undefined, isProven: boolean): Admission;
  readonly passwords?: PasswordChecker;
}

export interface Reloaded {
  readonly users: number;
  readonly children: number;
  /** Whether what `client` was admitted by is no longer so: its connection is to be closed. */
  readonly isRevoked: (client: ClientInfo) => boolean;
}

export interface NodeAuthorizer extends Authorizer {
  /** Reads the users anew. Decisions change at once and every role is a new object. Throws a FogbankError; then nothing has changed. */
  reload(): Reloaded;
}

interface Rules {
  readonly users: ReadonlyMap<string, User>;
  readonly secrets: ReadonlyMap<string, string>;
  /** By user, of those whose rights are the same for every client id. */
  readonly accessByUser: ReadonlyMap<string, Access>;
  readonly open: Access;
  readonly closed: Access;
}

/** How a client has shown who it is. `hash` is what its password was checked against. */
type Proof =
  | { readonly type: "anonymous" }
  | { readonly type: "certificate"; readonly user: string }
  | { readonly type: "password"; readonly user: string; readonly hash: string }
  | { readonly type: "secret"; readonly child: string; readonly hash: string };

interface Identity {
  readonly rules: Rules;
  readonly proof: Proof;
  /** The node that the client speaks for. */
  readonly node: string | undefined;
  readonly access: Access;
}

/** Throws what `readUsers` throws. */
export function createAuthorizer(deps: AuthorizerDeps, anonymous: AnonymousMode): NodeAuthorizer {
  const state: State = {
    deps,
    anonymous,
    passwords: deps.passwords ?? createPasswordChecker(),
    failures: new FailedLogins(deps.clock),
    identities: new WeakMap(),
    rules: compileRules(deps.readUsers()),
  };
  return {
    connect: (client, password) => connect(state, client, password),
    publish(client, topic) {
      const identity = identityOf(state, client);
      if (identity === undefined || !mayPublishInTree(topic, identity.node)) return false;
      return topic.startsWith("$") || identity.access.mayPublish(topic);
    },
    subscribe(client, filter) {
      const identity = identityOf(state, client);
      if (identity === undefined || !maySubscribeInTree(filter, identity.node)) return false;
      return filter.startsWith("$fog/") || identity.access.maySubscribe(filter);
    },
    roleOf(client) {
      const identity = identityOf(state, client);
      return identity === undefined || isOfOneClient(identity) ? undefined : identity.access;
    },
    userOf(client) {
      const proof = identityOf(state, client)?.proof;
      return proof?.type === "password" || proof?.type === "certificate" ? proof.user : "";
    },
    reload() {
      const before = state.rules;
      const rules = compileRules(deps.readUsers());
      state.rules = rules;
      return {
        users: rules.users.size,
        children: rules.secrets.size,
        isRevoked: (client) => isRevoked(client, before, rules),
      };
    },
  };
}

interface State {
  readonly deps: AuthorizerDeps;
  readonly anonymous: AnonymousMode;
  readonly passwords: PasswordChecker;
  readonly failures: FailedLogins;
  /** By the object that the broker keeps for a connection. */
  readonly identities: WeakMap<ClientInfo, Identity>;
  rules: Rules;
}

/** The same words whatever was wrong: they must not tell which names there are. */
const badCredentials: AdmissionRefused = {
  refused: "credentials",
  reason: "the user name, the password or the certificate is wrong or missing",
};

function connect(state: State, client: ClientInfo, password: Uint8Array | undefined): Admission | Promise<Admission> {
  const { certificateName } = client.origin ?? {};
  if (certificateName !== undefined) return admit(state, client, { type: "certificate", user: certificateName });
  if (password !== undefined) return logIn(state, client, password);
  const isKnownUser = client.username !== undefined && state.rules.users.has(client.username);
  if (isKnownUser || state.rules.secrets.has(nodeOfClientId(client.clientId))) return badCredentials;
  if (state.anonymous === "always" || (state.anonymous === "local" && isLocal(client))) {
    return admit(state, client, { type: "anonymous" });
  }
  return badCredentials;
}

/** A broker that does not tell the listener is believed the peer's address, which only a program of this machine can have. */
function isLocal({ origin, remoteAddress }: ClientInfo): boolean {
  return origin?.isLocal ?? (remoteAddress !== undefined && isLoopback(remoteAddress));
}

async function logIn(state: State, client: ClientInfo, password: Uint8Array): Promise<Admission> {
  const { failures, deps } = state;
  const address = client.origin?.remoteAddress ?? client.remoteAddress ?? "unknown";
  const isCounted = client.origin?.transport !== "unix";
  if (isCounted && !(await failures.begin(address))) {
    return { refused: "busy", reason: "too many log-ins from this address have failed: try again in a minute" };
  }
  const claimed = claimOf(state.rules, client);
  const verdict = await state.passwords.check(claimed?.hash, password).catch((error: unknown): PasswordVerdict => {
    deps.log.error({ error: String(error) }, "a password could not be checked");
    return "busy";
  });
  if (isCounted) failures.end(address, verdict === "wrong");
  if (verdict === "busy") return { refused: "busy", reason: "too many log-ins are being checked: try again soon" };
  if (verdict === "right" && claimed !== undefined) return admit(state, client, claimed);
  const { clientId, username } = client;
  deps.log.warn({ clientId, username, address: isCounted ? address : "unix" }, "log-in failed");
  return badCredentials;
}

/** Whom a client with a password wants to be; nothing when there is nobody like that. */
function claimOf(
  { users, secrets }: Rules,
  { clientId, username }: ClientInfo,
): (Proof & { hash: string }) | undefined {
  const user = username === undefined ? undefined : users.get(username);
  if (user !== undefined) {
    return user.password === undefined ? undefined : { type: "password", user: user.name, hash: user.password };
  }
  const child = nodeOfClientId(clientId);
  const secret = secrets.get(child);
  return secret === undefined ? undefined : { type: "secret", child, hash: secret };
}

function admit(state: State, client: ClientInfo, proof: Proof): Admission {
  const identity = identify(state.rules, client, proof);
  if (identity === undefined) return badCredentials; // its entry has changed while the password was checked
  const { clientId, username } = client;
  if (identity.node === undefined && state.rules.secrets.has(nodeOfClientId(clientId))) {
    return {
      refused: "not-authorized",
      reason: "the client id is that of a child node, which has a secret: take another",
    };
  }
  const answer = state.deps.admitChild(clientId, username, identity.node !== undefined);
  if (answer === true) state.identities.set(client, identity);
  return answer;
}

/** Nothing when `rules` do not bear `proof` out. */
function identify(rules: Rules, client: ClientInfo, proof: Proof): Identity | undefined {
  const access = accessOf(rules, client, proof);
  return access && { rules, proof, node: nodeOf(rules, client, proof), access };
}

function accessOf(rules: Rules, { clientId }: ClientInfo, proof: Proof): Access | undefined {
  switch (proof.type) {
    case "anonymous":
      return rules.open;
    case "secret":
      return rules.secrets.get(proof.child) === proof.hash ? rules.closed : undefined;
    case "certificate":
    case "password": {
      const user = rules.users.get(proof.user);
      if (proof.type === "password" && user?.password !== proof.hash) return undefined;
      if (user === undefined) return rules.open;
      return rules.accessByUser.get(user.name) ?? compileAccess(user.access, { user: user.name, clientId });
    }
  }
}

/** The node whose link topics the client may use: one that it has proven to be, or that is believed where nothing else is asked for. */
function nodeOf({ secrets }: Rules, { clientId }: ClientInfo, proof: Proof): string | undefined {
  const name = nodeOfClientId(clientId);
  if (!isNodeName(name)) return undefined;
  switch (proof.type) {
    case "anonymous":
      return secrets.has(name) ? undefined : name;
    case "certificate":
      return proof.user === name ? name : undefined;
    case "secret":
      return name;
    case "password":
      return undefined;
  }
}

function identityOf(state: State, client: ClientInfo): Identity | undefined {
  const identity = state.identities.get(client);
  if (identity === undefined || identity.rules === state.rules) return identity;
  const renewed = identify(state.rules, client, identity.proof);
  // Whoever is no longer admitted stays so until its connection is closed, also if its entry comes back.
  if (renewed === undefined) state.identities.delete(client);
  else state.identities.set(client, renewed);
  return renewed;
}

function isOfOneClient({ rules, proof }: Identity): boolean {
  if (proof.type !== "certificate" && proof.type !== "password") return false;
  return rules.users.has(proof.user) && !rules.accessByUser.has(proof.user);
}

function compileRules({ users, children }: Users): Rules {
  const shared = users.filter(({ access }) => !dependsOnClientId(access));
  return {
    users: new Map(users.map((user) => [user.name, user])),
    secrets: new Map(children.map(({ name, secret }) => [name, secret])),
    accessByUser: new Map(
      shared.map(({ name, access }) => [name, compileAccess(access, { user: name, clientId: "" })]),
    ),
    open: openAccess(),
    closed: closedAccess(),
  };
}

function isRevoked({ clientId, username = "", origin }: ClientInfo, before: Rules, now: Rules): boolean {
  if (origin?.certificateName !== undefined) return false;
  const node = nodeOfClientId(clientId);
  if (before.secrets.get(node) !== now.secrets.get(node)) return true;
  const user = before.users.get(username);
  return user !== undefined && user.password !== now.users.get(username)?.password;
}
