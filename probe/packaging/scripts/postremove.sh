#!/bin/sh
# dpkg calls this with "remove", "purge" and others, rpm with the number of
# versions that stay installed. rpm has no purge: there the spool and the keys
# stay.
set -e
if [ -d /run/systemd/system ]; then
	systemctl daemon-reload
fi
if [ "$1" = purge ]; then
	# The identity with it: whoever keeps a copy of its keys speaks for the
	# site until the collector's operators revoke it.
	rm -rf /var/lib/fibergauge-probe
	if getent passwd fibergauge >/dev/null; then
		userdel fibergauge
	fi
fi
