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
# has to be committed. conntrackd itself is started at boot. What goes wrong is in the system's log,
# under share.

CONNTRACKD=/usr/sbin/conntrackd
CONNTRACK=/usr/sbin/conntrack
NFT=/usr/sbin/nft
CONFIG=/etc/conntrackd/conntrackd.conf
# What this script remembers, nothing of it after a boot. SHARE.nft is there for each share of this
# firewall: nftables.conf includes it. SHARE.role is the last thing that keepalived has told.
STATE=/run/share
# Who has had a share lets go of it within this time, in seconds, if it lives. Two firewalls that let
# through the same new connection would tell each other contradictory things about it.
PAUSE=0.3
# How long conntrackd may take for a request, in seconds.
REQUEST_MAX=30

DEED=$1
SHARE=$2

complain() {
	logger -t share -p daemon.err -- "$*" 2>/dev/null || echo "$*" >&2
}

request() {
	timeout -k 5 "$REQUEST_MAX" "$CONNTRACKD" -C "$CONFIG" "$@" ||
		complain "conntrackd $* failed ($?; 124: no answer in time)"
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
	request -f internal
	for file in "$STATE"/*.nft; do
		[ -e "$file" ] && learn "$(basename "$file" .nft)"
	done
}

let_through() {
	echo "add element ip cluster mine { $SHARE }" >"$STATE/$SHARE.nft"
	"$NFT" -f "$STATE/$SHARE.nft" || complain "share $SHARE is not let through"
}

let_go() {
	rm -f "$STATE/$SHARE.nft"
	# Added before it is deleted: deleting what is not there is an error.
	"$NFT" "add element ip cluster mine { $SHARE }
		delete element ip cluster mine { $SHARE }" || complain "share $SHARE is still let through"
}

# keepalived does not wait for one call before it makes the next one, and who was called first need
# not be the first to get here. So each notes the moment at which it was started, in ticks since the
# boot and by its process, unless a later one has been here.
note_role() {
	read -r stat </proc/$$/stat
	# The name in parentheses may hold anything; the moment is the 20th word behind it.
	set -- ${stat##*") "}
	exec 8>>"$STATE/$SHARE.role" && flock 8
	read -r moment process _ <"$STATE/$SHARE.role"
	if [ "${20}" -gt "${moment:-0}" ] || { [ "${20}" -eq "$moment" ] && [ $$ -gt "$process" ]; }; then
		echo "${20} $$ $DEED" >"$STATE/$SHARE.role" || rm -f "$STATE/$SHARE.role"
	fi
	exec 8>&-
}

# Whether keepalived has told nothing else since; yes if nothing can be noted.
is_latest() {
	read -r _ process _ <"$STATE/$SHARE.role" || return 0
	[ "$process" = $$ ]
}

# A share can move faster than one move is done: one move at a time, and only the latest.
begin() {
	mkdir -p "$STATE"
	note_role
	# At once, however long an earlier call still works.
	[ "$DEED" = take ] || ! is_latest || let_go
	exec 9>"$STATE/$SHARE.lock" && flock 9
	is_latest || exit 0
}

case "$DEED:$SHARE" in
take:[1-6])
	begin
	sleep "$PAUSE"
	is_latest || exit 0
	let_through
	learn "$SHARE"
	;;
release:[1-6])
	begin
	let_go # Again: an earlier call may just have let it through.
	learn_own
	# After a boot: what conntrackd has asked for when it started (StartupResync) is lost if the
	# dedicated link was not ready.
	if ! [ -e "$STATE/asked" ]; then
		: >"$STATE/asked"
		request -n
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
