import { expect, test } from "vitest";
import { loadConfig } from "#agent/config/config.ts";
import { configText, planNode } from "../../../scripts/demo/node-plan.ts";

test("the configuration of a device is what a node accepts, whatever the folder is called", () => {
  const plan = planNode('/tmp/a "b" \\c', "device-1", "device", "fog-1");
  const text = configText(plan, { mqtt: 20_001, http: 20_002 }, 20_003);
  const { config, warnings } = loadConfig({
    file: plan.configFile,
    env: {},
    flags: {},
    readFile: () => text,
    hostname: "here",
  });
  expect(warnings).toEqual([]);
  expect(config).toMatchObject({
    name: "device-1",
    level: "device",
    dataDir: plan.dataDir,
    listen: { mqtt: [{ host: "127.0.0.1", port: 20_001 }], http: [{ host: "127.0.0.1", port: 20_002 }] },
    uplink: { host: "127.0.0.1", port: 20_003 },
    sources: { host: { enabled: true, record: plan.recordFile } },
  });
});

test("the cloud has no uplink and measures nothing", () => {
  const plan = planNode("/tmp/demo", "cloud-1", "cloud", undefined);
  const text = configText(plan, { mqtt: 20_001, http: 20_002 }, undefined);
  const { config } = loadConfig({ file: plan.configFile, env: {}, flags: {}, readFile: () => text, hostname: "here" });
  expect(config.uplink).toBeUndefined();
  expect(config.sources.host.enabled).toBe(false);
});
