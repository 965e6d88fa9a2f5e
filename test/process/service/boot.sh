#!/bin/sh
# boot.sh FOLDER: starts systemd itself, as the first process of a machine that sees this one's files and changes none of them: name spaces
# of its own, and an overlay in memory. FOLDER/job.sh runs there as root and finds FOLDER as /job; when it ends, the machine is switched
# off. As root, under `unshare --mount --pid --fork --uts --ipc --net --cgroup --kill-child`.
set -e
folder=$1
machine=$folder/machine
mount --make-rprivate /
mkdir "$machine"
mount -t tmpfs tmpfs "$machine"
mkdir "$machine/upper" "$machine/work" "$machine/root"
root=$machine/root
mount -t overlay overlay -o "lowerdir=/,upperdir=$machine/upper,workdir=$machine/work" "$root"
mount -t proc proc "$root/proc"
mount --bind "$root/proc/sys" "$root/proc/sys"
mount -o remount,bind,ro "$root/proc/sys"
mount -t tmpfs tmpfs "$root/run"
mount -t tmpfs tmpfs "$root/tmp"
mount --rbind /dev "$root/dev"
mount -t sysfs sysfs "$root/sys"
if [ -e /sys/fs/cgroup/cgroup.controllers ]; then
  mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
else
  mount -t tmpfs tmpfs "$root/sys/fs/cgroup"
  mkdir "$root/sys/fs/cgroup/systemd"
  mount -t cgroup -o none,name=systemd cgroup "$root/sys/fs/cgroup/systemd"
  # It looks there for more hierarchies to put its groups into.
  mount --bind /dev/null "$root/proc/cgroups"
fi
mkdir -p "$root/job" "$root/units"
mount --bind "$folder" "$root/job"
# Nothing of what this machine would start at its boot, but the journal.
rm -rf "$root"/etc/systemd/system/*.wants "$root"/etc/systemd/system/fogbank*
for name in sysinit basic sockets timers paths slices local-fs network shutdown umount final multi-user; do
  printf '[Unit]\nDescription=%s\n' "$name" >"$root/units/$name.target"
done
for unit in systemd-journald.service systemd-journald.socket systemd-journald-dev-log.socket; do
  cp "/lib/systemd/system/$unit" "$root/units/"
done
echo 'Wants=systemd-journald.socket' >>"$root/units/sockets.target"
echo 'Wants=sockets.target sysinit.target' >>"$root/units/basic.target"
printf 'Requires=basic.target\nWants=job.service\n' >>"$root/units/multi-user.target"
ln -s multi-user.target "$root/units/default.target"
cat >"$root/units/job.service" <<'UNIT'
[Unit]
DefaultDependencies=no
After=systemd-journald.service
[Service]
Type=oneshot
ExecStart=/bin/sh /job/job.sh
StandardOutput=file:/job/output
StandardError=file:/job/errors
ExecStopPost=/bin/systemctl --force --force poweroff
UNIT
export container=other SYSTEMD_UNIT_PATH=/etc/systemd/system:/units PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
exec chroot "$root" /lib/systemd/systemd --system --log-target=console
