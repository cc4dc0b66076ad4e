# The packet filter: iptables.sh iptables|ip6tables save|restore [OPTION...]
#
# var/lib/stand-in/iptables and ip6tables hold the rules, in the form that iptables-save prints. They filter nothing: there
# is no network here. The programs are those of iptables 1.4.7 on Linux 2.6.32, as CentOS 6 has them.

. "${MAILWARD_ROOT:?}/usr/lib/stand-in/common.sh"

program=$1 action=$2
shift 2
rules=var/lib/stand-in/$program
case $program in
iptables) names=proc/net/ip_tables_names ;;
*) names=proc/net/ip6_tables_names ;;
esac

# save [-t TABLE]
save() {
	awk -v wanted="${2-}" '/^[*]/ { shown = wanted == "" || $0 == "*" wanted } shown' "$rules"
}

# restore [--noflush]: all of its input, or nothing of it where a line is wrong.
restore() {
	case "$(wish iptables.restore)" in
	fail)
		echo "$program-restore: line 1 failed" >&2
		return 1
		;;
	lie) return 0 ;;
	esac
	if awk -v program="$program" -v keep="${1-}" -v before="$rules" -f usr/lib/stand-in/iptables.awk >"$rules.$$"; then
		mv -f "$rules.$$" "$rules"
		# The kernel names a table once somebody has asked for it.
		sed -n 's/^[*]//p' "$rules" >"$names"
	else
		rm -f "$rules.$$"
		return 1
	fi
}

case $action in
save) save "$@" ;;
restore) restore "$@" ;;
esac
