#!/bin/sh
# dpkg calls this with "remove" (or "upgrade"), rpm with the number of versions
# that stay installed.
set -e
case "$1" in
remove | 0) ;;
*) exit 0 ;;
esac
if [ -d /run/systemd/system ]; then
	systemctl disable --now fibergauge-probe.service
else
	rm -f /etc/systemd/system/multi-user.target.wants/fibergauge-probe.service
fi
