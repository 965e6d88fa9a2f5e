// The file of users and of child nodes' secrets: libconfig syntax, mode 0600, replaced as a whole.
//
//   users = ( { name = "pump"; password = "$scrypt$…"; access = ( { filter = "/data/#"; allow = "publish"; } ); } );
//   children = ( { name = "device-1"; secret = "$scrypt$…"; } );
import { randomBytes } from "node:crypto";
import {
  closeSync,
  fchownSync,
  fsyncSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from "node:fs";
import { dirname } from "node:path";
import * as v from "valibot";
import { type ErrorCode, FogbankError } from "#shared/errors.ts";
import { isNodeName, type NodeName } from "#shared/ids.ts";
import { libconfigLimits } from "#shared/libconfig/bounds.ts";
import { formatValue } from "#shared/libconfig/format.ts";
import { parseConfig } from "#shared/libconfig/libconfig.ts";
import { fromPlain, type PlainValue, type Setting, toPlain } from "#shared/libconfig/setting.ts";
import { limits } from "#shared/limits.ts";
import { type AccessRule, allowances, ruleFault } from "./access.ts";
import { isPasswordHash } from "./password.ts";

export interface User {
  readonly name: string;
  /** A hash; without it the user is known by a certificate only. */
  readonly password?: string;
  /** None: everything that the tree lets a client do. */
  readonly access: readonly AccessRule[];
}

/** A node below this one that proves its name by a secret. */
export interface ChildSecret {
  readonly name: NodeName;
  /** A hash. */
  readonly secret: string;
}

export interface Users {
  readonly users: readonly User[];
  readonly children: readonly ChildSecret[];
}

export const noUsers: Users = { users: [], children: [] };

const mode = 0o600;
const heading = "# Written by `fogbank user`, which keeps no comments. A running node reads it again at SIGHUP.\n";
const at = { file: "", line: 1, column: 1 };

const expectedName = `a name of 1 to ${limits.userNameChars} characters without /, +, #, spaces and control characters`;
const expectedHash = "a hash as `fogbank user passwd` writes it";
const expectedList = "a list ( )";

const hash = v.pipe(v.string(expectedHash), v.check(isPasswordHash, expectedHash));
const rule = v.strictObject({
  filter: v.pipe(
    v.string("an MQTT topic filter"),
    v.check(
      (filter) => ruleFault(filter) === undefined,
      (issue) => ruleFault(issue.input) ?? "an MQTT topic filter",
    ),
  ),
  allow: v.picklist(allowances, "publish, subscribe or both"),
});
const schema: v.GenericSchema<unknown, Users> = v.strictObject({
  users: v.optional(
    v.array(
      v.strictObject({
        name: v.pipe(v.string(expectedName), v.check(isUserName, expectedName)),
        password: v.exactOptional(hash),
        access: v.optional(
          v.pipe(
            v.array(rule, expectedList),
            v.maxLength(limits.accessRulesPerUser, `at most ${limits.accessRulesPerUser} rules`),
          ),
          [],
        ),
      }),
      expectedList,
    ),
    [],
  ),
  children: v.optional(
    v.array(
      v.strictObject({
        name: v.pipe(v.string("a node's name"), v.guard(isNodeName, "a node's name")),
        secret: hash,
      }),
      expectedList,
    ),
    [],
  ),
});

/** Whether `text` can name a user: one topic level, so that it can stand for %u. */
export function isUserName(text: string): boolean {
  return new RegExp(`^[^/+#\\s\\p{Cc}]{1,${limits.userNameChars}}$`, "u").test(text);
}

/** Throws FOGBANK_CONFIG_SYNTAX or FOGBANK_USERS_INVALID. */
export function parseUsers(text: string, file: string): Users {
  const settings = parseConfig(text, file);
  const plain = Object.fromEntries(settings.map(({ name, value }) => [name, toPlain(value)]));
  const result = v.safeParse(schema, plain);
  if (!result.success) throw invalid(file, placeOf(result.issues[0], settings));
  const { users, children } = result.output;
  const twice = firstTwice(users.map(({ name }) => name)) ?? firstTwice(children.map(({ name }) => name));
  if (twice !== undefined) throw invalid(file, `"${twice}" stands there twice: remove one of them`);
  return result.output;
}

/** Throws FOGBANK_USERS_INVALID when it would be longer than what can be read again. */
export function formatUsers({ users, children }: Users, file: string): string {
  const lists: readonly [string, readonly PlainValue[]][] = [
    [
      "users",
      users.map(({ name, password, access }) => ({
        name,
        ...(password !== undefined && { password }),
        ...(access.length > 0 && { access: access.map(({ filter, allow }) => ({ filter, allow })) }),
      })),
    ],
    ["children", children.map(({ name, secret }) => ({ name, secret }))],
  ];
  const text = heading + lists.map(([name, items]) => formatList(name, items)).join("");
  if (text.length <= libconfigLimits.fileChars) return text;
  throw invalid(file, "it would be larger than what a node reads: use certificates for that many");
}

/** Whether other users of the machine can read it. Answers false when it cannot be looked at. */
export function isReadByOthers(file: string): boolean {
  const found = statSync(file, { throwIfNoEntry: false });
  return found !== undefined && (found.mode & 0o077) !== 0;
}

/** Nobody when there is no file and `mayBeMissing`. Throws FOGBANK_USERS_INVALID or FOGBANK_CONFIG_SYNTAX. */
export function readUsersFile(file: string, mayBeMissing = false): Users {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (error) {
    if (mayBeMissing && error instanceof Error && "code" in error && error.code === "ENOENT") return noUsers;
    throw failed("FOGBANK_USERS_INVALID", `cannot read the users file ${file}`, "make it by `fogbank user add`", error);
  }
  return parseUsers(text, file);
}

/** Replaces the file: after a crash it is the old or the new one, whole and on disk. */
export function writeUsersFile(file: string, users: Users): void {
  const text = formatUsers(users, file);
  const temporary = `${file}.${randomBytes(6).toString("hex")}`;
  try {
    inFile(temporary, "wx", (descriptor) => {
      writeSync(descriptor, text);
      giveToOwner(descriptor, file);
      fsyncSync(descriptor);
    });
    renameSync(temporary, file);
    inFile(dirname(file), "r", fsyncSync);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw failed("FOGBANK_USERS_INVALID", `cannot write the users file ${file}`, "may this user write there?", error);
  }
}

/** Root writes it for somebody: the owner of the file that it replaces, and of the folder when there is none. */
function giveToOwner(descriptor: number, file: string): void {
  if (process.getuid?.() !== 0) return;
  const { uid, gid } = statSync(file, { throwIfNoEntry: false }) ?? statSync(dirname(file));
  fchownSync(descriptor, uid, gid);
}

function inFile(path: string, flags: string, work: (descriptor: number) => void): void {
  const descriptor = openSync(path, flags, mode);
  try {
    work(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

function formatList(name: string, items: readonly PlainValue[]): string {
  if (items.length === 0) return `${name} = ( );\n`;
  return `${name} = (\n${items.map((item) => `  ${formatValue(fromPlain(item, at))}`).join(",\n")}\n);\n`;
}

/** `users[0].access[1].filter: expected …`, with the line of the list. */
function placeOf(issue: v.BaseIssue<unknown>, settings: readonly Setting[]): string {
  const path = (issue.path ?? []).map(({ key }) => (typeof key === "number" ? `[${key}]` : `.${String(key)}`)).join("");
  const line = settings.find(({ name }) => name === issue.path?.[0]?.key)?.at.line;
  const where = `${line === undefined ? "" : `line ${line}: `}${path.replace(/^\./, "")}`;
  if (issue.type !== "strict_object") return `${where}: expected ${issue.message}`;
  return issue.expected === "never"
    ? `${where}: no such setting`
    : `${where}: this setting is missing, or its group is none`;
}

function firstTwice(names: readonly string[]): string | undefined {
  return names.find((name, index) => names.indexOf(name) !== index);
}

function invalid(file: string, fault: string): FogbankError {
  return new FogbankError("FOGBANK_USERS_INVALID", `cannot use the users file ${file}: ${fault}`);
}

function failed(code: ErrorCode, what: string, advice: string, cause: unknown): FogbankError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new FogbankError(code, `${what}: ${reason}: ${advice}`, { cause });
}
