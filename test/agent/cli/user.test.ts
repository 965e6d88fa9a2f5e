import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { createPasswordChecker } from "#agent/auth/password.ts";
import { readUsersFile } from "#agent/auth/users-file.ts";
import { userCommand } from "#agent/cli/user.ts";
import { type Bench, type BenchOptions, chunks, createBench } from "./command-bench.ts";

function usersFile(): string {
  const folder = mkdtempSync(join(tmpdir(), "fogbank-user-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return join(folder, "users.conf");
}

async function user(args: string, options: BenchOptions = {}): Promise<Bench & { readonly code: number }> {
  const bench = createBench(options);
  return { ...bench, code: await bench.run(userCommand, args.split(" ")) };
}

const typed = (password: string): BenchOptions => ({ stdin: chunks(`${password}\n`) });
const check = (hash: string | undefined, password: string) =>
  createPasswordChecker().check(hash, new TextEncoder().encode(password));

test("a user is added, given a new password, listed and removed", async () => {
  const file = usersFile();
  const added = await user(
    `add pump --users ${file} --allow publish:/data/# --allow subscribe:/set/%u`,
    typed("first"),
  );
  expect([added.code, added.written]).toEqual([
    0,
    { stdout: `added user "pump" in ${file}; a running node takes it over at SIGHUP\n`, stderr: "" },
  ]);
  expect(statSync(file).mode & 0o777).toBe(0o600);
  expect(readFileSync(file, "utf8")).not.toContain("first");
  const [before] = readUsersFile(file).users;
  expect(before?.access).toEqual([
    { filter: "/data/#", allow: "publish" },
    { filter: "/set/%u", allow: "subscribe" },
  ]);
  expect(await check(before?.password, "first")).toBe("right");

  expect((await user(`passwd pump --users ${file}`, typed("second\r"))).code).toBe(0);
  const [after] = readUsersFile(file).users;
  expect(await check(after?.password, "second")).toBe("right");
  expect(after?.access).toEqual(before?.access);

  expect((await user(`list --users ${file} --json`)).written.stdout).toBe(
    '[{"name":"pump","kind":"user","proof":"password","access":["publish:/data/#","subscribe:/set/%u"]}]\n',
  );
  expect((await user(`list --users ${file}`)).written.stdout).toMatch(
    /pump +user +password +publish:\/data\/# subscribe:\/set\/%u/,
  );
  expect((await user(`rm pump --users ${file}`)).code).toBe(0);
  expect(readUsersFile(file)).toEqual({ users: [], children: [] });
});

test("a child's secret has a list of its own", async () => {
  const file = usersFile();
  expect((await user(`add device-1 --child --users ${file}`, typed("secret"))).code).toBe(0);
  const { users, children } = readUsersFile(file);
  expect([users, children.map(({ name }) => name)]).toEqual([[], ["device-1"]]);
  expect(await check(children[0]?.secret, "secret")).toBe("right");
  expect((await user(`rm device-1 --users ${file}`)).code).toBe(2);
  expect((await user(`rm device-1 --child --users ${file}`)).code).toBe(0);
});

test("the file is that of the configuration, the password that of a file", async () => {
  const file = usersFile();
  const passwordFile = `${file}.password`;
  writeFileSync(passwordFile, "from a file\nsecond line\n");
  const config = { readFile: () => `auth: { users = "${file}" }` };
  expect((await user(`add pump --config node.conf --password-file ${passwordFile}`, config)).code).toBe(0);
  expect(await check(readUsersFile(file).users[0]?.password, "from a file")).toBe("right");
});

test("a person is asked twice, and told when the answers differ", async () => {
  const file = usersFile();
  const asked: string[] = [];
  const answers = ["one", "two", "same", "same"];
  const askSecret = async (question: string): Promise<string> => {
    asked.push(question);
    return answers.shift() ?? "";
  };
  const refused = await user(`add pump --users ${file}`, { askSecret });
  expect([refused.code, refused.written.stderr]).toEqual([2, expect.stringContaining("the two are not the same")]);
  expect((await user(`add pump --users ${file}`, { askSecret })).code).toBe(0);
  expect(asked.slice(0, 2)).toEqual(["New password for pump: ", "The same again: "]);
});

test("a user of certificates has no password", async () => {
  const file = usersFile();
  expect((await user(`add panel --no-password --users ${file}`)).code).toBe(0);
  expect(readUsersFile(file).users).toEqual([{ name: "panel", access: [] }]);
});

test.each([
  ["add a/b", "cannot add user"],
  ["add .hidden --child", "FOGBANK_NAME_INVALID"],
  ["add device-1 --child --allow both:#", "--child goes without --allow"],
  ["add pump --allow all:#", "Expected publish:FILTER"],
  ["add pump --allow both:/x%u", "whole levels"],
  ["passwd nobody", "cannot read the users file"],
  ["add pump --password-file /no/such", "cannot read the password from /no/such"],
])("%s is refused", async (args, message) => {
  const { code, written } = await user(`${args} --users ${usersFile()}`, typed("x"));
  expect([code === 0, written.stderr]).toEqual([false, expect.stringContaining(message)]);
});

test.each([
  ["", "the password is empty"],
  ["x".repeat(1_025), "more than 1024 bytes"],
])("a password of another length is refused", async (password, message) => {
  const file = usersFile();
  const { code, written } = await user(`add pump --users ${file}`, typed(password));
  expect([code === 0, written.stderr]).toEqual([false, expect.stringContaining(message)]);
});

test("a name is added once", async () => {
  const file = usersFile();
  await user(`add pump --users ${file}`, typed("x"));
  const again = await user(`add pump --users ${file}`, typed("y"));
  expect([again.code, again.written.stderr]).toEqual([2, expect.stringContaining(`${file} has it already`)]);
  expect((await user(`rm other --users ${file}`)).written.stderr).toContain('has no user "other"');
});

test("without a file it says how to name one", async () => {
  expect((await user("list")).written.stderr).toContain("Give --users FILE, or --config FILE with auth.users in it");
});
