import { expect, test } from "vitest";
import { loadConfig } from "#agent/config/config.ts";

function loadWith(files: Readonly<Record<string, string | Error>>, file?: string) {
  return loadConfig({
    file,
    env: {},
    flags: {},
    hostname: "pump-1",
    readFile: (path) => {
      const text = files[path] ?? Object.assign(new Error(`ENOENT: ${path}`), { code: "ENOENT" });
      if (text instanceof Error) throw text;
      return text;
    },
  });
}

const [ours, first, second] = ["/etc/fogbank/fogbank.conf", "/etc/utopia/utopiad.conf", "/etc/utopiad.conf"] as const;

test("[U17] [U-T3] the first file that is there is read, and no other", () => {
  const all = { [ours]: "name = ours zone = hall", [first]: 'hostname = "first"', [second]: 'hostname = "second"' };
  const { [ours]: _, ...originals } = all;
  expect(loadWith(all)).toMatchObject({ file: ours, config: { name: "ours", zone: "hall", level: "device" } });
  expect(loadWith(originals)).toMatchObject({ file: first, config: { name: "first", level: "cloud" } });
  expect(loadWith(originals).config.zone).toBeUndefined();
  expect(loadWith({ [second]: all[second] })).toMatchObject({ file: second, config: { name: "second" } });
  expect(loadWith({ ...all, "/my.conf": "name = mine" }, "/my.conf")).toMatchObject({
    file: "/my.conf",
    config: { name: "mine" },
  });
  expect(loadWith({})).toMatchObject({ config: { name: "pump-1", level: "device" } });
  expect(loadWith({}).file).toBeUndefined();
});

test("[U17] a file that is there and cannot be read is an error, not another file", () => {
  const denied = Object.assign(new Error("EACCES: permission denied"), { code: "EACCES" });
  expect(() => loadWith({ [ours]: denied, [first]: 'hostname = "first"' })).toThrow(
    expect.objectContaining({ message: expect.stringContaining(`${ours}: EACCES`) }),
  );
});
