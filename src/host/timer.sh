# The timed revert of packet filter rules. It knows no rules: what it loads was written before, and so was what it decides
# over. POSIX sh, with the tools of CentOS 5 or of BusyBox.
#
#   sh timer.sh start SECONDS WAY PROGRAM ...   starts the timer in a session of its own
#   sh timer.sh run SECONDS WAY PROGRAM ...     is the timer
#   sh timer.sh check                           says whether a timer runs
#
# WAY is nftables, with the path of nft, or iptables, with those of iptables-restore and ip6tables-restore; a program that
# the host does not have is the empty word.

PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
LC_ALL=C
export PATH LC_ALL
umask 077
# A stand-in's folder is never the machine's.
cd "$MAILWARD_ROOT/var/lib/mailward/access" || exit 1
# A load that fails, e.g. because another tool holds the lock of iptables, is tried again each second.
tries=60

# The process as timer.pid names it: pid, and start in ticks since boot.
named() {
  IFS= read -r stat <"/proc/$1/stat" || return 1
  # The name of a program may hold anything; what follows it are numbers.
  set -- "$1" ${stat##*) }
  [ "$2" != Z ] && named="$1 ${21}"
} 2>/dev/null

start() {
  session=setsid
  command -v setsid >/dev/null 2>&1 || session=
  (
    # Nothing is kept of whoever starts this: no terminal, no pipe of ssh, no lock.
    trap '' HUP
    exec $session /bin/sh "$0" run "$@" </dev/null >/dev/null 2>&1 3>&- 4>&- 5>&- 6>&- 7>&- 8>&- 9>&-
  ) &
}

check() {
  left=50
  while [ $left -gt 0 ]; do
    if IFS= read -r wanted <timer.pid && named "${wanted%% *}" && [ "$named" = "$wanted" ]; then
      return 0
    fi
    sleep 0.1 || sleep 1
    left=$((left - 1))
  done 2>/dev/null
  echo 'no timer is running' >&2
  return 1
}

# A program of a stand-in, never the machine's.
inside() {
  case $1 in
    '' | "$MAILWARD_ROOT"/*) printf '%s\n' "$1" ;;
    *) printf '%s\n' "$MAILWARD_ROOT$1" ;;
  esac
}

# Sleeps through to the end, also when its sleep is killed.
wait_for() {
  read -r up rest </proc/uptime
  end=$((${up%.*} + $1)) left=$1
  while [ $left -gt 0 ]; do
    sleep $left
    read -r up rest </proc/uptime
    left=$((end - ${up%.*}))
  done
}

# One ruleset, if there is one: file, program, options. What was loaded is not loaded again.
load() {
  case " $loaded " in *" $1 "*) return 0 ;; esac
  [ -e "$1" ] || return 0
  [ -n "$2" ] || {
    echo "there is no program for $1"
    return 1
  }
  file=$1
  shift
  case $file in
    *.nft) "$@" "$file" ;;
    *) "$@" <"$file" ;;
  esac || {
    echo "$1 $file: exit $?"
    return 1
  }
  loaded="$loaded $file"
}

load_all() {
  case $way in
    nftables) load revert.nft "$one" -f ;;
    iptables)
      # One that fails keeps nobody from loading the other.
      load revert.v4 "$one" --noflush
      four=$?
      load revert.v6 "$other" --noflush && [ $four = 0 ]
      ;;
    *) echo "no way to load rules: $way" && return 1 ;;
  esac
}

run() {
  seconds=$1 way=$2 one=$(inside "$3") other=$(inside "$4")
  # What is ignored here is ignored by what it starts as well.
  trap '' HUP INT QUIT TERM PIPE
  named $$ || exit 1
  own=$named
  printf '%s\n' "$own" >timer.pid.new && mv -f timer.pid.new timer.pid || exit 1
  wait_for "$seconds"
  # A later window has its own timer.
  IFS= read -r now <timer.pid && [ "$now" = "$own" ] || exit 0
  # Whoever renames the file has decided; mv is one rename(2), and of two one fails.
  mv -f window.json reverting.json 2>/dev/null || {
    rm -f timer.pid
    exit 0
  }
  : >revert.log
  loaded=
  while [ $tries -gt 0 ]; do
    if load_all >>revert.log 2>&1; then
      mv -f reverting.json reverted.json
      break
    fi
    tries=$((tries - 1))
    sleep 1
  done
  rm -f timer.pid
  [ -e reverting.json ] || exit 0
  # The next run of mailward tries again; until then nobody does.
  logger -p daemon.crit -t mailward 'the packet filter rules of before cannot be loaded; see revert.log' 2>/dev/null
  exit 1
}

verb=$1
shift
case $verb in
  start) start "$@" ;;
  run) run "$@" ;;
  check) check ;;
  *) exit 1 ;;
esac
