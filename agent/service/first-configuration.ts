// The configuration that a new service starts with: what was told, and else what a node does by itself, on loopback.
import { FogbankError } from "#shared/errors.ts";
import { formatConfig } from "#shared/libconfig/format.ts";
import type { Setting, Value } from "#shared/libconfig/setting.ts";
import { loadConfig } from "../config/config.ts";
import { valuesOfFlags } from "../config/environment.ts";

const at = { file: "", line: 1, column: 1 };
const heading = `# The configuration of this node. fogbank config show --explain --config FILE: every setting, its meaning and its value.
# After a change: fogbank config check FILE, and systemctl restart fogbank.
`;

/**
 * The text of the file. `flags`: from the path of a key to its text, as for `--set`. Throws FOGBANK_CONFIG_INVALID or
 * FOGBANK_LISTEN_INSECURE when a node could not run with it.
 */
export function firstConfiguration(flags: Readonly<Record<string, string>>, hostname: string): string {
  const sources = { env: {}, hostname, readFile: noFile };
  const { name, level, dataDir } = loadConfig({ ...sources, file: undefined, flags }).config;
  // Written down: a node keeps its name when the machine gets another.
  const values = valuesOfFlags({ name, level, "data-dir": dataDir, ...flags });
  const settings = [...values].reduce<readonly Setting[]>(
    (made, [key, { value }]) => withSetting(made, key.split("."), value),
    [],
  );
  const text = heading + formatConfig(settings);
  loadConfig({ ...sources, file: "the first configuration", flags: {}, readFile: () => text });
  return text;
}

/** A key in a group that is there already goes into that. */
function withSetting(settings: readonly Setting[], path: readonly string[], value: Value): readonly Setting[] {
  const [name = "", ...rest] = path;
  if (rest.length === 0) return [...settings, { name, value, at }];
  const group = settings.find((setting) => setting.name === name)?.value;
  const inside = withSetting(group?.type === "group" ? group.settings : [], rest, value);
  const made: Setting = { name, value: { type: "group", settings: inside, at }, at };
  return [...settings.filter((setting) => setting.name !== name), made];
}

function noFile(path: string): never {
  throw new FogbankError("FOGBANK_CONFIG_INVALID", `${path} cannot be included: the first configuration is one file`);
}
