# Completion of conntrack(8) for bash; written by `cargo xtask completions`.

# Words of a list with commas between them.
_conntrack_list() {
    local before=
    [[ $cur == *,* ]] && before=${cur%,*},
    COMPREPLY=($(compgen -P "$before" -W "$1" -- "${cur##*,}"))
    compopt -o nospace 2>/dev/null
}

_conntrack_words() {
    COMPREPLY=($(compgen -W "$1" -- "$cur"))
}

_conntrack_files() {
    local IFS=$'\n'
    COMPREPLY=($(compgen -f -- "$cur"))
    compopt -o filenames 2>/dev/null
}

_conntrack() {
    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} protocol= i
    COMPREPLY=()
    if [[ $cur == = ]]; then
        cur=
    elif [[ $prev == = ]]; then
        prev=${COMP_WORDS[COMP_CWORD - 2]}
    fi
    for ((i = 1; i < COMP_CWORD; i++)); do
        case ${COMP_WORDS[i]} in
        -p | --protonum)
            protocol=${COMP_WORDS[i + 1]}
            [[ $protocol == = ]] && protocol=${COMP_WORDS[i + 2]}
            ;;
        esac
    done
    case $prev in
    -R | --load-file) _conntrack_files; return ;;
    -s | --src | --orig-src) return ;;
    -d | --dst | --orig-dst) return ;;
    -r | --reply-src) return ;;
    -q | --reply-dst) return ;;
    -p | --protonum) _conntrack_words 'icmp tcp udp dccp gre icmpv6 sctp udplite'; return ;;
    -t | --timeout) return ;;
    -u | --status) _conntrack_list 'ASSURED SEEN_REPLY UNSET FIXED_TIMEOUT EXPECTED OFFLOAD HW_OFFLOAD UNREPLIED'; return ;;
    -e | --event-mask) _conntrack_list 'ALL NEW UPDATES DESTROY'; return ;;
    --tuple-src) return ;;
    --tuple-dst) return ;;
    --mask-src) return ;;
    --mask-dst) return ;;
    -a | --nat-range) return ;;
    -m | --mark) return ;;
    -i | --id) return ;;
    -f | --family) _conntrack_words 'ipv4 ipv6'; return ;;
    -o | --output) _conntrack_list 'xml extended timestamp id ktimestamp labels userspace save json openmetrics'; return ;;
    -c | --secmark) return ;;
    -b | --buffer-size) return ;;
    -w | --zone) return ;;
    -l | --label) return ;;
    --label-add) return ;;
    --orig-zone) return ;;
    --reply-zone) return ;;
    -M | --labelmap) _conntrack_files; return ;;
    --helper) return ;;
    --master) return ;;
    --orig-seqadj) return ;;
    --reply-seqadj) return ;;
    --synproxy) return ;;
    --filter-file) _conntrack_files; return ;;
    esac
    case $protocol:$prev in
    icmp:--icmp-type | 1:--icmp-type) return ;;
    icmp:--icmp-code | 1:--icmp-code) return ;;
    icmp:--icmp-id | 1:--icmp-id) return ;;
    tcp:--sport | 6:--sport | udp:--sport | 17:--sport | dccp:--sport | 33:--sport | sctp:--sport | 132:--sport | udplite:--sport | 136:--sport | tcp:--orig-port-src | 6:--orig-port-src | udp:--orig-port-src | 17:--orig-port-src | dccp:--orig-port-src | 33:--orig-port-src | sctp:--orig-port-src | 132:--orig-port-src | udplite:--orig-port-src | 136:--orig-port-src) return ;;
    tcp:--dport | 6:--dport | udp:--dport | 17:--dport | dccp:--dport | 33:--dport | sctp:--dport | 132:--dport | udplite:--dport | 136:--dport | tcp:--orig-port-dst | 6:--orig-port-dst | udp:--orig-port-dst | 17:--orig-port-dst | dccp:--orig-port-dst | 33:--orig-port-dst | sctp:--orig-port-dst | 132:--orig-port-dst | udplite:--orig-port-dst | 136:--orig-port-dst) return ;;
    tcp:--reply-port-src | 6:--reply-port-src | udp:--reply-port-src | 17:--reply-port-src | dccp:--reply-port-src | 33:--reply-port-src | sctp:--reply-port-src | 132:--reply-port-src | udplite:--reply-port-src | 136:--reply-port-src) return ;;
    tcp:--reply-port-dst | 6:--reply-port-dst | udp:--reply-port-dst | 17:--reply-port-dst | dccp:--reply-port-dst | 33:--reply-port-dst | sctp:--reply-port-dst | 132:--reply-port-dst | udplite:--reply-port-dst | 136:--reply-port-dst) return ;;
    tcp:--mask-port-src | 6:--mask-port-src | udp:--mask-port-src | 17:--mask-port-src | dccp:--mask-port-src | 33:--mask-port-src | sctp:--mask-port-src | 132:--mask-port-src | udplite:--mask-port-src | 136:--mask-port-src) return ;;
    tcp:--mask-port-dst | 6:--mask-port-dst | udp:--mask-port-dst | 17:--mask-port-dst | dccp:--mask-port-dst | 33:--mask-port-dst | sctp:--mask-port-dst | 132:--mask-port-dst | udplite:--mask-port-dst | 136:--mask-port-dst) return ;;
    tcp:--tuple-port-src | 6:--tuple-port-src | udp:--tuple-port-src | 17:--tuple-port-src | dccp:--tuple-port-src | 33:--tuple-port-src | sctp:--tuple-port-src | 132:--tuple-port-src | udplite:--tuple-port-src | 136:--tuple-port-src) return ;;
    tcp:--tuple-port-dst | 6:--tuple-port-dst | udp:--tuple-port-dst | 17:--tuple-port-dst | dccp:--tuple-port-dst | 33:--tuple-port-dst | sctp:--tuple-port-dst | 132:--tuple-port-dst | udplite:--tuple-port-dst | 136:--tuple-port-dst) return ;;
    tcp:--state | 6:--state) _conntrack_words 'NONE SYN_SENT SYN_RECV ESTABLISHED FIN_WAIT CLOSE_WAIT LAST_ACK TIME_WAIT CLOSE SYN_SENT2'; return ;;
    tcp:--wscale | 6:--wscale) return ;;
    dccp:--state | 33:--state) _conntrack_words 'NONE REQUEST RESPOND PARTOPEN OPEN CLOSEREQ CLOSING TIMEWAIT IGNORE INVALID'; return ;;
    dccp:--role | 33:--role) _conntrack_words 'client server'; return ;;
    gre:--srckey | 47:--srckey | gre:--orig-key-src | 47:--orig-key-src) return ;;
    gre:--dstkey | 47:--dstkey | gre:--orig-key-dst | 47:--orig-key-dst) return ;;
    gre:--reply-key-src | 47:--reply-key-src) return ;;
    gre:--reply-key-dst | 47:--reply-key-dst) return ;;
    gre:--mask-key-src | 47:--mask-key-src) return ;;
    gre:--mask-key-dst | 47:--mask-key-dst) return ;;
    gre:--tuple-key-src | 47:--tuple-key-src) return ;;
    gre:--tuple-key-dst | 47:--tuple-key-dst) return ;;
    icmpv6:--icmpv6-type | 58:--icmpv6-type) return ;;
    icmpv6:--icmpv6-code | 58:--icmpv6-code) return ;;
    icmpv6:--icmpv6-id | 58:--icmpv6-id) return ;;
    sctp:--state | 132:--state) _conntrack_words 'NONE CLOSED COOKIE_WAIT COOKIE_ECHOED ESTABLISHED SHUTDOWN_SENT SHUTDOWN_RECD SHUTDOWN_ACK_SENT HEARTBEAT_SENT HEARTBEAT_ACKED'; return ;;
    sctp:--orig-vtag | 132:--orig-vtag) return ;;
    sctp:--reply-vtag | 132:--reply-vtag) return ;;
    esac
    local words=
    case $prev in
    -L | --dump) words='expect conntrack dying unconfirmed' ;;
    -G | --get) words='expect conntrack' ;;
    -D | --delete) words='expect conntrack' ;;
    -I | --create) words='expect conntrack' ;;
    -A | --add) words='expect conntrack' ;;
    -U | --update) words='expect conntrack' ;;
    -E | --event) words='expect conntrack' ;;
    -F | --flush) words='expect conntrack' ;;
    -C | --counter) words='expect conntrack' ;;
    -S | --stats) words='expect conntrack' ;;
    -h | --help) words='commands filters files values output events labels nat expectations protocols icmp tcp udp dccp gre icmpv6 sctp udplite' ;;
    esac
    words+=' -L --dump -G --get -D --delete -I --create -A --add -U --update -E --event -F --flush -C --counter -S --stats -V --version -h --help -R --load-file -s --src --orig-src -d --dst --orig-dst -r --reply-src -q --reply-dst -p --protonum -t --timeout -u --status -z --zero -e --event-mask --tuple-src --tuple-dst --mask-src --mask-dst -a --nat-range -m --mark -i --id -f --family -n --src-nat -g --dst-nat -o --output -c --secmark -b --buffer-size -j --any-nat -w --zone -l --label --label-add --label-del --orig-zone --reply-zone -M --labelmap --helper --master --orig-seqadj --reply-seqadj --synproxy --filter-file'
    case $protocol in
    icmp | 1) words+=' --icmp-type --icmp-code --icmp-id' ;;
    tcp | 6) words+=' --sport --orig-port-src --dport --orig-port-dst --reply-port-src --reply-port-dst --mask-port-src --mask-port-dst --tuple-port-src --tuple-port-dst --state --wscale' ;;
    udp | 17) words+=' --sport --orig-port-src --dport --orig-port-dst --reply-port-src --reply-port-dst --mask-port-src --mask-port-dst --tuple-port-src --tuple-port-dst' ;;
    dccp | 33) words+=' --sport --orig-port-src --dport --orig-port-dst --reply-port-src --reply-port-dst --mask-port-src --mask-port-dst --tuple-port-src --tuple-port-dst --state --role' ;;
    gre | 47) words+=' --srckey --orig-key-src --dstkey --orig-key-dst --reply-key-src --reply-key-dst --mask-key-src --mask-key-dst --tuple-key-src --tuple-key-dst' ;;
    icmpv6 | 58) words+=' --icmpv6-type --icmpv6-code --icmpv6-id' ;;
    sctp | 132) words+=' --sport --orig-port-src --dport --orig-port-dst --reply-port-src --reply-port-dst --mask-port-src --mask-port-dst --tuple-port-src --tuple-port-dst --state --orig-vtag --reply-vtag' ;;
    udplite | 136) words+=' --sport --orig-port-src --dport --orig-port-dst --reply-port-src --reply-port-dst --mask-port-src --mask-port-dst --tuple-port-src --tuple-port-dst' ;;
    esac
    _conntrack_words "$words"
}

complete -F _conntrack conntrack
