#!/bin/sh
# Tells conntrackd about the role that keepalived has given to this firewall, and moves the fence
# that nftables.conf describes.
#
#	primary-backup.sh {primary|backup|fault} [GROUP]
#
# keepalived calls it from its notify_master, notify_backup, notify_fault and notify_stop lines. A
# GROUP is a number for shared addresses that move together; a pair of which one firewall is primary
# and the other one backup has only one group, 1, and need not name it.
#
# Nothing in here waits without end, whatever conntrackd does, so that the fence of a primary comes
# down in any case. What goes wrong is in the system's log, under primary-backup.

CONNTRACKD=/usr/sbin/conntrackd
CONNTRACK=/usr/sbin/conntrack
NFT=/usr/sbin/nft
CONFIG=/etc/conntrackd/conntrackd.conf
# How conntrackd is started where it does not run. With a unit of systemd:
# START="systemctl start conntrackd"
START="$CONNTRACKD -C $CONFIG -d"
# The `LockFile` of that configuration.
LOCKFILE=/var/lock/conntrackd.lock
# Only where both firewalls are primary, each of a group of its own: a line for each group with
# its number and the address under which the world sees its connections (see active-active/).
GROUPS_FILE=/etc/conntrackd/groups
# What this script remembers, nothing of it after a boot. GROUP.nft is there while the group's fence
# is down: nftables.conf includes it, so that loading the rules again does not raise the fence of a
# primary. GROUP.role is the last role that keepalived has told.
STATE=/run/primary-backup
# The fence comes down after this time even if the commit has not ended: what is not committed by
# then is lost, and new connections wait already too long. In seconds.
COMMIT_MAX=120
# How long any other request may take.
REQUEST_MAX=30
# `PurgeTimeout` for a group that goes while another one stays.
PURGE=60

ROLE=$1
GROUP=${2:-1}

say() {
	logger -t primary-backup -p daemon.notice -- "$*" 2>/dev/null || echo "$*" >&2
}

complain() {
	logger -t primary-backup -p daemon.err -- "$*" 2>/dev/null || echo "$*" >&2
}

# conntrackd's client, for so many seconds at most.
client() {
	max=$1
	shift
	timeout -k 5 "$max" "$CONNTRACKD" -C "$CONFIG" "$@"
}

# A request that fails is reported and does not keep the next ones from being made: half a
# takeover is better than none. A role that is out of date asks for nothing more.
request() {
	is_latest || return
	client "$REQUEST_MAX" "$@" || complain "conntrackd $* failed ($?; 124: no answer in time)"
}

# The connections of the firewall that was primary go into the kernel; the client returns when they
# are there. Ours says whether all of them are, where stock's knows no such option.
commit() {
	if "$CONNTRACKD" -h 2>/dev/null | grep -q -e --strict; then
		said=$(client "$COMMIT_MAX" --strict -c 2>&1) && return
		case "$?:$said" in
		# Our client has asked a daemon that is still stock's: as stock's would, then.
		*"does not say what has become"*) ;;
		124:*)
			complain "the commit has not ended after $COMMIT_MAX seconds"
			return
			;;
		*)
			complain "not all connections have been taken over: $said"
			return
			;;
		esac
	fi
	client "$COMMIT_MAX" -c || complain "conntrackd -c failed ($?; 124: no answer in time)"
}

start_conntrackd() {
	client "$REQUEST_MAX" -s >/dev/null 2>&1
	case $? in
	0) return 0 ;;
	124)
		# A second one beside it would only make it worse.
		complain "conntrackd is there and does not answer"
		return 1
		;;
	esac
	if [ -e "$LOCKFILE" ]; then
		complain "conntrackd has died and left $LOCKFILE; is there a core dump?"
		rm -f "$LOCKFILE"
	fi
	# Without the lock: the daemon stays, the lock must not.
	timeout -k 5 "$REQUEST_MAX" $START 9<&- || {
		complain "conntrackd does not start"
		return 1
	}
}

raise_fence() {
	rm -f "$STATE/$GROUP.nft"
	"$NFT" "flush chain inet firewall fence_$GROUP
		add rule inet firewall fence_$GROUP counter drop" || complain "the fence is not up"
}

lower_fence() {
	is_latest || return
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
	while read -r group address || [ "$group" ]; do
		case $group in
		'' | *[!0-9]*) continue ;; # A comment, an empty line.
		esac
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

# keepalived does not wait for one call before it makes the next one, and who was called first need
# not be the first to get here. So each notes its role with the moment at which it was started, in
# ticks since the boot and by its process, unless a later one has been here.
note_role() {
	read -r stat </proc/$$/stat
	# The name in parentheses may hold anything; the moment is the 20th word behind it.
	set -- ${stat##*") "}
	exec 8>>"$STATE/$GROUP.role" && flock 8
	read -r moment process _ <"$STATE/$GROUP.role"
	if [ "${20}" -gt "${moment:-0}" ] || { [ "${20}" -eq "$moment" ] && [ $$ -gt "$process" ]; }; then
		echo "${20} $$ $ROLE" >"$STATE/$GROUP.role" || rm -f "$STATE/$GROUP.role"
	fi
	exec 8>&-
}

# Whether keepalived has told no other role since; yes if nothing can be noted.
is_latest() {
	read -r _ process _ <"$STATE/$GROUP.role" || return 0
	[ "$process" = $$ ]
}

case $GROUP in
*[!0-9]*) ROLE= ;;
esac
case "$ROLE" in
primary | backup | fault) ;;
*)
	echo "Usage: primary-backup.sh {primary|backup|fault} [GROUP]" >&2
	exit 1
	;;
esac

if [ "$ROLE" = primary ]; then
	# Also if this script is ended.
	trap lower_fence EXIT
	trap 'exit 1' HUP INT TERM
fi
mkdir -p "$STATE"
note_role
# At once, however long an earlier call still works.
[ "$ROLE" = primary ] || ! is_latest || raise_fence

# Roles can change faster than one change is done: one at a time, and only the latest.
exec 9<"$0" && flock 9
is_latest || exit 0

case "$ROLE" in
primary)
	commit
	is_latest || exit 0
	lower_fence
	trap - EXIT
	say "primary of group $GROUP: the commit has ended, the fence is down"
	shares_groups && forget_others
	start_conntrackd || exit 1
	request -f # What is known about both firewalls is out of date now: forget it,
	request -R # learn the own connections from the kernel, with those just taken over,
	request -B # and tell all of them to the other firewall.
	shares_groups && request -n # Its own ones it tells us again.
	;;
backup)
	raise_fence # Again: an earlier call may just have lowered it.
	say "backup of group $GROUP: the fence is up"
	start_conntrackd || exit 1
	purge
	request -n # The other firewall tells us all of its connections.
	;;
fault)
	raise_fence
	say "neither primary nor backup of group $GROUP: the fence is up"
	purge
	;;
esac
exit 0
