# Establishes at boot what was confirmed last of mailward's packet filter rules, and nothing else of them: what others saved
# while a change waited, and load again, goes. Where nothing was confirmed own rules go, and nothing that is not mailward's is
# touched. Run by the boot, behind what loads others' rules, from its own unit or init script. POSIX sh, with the tools of
# CentOS 5 or of BusyBox.

PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
LC_ALL=C
export PATH LC_ALL
cd "$MAILWARD_ROOT/var/lib/mailward/access" || exit 1
status=0
again=no

# Run once more (`again`): not beside a change since the boot that waits, or was decided and is not all done.
if [ "$1" = again ]; then
    again=yes
    for change in /run/mailward/* /dev/shm/mailward-* ./*/open ./*/confirmed; do
        # Anybody may make such a name in memory; only what root owns is a change.
        [ ! -e "$change" ] || [ ! -O "$change" ] || exit 0
    done
fi

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
    [ "$again" = no ] || return 0
    say "$1 that nobody has confirmed are taken away: the rules are those that were confirmed last"
}

# rules LISTING: what a table holds beside sets and base chains that let everything pass.
rules() {
    printf '%s\n' "$1" | sed -e '/^[[:space:]]set .*{$/,/^[[:space:]]}$/d' \
        -e '/^table /d' -e '/^[[:space:]]*}$/d' -e '/^[[:space:]]*$/d' \
        -e '/^[[:space:]]chain input {$/d' -e '/^[[:space:]]chain prerouting {$/d' \
        -e '/^[[:space:]]*type filter hook [a-z]* priority [^;]*; policy accept;$/d'
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
        # A rule of the chain bears the mark; what others have emptied holds nothing of anybody.
        case $before in
        *' comment "mailward"'*) ;;
        *)
            [ -f boot.nft ] || return 0
            [ -n "$(rules "$before")" ] || { "$found" -f boot.nft; return; }
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

# part TABLE: of rules on its input those of one table.
part() {
    sed -n "/^\\*$1\$/,/^\\*/{
/^\\*/d
/^COMMIT\$/d
p
}"
}

# What iptables has of own chains, in front of address translation (raw) and behind it (mangle), without counters
# and the space that ends a rule until 1.3; asks for no table that is not there.
own() {
    saved=$("$1" 2>/dev/null)
    for where in raw:PREROUTING mangle:INPUT; do
        lines=$(printf '%s\n' "$saved" | part "${where%:*}" | sed -n "s/ *\$//
s/^\\(:MAILWARD[^ ]*\\) .*/\\1 - [0:0]/p
/^-A MAILWARD[ -]/p
/^-A ${where#*:} -j MAILWARD\$/p")
        [ -z "$lines" ] || printf '*%s\n%s\n' "${where%:*}" "$lines"
    done
}

# foreign FILE OWN: whether chains of a table that have mailward's names are somebody else's: they lack the chain that marks
# mailward's own, and are not what versions made that set no mark (in raw alone), nor is the file of such a version.
foreign() {
    for table in raw mangle; do
        there=$(printf '%s\n' "$2" | part "$table")
        case $there in
        '' | *':MAILWARD-own '*) continue ;;
        esac
        if [ "$table" = raw ] && [ -s "$1" ] && ! grep -q '^:MAILWARD-own ' "$1"; then
            continue
        fi
        case $there in *'-A MAILWARD -i lo -j RETURN'*) ;; *) return 0 ;; esac
        printf '%s\n' "$there" | grep '^-A MAILWARD' | grep -v \
            -e '^-A MAILWARD -i lo -j RETURN$' \
            -e '^-A MAILWARD -p tcp .*--dport [0-9]* .* -j DROP$' \
            -e '^-A MAILWARD -p tcp .*--dport [0-9]* .* -j MAILWARD-[a-z0-9]*$' \
            -e '^-A MAILWARD-[a-z0-9]* -s [0-9a-f.:/]* -j RETURN$' \
            -e '^-A MAILWARD-[a-z0-9]* -j DROP$' >/dev/null && return 0
    done
    return 1
}

# transactions FILE OWN: makes the own chains what the file says, whatever they are, with one transaction a table.
transactions() {
    for table in raw mangle; do
        wanted=$(part "$table" <"$1")
        there=$(printf '%s\n' "$2" | part "$table")
        [ -n "$wanted$there" ] || continue
        echo "*$table"
        printf '%s\n%s\n' "$there" "$wanted" | grep '^:MAILWARD' | sort -u
        printf '%s\n' "$there" | sed -n 's/^-A \([A-Z]* -j MAILWARD\)$/-D \1/p'
        printf '%s\n' "$wanted" | grep -v '^:'
        echo COMMIT
    done
}

# put RESTORE FILE OWN: tries again while somebody else holds the lock of iptables (4).
put() {
    for try in 1 2 3 4 5 6 7 8 9 10; do
        transactions "$2" "$3" | "$1" --noflush && return 0
        [ $? = 4 ] || return 1
        sleep 1
    done
    return 1
}

# sweep RESTORE FILE OWN: removes own chains that the file does not have; one that others jump to stays, empty.
sweep() {
    for table in raw mangle; do
        printf '%s\n' "$3" | part "$table" | sed -n 's/^:\(MAILWARD[^ ]*\) .*/\1/p' | while read -r chain; do
            part "$table" <"$2" | grep -q "^:$chain " ||
                printf '*%s\n-X %s\nCOMMIT\n' "$table" "$chain" | "$1" --noflush 2>/dev/null
        done
    done
    return 0
}

# speaks FAMILY: whether the host has addresses of it.
speaks() {
    [ "$1" = v4 ] || read -r line </proc/net/if_inet6
} 2>/dev/null

# iptables FAMILY PLAIN NAMES: NAMES lists the tables of the old kind. The second file is from a version that wrote another
# form for kernels without addrtype.
iptables() {
    file=boot.$1
    # A kernel that is without IPv6 is not made to load it.
    [ "$1" = v4 ] || [ -e /proc/net/if_inet6 ] || return 0
    program "$1_save" "$2-save"
    save=$found
    program "$1_restore" "$2-restore"
    restore=$found
    after=
    if [ -z "$save" ] || [ -z "$restore" ]; then
        if [ -f "$file" ]; then
            say "there is no $2-restore to load $file"
            ! speaks "$1"
            return
        fi
    elif [ -f "$file" ] || [ -e "$3" ] || has_nftables; then
        before=$(own "$save")
        if foreign "$file" "$before"; then
            if [ -f "$file" ]; then
                say "the chain MAILWARD of $2 is somebody else's: $file is not loaded"
                return 1
            fi
        elif [ -f "$file" ]; then
            put "$restore" "$file" "$before" ||
                { [ -f "$file-all" ] && put "$restore" "$file-all" "$before"; } || return 1
            sweep "$restore" "$file" "$before"
        elif [ -n "$before" ]; then
            put "$restore" /dev/null "$before" || return 1
            sweep "$restore" /dev/null "$before"
        fi
        after=$(own "$save")
        # Chains that nothing jumps to were not in force.
        case $before in
        "$after") ;;
        *'-A PREROUTING -j MAILWARD'* | *'-A INPUT -j MAILWARD'*) taken "rules in mailward's own chains of $2" ;;
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
        *'-A PREROUTING -j MAILWARD'* | *'-A INPUT -j MAILWARD'*)
            taken "rules in mailward's own chains of $2-$kind"
            ;;
        esac
    done
}

# Has systemd run this once more behind all that it starts at boot, for what flushes then; no boot waits for that. From
# systemd 232 on, which names each run of a service.
once_more() {
    [ "$again" = no ] && [ -n "$INVOCATION_ID" ] && [ -z "$MAILWARD_ROOT" ] || return 0
    [ -f boot.nft ] || [ -f boot.v4 ] || [ -f boot.v6 ] || return 0
    systemctl is-active --quiet multi-user.target && return 0
    systemd-run --quiet --no-block --unit=mailward-access-again --property=After=multi-user.target \
        --property=Type=oneshot /bin/sh "$PWD/boot.sh" again || :
} 2>/dev/null

nftables || status=1
iptables v4 iptables /proc/net/ip_tables_names || status=1
iptables v6 ip6tables /proc/net/ip6_tables_names || status=1
once_more
exit $status
