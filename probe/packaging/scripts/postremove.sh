#!/bin/sh
# dpkg calls this with "remove", "purge" and others, rpm with the number of
# versions that stay installed. rpm has no purge: there the spool stays.
set -e
if [ -d /run/systemd/system ]; then
	systemctl daemon-reload
fi
if [ "$1" = purge ]; then
	rm -rf /var/lib/fibergauge-probe
	if getent passwd fibergauge >/dev/null; then
		userdel fibergauge
	fi
fi
