// Two nodes of one name below different parents: noticed where the ways to them part, said to both, and the later one is kept out.
import { expect, test } from "vitest";
import { limits } from "#shared/limits.ts";
import { MemoryTree } from "../fakes/memory-tree.ts";
import { expectExact, heard, numbers, publish, storedNumbers, threeLevels } from "./tree-scene.ts";

async function twoFogs(): Promise<MemoryTree> {
  const tree = await threeLevels();
  await tree.add("fog-2", { level: "fog", parent: "cloud-1" });
  await tree.advance(1000);
  return tree;
}

const lately = (texts: readonly string[]): string => texts.at(-1) ?? "";
const keptOut = '"device-1" at "fog-2" is kept out: another node of this name was at "fog-1" before';
const goesOn = '"device-1" at "fog-1" goes on; another node of this name, at "fog-2", is kept out';

test("a second node of one name below another fog is kept out, said so at all five, and comes in when the name is free", async () => {
  await using tree = await twoFogs();
  const at = async (node: string, filter: string) =>
    heard(await tree.client(node, `reader-of-${filter.length}${filter.at(-1)}`), filter);
  await tree.add("impostor", { level: "device", parent: "fog-2", name: "device-1" });
  const told = {
    first: await at("device-1", "/level/uplink"),
    second: await at("impostor", "/level/uplink"),
    firstFog: await at("fog-1", "/level/presence/device-1"),
    secondFog: await at("fog-2", "/level/presence/device-1"),
    rootOnFirst: await at("cloud-1", "/level/presence/fog-1"),
    rootOnSecond: await at("cloud-1", "/level/presence/fog-2"),
  };
  await tree.advance(limits.duplicateBesideMs + 12_000);
  expect(lately(told.first)).toContain(JSON.stringify(goesOn).slice(1, -1));
  expect(lately(told.second)).toContain(JSON.stringify(keptOut).slice(1, -1));
  expect(JSON.parse(lately(told.second))).toMatchObject({ state: "down" });
  for (const texts of [told.firstFog, told.rootOnFirst])
    expect(lately(texts)).toContain(JSON.stringify(goesOn).slice(1, -1));
  for (const texts of [told.secondFog, told.rootOnSecond])
    expect(lately(texts)).toContain(JSON.stringify(keptOut).slice(1, -1));
  expect(tree.log.lines.filter(({ phrase }) => phrase.startsWith("two nodes of one name"))).toHaveLength(1);

  await publish(tree, "device-1", 1, 5);
  await publish(tree, "impostor", 6, 10);
  await tree.advance(300_000);
  expect(await storedNumbers(tree)).toEqual(numbers(1, 5));
  expect(JSON.parse(lately(told.firstFog))).toMatchObject({ state: "online" });

  await tree.stop("device-1");
  await tree.advance(limits.duplicateNameMs + 60_000);
  expect(JSON.parse(lately(told.second))).toMatchObject({ state: "up" });
  expect(JSON.parse(lately(told.second))).not.toHaveProperty("alarm");
  expect(await storedNumbers(tree)).toEqual(numbers(1, 10));
  await expectExact(tree, ["impostor", "fog-1", "fog-2", "cloud-1"]);
});

test("a copied image that runs at two places is two nodes as well", async () => {
  await using tree = await twoFogs();
  await tree.stop("device-1");
  await tree.clone("clone", "device-1", { level: "device", parent: "fog-2" });
  await tree.advance(1000);
  await tree.start("device-1");
  const told = await heard(await tree.client("device-1", "reader"), "/level/uplink");
  await tree.advance(limits.duplicateBesideMs + 12_000);
  expect(JSON.parse(lately(told))).toMatchObject({ state: "down", alarm: expect.stringContaining("is kept out") });
});

test("a node that moves while its old parent takes it for connected is one", async () => {
  await using tree = await twoFogs();
  for (const fog of ["fog-2", "fog-1", "fog-2"]) {
    await tree.link("device-1", "silent");
    await tree.stop("device-1");
    await tree.begin("device-1", fog, "up");
    await tree.advance(20_000);
  }
  await publish(tree, "device-1", 1, 5);
  await tree.advance(30_000);
  expect(await storedNumbers(tree)).toEqual(numbers(1, 5));
  expect(tree.log.lines.filter(({ phrase }) => phrase.startsWith("two nodes of one name"))).toEqual([]);
});

test("the name of a node far above is taken, too", async () => {
  await using tree = await twoFogs();
  await tree.add("impostor", { level: "device", parent: "fog-2", name: "cloud-1" });
  await tree.add("other", { level: "device", parent: "fog-2", name: "fog-1" });
  const told = [];
  for (const node of ["impostor", "other"]) told.push(await heard(await tree.client(node, "reader"), "/level/uplink"));
  await tree.advance(limits.duplicateBesideMs + 12_000);
  for (const texts of told) expect(JSON.parse(lately(texts))).toMatchObject({ state: "down" });
  const fog = await heard(await tree.client("fog-1", "reader"), "/level/uplink");
  expect(JSON.parse(lately(fog))).toMatchObject({
    state: "up",
    alarm: expect.stringContaining('"fog-1" at "cloud-1" goes on'),
  });
});
