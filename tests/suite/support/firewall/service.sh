#!/bin/sh
# chkconfig: 345 09 91
# description: Plesk Firewall
### BEGIN INIT INFO
# Provides:          psa-firewall
# Required-Start:    $remote_fs
# Required-Stop:     $remote_fs
# Default-Start:     2 3 4 5
# Default-Stop:      0 1 6
# Short-Description: Plesk Firewall
### END INIT INFO
# At boot the active script is run (the vendor's init script of 2018). What stop does is not documented: here it runs the
# emergency script. That nothing is run without active.flag follows from recipes that switch the firewall off.
folder=/usr/local/psa/var/modules/firewall
case $1 in
start | restart)
    [ -f "$folder/active.flag" ] && [ -f "$folder/firewall-active.sh" ] || exit 0
    if "$folder/firewall-active.sh"; then
        echo "psa-firewall: firewall configuration successfully applied"
        exit 0
    fi
    echo "psa-firewall: failed to apply firewall configuration"
    exit 1
    ;;
stop) "$folder/firewall-emergency.sh" ;;
status) [ -f "$folder/active.flag" ] || exit 3 ;;
*) exit 2 ;;
esac
