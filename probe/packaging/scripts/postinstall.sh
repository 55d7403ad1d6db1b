#!/bin/sh
# dpkg calls this with "configure" and, on an upgrade, the version that was
# there; rpm with the number of versions that are now installed.
set -e
case "$1" in
configure) before=$2 ;;
1) before= ;;
[2-9]) before=some ;;
*) exit 0 ;;
esac

systemd-sysusers fibergauge-probe.conf

# Before the first start, so that the site can be enrolled. The mode is the
# unit's StateDirectoryMode=; the folder of the keys is the service's alone.
install -d -o fibergauge -g fibergauge -m 0750 /var/lib/fibergauge-probe
install -d -o fibergauge -g fibergauge -m 0700 /var/lib/fibergauge-probe/identity

if [ -d /run/systemd/system ]; then
	systemctl daemon-reload
	# Only where it runs: what was stopped stays stopped.
	[ -z "$before" ] || systemctl try-restart fibergauge-probe.service
fi
if [ -z "$before" ]; then
	echo "fibergauge-probe: edit /etc/fibergauge/probe.yaml and enrol, then: systemctl enable --now fibergauge-probe"
fi
