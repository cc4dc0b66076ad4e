#!/bin/sh
# `plesk ext firewall …` is the extension, from Obsidian 18.0.52 on; `plesk bin modules/firewall/settings …` is its command
# by its older name. What else `plesk` can is the business of another stand-in, if there is one.
case "${1-} ${2-}" in
"ext firewall")
    [ -e /var/lib/stand-in/firewall/extension ] || {
        echo "The extension firewall is not installed" >&2
        exit 1
    }
    shift 2
    ;;
"bin modules/firewall/settings") shift 2 ;;
*)
    exec /usr/sbin/plesk.without-firewall "$@"
    ;;
esac
exec /usr/local/psa/bin/modules/firewall/settings "$@"
