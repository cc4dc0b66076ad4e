# Runs xinetd once for each case folder named on standard input: xinetd.conf in it, then out, log, dump and state.
# Where the folder has a file next.conf, that takes the place of xinetd.conf before a SIGHUP, and after is a second dump.
# Meant for a private network, mount and pid namespace.
set -u
mount -t tmpfs none /run
mount -t tmpfs none /etc/xinetd.d
ip link set lo up
while read -r dir; do
    rm -rf /run/*
    "$XINETD" -dontfork -stayalive -f "$dir/xinetd.conf" -pidfile /run/x.pid -filelog "$dir/log" \
        </dev/null >"$dir/out" 2>&1 &
    pid=$!
    state=hung
    n=0
    while [ $n -lt 2000 ]; do
        if grep -qs 'Started working' "$dir/log"; then
            state=running
            break
        fi
        { read -r _ _ process _ <"/proc/$pid/stat"; } 2>/dev/null || process=Z
        if [ "$process" = Z ]; then
            state=exited
            break
        fi
        sleep 0.004
        n=$((n + 1))
    done
    if [ $state = running ]; then
        kill -USR1 $pid
        n=0
        state=mute
        while [ $n -lt 2000 ]; do
            if grep -qs '^END OF DUMP' /run/xinetd.dump; then
                state=running
                break
            fi
            sleep 0.004
            n=$((n + 1))
        done
        cp /run/xinetd.dump "$dir/dump"
        if [ -e "$dir/next.conf" ]; then
            rm /run/xinetd.dump
            mv "$dir/next.conf" "$dir/xinetd.conf"
            kill -HUP $pid
            n=0
            state=unmoved
            while [ $n -lt 2000 ]; do
                if grep -qs 'Reconfigured: new=' "$dir/log"; then
                    state=running
                    break
                fi
                { read -r _ _ process _ <"/proc/$pid/stat"; } 2>/dev/null || process=Z
                if [ "$process" = Z ]; then
                    state=exited
                    break
                fi
                sleep 0.004
                n=$((n + 1))
            done
            if [ $state = running ]; then
                kill -USR1 $pid
                n=0
                while [ $n -lt 2000 ]; do
                    if grep -qs '^END OF DUMP' /run/xinetd.dump; then
                        break
                    fi
                    sleep 0.004
                    n=$((n + 1))
                done
                cp /run/xinetd.dump "$dir/after"
            fi
        fi
        [ $state = exited ] || kill -TERM $pid
    elif [ $state = hung ]; then
        kill -KILL $pid
    fi
    wait $pid
    echo "$state $?" >"$dir/state"
done
