#!/bin/sh
# Gives a share of the clients to this firewall, or takes it away; keepalived calls it.
#
#	share.sh {take|release} SHARE
#	share.sh learn
#
# The last form is for after a restart of conntrackd, which then takes all flows in the kernel for
# this firewall's own.
#
# The connections of every share are in every kernel already, because conntrackd writes there what
# the others tell it (DisableExternalCache). So a share moves by one element of a set, and nothing
# has to be committed.

CONNTRACKD=/usr/sbin/conntrackd
CONNTRACK=/usr/sbin/conntrack
NFT=/usr/sbin/nft
CONFIG=/etc/conntrackd/conntrackd.conf
# A file for each share of this firewall; nftables.conf includes them. Empty after a boot.
STATE=/run/share
# Who has had a share lets go of it within this time, in seconds, if it lives. Two firewalls that let
# through the same new connection would tell each other contradictory things about it.
PAUSE=0.3

SHARE=$2

complain() {
	logger -t share -p daemon.err -- "$*" 2>/dev/null || echo "$*" >&2
}

# conntrackd tells the others only of flows that it has had an event for. Those of a share that was
# just taken came from another firewall: a new mark on each of them makes one. What the mark says
# does not matter, only that it is another one than before. (conntrack 1.4.7 as Debian has it ends in
# the middle of some hundred flows; this project's does not.)
learn() {
	mark=$(od -An -N4 -tu4 /dev/urandom | tr -d ' ')
	"$CONNTRACK" -U --reply-dst "192.0.2.$1" --mark "$mark" >/dev/null 2>&1
}

# This kernel has copies of the flows of other firewalls' shares. When a copy times out, the others
# must not be told so: conntrackd forgets all flows, and learns those that are its own again.
learn_own() {
	"$CONNTRACKD" -C "$CONFIG" -f internal || complain "conntrackd -f internal failed"
	for file in "$STATE"/*.nft; do
		[ -e "$file" ] && learn "$(basename "$file" .nft)"
	done
}

# A share can move faster than one move is done: one move at a time.
lock() {
	mkdir -p "$STATE"
	exec 9>"$STATE/$SHARE.lock" && flock 9
}

case "$1:$SHARE" in
take:[1-6])
	lock
	sleep "$PAUSE"
	echo "add element ip cluster mine { $SHARE }" >"$STATE/$SHARE.nft"
	"$NFT" -f "$STATE/$SHARE.nft" || complain "share $SHARE is not let through"
	learn "$SHARE"
	;;
release:[1-6])
	lock
	# Added before it is deleted: deleting what is not there is an error.
	"$NFT" "add element ip cluster mine { $SHARE }
		delete element ip cluster mine { $SHARE }" || complain "share $SHARE is still let through"
	rm -f "$STATE/$SHARE.nft"
	learn_own
	# After a boot: what conntrackd has asked for when it started (StartupResync) is lost if the
	# dedicated link was not ready.
	if ! [ -e "$STATE/asked" ]; then
		: >"$STATE/asked"
		"$CONNTRACKD" -C "$CONFIG" -n || complain "conntrackd -n failed"
	fi
	;;
learn:)
	learn_own
	;;
*)
	echo "Usage: share.sh {take|release} SHARE | learn" >&2
	exit 1
	;;
esac
exit 0
