# What the stand-ins share: the guard, the tree's process entries, its socket tables, its log. Sourced, never run.
#
# Everything is done below $MAILWARD_ROOT, which becomes the working folder, so that each copy of the tree is a host of its own.

if [ ! -d "${MAILWARD_ROOT:-/nonexistent}/var/lib/stand-in" ]; then
	echo "stand-in: MAILWARD_ROOT does not name a tree with stand-ins" >&2
	exit 70
fi
cd "$MAILWARD_ROOT" || exit 70
LC_ALL=C
export LC_ALL

# wish WHAT: the misbehaviour that is asked for in var/lib/stand-in/WHAT, or nothing.
wish() {
	if [ -f "var/lib/stand-in/$1" ]; then
		sed -n '1s/[[:space:]]*$//p' "var/lib/stand-in/$1"
	fi
}

# say FILE TAG TEXT: one line in the tree's log, in syslog's form.
say() {
	echo "$(date '+%b %e %H:%M:%S') mx1 $2: $3" >>"$1"
}

# claim: takes a pid that this tree has never had; prints it. Linux hands pids out in rising order too.
claim() {
	read -r claimed <var/lib/stand-in/last-pid || exit 71
	tries=0
	while claimed=$((claimed + 1)); [ -e "proc/$claimed" ] || ! mkdir "proc/.new.$claimed" 2>/dev/null; do
		tries=$((tries + 1))
		if [ "$tries" -gt 50 ]; then
			echo "stand-in: cannot make an entry in $MAILWARD_ROOT/proc" >&2
			exit 71
		fi
	done
	echo "$claimed" >"var/lib/stand-in/last-pid.$claimed"
	mv -f "var/lib/stand-in/last-pid.$claimed" var/lib/stand-in/last-pid
	echo "$claimed"
}

# ticks: the time now, in clock ticks since the tree's boot, as /proc/PID/stat counts a start.
ticks() {
	while read -r word boot rest; do
		if [ "$word" = btime ]; then
			echo $((($(date +%s) - boot) * 100))
		fi
	done <proc/stat
}

# describe PID PARENT GROUP ARGUMENT...: fills the claimed entry. It is seen only after `appear`.
describe() {
	entry=proc/.new.$1 described=$1 parent=$2 group=$3
	shift 3
	# The kernel keeps 15 bytes of the name; no program here has more.
	name=${1##*/}
	printf '%s\0' "$@" >"$entry/cmdline"
	# The 44 fields that Linux 2.6.32 has; what nobody reads is zero.
	echo "$described ($name) S $parent $group $group 0 -1 4202560 0 0 0 0 0 0 0 0 20 0 1 0 $(ticks)" \
		"4321280 560 18446744073709551615 0 0 0 0 0 0 0 4096 65536 0 0 0 17 0 0 0 0 0 0" >"$entry/stat"
	printf '%s\t%s\n' Name: "$name" State: 'S (sleeping)' Tgid: "$described" Pid: "$described" PPid: "$parent" \
		TracerPid: 0 Uid: '0	0	0	0' Gid: '0	0	0	0' FDSize: 64 Threads: 1 >"$entry/status"
	case $1 in
	/*) ln -s "$1" "$entry/exe" ;;
	*) ln -s "/usr/sbin/$name" "$entry/exe" ;;
	esac
	: >"$entry/environ"
	mkdir "$entry/fd"
	ln -s /dev/null "$entry/fd/0"
}

# listen PID FD PORT [ADDRESS]: gives the claimed entry a listening socket. "0" or no address is every address, which is
# a socket of tcp6 that serves IPv4 too, as couriertcpd and xinetd open it.
listen() {
	inode=$(($1 * 64 + $2))
	ln -s "socket:[$inode]" "proc/.new.$1/fd/$2"
	echo "$3 ${4:-0} $inode" | awk '{
		none = "00000000000000000000000000000000"
		if ($2 == "0") printf "tcp6 %s:%04X %s:0000 0A %s\n", none, $1, none, $3
		else { split($2, b, "."); printf "tcp %02X%02X%02X%02X:%04X 00000000:0000 0A %s\n", b[4], b[3], b[2], b[1], $1, $3 }
	}' >>"var/lib/stand-in/listen/$1"
}

# listened PORT: whether somebody listens there.
listened() {
	cat /dev/null var/lib/stand-in/listen/[0-9]* 2>/dev/null | awk -v port="$1" 'BEGIN { wanted = sprintf("%04X", port) }
		$4 == "0A" { n = split($2, a, ":"); if (a[n] == wanted) found = 1 }
		END { exit !found }'
}

# appear PID: the entry and its sockets are there, at once and whole.
appear() {
	mv "proc/.new.$1" "proc/$1"
	if [ -f "var/lib/stand-in/listen/$1" ]; then
		sockets
	fi
}

# vanish PID...: the processes are gone, and their sockets.
vanish() {
	heard=
	for gone; do
		if mv "proc/$gone" "proc/.gone.$gone" 2>/dev/null; then
			rm -rf "proc/.gone.$gone"
		fi
		if [ -f "var/lib/stand-in/listen/$gone" ]; then
			heard=yes
			rm -f "var/lib/stand-in/listen/$gone" "var/lib/stand-in/sessions/$gone"
		fi
	done
	if [ -n "$heard" ]; then
		sockets
	fi
}

# sockets: writes proc/net/tcp and tcp6 from what each process has open.
sockets() {
	cat /dev/null var/lib/stand-in/listen/[0-9]* 2>/dev/null | awk -v end=".$$" 'BEGIN {
		head = "  sl  local_address                         remote_address                        st tx_queue rx_queue tr" \
			" tm->when retrnsmt   uid  timeout inode"
		print head >("proc/net/.tcp" end)
		print head >("proc/net/.tcp6" end)
	}
	{
		printf "%4d: %s %s %s 00000000:00000000 00:00000000 00000000     0        0 %s 1 0000000000000000 100 0 0 10 0\n",
			n[$1]++, $2, $3, $4, $5 >("proc/net/." $1 end)
	}'
	mv -f "proc/net/.tcp.$$" proc/net/tcp
	mv -f "proc/net/.tcp6.$$" proc/net/tcp6
}

# program PID: the path that the process was started with; nothing where there is no such process.
program() {
	if [ -f "proc/$1/cmdline" ]; then
		tr '\0' '\n' <"proc/$1/cmdline" | sed -n 1p
	fi
}

