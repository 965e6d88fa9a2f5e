// The file system that a path is on, from /proc/self/mountinfo (proc_pid_mountinfo(5)).

export interface Mount {
  readonly point: string;
  /** Such as "ext4". */
  readonly type: string;
  readonly isReadOnly: boolean;
  readonly isNoexec: boolean;
}

/** `path` is absolute, without links. Undefined when no line fits. */
export function mountOf(mountinfo: string, path: string): Mount | undefined {
  let best: Mount | undefined;
  for (const line of mountinfo.split("\n")) {
    const mount = parseLine(line);
    if (mount === undefined || !isBelow(path, mount.point)) continue;
    // Of several mounts at one point the last one is on top.
    if (best === undefined || mount.point.length >= best.point.length) best = mount;
  }
  return best;
}

/** `36 35 98:0 /root /mount/point rw,noatime master:1 - ext3 /dev/root rw,errors=continue`: options of the mount, then of the file system. */
function parseLine(line: string): Mount | undefined {
  const [before = "", after] = line.split(" - ");
  const [, , , , point, options = ""] = before.split(" ");
  const [type = "", , superOptions = ""] = after?.split(" ") ?? [];
  if (point === undefined || after === undefined) return undefined;
  const has = (option: string, ...lists: readonly string[]): boolean =>
    lists.some((list) => list.split(",").includes(option));
  return {
    point: point.replace(/\\([0-7]{3})/g, (_sign, octal: string) => String.fromCharCode(Number.parseInt(octal, 8))),
    type,
    isReadOnly: has("ro", options, superOptions),
    isNoexec: has("noexec", options),
  };
}

function isBelow(path: string, point: string): boolean {
  return point === "/" || path === point || path.startsWith(`${point}/`);
}
