// Reads `utopiad.conf` as a configuration of ours: the same node, in our words [U16]. What has nothing that it could set is named.
import { FogbankError } from "#shared/errors.ts";
import { isClusterName } from "#shared/fellows/fellow-names.ts";
import { formatPosition, type Position } from "#shared/libconfig/position.ts";
import { fromPlain, type Setting, toPlain, type Value } from "#shared/libconfig/setting.ts";
import { didYouMean } from "./did-you-mean.ts";
import type { Sourced } from "./origin.ts";
import { expectedOf, hasForm, originalKeys } from "./original-keys.ts";
import { type ConfigKey, configKeys } from "./schema.ts";
import { describeValue } from "./value-error.ts";

/** A setting from which nothing follows in this version. */
export interface UnusedSetting {
  readonly name: string;
  readonly value: Value;
  /** Why, in a few words. */
  readonly reason: string;
}

export interface OriginalConfig {
  readonly values: ReadonlyMap<ConfigKey, Sourced>;
  readonly unused: readonly UnusedSetting[];
}

/** First levels of the topics of other trees: a cluster of such a name would be heard there [U-T12]. */
const otherTrees = ["data", "from", "level", "machine", "moat"];

/** Whether a file is in the original's words. They have no name in common with ours. */
export function isOriginal(settings: readonly Setting[]): boolean {
  return settings.some(({ name }) => originalKeys.has(name));
}

/** Throws FOGBANK_CONFIG_INVALID at the first setting that the original does not know, or that is not of its form, and when ZooKeeper is on without a server. */
export function valuesOfOriginal(settings: readonly Setting[]): OriginalConfig {
  const values = new Map<ConfigKey, Sourced>();
  const unused: UnusedSetting[] = [];
  for (const { name, value, at } of settings) {
    const known = originalKeys.get(name);
    if (known === undefined) throw invalid(at, unknownSetting(name));
    if (!hasForm(known.form, value))
      throw invalid(value.at, `${name}: expected ${expectedOf(known.form)}, found ${describeValue(value)}`);
    const { sets, unused: reason = "" } = known;
    if (sets === undefined) unused.push({ name, value, reason });
    else values.set(sets.key, { value: fromPlain(sets.valueOf(toPlain(value)), value.at), origin: { type: "file" } });
  }
  refuseZookeeperWithoutServers(settings);
  refuseClusterName(settings);
  const [first] = settings;
  // An Utopia server is what a node is at the level cloud.
  if (first !== undefined) values.set("level", { value: fromPlain("cloud", first.at), origin: { type: "file" } });
  return { values, unused };
}

function unknownSetting(name: string): string {
  const isOurs = configKeys.some((key) => key === name || key.startsWith(`${name}.`));
  const why = isOurs ? "; this is a utopiad.conf, which cannot be mixed with the settings of a fogbank.conf" : "";
  return `unknown setting "${name.slice(0, 80)}"${why || didYouMean(name, [...originalKeys.keys()])}`;
}

function refuseZookeeperWithoutServers(settings: readonly Setting[]): void {
  const zookeeper = valueOf(settings, "zookeeper");
  const servers = valueOf(settings, "zookeeper-servers");
  if (zookeeper?.type !== "boolean" || !zookeeper.value) return; // a missing one means off [U-T2]
  const isNone = servers === undefined || (servers.type === "list" && servers.items.length === 0);
  const isEmpty = isNone || (servers.type === "array" && servers.items.length === 0);
  if (isEmpty)
    throw invalid((servers ?? zookeeper).at, "zookeeper is on: zookeeper-servers must name at least one server");
}

function refuseClusterName(settings: readonly Setting[]): void {
  const cluster = valueOf(settings, "zookeeper-name");
  if (cluster?.type !== "string") return;
  if (isClusterName(cluster.value) && !otherTrees.includes(cluster.value)) return;
  throw invalid(
    cluster.at,
    `zookeeper-name: it is the first level of topics: expected 1 to 128 bytes without blanks, /, + and #, no $ in front, and none of ${otherTrees.join(", ")}`,
  );
}

function valueOf(settings: readonly Setting[], name: string): Value | undefined {
  return settings.find((setting) => setting.name === name)?.value;
}

function invalid(at: Position, complaint: string): FogbankError {
  return new FogbankError("FOGBANK_CONFIG_INVALID", `${formatPosition(at)}: ${complaint}`);
}
