#!/bin/sh
# Tells conntrackd about the role that keepalived has given to this firewall.
# keepalived calls it from its notify_master, notify_backup and notify_fault lines.

CONNTRACKD=/usr/sbin/conntrackd
CONFIG=/etc/conntrackd/conntrackd.conf
# The `LockFile` of that configuration.
LOCKFILE=/var/lock/conntrackd.lock

complain() {
	logger -t primary-backup -p daemon.err -- "$*" 2>/dev/null || echo "$*" >&2
}

# A request that fails is reported and does not keep the next ones from being made: half a
# takeover is better than none.
request() {
	"$CONNTRACKD" -C "$CONFIG" "$@" || complain "conntrackd $* failed"
}

# Roles can change faster than one change is done: one at a time.
exec 9<"$0" && flock 9

case "$1" in
primary)
	request -c # The connections of the firewall that was primary go into the kernel.
	request -f # What is known about both firewalls is out of date now: forget it,
	request -R # learn the own connections from the kernel, with those just taken over,
	request -B # and tell all of them to the other firewall.
	;;
backup)
	if ! "$CONNTRACKD" -C "$CONFIG" -s >/dev/null 2>&1; then
		if [ -e "$LOCKFILE" ]; then
			complain "conntrackd has died and left $LOCKFILE; is there a core dump?"
			rm -f "$LOCKFILE"
		fi
		if ! "$CONNTRACKD" -C "$CONFIG" -d; then
			complain "conntrackd does not start"
			exit 1
		fi
	fi
	request -t # The connections in the kernel are not ours any more: empty it, but not at once.
	request -n # The other firewall tells us all of its connections.
	;;
fault)
	request -t
	;;
*)
	echo "Usage: primary-backup.sh {primary|backup|fault}" >&2
	exit 1
	;;
esac
