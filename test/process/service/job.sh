# What the test of the service does on the machine that boot.sh starts. Each part of the output has a heading, on which the test looks at it.
about() { echo "## $1"; }
show() { systemctl show fogbank --property="$1" --value; }
waitfor() { until [ "$(show "$1")" = "$2" ]; do sleep 0.1; done; }

about booted
about installed
/job/fogbank install --service --set name=pump-1 --set functions-dir=/etc/fogbank/functions
about state
for property in ActiveState UnitFileState StatusText NRestarts; do show $property; done
about rights
grep -E '^(Uid|CapEff|CapBnd|NoNewPrivs|Seccomp):' "/proc/$(show MainPID)/status" | tr '\t' ' '
id -u fogbank
stat -c '%U %a %n' /etc/fogbank /etc/fogbank/fogbank.conf /var/lib/fogbank /var/lib/fogbank/fogbank.db
about readings
fogbank sub -t '/data/host/#' --count 1 >/dev/null && echo some
about function
mkdir /etc/fogbank/functions
printf '#!/bin/sh\ntouch /var/lib/fogbank/allowed; touch /etc/fogbank/not-allowed 2>/dev/null; echo 42\n' >/etc/fogbank/functions/answer.sh
chmod 755 /etc/fogbank/functions/answer.sh
fogbank call --on pump-1 answer
ls /var/lib/fogbank/allowed /etc/fogbank/not-allowed 2>&1
about published
fogbank pub -t /data/x -m 1 && echo acknowledged
about users
echo secret | fogbank user add child-1 --child --users /etc/fogbank/users.conf
stat -c '%U %a' /etc/fogbank/users.conf
echo 'auth: { users = "/etc/fogbank/users.conf"; };' >>/etc/fogbank/fogbank.conf
systemctl restart fogbank && systemctl reload fogbank && show ActiveState
about again
fogbank install --service
about watchdog
mkdir -p /etc/systemd/system/fogbank.service.d
printf '[Service]\nWatchdogSec=8\nRestartSec=0\n' >/etc/systemd/system/fogbank.service.d/quick.conf
systemctl daemon-reload
systemctl restart fogbank
started=$(show WatchdogTimestampMonotonic)
while [ "$(show WatchdogTimestampMonotonic)" = "$started" ]; do sleep 0.1; done
show NRestarts
kill -STOP "$(show MainPID)"
waitfor NRestarts 1
waitfor ActiveState active
show NRestarts
about log
journalctl --unit=fogbank --output=cat | grep -c '"msg":"node started"'
about misconfigured
echo 'levl = "fog";' >>/etc/fogbank/fogbank.conf
systemctl restart fogbank 2>/dev/null || echo refused
show ActiveState
show NRestarts
/job/fogbank install --service 2>&1 | grep -q 'did you mean "level"' && echo 'not installed'
about removed
fogbank uninstall
systemctl is-enabled fogbank 2>/dev/null
ls -d /etc/fogbank /var/lib/fogbank
about purged
/job/fogbank uninstall --purge
ls -d /etc/fogbank /var/lib/fogbank 2>&1 | grep -c 'No such file'
about end
