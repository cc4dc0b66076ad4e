# inside.sh COMMAND ARGUMENT...: this machine's command with the paths of the tree. Called by bin/ln, bin/rm, bin/sync and bin/sh.
#
# Each argument that begins with a slash is a path of the host, and so one of the tree; also those that a script is given.

. "${MAILWARD_ROOT:?}/usr/lib/stand-in/common.sh"

command=$1
shift
for argument; do
	case $argument in
	"$MAILWARD_ROOT"/*) ;;
	/*) argument=$MAILWARD_ROOT$argument ;;
	esac
	shift
	set -- "$@" "$argument"
done
exec "$command" "$@"
