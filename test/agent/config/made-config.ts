// Loads configurations from a file that exists only in the test.
import { FogbankError } from "#shared/errors.ts";
import { type ConfigSources, type LoadedConfig, loadConfig } from "#agent/config/config.ts";

const file = "/etc/fog.conf";

/** `text` is what stands in the file; without it there is no file. */
export function load(
  text?: string,
  more: Partial<Pick<ConfigSources, "env" | "flags" | "hostname">> = {},
): LoadedConfig {
  const readFile = (path: string): string => {
    if (path === file && text !== undefined) return text;
    throw new Error(`no such file: ${path}`);
  };
  return loadConfig({
    file: text === undefined ? undefined : file,
    env: {},
    flags: {},
    hostname: "pump-1",
    readFile,
    ...more,
  });
}

/** Code and message of the refusal. */
export function fault(action: () => unknown): string {
  try {
    action();
  } catch (error) {
    if (error instanceof FogbankError) return `${error.code} ${error.message}`;
    throw error;
  }
  return "no fault";
}
