import { expect, test } from "vitest";
import { mountOf } from "#agent/doctor/mounts.ts";

const mountinfo = `27 1 254:0 / / rw,relatime - ext4 /dev/vda rw
28 27 0:25 / /tmp rw,nosuid,noexec shared:3 - tmpfs tmpfs rw,size=4k
29 27 8:1 / /var/lib/my\\040disk ro,relatime - vfat /dev/sda1 rw
30 27 8:2 / /mnt rw - ext4 /dev/sdb ro
31 27 8:3 / /mnt rw - xfs /dev/sdc rw
`;

test("the longest mount point above a path counts, and of two at one place the later", () => {
  expect(mountOf(mountinfo, "/var/lib/fogbank")).toEqual({
    point: "/",
    type: "ext4",
    isReadOnly: false,
    isNoexec: false,
  });
  expect(mountOf(mountinfo, "/tmp/x")).toMatchObject({ point: "/tmp", type: "tmpfs", isNoexec: true });
  expect(mountOf(mountinfo, "/tmpx")).toMatchObject({ point: "/" });
  expect(mountOf(mountinfo, "/mnt")).toMatchObject({ type: "xfs", isReadOnly: false });
});

test("a blank in a mount point and a mount that is read-only are understood", () => {
  expect(mountOf(mountinfo, "/var/lib/my disk/a")).toMatchObject({ point: "/var/lib/my disk", isReadOnly: true });
  expect(mountOf("", "/")).toBeUndefined();
});
