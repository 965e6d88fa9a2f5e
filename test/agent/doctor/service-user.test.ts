import { chmodSync, mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { barrierFor, may, userIn } from "#agent/doctor/service-user.ts";

const passwd = "root:x:0:0:root:/root:/bin/sh\nfogbank:x:110:120::/var/lib/fogbank:/usr/sbin/nologin\n";
const group = "root:x:0:\nfogbank:x:120:\nssl-cert:x:105:postgres,fogbank\nother:x:106:fogbank2\n";
const user = userIn(passwd, group, 110);

test("a user has the group of its entry and those that name it", () => {
  expect(user).toEqual({ name: "fogbank", uid: 110, gids: new Set([120, 105]) });
  expect(userIn(passwd, group, 999)).toEqual({ name: "user 999", uid: 999, gids: new Set() });
});

test("the first of owner, group and others that fits decides", () => {
  const read = 4;
  expect(may(user, { uid: 110, gid: 0, mode: 0o400 }, read)).toBe(true);
  expect(may(user, { uid: 110, gid: 0, mode: 0o044 }, read)).toBe(false);
  expect(may(user, { uid: 0, gid: 105, mode: 0o640 }, read)).toBe(true);
  expect(may(user, { uid: 0, gid: 105, mode: 0o604 }, read)).toBe(false);
  expect(may(user, { uid: 0, gid: 0, mode: 0o640 }, read)).toBe(false);
  expect(may(user, { uid: 0, gid: 0, mode: 0o604 }, read)).toBe(true);
});

test("the file or the folder above it that keeps somebody out is found", () => {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), "fogbank-user-")));
  try {
    const stranger = { name: "s", uid: 4_000_000, gids: new Set<number>() };
    const key = join(folder, "tls", "key.pem");
    mkdirSync(join(folder, "tls"));
    writeFileSync(key, "");
    const modes = (ofFolder: number, ofTls: number, ofKey: number): string | undefined => {
      chmodSync(folder, ofFolder);
      chmodSync(join(folder, "tls"), ofTls);
      chmodSync(key, ofKey);
      return barrierFor(stranger, key);
    };
    expect(modes(0o755, 0o755, 0o644)).toBeUndefined();
    expect(modes(0o755, 0o755, 0o600)).toBe(key);
    expect(modes(0o755, 0o700, 0o644)).toBe(join(folder, "tls"));
    expect(modes(0o700, 0o700, 0o600)).toBe(folder);
  } finally {
    chmodSync(folder, 0o700);
    rmSync(folder, { recursive: true });
  }
});
