# One of Courier's four listeners, for its script in /etc/init.d: courier.sh SCRIPT LISTENER ACTION
#
# Facts of the real scripts (courier-imap 3 to 5, seen with the real daemons) that this rests on are named where they count.
# The names here are long and odd on purpose: the two files are sourced into this very shell.

. "${MAILWARD_ROOT:?}/usr/lib/stand-in/common.sh"

stand_in_script=$1 stand_in_listener=$2 stand_in_action=$3

case $stand_in_action in
start | stop)
	case $(wish "$stand_in_script.$stand_in_action") in
	lie | ignore) exit 0 ;;
	fail) exit 1 ;;
	hang) exec sleep 600 ;;
	esac
	;;
restart)
	# The real script's restart only sends SIGHUP, which opens the access file again: no limit changes by it.
	exit 0
	;;
*)
	echo "usage: $stand_in_script {start|stop|restart}"
	exit 1
	;;
esac

stand_in_files="$MAILWARD_ROOT/etc/courier-imap"
stand_in_plain=${stand_in_listener%-ssl}
if [ ! -f "$stand_in_files/$stand_in_plain" ] || [ ! -f "$stand_in_files/$stand_in_plain-ssl" ]; then
	# The real script gives up without both files, the plain listener too.
	echo "$stand_in_plain or $stand_in_plain-ssl does not exist in /etc/courier-imap"
	exit 1
fi

# What tools are found by, whatever the two files make of PATH; and the shell that runs this.
STAND_IN_PATH=$PATH
STAND_IN_SH=$(command -v sh)

# The two files are shell code and are run as such; what stands in the last one counts for this shell: X-ssl then X for
# the plain listener, X then X-ssl for the TLS one. An `exit` in them ends this script, as it ends the real one.
case $stand_in_listener in
*-ssl)
	. "$stand_in_files/$stand_in_plain"
	. "$stand_in_files/$stand_in_plain-ssl"
	stand_in_pid_file=$SSLPIDFILE
	;;
*)
	. "$stand_in_files/$stand_in_plain-ssl"
	. "$stand_in_files/$stand_in_plain"
	stand_in_pid_file=$PIDFILE
	;;
esac

if [ "$stand_in_action" = stop ]; then
	PATH=$STAND_IN_PATH "$STAND_IN_SH" "$MAILWARD_ROOT/usr/sbin/courierlogger" "-pid=$stand_in_pid_file" -stop
	exit 0
fi

case $stand_in_listener in
imapd) stand_in_tail='/usr/sbin/imaplogin /usr/bin/imapd Maildir' ;;
imapd-ssl) stand_in_tail="$COURIERTLS -server -tcpd /usr/sbin/imaplogin /usr/bin/imapd Maildir" ;;
pop3d) stand_in_tail='/usr/sbin/pop3login /usr/bin/pop3d Maildir' ;;
pop3d-ssl) stand_in_tail="$COURIERTLS -server -tcpd /usr/sbin/pop3login /usr/bin/pop3d Maildir" ;;
esac
case $stand_in_listener in
*-ssl) ADDRESS=$SSLADDRESS PORT=$SSLPORT LOGGEROPTS=$SSLLOGGEROPTS ;;
esac

# The real script pastes the outer shell's values, unquoted, into the text of a second shell, which sources both files
# again (always plain first) with `set -a`: so a value is parsed twice, decides the arguments by the outer order, and
# every variable of the files reaches the daemon's environment.
env -i MAILWARD_ROOT="$MAILWARD_ROOT" STAND_IN_PATH="$STAND_IN_PATH" STAND_IN_SH="$STAND_IN_SH" "$STAND_IN_SH" -c "set -a ; \
	prefix=/usr ; exec_prefix=/usr ; sbindir=/usr/sbin ; bindir=/usr/bin ; \
	. \"\$MAILWARD_ROOT/etc/courier-imap/$stand_in_plain\" ; \
	. \"\$MAILWARD_ROOT/etc/courier-imap/$stand_in_plain-ssl\" ; \
	\"\$STAND_IN_SH\" \"\$MAILWARD_ROOT/usr/sbin/courierlogger\" -pid=$stand_in_pid_file -start $LOGGEROPTS \
		/usr/sbin/couriertcpd -address=$ADDRESS \
		-stderrlogger=/usr/sbin/courierlogger -stderrloggername=$stand_in_listener \
		-maxprocs=$MAXDAEMONS -maxperip=$MAXPERIP \
		$TCPDOPTS \
		$PORT $stand_in_tail"

# The real script's start says 0 whatever became of couriertcpd: courierlogger has put itself in the background before.
exit 0
