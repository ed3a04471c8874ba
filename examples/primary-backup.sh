#!/bin/sh
# Tells conntrackd about the role that keepalived has given to this firewall, and moves the fence
# that nftables.conf describes.
#
#	primary-backup.sh {primary|backup|fault} [GROUP]
#
# keepalived calls it from its notify_master, notify_backup and notify_fault lines. A GROUP is a
# number for shared addresses that move together; a pair of which one firewall is primary and the
# other one backup has only one group, 1, and need not name it.

CONNTRACKD=/usr/sbin/conntrackd
CONNTRACK=/usr/sbin/conntrack
NFT=/usr/sbin/nft
CONFIG=/etc/conntrackd/conntrackd.conf
# The `LockFile` of that configuration.
LOCKFILE=/var/lock/conntrackd.lock
# Only where both firewalls are primary, each of a group of its own: a line for each group with
# its number and the address under which the world sees its connections (see active-active/).
GROUPS_FILE=/etc/conntrackd/groups
# A file for each group whose fence is down: nftables.conf includes them, so that loading it again
# does not raise the fence on a primary. Empty after a boot.
STATE=/run/primary-backup
# The fence comes down after this time even if the commit has not ended: what is not committed by
# then is lost, and new connections wait already too long. In seconds.
COMMIT_MAX=120
# `PurgeTimeout` for a group that goes while another one stays.
PURGE=60

GROUP=${2:-1}

complain() {
	logger -t primary-backup -p daemon.err -- "$*" 2>/dev/null || echo "$*" >&2
}

# A request that fails is reported and does not keep the next ones from being made: half a
# takeover is better than none.
request() {
	timeout "$COMMIT_MAX" "$CONNTRACKD" -C "$CONFIG" "$@" || complain "conntrackd $* failed"
}

raise_fence() {
	rm -f "$STATE/$GROUP.nft"
	"$NFT" "flush chain inet firewall fence_$GROUP
		add rule inet firewall fence_$GROUP counter drop" || complain "the fence is not up"
}

lower_fence() {
	mkdir -p "$STATE"
	echo "flush chain inet firewall fence_$GROUP" >"$STATE/$GROUP.nft"
	"$NFT" -f "$STATE/$GROUP.nft" || complain "the fence is still up: nothing new gets through"
}

is_primary() {
	[ -e "$STATE/$1.nft" ]
}

is_primary_of_any() {
	set -- "$STATE"/*.nft
	[ -e "$1" ]
}

shares_groups() {
	[ -e "$GROUPS_FILE" ]
}

# Deletes the flows of the groups of which this firewall is not primary: of some of them it has
# only copies, which nothing keeps up to date.
forget_others() {
	while read -r group address; do
		is_primary "$group" ||
			"$CONNTRACK" -D --reply-dst "$address" >/dev/null 2>&1
	done <"$GROUPS_FILE"
}

# The connections of the group in the kernel are not ours any more, and have to go; but not at
# once, lest a role that comes back soon finds nothing.
purge() {
	if shares_groups && is_primary_of_any; then
		(
			exec 9<&-
			sleep "$PURGE"
			exec 9<"$0" && flock 9
			is_primary_of_any && forget_others
		) >/dev/null 2>&1 &
	else
		request -t
	fi
}

# Roles can change faster than one change is done: one at a time.
exec 9<"$0" && flock 9

case "$1" in
primary)
	# The connections of the firewall that was primary go into the kernel; its client returns when
	# they are there.
	request -c
	lower_fence
	shares_groups && forget_others
	request -f # What is known about both firewalls is out of date now: forget it,
	request -R # learn the own connections from the kernel, with those just taken over,
	request -B # and tell all of them to the other firewall.
	shares_groups && request -n # Its own ones it tells us again.
	;;
backup)
	raise_fence
	if ! "$CONNTRACKD" -C "$CONFIG" -s >/dev/null 2>&1; then
		if [ -e "$LOCKFILE" ]; then
			complain "conntrackd has died and left $LOCKFILE; is there a core dump?"
			rm -f "$LOCKFILE"
		fi
		# Without the lock: the daemon stays, the lock must not.
		if ! "$CONNTRACKD" -C "$CONFIG" -d 9<&-; then
			complain "conntrackd does not start"
			exit 1
		fi
	fi
	purge
	request -n # The other firewall tells us all of its connections.
	;;
fault)
	raise_fence
	purge
	;;
*)
	echo "Usage: primary-backup.sh {primary|backup|fault} [GROUP]" >&2
	exit 1
	;;
esac
exit 0
