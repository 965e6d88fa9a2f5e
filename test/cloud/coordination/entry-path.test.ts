// Paths: those that a server would refuse are found before they are sent, and a chroot is a prefix both ways.
import fc from "fast-check";
import { expect, test } from "vitest";
import { pathFault, withChroot, withoutChroot } from "#cloud/coordination/entry-path.ts";

const part = fc.stringMatching(/^[a-zäé0-9_-]{1,8}$/);
const path = fc.array(part, { maxLength: 5 }).map((parts) => `/${parts.join("/")}`);

test("paths that a server takes have no fault", () => {
  for (const good of ["/", "/v", "/v/ä", "/a b", "/.a", "/a..", "/..."]) expect(pathFault(good)).toBeUndefined();
});

test("paths that a server refuses have one", () => {
  const bad = ["", "v", "/v/", "//", "/v//c", "/v/.", "/./v", "/..", "/a\u0000", "/a\u001f", "/a\u007f", "/a\u009f"];
  for (const one of [...bad, "/\ud800", "/😀", "/\ue000", "/\uf8ff", "/\ufff0", "/\uffff"]) {
    expect([one, pathFault(one)]).toEqual([one, expect.any(String)]);
  }
});

test("the name of a sequential node may be nothing but its number", () => {
  expect(pathFault("/queue/", true)).toBeUndefined();
  expect(pathFault("/", true)).toBeUndefined();
  expect(pathFault("/queue//", true)).toBeDefined();
});

test("a chroot is put in front and taken away again", () => {
  fc.assert(
    fc.property(
      path,
      fc.oneof(
        fc.constant(""),
        part.map((name) => `/${name}`),
      ),
      (own, chroot) => {
        const full = withChroot(chroot, own);
        expect(pathFault(full)).toBeUndefined();
        expect(withoutChroot(chroot, full)).toBe(own);
      },
    ),
  );
  expect(withChroot("/app", "/")).toBe("/app");
  expect(withoutChroot("/app", "/application/x")).toBe("/application/x");
});
