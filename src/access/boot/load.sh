# Establishes at boot what was confirmed last of mailward's packet filter rules, and nothing else of them: what others saved
# while a change waited, and load again, goes. Where nothing was confirmed own rules go, and nothing that is not mailward's is
# touched. Run by the boot, behind what loads others' rules, from its own unit or init script. POSIX sh, with the tools of
# CentOS 5 or of BusyBox.

PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
LC_ALL=C
export PATH LC_ALL
cd "$MAILWARD_ROOT/var/lib/mailward/access" || exit 1
status=0

# systemd keeps what a service prints; elsewhere it goes to the system's log as well, or to the kernel's where there is none yet.
say() {
    echo "mailward: $1" >&2
    [ -z "$JOURNAL_STREAM" ] || return 0
    if [ -S /dev/log ]; then
        logger -p daemon.warning -t mailward "$1"
    elif [ -c /dev/kmsg ]; then
        echo "<4>mailward: $1" >/dev/kmsg
    fi 2>/dev/null
}

# The program of a variable; one that has moved since it was found is looked for by its name. Of a stand-in never the machine's.
program() {
    eval "found=\$$1"
    if [ -n "$MAILWARD_ROOT" ]; then
        [ -z "$found" ] || found=$MAILWARD_ROOT$found
    elif [ ! -x "$found" ]; then
        found=$(command -v "$2") || found=
    fi
}

# Whether the kernel has nftables: asking it must load nothing.
has_nftables() {
    [ -d /sys/module/nf_tables ] || [ ! -e /proc/modules ] || {
        builtin=/lib/modules/$(uname -r)/modules.builtin
        [ ! -f "$builtin" ] || grep -q '/nf_tables\.ko' "$builtin"
    }
}

taken() {
    say "$1 that nobody has confirmed are taken away: the rules are those that were confirmed last"
}

nftables() {
    program nft nft
    if [ -z "$found" ]; then
        [ ! -f boot.nft ] || say 'there is no nft to load boot.nft'
        [ ! -f boot.nft ]
        return
    fi
    [ -f boot.nft ] || has_nftables || return 0
    before=$("$found" list table inet mailward 2>/dev/null)
    if [ -n "$before" ]; then
        # A rule of the chain bears the mark.
        case $before in
        *' comment "mailward"'*) ;;
        *)
            [ -f boot.nft ] || return 0
            say 'the table inet mailward of nftables is somebody else'"'"'s: boot.nft is not loaded'
            return 1
            ;;
        esac
    fi
    if [ -f boot.nft ]; then
        "$found" -f boot.nft || return 1
    elif [ -n "$before" ]; then
        "$found" delete table inet mailward || return 1
    fi
    [ -z "$before" ] || [ "$before" = "$("$found" list table inet mailward 2>/dev/null)" ] ||
        taken "rules in mailward's own table of nftables"
}

# What iptables has of own chains, without counters and the space that ends a rule until 1.3; asks for no table that is not there.
own() {
    "$1" 2>/dev/null | sed -n '/^\*raw$/,/^COMMIT$/{
s/ *$//
s/^\(:MAILWARD[^ ]*\) .*/\1 - [0:0]/p
/^-A MAILWARD[ -]/p
/^-A PREROUTING -j MAILWARD$/p
}'
}

# foreign FILE OWN: whether chains that have mailward's names are somebody else's: they lack the chain that marks mailward's own,
# and are not what versions made that set no mark, nor is the file of such a version.
foreign() {
    case $2 in
    '' | *':MAILWARD-own '*) return 1 ;;
    esac
    if [ -s "$1" ] && ! grep -q '^:MAILWARD-own ' "$1"; then
        return 1
    fi
    case $2 in *'-A MAILWARD -i lo -j RETURN'*) ;; *) return 0 ;; esac
    printf '%s\n' "$2" | grep '^-A MAILWARD' | grep -v \
        -e '^-A MAILWARD -i lo -j RETURN$' \
        -e '^-A MAILWARD -p tcp .*--dport [0-9]* .* -j DROP$' \
        -e '^-A MAILWARD -p tcp .*--dport [0-9]* .* -j MAILWARD-[a-z0-9]*$' \
        -e '^-A MAILWARD-[a-z0-9]* -s [0-9a-f.:/]* -j RETURN$' \
        -e '^-A MAILWARD-[a-z0-9]* -j DROP$' >/dev/null
}

# one_transaction FILE OWN: makes the own chains what the file says, whatever they are.
one_transaction() {
    echo '*raw'
    {
        printf '%s\n' "$2"
        cat "$1"
    } | grep '^:MAILWARD' | sort -u
    printf '%s\n' "$2" | sed -n 's/^-A PREROUTING /-D PREROUTING /p'
    grep -v -e '^\*raw$' -e '^:' -e '^COMMIT$' "$1"
    echo COMMIT
}

# put RESTORE FILE OWN: tries again while somebody else holds the lock of iptables (4).
put() {
    for try in 1 2 3 4 5 6 7 8 9 10; do
        one_transaction "$2" "$3" | "$1" --noflush && return 0
        [ $? = 4 ] || return 1
        sleep 1
    done
    return 1
}

# sweep RESTORE FILE OWN: removes own chains that the file does not have; one that others jump to stays, empty.
sweep() {
    printf '%s\n' "$3" | sed -n 's/^:\(MAILWARD[^ ]*\) .*/\1/p' | while read -r chain; do
        grep -q "^:$chain " "$2" ||
            printf '*raw\n-X %s\nCOMMIT\n' "$chain" | "$1" --noflush 2>/dev/null
    done
    return 0
}

# iptables FAMILY PLAIN NAMES: NAMES lists the tables of the old kind. Kernels without addrtype take the file's second form,
# which also sees what is only forwarded.
iptables() {
    file=boot.$1
    program "$1_save" "$2-save"
    save=$found
    program "$1_restore" "$2-restore"
    restore=$found
    after=
    if [ -z "$save" ] || [ -z "$restore" ]; then
        if [ -f "$file" ]; then
            say "there is no $2-restore to load $file"
            return 1
        fi
    elif [ -f "$file" ] || [ -e "$3" ] || has_nftables; then
        before=$(own "$save")
        if foreign "$file" "$before"; then
            if [ -f "$file" ]; then
                say "the chain MAILWARD of $2 is somebody else's: $file is not loaded"
                return 1
            fi
        elif [ -f "$file" ]; then
            put "$restore" "$file" "$before" || put "$restore" "$file-all" "$before" || return 1
            sweep "$restore" "$file" "$before"
        elif [ -n "$before" ]; then
            put "$restore" /dev/null "$before" || return 1
            sweep "$restore" /dev/null "$before"
        fi
        after=$(own "$save")
        # Chains that nothing jumps to were not in force.
        case $before in
        "$after") ;;
        *'-A PREROUTING -j MAILWARD'*) taken "rules in mailward's own chains of $2" ;;
        esac
    fi
    for kind in legacy nft; do
        program "$1_${kind}_save" "$2-$kind-save"
        save=$found
        program "$1_${kind}_restore" "$2-$kind-restore"
        restore=$found
        [ -n "$save" ] && [ -n "$restore" ] || continue
        case $kind in
        legacy) [ -e "$3" ] || continue ;;
        nft) has_nftables || continue ;;
        esac
        before=$(own "$save")
        # The plain command may be this one.
        [ -n "$before" ] && [ "$before" != "$after" ] || continue
        foreign /dev/null "$before" && continue
        put "$restore" /dev/null "$before" || return 1
        sweep "$restore" /dev/null "$before"
        case $before in
        *'-A PREROUTING -j MAILWARD'*) taken "rules in mailward's own chains of $2-$kind" ;;
        esac
    done
}

nftables || status=1
iptables v4 iptables /proc/net/ip_tables_names || status=1
iptables v6 ip6tables /proc/net/ip6_tables_names || status=1
exit $status
