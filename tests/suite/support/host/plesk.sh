# Gives a host that is being made Plesk's layout of Courier instead of Debian's: files in /etc/courier-imap, start
# scripts in /usr/lib/courier-imap, init scripts by Plesk's names. Sourced by keep.sh.
#
# Variables: R (the host's root), LAYOUT (plesk-split, with a service for each daemon, as since Plesk 11;
# plesk-single, with one `courier-imap` for all four, as before). Sets `services`.

etc=$R/etc/courier-imap
lib=$R/usr/lib/courier-imap
mkdir "$etc" "$lib"
for name in imapd imapd-ssl pop3d pop3d-ssl imapd.pem pop3d.pem dhparams.pem imapaccess shared; do
    cp -a "$R/etc/courier/$name" "$etc/"
    rm -r "$R/etc/courier/$name"
done
sed -i 's:/etc/courier/:/etc/courier-imap/:g' "$etc/imapd" "$etc/imapd-ssl" "$etc/pop3d" "$etc/pop3d-ssl"
for daemon in imapd imapd-ssl pop3d pop3d-ssl; do
    sed 's:/etc/courier:/etc/courier-imap:g' "$R/usr/sbin/$daemon" >"$lib/$daemon.rc"
    chmod 755 "$lib/$daemon.rc"
    rm "$R/usr/sbin/$daemon"
done
for service in courier-imap courier-imap-ssl courier-pop courier-pop-ssl; do
    rm -f "$R/etc/init.d/$service" "$R/lib/systemd/system/$service.service"
    rm -rf "$R/etc/systemd/system/$service.service.d"
done

# init_script NAME DAEMON…
init_script() {
    name=$1
    shift
    cat >"$R/etc/init.d/$name" <<END
#!/bin/sh
# chkconfig: 2345 80 30
### BEGIN INIT INFO
# Provides:          $name
# Required-Start:    courier-authdaemon \$remote_fs
# Required-Stop:     courier-authdaemon \$remote_fs
# Default-Start:     2 3 4 5
# Default-Stop:      0 1 6
# Short-Description: Courier: $*
### END INIT INFO
daemons="$*"
END
    cat >>"$R/etc/init.d/$name" <<'END'
each() {
    for daemon in $daemons; do
        /usr/lib/courier-imap/$daemon.rc "$1"
    done
}
case $1 in
start | stop) each "$1" ;;
restart) each stop; each start ;;
reload) each restart ;;
status)
    for daemon in $daemons; do
        read -r pid <"/run/courier/$daemon.pid" && kill -0 "$pid" || exit 3
    done
    ;;
*) exit 2 ;;
esac
exit 0
END
    chmod 755 "$R/etc/init.d/$name"
}

case $LAYOUT in
plesk-split)
    init_script courier-imapd imapd
    init_script courier-imaps imapd-ssl
    init_script courier-pop3d pop3d
    init_script courier-pop3s pop3d-ssl
    services="courier-authdaemon courier-imapd courier-imaps courier-pop3d courier-pop3s xinetd"
    ;;
plesk-single)
    init_script courier-imap imapd imapd-ssl pop3d pop3d-ssl
    services="courier-authdaemon courier-imap xinetd"
    ;;
esac
