# Completion of conntrack(8) for fish; written by `cargo xtask completions`.

# Whether the protocol of the line is one of these.
function __conntrack_protocol
    set -l words (commandline -opc)
    for at in (seq (count $words))
        if contains -- $words[$at] -p --protonum
            contains -- $words[(math $at + 1)] $argv
            and return 0
        end
    end
    return 1
end

# Words of a list with commas between them.
function __conntrack_list
    set -l before (string match -r '^.*,' -- (commandline -ct))
    for word in $argv
        echo $before$word
    end
end

complete -c conntrack -f
complete -c conntrack -s L -l dump -x -a 'expect conntrack dying unconfirmed' -d 'List flows'
complete -c conntrack -s G -l get -x -a 'expect conntrack' -d 'Show one flow'
complete -c conntrack -s D -l delete -x -a 'expect conntrack' -d 'Delete the flows that match'
complete -c conntrack -s I -l create -x -a 'expect conntrack' -d 'Create a flow that must not exist'
complete -c conntrack -s A -l add -x -a 'expect conntrack' -d 'Create a flow, or update it if it exists'
complete -c conntrack -s U -l update -x -a 'expect conntrack' -d 'Change the flows that match'
complete -c conntrack -s E -l event -x -a 'expect conntrack' -d 'Show changes as they happen'
complete -c conntrack -s F -l flush -x -a 'expect conntrack' -d 'Empty the table'
complete -c conntrack -s C -l counter -x -a 'expect conntrack' -d 'Show the number of flows'
complete -c conntrack -s S -l stats -x -a 'expect conntrack' -d 'Show the counters of each processor'
complete -c conntrack -s V -l version -f -d 'Show the version'
complete -c conntrack -s h -l help -x -a 'commands filters files values output events labels nat expectations protocols icmp tcp udp dccp gre icmpv6 sctp udplite' -d 'Show this text, and a protocol'\''s options'
complete -c conntrack -s R -l load-file -r -F -d 'Do what the lines of a file say; the first word'
complete -c conntrack -s s -l src -x -d 'Source of the original direction'
complete -c conntrack -l orig-src -x -d 'Source of the original direction'
complete -c conntrack -s d -l dst -x -d 'Destination of the original direction'
complete -c conntrack -l orig-dst -x -d 'Destination of the original direction'
complete -c conntrack -s r -l reply-src -x -d 'Source of the reply direction'
complete -c conntrack -s q -l reply-dst -x -d 'Destination of the reply direction'
complete -c conntrack -s p -l protonum -x -a 'icmp tcp udp dccp gre icmpv6 sctp udplite' -d 'Layer 4 protocol, by name or number; stands before its own options'
complete -c conntrack -s t -l timeout -x -d 'Remaining life: to set, or to match exactly with -D'
complete -c conntrack -s u -l status -x -a '(__conntrack_list ASSURED SEEN_REPLY UNSET FIXED_TIMEOUT EXPECTED OFFLOAD HW_OFFLOAD UNREPLIED)' -d 'Status bits: ASSURED, SEEN_REPLY, UNSET, FIXED_TIMEOUT, EXPECTED, OFFLOAD, HW_OFFLOAD, UNREPLIED; ! negates'
complete -c conntrack -s z -l zero -f -d 'Set the counters to zero while listing'
complete -c conntrack -s e -l event-mask -x -a '(__conntrack_list ALL NEW UPDATES DESTROY)' -d 'Changes to show: ALL, NEW, UPDATES, DESTROY'
complete -c conntrack -l tuple-src -x -d 'Source of the expected flow'
complete -c conntrack -l tuple-dst -x -d 'Destination of the expected flow'
complete -c conntrack -l mask-src -x -d 'Which bits of the source count'
complete -c conntrack -l mask-dst -x -d 'Which bits of the destination count'
complete -c conntrack -s a -l nat-range -x -d 'Ignored'
complete -c conntrack -s m -l mark -x -d 'Mark: to match, or to set with -I, -A and -U'
complete -c conntrack -s i -l id -x -d 'The kernel'\''s id of the flow'
complete -c conntrack -s f -l family -x -a 'ipv4 ipv6' -d 'Layer 3 protocol; both if it is not given'
complete -c conntrack -s n -l src-nat -f -d 'Translated source: to match, or to set with -I and -A'
complete -c conntrack -s g -l dst-nat -f -d 'Translated destination: to match, or to set with -I and -A'
complete -c conntrack -s o -l output -x -a '(__conntrack_list xml extended timestamp id ktimestamp labels userspace save json openmetrics)' -d 'What to show: extended, id, timestamp, ktimestamp, labels, or one of xml, json and save; userspace is accepted'
complete -c conntrack -s c -l secmark -x -d 'Security mark'
complete -c conntrack -s b -l buffer-size -x -d 'Receive buffer for events'
complete -c conntrack -s j -l any-nat -f -d 'Translated source or destination, to match'
complete -c conntrack -s w -l zone -x -d 'Zone of both directions'
complete -c conntrack -s l -l label -x -d 'Labels that must be set'
complete -c conntrack -l label-add -x -d 'Labels to set'
complete -c conntrack -l label-del -f -d 'Labels to clear; all without a name'
complete -c conntrack -l orig-zone -x -d 'Zone of the original direction alone'
complete -c conntrack -l reply-zone -x -d 'Zone of the reply direction alone'
complete -c conntrack -s M -l labelmap -r -F -d 'File with the names of the labels'
complete -c conntrack -l helper -x -d 'Helper to attach'
complete -c conntrack -l master -x -d 'Flow that the new one belongs to'
complete -c conntrack -l orig-seqadj -x -d 'Adjustment of TCP sequence numbers, original direction'
complete -c conntrack -l reply-seqadj -x -d 'The same, reply direction'
complete -c conntrack -l synproxy -x -d 'Data of a flow behind a SYN proxy'
complete -c conntrack -l filter-file -r -F -d 'File with conditions, one set per line, of which one has to hold; - for standard input'
complete -c conntrack -l icmp-type -n '__conntrack_protocol icmp 1' -x -d 'type of the original direction'
complete -c conntrack -l icmp-code -n '__conntrack_protocol icmp 1' -x -d 'code'
complete -c conntrack -l icmp-id -n '__conntrack_protocol icmp 1' -x -d 'identifier'
complete -c conntrack -l sport -n '__conntrack_protocol tcp 6 udp 17 dccp 33 sctp 132 udplite 136' -x -d 'source port of the original direction'
complete -c conntrack -l orig-port-src -n '__conntrack_protocol tcp 6 udp 17 dccp 33 sctp 132 udplite 136' -x -d 'source port of the original direction'
complete -c conntrack -l dport -n '__conntrack_protocol tcp 6 udp 17 dccp 33 sctp 132 udplite 136' -x -d 'destination port of the original direction'
complete -c conntrack -l orig-port-dst -n '__conntrack_protocol tcp 6 udp 17 dccp 33 sctp 132 udplite 136' -x -d 'destination port of the original direction'
complete -c conntrack -l reply-port-src -n '__conntrack_protocol tcp 6 udp 17 dccp 33 sctp 132 udplite 136' -x -d 'source port of the reply direction'
complete -c conntrack -l reply-port-dst -n '__conntrack_protocol tcp 6 udp 17 dccp 33 sctp 132 udplite 136' -x -d 'destination port of the reply direction'
complete -c conntrack -l mask-port-src -n '__conntrack_protocol tcp 6 udp 17 dccp 33 sctp 132 udplite 136' -x -d 'which bits of the expected source port count'
complete -c conntrack -l mask-port-dst -n '__conntrack_protocol tcp 6 udp 17 dccp 33 sctp 132 udplite 136' -x -d 'which bits of the expected destination port count'
complete -c conntrack -l tuple-port-src -n '__conntrack_protocol tcp 6 udp 17 dccp 33 sctp 132 udplite 136' -x -d 'source port of the expected flow'
complete -c conntrack -l tuple-port-dst -n '__conntrack_protocol tcp 6 udp 17 dccp 33 sctp 132 udplite 136' -x -d 'destination port of the expected flow'
complete -c conntrack -l state -n '__conntrack_protocol tcp 6' -x -a 'NONE SYN_SENT SYN_RECV ESTABLISHED FIN_WAIT CLOSE_WAIT LAST_ACK TIME_WAIT CLOSE SYN_SENT2' -d 'state, such as ESTABLISHED'
complete -c conntrack -l wscale -n '__conntrack_protocol tcp 6' -x -d 'window scales of both directions, ORIGINAL,REPLY'
complete -c conntrack -l state -n '__conntrack_protocol dccp 33' -x -a 'NONE REQUEST RESPOND PARTOPEN OPEN CLOSEREQ CLOSING TIMEWAIT IGNORE INVALID' -d 'state, such as RESPOND'
complete -c conntrack -l role -n '__conntrack_protocol dccp 33' -x -a 'client server' -d 'client or server'
complete -c conntrack -l srckey -n '__conntrack_protocol gre 47' -x -d 'source key of the original direction'
complete -c conntrack -l orig-key-src -n '__conntrack_protocol gre 47' -x -d 'source key of the original direction'
complete -c conntrack -l dstkey -n '__conntrack_protocol gre 47' -x -d 'destination key of the original direction'
complete -c conntrack -l orig-key-dst -n '__conntrack_protocol gre 47' -x -d 'destination key of the original direction'
complete -c conntrack -l reply-key-src -n '__conntrack_protocol gre 47' -x -d 'source key of the reply direction'
complete -c conntrack -l reply-key-dst -n '__conntrack_protocol gre 47' -x -d 'destination key of the reply direction'
complete -c conntrack -l mask-key-src -n '__conntrack_protocol gre 47' -x -d 'which bits of the expected source key count'
complete -c conntrack -l mask-key-dst -n '__conntrack_protocol gre 47' -x -d 'which bits of the expected destination key count'
complete -c conntrack -l tuple-key-src -n '__conntrack_protocol gre 47' -x -d 'source key of the expected flow'
complete -c conntrack -l tuple-key-dst -n '__conntrack_protocol gre 47' -x -d 'destination key of the expected flow'
complete -c conntrack -l icmpv6-type -n '__conntrack_protocol icmpv6 58' -x -d 'type of the original direction'
complete -c conntrack -l icmpv6-code -n '__conntrack_protocol icmpv6 58' -x -d 'code'
complete -c conntrack -l icmpv6-id -n '__conntrack_protocol icmpv6 58' -x -d 'identifier'
complete -c conntrack -l state -n '__conntrack_protocol sctp 132' -x -a 'NONE CLOSED COOKIE_WAIT COOKIE_ECHOED ESTABLISHED SHUTDOWN_SENT SHUTDOWN_RECD SHUTDOWN_ACK_SENT HEARTBEAT_SENT HEARTBEAT_ACKED' -d 'state, such as ESTABLISHED'
complete -c conntrack -l orig-vtag -n '__conntrack_protocol sctp 132' -x -d 'verification tag of the original direction'
complete -c conntrack -l reply-vtag -n '__conntrack_protocol sctp 132' -x -d 'verification tag of the reply direction'
