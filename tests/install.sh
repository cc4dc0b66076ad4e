#!/bin/sh
# Installs the Debian packages that the tests use: those of tests/packages.txt that are missing or were left half set up,
# without starting any of their services on this machine; and unpacks those of tests/unpacked.txt below
# /var/cache/mailward-tests, where nothing on this machine sees them. Does nothing, and says so, off Debian or without root.
# What the network or another run of apt is in the way of is tried again.
set -eu

cd "$(dirname "$0")"

if [ ! -e /etc/debian_version ]; then
    echo "not Debian: the packages in tests/packages.txt are not installed" >&2
    exit 0
fi

unpacked=/var/cache/mailward-tests

# Sets `missing` to the packages of the list that are not installed, or not whole, and `packed` to those not unpacked.
look() {
    missing=
    for package in $(sed 's/#.*//' packages.txt); do
        status=$(dpkg-query --show --showformat '${db:Status-Status}' "$package" 2>/dev/null) || status=
        [ "$status" = installed ] || missing="$missing $package"
    done
    packed=
    for package in $(sed 's/#.*//' unpacked.txt); do
        [ -d "$unpacked/$package" ] || packed="$packed $package"
    done
}

look
[ -n "$missing$packed" ] || exit 0

if [ "$(id -u)" != 0 ]; then
    echo "not root: missing packages are not installed:$missing$packed" >&2
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
# A new machine often updates itself: wait for it.
apt() {
    apt-get -q -y -o Acquire::Retries=3 -o DPkg::Lock::Timeout=300 "$@"
}

# unpack PACKAGE: a folder that is there is whole.
unpack() {
    rm -rf "$unpacked/new"
    mkdir -p "$unpacked/new/$1"
    (cd "$unpacked/new" && apt download "$1" && dpkg -x "$1"_*.deb "$1") || return 1
    mv "$unpacked/new/$1" "$unpacked/$1"
    rm -rf "$unpacked/new"
}

# Seconds before each further try.
for pause in 5 20 60 ''; do
    # What an interrupted run has unpacked, apt refuses to go past. It fails as well where something else is at work.
    dpkg --configure -a || :
    # Lists that are not quite new still name what is needed, or the installation says what is not to be had.
    apt update || :
    # Each package is a word.
    # shellcheck disable=SC2086
    [ -z "$missing" ] || apt install --no-install-recommends $missing || :
    for package in $packed; do
        unpack "$package" || :
    done
    look
    [ -n "$missing$packed" ] || exit 0
    [ -n "$pause" ] || break
    echo "not yet installed:$missing$packed; trying again in $pause seconds" >&2
    sleep "$pause"
done
echo "these packages of tests/packages.txt and tests/unpacked.txt cannot be installed:$missing$packed" >&2
exit 1
