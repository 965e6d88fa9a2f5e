// What one user may do outside of `$`-space, compiled from access rules. The rule of the tree holds besides: this only narrows it.
//
//   { filter = "/data/%u/#"; allow = "publish"; }      %u is the user's name, %c the client id; each a whole level
import { coversFilter, isTopicFilter } from "#shared/mqtt/topic.ts";
import { TopicTree } from "#shared/mqtt/topic-tree.ts";

export const allowances = ["publish", "subscribe", "both"] as const;
export type Allowance = (typeof allowances)[number];

export interface AccessRule {
  readonly filter: string;
  readonly allow: Allowance;
}

/** An object of its own for each set of rights: the authorizer's roles. */
export interface Access {
  mayPublish(topic: string): boolean;
  maySubscribe(filter: string): boolean;
}

/** Everything that the tree lets a client do. */
export const openAccess = (): Access => ({ mayPublish: () => true, maySubscribe: () => true });

/** Nothing but what the tree gives to a node. */
export const closedAccess = (): Access => ({ mayPublish: () => false, maySubscribe: () => false });

/** What would be expected in place of `filter`; nothing when it can stand in a rule. */
export function ruleFault(filter: string): string | undefined {
  if (!isTopicFilter(filter)) return 'an MQTT topic filter such as "/data/#"';
  const isPartial = filter.split("/").some((level) => level.length > 2 && /%[cu]/.test(level));
  return isPartial ? "%c and %u as whole levels, such as /data/%u/#" : undefined;
}

/** Whether the rights differ from one client id to the next. */
export function dependsOnClientId(rules: readonly AccessRule[]): boolean {
  return rules.some(({ filter }) => filter.split("/").includes("%c"));
}

/** Without any rule everything is open. A name that would change the shape of a filter matches nothing. */
export function compileAccess(
  rules: readonly AccessRule[],
  names: { readonly user: string; readonly clientId: string },
): Access {
  if (rules.length === 0) return openAccess();
  const publish = new TopicTree<true>();
  const subscribe: string[] = [];
  for (const { filter, allow } of rules) {
    const own = withNames(filter, names);
    if (own === undefined) continue;
    if (allow !== "subscribe") publish.add(own, true);
    if (allow !== "publish") subscribe.push(own);
  }
  return {
    mayPublish: (topic) => publish.hasMatch(topic),
    maySubscribe: (filter) => subscribe.some((allowed) => coversFilter(allowed, filter)),
  };
}

function withNames(
  filter: string,
  { user, clientId }: { readonly user: string; readonly clientId: string },
): string | undefined {
  const levels: string[] = [];
  for (const level of filter.split("/")) {
    const name = level === "%u" ? user : level === "%c" ? clientId : undefined;
    if (name !== undefined && (name === "" || /[/+#\0]/.test(name))) return undefined;
    levels.push(name ?? level);
  }
  const own = levels.join("/");
  return isTopicFilter(own) ? own : undefined;
}
