// Programs of the machine that the build uses. What is missing is installed where that is this machine's custom (Debian, as root),
// and named otherwise.
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { delimiter, isAbsolute, join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);
const installMsMax = 300_000;
const foldersOfSystem = ["/usr/sbin", "/sbin"];

export interface Tool {
  /** Of programs on the PATH, or absolute files: any of them will do, the first found is taken. */
  readonly names: readonly string[];
  /** In which Debian has it. */
  readonly debianPackage: string;
}

export interface Toolbox {
  /** Its file. Undefined when it is not here and could not be installed, which has been told. */
  find(tool: Tool): Promise<string | undefined>;
}

export interface ToolboxDeps {
  readonly tell: (text: string) => void;
  /** Whether missing packages may be installed. */
  readonly mayInstall: boolean;
}

export function createToolbox({ tell, mayInstall }: ToolboxDeps): Toolbox {
  const askedFor = new Map<string, Promise<string | undefined>>();
  const provide = async (tool: Tool): Promise<string | undefined> => {
    const present = findTool(tool);
    if (present !== undefined) return present;
    const [name = ""] = tool.names;
    if (!mayInstall || process.getuid?.() !== 0 || findTool({ names: ["apt-get"] }) === undefined) {
      tell(`${name} is not here: on Debian it is in the package ${tool.debianPackage}`);
      return undefined;
    }
    tell(`${name} is not here: installing the package ${tool.debianPackage}`);
    const failure = await install(tool.debianPackage);
    if (failure !== undefined) tell(`${tool.debianPackage} could not be installed: ${failure}`);
    return findTool(tool);
  };
  // One after the other: a second apt-get would find the lock of the first.
  let last: Promise<unknown> = Promise.resolve();
  return {
    find(tool) {
      const key = tool.names.join();
      const found = askedFor.get(key) ?? last.then(() => provide(tool));
      askedFor.set(key, found);
      last = found;
      return found;
    },
  };
}

function findTool({ names }: Pick<Tool, "names">): string | undefined {
  const folders = [...(process.env["PATH"] ?? "").split(delimiter), ...foldersOfSystem];
  return names
    .flatMap((name) => (isAbsolute(name) ? [name] : folders.map((folder) => join(folder, name))))
    .find((file) => existsSync(file));
}

/** Why it failed. */
async function install(debianPackage: string): Promise<string | undefined> {
  const options = { timeout: installMsMax, env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" } };
  const tryInstall = (): Promise<unknown> =>
    run("apt-get", ["install", "-y", "--no-install-recommends", debianPackage], options);
  try {
    // The lists of packages may be missing, or old.
    await tryInstall().catch(() => run("apt-get", ["update"], options).then(tryInstall));
    return undefined;
  } catch (error) {
    const lines = error instanceof Error ? error.message.trim().split("\n") : [String(error)];
    return lines.at(-1);
  }
}
