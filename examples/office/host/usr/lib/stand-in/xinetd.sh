# xinetd, as far as it can be seen from outside: xinetd.sh start | stop | HUP PID | USR1 PID
#
# What it runs with is var/lib/stand-in/xinetd.state, not the files: they count when it starts and at SIGHUP.

. "${MAILWARD_ROOT:?}/usr/lib/stand-in/common.sh"

state=var/lib/stand-in/xinetd.state
pid_file=var/run/xinetd.pid

# running: its pid, looked up by its program.
running() {
	for entry in proc/[0-9]*; do
		if [ "$(program "${entry##*/}")" = xinetd ]; then
			echo "${entry##*/}"
		fi
	done
}

# configure PID: reads the files into the state. Its result is the reader's: 3 where xinetd ends, 4 where all stays.
configure() {
	messages=var/lib/stand-in/messages.$$
	[ -f "$state" ] || : >"$state"
	awk -f usr/lib/stand-in/xinetd.awk "$state" >"$state.$$" 2>"$messages"
	result=$?
	while IFS= read -r text; do
		say var/log/messages "xinetd[$1]" "$text"
	done <"$messages"
	rm -f "$messages"
	if [ "$result" -eq 0 ]; then
		mv -f "$state.$$" "$state"
	else
		rm -f "$state.$$"
	fi
	return "$result"
}

# open_sockets PID: one listening socket for each service of the state, under the descriptor it has there.
open_sockets() {
	: >"var/lib/stand-in/listen/$1"
	awk '/^\t\tport = /{ port = $3 } /^\tservice fd = /{ print $4, port }' "$state" | while read -r descriptor port; do
		listen "$1" "$descriptor" "$port"
	done
}

# end PID TEXT: it ends and takes its pid file along. The servers of external services live on.
end() {
	say var/log/messages "xinetd[$1]" "$2"
	rm -f "$pid_file"
	vanish "$1"
}

# dump PID: its whole state, appended to the file; the form is that of the real one's internals.c.
dump() {
	cat <<HEAD
INTERNAL STATE DUMP: 2.3.14
Current time: $(date '+%a %b %e %H:%M:%S %Y')

Services + defaults:
HEAD
	# How many servers each service has now is counted, not remembered.
	cat /dev/null var/lib/stand-in/sessions/[0-9]* 2>/dev/null | awk '
		counting { servers[$1]++; next }
		/^Service = / { service = $3 }
		/^\trunning servers = / { print "\trunning servers = " servers[service] + 0; next }
		{ print }' counting=1 - counting= "$state"
	echo 'Server table dump:'
	count=0
	for session in var/lib/stand-in/sessions/[0-9]*; do
		[ -f "$session" ] || continue
		count=$((count + 1))
		read -r service address <"$session"
		printf '%s\n' "$service server" "pid = ${session##*/}" "start_time = $(date '+%a %b %e %H:%M:%S %Y')" \
			'Connection info:' "	service = $service" '	descriptor = -1' '	flags = 3' "	remote_address = $address" \
			'log_remote_user = NO' 'writes_to_log = YES' ''
	done
	services=$(grep -c '^Service = ' "$state")
	printf '%s\n' '' 'Retry table dump:' '' \
		"Socket mask: $(awk '/^\tservice fd = /{ printf "%s ", $4 }' "$state")3" \
		"pfds_last = $((services + 1))" \
		'Open descriptors (not in socket mask): 0 1 2 4' '' \
		"active_services = $services" "available_services = $services" \
		"descriptors_free = $((1024 - services - 6))" "running_servers = $count" 'Logging service = enabled' '' \
		'max_descriptors = 1024' 'process_limit = 0' 'config_file = /etc/xinetd.conf' '' 'END OF DUMP' ''
}

case $1 in
start)
	# Its script looks whether one runs already, and that is a success.
	if [ -n "$(running)" ]; then
		exit 0
	fi
	: >"$state"
	pid=$(claim) || exit 1
	# The daemon's start is a success for the script even where a bad number in `defaults` ends it right away.
	if ! configure "$pid"; then
		rmdir "proc/.new.$pid"
		exit 0
	fi
	describe "$pid" 1 "$pid" xinetd -stayalive -pidfile /var/run/xinetd.pid
	printf '%s\0' PATH=/sbin:/usr/sbin:/bin:/usr/bin PWD=/ LANG=en_US.UTF-8 >"proc/.new.$pid/environ"
	open_sockets "$pid"
	cat >"proc/.new.$pid/on-signal" <<SCRIPT
#!/bin/sh
# Stand-in: what a signal to this xinetd does is in /usr/lib/stand-in/xinetd.sh.
exec sh "\${MAILWARD_ROOT:?}/usr/lib/stand-in/xinetd.sh" "\$1" $pid
SCRIPT
	chmod 755 "proc/.new.$pid/on-signal"
	appear "$pid"
	echo "$pid" >"$pid_file"
	;;
stop)
	for pid in $(running); do
		end "$pid" 'Exiting...'
	done
	;;
HUP)
	pid=$2
	case $(wish xinetd.hup) in
	ignore) exit 0 ;;
	die)
		end "$pid" 'Exiting...'
		exit 0
		;;
	esac
	say var/log/messages "xinetd[$pid]" 'Starting reconfiguration'
	before=$(sed -n 's/^Service = //p' "$state")
	configure "$pid"
	case $? in
	0) ;;
	3)
		end "$pid" 'A fatal error was encountered while parsing the default section. xinetd will exit.'
		exit 0
		;;
	*)
		say var/log/messages "xinetd[$pid]" 'reconfiguration failed'
		exit 0
		;;
	esac
	# A service that is no longer offered loses its open sessions at once (SIGKILL); those of the others live on.
	for service in $before; do
		if ! grep -q "^Service = $service\$" "$state"; then
			say var/log/messages "xinetd[$pid]" "service $service deactivated"
			for session in var/lib/stand-in/sessions/[0-9]*; do
				if [ -f "$session" ] && [ "$(sed 's/ .*//' "$session")" = "$service" ]; then
					vanish "${session##*/}"
				fi
			done
		fi
	done
	# Sockets are made anew beside the old table, then the table is swapped.
	mkdir "proc/.new.$pid" && mkdir "proc/.new.$pid/fd" || exit 1
	open_sockets "$pid"
	for number in "proc/$pid/fd"/*; do
		case $(readlink "$number") in
		socket:*) rm -f "$number" ;;
		esac
	done
	mv "proc/.new.$pid/fd"/* "proc/$pid/fd/" 2>/dev/null
	rmdir "proc/.new.$pid/fd" "proc/.new.$pid"
	sockets
	;;
USR1)
	case $(wish xinetd.dump) in
	none) ;;
	torn) dump "$2" | sed '/^Retry table dump/,$d' >>var/run/xinetd.dump ;;
	# The dump is written by a daemon that has other work too: the sender of the signal is not told when.
	late) (sleep 2; dump "$2" >>var/run/xinetd.dump) </dev/null >/dev/null 2>&1 & ;;
	*) dump "$2" >>var/run/xinetd.dump ;;
	esac
	;;
esac
exit 0
