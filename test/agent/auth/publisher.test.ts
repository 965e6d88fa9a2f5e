// Where the node speaks on behalf of a client.
import { expect, test } from "vitest";
import { publisherOf } from "#agent/auth/publisher.ts";

const rights = { user: "anna", mayPublish: (topic: string) => topic.startsWith("/anna/") };
const broker = { rightsOf: (clientId: string) => (clientId === "gone" ? undefined : rights) };

test("only where the client may publish itself, and on its own place below /level/replies", () => {
  const { user, mayBeToldOn } = publisherOf(broker, { clientId: "an/na" });
  expect(user).toBe("anna");
  const allowed = ["/anna/x", "/level/replies/an%2Fna/1"];
  const refused = ["/data/x", "/level/replies/other/1", "/level/replies", "/machine/replies/1"];
  expect([...allowed, ...refused].filter(mayBeToldOn)).toEqual(allowed);
});

test("nowhere else for one that has gone, everywhere for the node itself", () => {
  expect(publisherOf(broker, { clientId: "gone" })).toMatchObject({ user: "" });
  expect(publisherOf(broker, { clientId: "gone" }).mayBeToldOn("/anna/x")).toBe(false);
  expect(publisherOf(broker, { clientId: null }).mayBeToldOn("/anna/x")).toBe(true);
});
