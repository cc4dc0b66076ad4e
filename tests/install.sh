#!/bin/sh
# Installs the Debian packages that the tests use: those of tests/packages.txt that are missing, without starting
# any of their services on this machine. Does nothing, and says so, off Debian or without root.
set -eu

cd "$(dirname "$0")"

if [ ! -e /etc/debian_version ]; then
    echo "not Debian: the packages in tests/packages.txt are not installed" >&2
    exit 0
fi

missing=
for package in $(sed 's/#.*//' packages.txt); do
    status=$(dpkg-query --show --showformat '${db:Status-Status}' "$package" 2>/dev/null) || status=
    [ "$status" = installed ] || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

if [ "$(id -u)" != 0 ]; then
    echo "not root: missing packages are not installed:$missing" >&2
    exit 0
fi

# While packages are set up, policy-rc.d tells their scripts to start nothing; what was there before comes back.
policy=/usr/sbin/policy-rc.d
saved=
restore() {
    rm -f "$policy"
    [ -z "$saved" ] || mv "$saved" "$policy"
}
trap restore EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM
backup=$policy.before-mailward-tests
if [ -e "$backup" ] || [ -L "$backup" ]; then
    # An earlier run was killed: what it set aside is what was there before.
    saved=$backup
elif [ -e "$policy" ] || [ -L "$policy" ]; then
    mv "$policy" "$backup"
    saved=$backup
fi
printf '#!/bin/sh\nexit 101\n' >"$policy"
chmod 755 "$policy"

export DEBIAN_FRONTEND=noninteractive
apt-get update -q
# Each package is a word.
# shellcheck disable=SC2086
apt-get install -q -y --no-install-recommends $missing
