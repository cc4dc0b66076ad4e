# What the stand-ins of the vendor's programs share: the guard, the log of calls, the database, the misbehaviour asked
# for. Sourced, never run.
#
# Below var/lib/stand-in/panel:
#   generation   `nine` or `ten`
#   socket       where the server listens, a path of this host
#   spelling     how `--help` spells the option: `-cp_access`, `-cp-access`, or nothing
#   on-true, on-false   what the panel does with a user, from 10 on
#   calls        what was called: fields end with 0x1f, calls with 0x1e
#   updates      how many updates there were
#   wish-*       misbehaviour: a line `WHAT FIRST LAST`, then what it needs to know

root=${MAILWARD_ROOT:-}
state=$root/var/lib/stand-in/panel
if [ ! -f "$state/generation" ]; then
	echo "stand-in: there is no panel below ${root:-/}" >&2
	exit 70
fi
LC_ALL=C
export LC_ALL
read -r generation <"$state/generation"

# record PROGRAM ARGUMENT...: one write, so that calls at the same time do not mix.
record() {
	line=
	for word; do
		line=$line$word$(printf '\037')
	done
	printf '%s\036' "$line" >>"$state/calls"
}

# sql [OPTION...]: runs what it reads, as a user of the stand-ins' own.
sql() {
	read -r socket <"$state/socket"
	MYSQL_PWD=vendor /usr/bin/mysql --no-defaults --default-character-set=utf8 --socket="$root$socket" -uvendor -N -B "$@" psa
}

# literal TEXT: an SQL expression for it, whatever it holds.
literal() {
	printf "CONVERT(x'%s' USING utf8)" "$(printf %s "$1" | od -An -v -tx1 | tr -d ' \n')"
}

# wished WHAT NUMBER: whether that is asked for at this update; its details are then in $detail, all lines of them.
wished() {
	for wish in "$state"/wish-*; do
		[ -f "$wish" ] || continue
		read -r what first last <"$wish"
		if [ "$what" = "$1" ] && [ "$2" -ge "$first" ] && [ "$2" -le "$last" ]; then
			detail=$(sed 1d "$wish")
			return 0
		fi
	done
	return 1
}

# kill_server: as the kernel does when memory is short. Only the server of this host, which its own file names.
kill_server() {
	read -r socket <"$state/socket"
	if read -r pid <"$root/var/lib/mysql/server.pid" && tr '\0' '\n' <"/proc/$pid/cmdline" | grep -qxF -e "--socket=$root$socket"; then
		kill -KILL "$pid"
		while [ -e "/proc/$pid/exe" ]; do
			sleep 0.01
		done
	fi
}
