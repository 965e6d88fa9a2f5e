import fc from "fast-check";
import { chmodSync, chownSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { allowances } from "#agent/auth/access.ts";
import {
  formatUsers,
  isReadByOthers,
  isUserName,
  parseUsers,
  readUsersFile,
  type Users,
  writeUsersFile,
} from "#agent/auth/users-file.ts";
import { isNodeName, parseNodeName } from "#shared/ids.ts";

const hash = "$scrypt$ln=10,r=1,p=1$AAAAAAAAAAAAAAAAAAAAAA$9uxRArZXHZzoYbbP09gL7ZTnvdE3uOryLPxbvQXPjj4";
const users: Users = {
  users: [
    { name: "pump", password: hash, access: [{ filter: "/data/%u/#", allow: "publish" }] },
    { name: "panel-1", access: [] },
  ],
  children: [{ name: parseNodeName("device-1"), secret: hash }],
};

function folder(): string {
  const path = mkdtempSync(join(tmpdir(), "fogbank-users-"));
  onTestFinished(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

test("what is written is read back, from a file that only its owner reads", () => {
  const file = join(folder(), "users.conf");
  writeUsersFile(file, { users: [], children: [] });
  writeUsersFile(file, users);
  expect(readUsersFile(file)).toEqual(users);
  expect(statSync(file).mode & 0o777).toBe(0o600);
  expect(isReadByOthers(file)).toBe(false);
  chmodSync(file, 0o644);
  expect(isReadByOthers(file)).toBe(true);
  expect(readFileSync(file, "utf8")).toMatch(/^# Written by/);
});

test.skipIf(process.getuid?.() !== 0)("what root writes belongs to whom the folder or the earlier file belongs", () => {
  const path = folder();
  const file = join(path, "users.conf");
  const ownerOf = (): readonly number[] => [statSync(file).uid, statSync(file).gid];
  chownSync(path, 1, 2);
  writeUsersFile(file, users);
  expect(ownerOf()).toEqual([1, 2]);
  chownSync(file, 3, 4);
  writeUsersFile(file, users);
  expect(ownerOf()).toEqual([3, 4]);
});

test("a write that fails leaves the old file and nothing beside it", () => {
  const path = folder();
  const file = join(path, "users.conf", "inside-nothing");
  expect(() => writeUsersFile(file, users)).toThrow(
    expect.objectContaining({
      code: "FOGBANK_USERS_INVALID",
      message: expect.stringContaining(`cannot write the users file ${file}`),
    }),
  );
  expect(readdirSync(path)).toEqual([]);
  expect(existsSync(file)).toBe(false);
});

test("a file that is missing is nobody only where that is meant", () => {
  const file = join(folder(), "none");
  expect(readUsersFile(file, true)).toEqual({ users: [], children: [] });
  expect(() => readUsersFile(file)).toThrow(/^cannot read the users file .*: make it by `fogbank user add`$/);
});

test.each([
  ['users = ( { name = "a/b"; } );', "line 1: users[0].name: expected a name of"],
  [
    'users = ( { name = "a"; password = "plain"; } );',
    "line 1: users[0].password: expected a hash as `fogbank user passwd` writes it",
  ],
  [
    'users = (\n{ name = "a"; access = ( { filter = "/%u-x"; allow = both; } ); } );',
    "line 1: users[0].access[0].filter: expected %c and %u",
  ],
  ['users = ( { name = "a"; access = ( { filter = "/x"; allow = all; } ); } );', "expected publish, subscribe or both"],
  ['users = ( { name = "a"; pasword = "x"; } );', "line 1: users[0].pasword: no such setting"],
  ['users = ( { name = "a"; }, { name = "a"; } );', '"a" stands there twice'],
  ['children = ( { name = "a"; } );', "line 1: children[0].secret: this setting is missing"],
  ["people = ( );", "line 1: people: no such setting"],
])("%s", (text, fault) => {
  expect(() => parseUsers(text, "u.conf")).toThrow(
    expect.objectContaining({ code: "FOGBANK_USERS_INVALID", message: expect.stringContaining(fault) }),
  );
});

test("text that is no libconfig is told with its place", () => {
  expect(() => parseUsers("users = (", "u.conf")).toThrow(expect.objectContaining({ code: "FOGBANK_CONFIG_SYNTAX" }));
});

test("any users read back as they were", () => {
  const rule = fc.record({
    filter: fc.constantFrom("#", "/a/+", "%c/x", "/%u/#", 'quo"te\\'),
    allow: fc.constantFrom(...allowances),
  });
  const user = fc.record(
    {
      name: fc.string({ minLength: 1, maxLength: 8 }).filter(isUserName),
      password: fc.constant(hash),
      access: fc.array(rule, { maxLength: 3 }),
    },
    { requiredKeys: ["name", "access"] },
  );
  const child = fc.record({ name: fc.stringMatching(/^[a-z]{1,8}$/).filter(isNodeName), secret: fc.constant(hash) });
  const any = fc.record({
    users: fc.uniqueArray(user, { selector: ({ name }) => name, maxLength: 5 }),
    children: fc.uniqueArray(child, { selector: ({ name }) => name, maxLength: 5 }),
  });
  fc.assert(
    fc.property(any, (entries) => {
      expect(parseUsers(formatUsers(entries, "u"), "u")).toEqual(entries);
    }),
  );
});

test("more than a node reads is not written", () => {
  const many = Array.from({ length: 3_000 }, (_, index) => ({ name: `user-${index}`, password: hash, access: [] }));
  expect(() => formatUsers({ users: many, children: [] }, "u.conf")).toThrow(
    /larger than what a node reads: use certificates/,
  );
});
