// `fogbank user`: the file of users, their access rules, and the secrets of child nodes.
import { readFileSync } from "node:fs";
import { Command, InvalidArgumentError } from "commander";
import { FogbankError } from "#shared/errors.ts";
import { parseNodeName } from "#shared/ids.ts";
import { limits } from "#shared/limits.ts";
import { systemConfigFile } from "../config/system-file.ts";
import { type AccessRule, type Allowance, allowances, ruleFault } from "../auth/access.ts";
import { hashPassword } from "../auth/password.ts";
import { isUserName, readUsersFile, type User, type Users, writeUsersFile } from "../auth/users-file.ts";
import { loadConfig } from "../config/config.ts";
import { runAction } from "./action.ts";
import type { CliIo } from "./io.ts";
import { linesOf } from "./lines.ts";
import { renderTable } from "./render-table.ts";
import { textStyleOf } from "./text-style.ts";

interface FileOptions {
  readonly users?: string;
  readonly config?: string;
}

interface ChangeOptions extends FileOptions {
  readonly child?: true;
  readonly allow: readonly AccessRule[];
  readonly passwordFile?: string;
  /** False for --no-password. */
  readonly password: boolean;
}

/** Ends with commander's CommanderError: exit code 2 for usage and a file that cannot be used. */
export function userCommand(io: CliIo): Command {
  const command = new Command("user")
    .description("manage the users of a node, and the secrets of its child nodes")
    .exitOverride()
    .configureOutput({ writeOut: io.stdout, writeErr: io.stderr });
  const named = (verb: string, description: string): Command =>
    withFile(command.command(verb).description(description)).argument("<name>", "name of the user, or of the node");
  const act =
    (work: (name: string, options: ChangeOptions) => Promise<void>) =>
    async (name: string, options: ChangeOptions, self: Command) =>
      runAction(self, io, () => work(name, options));
  withPassword(named("add", "add a user, or with --child the secret of a node below"))
    .option("--no-password", "the user is known by the name in a certificate only")
    .option("--allow <what:filter>", "publish:, subscribe: or both: and a topic filter; may be repeated", addRule, [])
    .action(act((name, options) => add(io, name, options)));
  withPassword(named("passwd", "set a new password, or with --child a new secret")).action(
    act((name, options) => changePassword(io, name, options)),
  );
  named("rm", "remove a user, or with --child the secret of a node below")
    .option("--child", "it is a node below")
    .action(act((name, options) => remove(io, name, options)));
  withFile(command.command("list").description("list users and child nodes"))
    .option("--json", "as JSON, on one line")
    .action((options: FileOptions & { json?: true }, self: Command) =>
      runAction(self, io, async () => list(io, options)),
    );
  return command;
}

function withFile(command: Command): Command {
  return command
    .option("--users <file>", "the users file; by default the auth.users of the configuration")
    .option("--config <file>", "configuration file that names the users file");
}

function withPassword(command: Command): Command {
  return command
    .option("--child", "it is a node below: the secret by which it proves its name")
    .option(
      "--password-file <file>",
      "take the password from the first line of that file, not from the terminal or stdin",
    );
}

async function add(io: CliIo, name: string, options: ChangeOptions): Promise<void> {
  const file = fileOf(io, options);
  const { users, children } = readUsersFile(file, true);
  const { child, allow, password } = options;
  const present: readonly { readonly name: string }[] = child ? children : users;
  if (present.some((entry) => entry.name === name)) {
    throw usage(`cannot add ${titleOf(name, options)}: ${file} has it already: use \`fogbank user passwd\` or \`rm\``);
  }
  if (child) {
    if (allow.length > 0 || !password)
      throw usage("--child goes without --allow and --no-password: a node's rights follow from its name");
    const nodeName = parseNodeName(name);
    const secret = await newHash(io, name, options);
    write(io, file, { users, children: [...children, { name: nodeName, secret }] }, `added ${titleOf(name, options)}`);
    return;
  }
  if (!isUserName(name)) {
    throw usage(
      `cannot add user "${name}": a name has 1 to ${limits.userNameChars} characters and no /, +, #, space or control character`,
    );
  }
  const user: User = { name, access: allow, ...(password && { password: await newHash(io, name, options) }) };
  write(io, file, { users: [...users, user], children }, `added ${titleOf(name, options)}`);
}

async function changePassword(io: CliIo, name: string, options: ChangeOptions): Promise<void> {
  const file = fileOf(io, options);
  const { users, children } = readUsersFile(file);
  expectEntry(options.child ? children : users, name, file, options);
  const hash = await newHash(io, name, options);
  const changed: Users = options.child
    ? { users, children: children.map((entry) => (entry.name === name ? { ...entry, secret: hash } : entry)) }
    : { users: users.map((entry) => (entry.name === name ? { ...entry, password: hash } : entry)), children };
  write(io, file, changed, `changed ${titleOf(name, options)}`);
}

async function remove(io: CliIo, name: string, options: ChangeOptions): Promise<void> {
  const file = fileOf(io, options);
  const { users, children } = readUsersFile(file);
  expectEntry(options.child ? children : users, name, file, options);
  const rest: Users = options.child
    ? { users, children: children.filter((entry) => entry.name !== name) }
    : { users: users.filter((entry) => entry.name !== name), children };
  write(io, file, rest, `removed ${titleOf(name, options)}`);
}

function list(io: CliIo, options: FileOptions & { readonly json?: true }): void {
  const { users, children } = readUsersFile(fileOf(io, options));
  const entries = [
    ...users.map(({ name, password, access }) => ({
      name,
      kind: "user",
      proof: password === undefined ? "certificate" : "password",
      access: access.map(({ filter, allow }) => `${allow}:${filter}`),
    })),
    ...children.map(({ name }) => ({ name, kind: "child", proof: "secret", access: [] })),
  ];
  if (options.json) return io.stdout(`${JSON.stringify(entries)}\n`);
  const rows = entries.map(({ name, kind, proof, access }) => [
    { text: name },
    { text: kind },
    { text: proof },
    { text: kind === "child" ? "its link" : access.length === 0 ? "everything outside of $" : access.join(" ") },
  ]);
  const titles = [{ title: "NAME" }, { title: "KIND" }, { title: "PROVEN BY" }, { title: "MAY" }];
  io.stdout(renderTable(titles, rows, textStyleOf(io)));
}

function expectEntry(
  entries: readonly { readonly name: string }[],
  name: string,
  file: string,
  options: ChangeOptions,
): void {
  if (entries.some((entry) => entry.name === name)) return;
  throw usage(`${file} has no ${titleOf(name, options)}: see \`fogbank user list\``);
}

function titleOf(name: string, { child }: ChangeOptions): string {
  return `${child ? "child node" : "user"} "${name}"`;
}

function write(io: CliIo, file: string, users: Users, done: string): void {
  writeUsersFile(file, users);
  io.stdout(`${done} in ${file}; a running node takes it over at SIGHUP\n`);
}

function fileOf(io: CliIo, { users, config }: FileOptions): string {
  const file =
    users ?? loadConfig({ ...io, file: config ?? systemConfigFile(io.readFile), flags: {} }).config.auth.users;
  if (file !== undefined) return file;
  throw usage("which users file? Give --users FILE, or --config FILE with auth.users in it");
}

async function newHash(io: CliIo, name: string, options: ChangeOptions): Promise<string> {
  const text = await newPassword(io, name, options);
  const bytes = new TextEncoder().encode(text);
  if (bytes.length === 0) throw usage("the password is empty: give at least one character");
  if (bytes.length > limits.passwordBytes)
    throw usage(`the password has more than ${limits.passwordBytes} bytes: shorten it`);
  return hashPassword(bytes);
}

/** Never from the command line, which every user of the machine can see. */
async function newPassword(io: CliIo, name: string, { passwordFile, child }: ChangeOptions): Promise<string> {
  if (passwordFile !== undefined) return firstLine(readPasswordFile(passwordFile));
  if (io.askSecret === undefined) {
    for await (const line of linesOf(io.stdin, limits.passwordBytes, io.signal))
      return firstLine(new TextDecoder().decode(line));
    throw usage("no password came on stdin: give it on the first line, or by --password-file");
  }
  const what = child ? "secret" : "password";
  const password = await io.askSecret(`New ${what} for ${name}: `);
  if ((await io.askSecret("The same again: ")) === password) return password;
  throw usage("the two are not the same: nothing was changed");
}

function readPasswordFile(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new FogbankError("FOGBANK_USAGE", `cannot read the password from ${file}: ${reason}`, { cause });
  }
}

function firstLine(text: string): string {
  return text.replace(/\r?(?:\n.*)?$/s, "");
}

function usage(message: string): FogbankError {
  return new FogbankError("FOGBANK_USAGE", message);
}

function addRule(text: string, earlier: readonly AccessRule[]): readonly AccessRule[] {
  const split = text.indexOf(":");
  const allow = text.slice(0, split);
  const filter = text.slice(split + 1);
  if (split < 1 || !isAllowance(allow))
    throw new InvalidArgumentError("Expected publish:FILTER, subscribe:FILTER or both:FILTER.");
  const fault = ruleFault(filter);
  if (fault !== undefined) throw new InvalidArgumentError(`Expected ${fault}.`);
  return [...earlier, { filter, allow }];
}

function isAllowance(text: string): text is Allowance {
  return allowances.some((allowance) => allowance === text);
}
