import { expect, test } from "vitest";
import { clashOf, clusterPrefix, hostnameTopic, uuidTopic } from "#shared/fellows/cluster-topics.ts";
import { parseClusterName } from "#shared/fellows/fellow-names.ts";
import { matchesFilter } from "#shared/mqtt/topic.ts";
import { cluster, fellowOf } from "../../fakes/made-fellows.ts";

const trees = ["/machine", "/level", "/from", "/data", "moat/main", "$fog"].map((prefix) => ({ name: prefix, prefix }));

test("[U30] [U-T11] topics are as the document writes them, leading slash included", () => {
  const { hostname, uuid } = fellowOf(10);
  expect(hostnameTopic(cluster, hostname)).toBe("/bigones/server-10");
  expect(uuidTopic(cluster, uuid)).toBe("/bigones/00000000-0000-4000-8000-00000000000a");
  expect(matchesFilter("+/bigones/+", hostnameTopic(cluster, hostname))).toBe(true);
});

test("[U-T12] a cluster that is named like another tree is found", () => {
  for (const name of ["machine", "level", "from", "data"]) {
    const own = { name: "zookeeper-name", prefix: clusterPrefix(parseClusterName(name)) };
    expect(clashOf([...trees, own])?.[1]).toBe(own);
  }
  expect(clashOf([...trees, { name: "zookeeper-name", prefix: clusterPrefix(cluster) }])).toBeUndefined();
});

test("[U-T12] trees within one another are found in both directions, levels as wholes", () => {
  const inner = { name: "inner", prefix: "/data/x" };
  expect(clashOf([inner, ...trees])).toEqual([inner, { name: "/data", prefix: "/data" }]);
  expect(clashOf([...trees, inner])).toEqual([{ name: "/data", prefix: "/data" }, inner]);
  expect(clashOf([...trees, { name: "longer", prefix: "/dataset" }])).toBeUndefined();
});

test("[U-T11] a tree with a leading slash is not the one without", () => {
  expect(clashOf([...trees, { name: "other", prefix: "machine" }])).toBeUndefined();
});
