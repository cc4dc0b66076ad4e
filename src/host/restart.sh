# Stops a service and starts it again, whatever meanwhile becomes of whoever asked for it. POSIX sh, with the tools of CentOS 5
# or of BusyBox.
#
#   sh -c TEXT mailward-restart SECONDS STOP VERB START VERB PID-START...
#
# SECONDS is how long either program may take; the processes, by pid and start in ticks since boot, must be gone in between,
# which may take as long, at most twenty.
# Prints what the two print; ends with the exit code of the second.

seconds=$1 stop=$2 stopping=$3 start=$4 starting=$5
shift 5

# Handlers, since a signal that is ignored would be ignored by the daemon, too.
trap : HUP INT QUIT TERM PIPE

# Between the two a service is down: when memory runs out, the kernel shall look elsewhere. The two get back what was before.
score=/proc/self/oom_score_adj
before=
{ read -r before <$score; } 2>/dev/null
{ printf '%s\n' -1000 >$score; } 2>/dev/null

# Runs one of the two, in a session of its own, which is ended when its time is up.
act() {
  program=$1
  case $program in
    "$MAILWARD_ROOT"/*) ;;
    *) program=$MAILWARD_ROOT$program ;;
  esac
  $session sh -c '
    [ -z "$2" ] || { printf "%s\n" "$2" >/proc/self/oom_score_adj; } 2>/dev/null
    begun() {
      read -r stat <"/proc/$$/stat" || return 1
      set -- ${stat##*) }
      begun=${20}
    }
    begun
    (
      exec </dev/null >/dev/null 2>&1
      wanted=$begun left=$1
      while [ "$left" -gt 0 ]; do
        sleep 1
        begun && [ "$begun" = "$wanted" ] || exit
        left=$((left - 1))
      done
      kill -KILL "-$$" || kill -KILL "$$"
    ) &
    exec "$3" "$4"
  ' mailward-guarded "$seconds" "$before" "$program" "$2"
}

runs() {
  IFS= read -r stat <"$MAILWARD_ROOT/proc/${1%%-*}/stat" || return 1
  # The name of a program may hold anything; what follows it are numbers.
  set -- "$1" ${stat##*) }
  case $2 in Z | X | x) return 1 ;; esac
  [ "${21}" = "${1#*-}" ]
} 2>/dev/null

seconds_up() {
  read -r up rest </proc/uptime
  up=${up%.*}
}

session=setsid
command -v setsid >/dev/null 2>&1 || session=
act "$stop" "$stopping"
code=$?
[ $code = 0 ] || echo "$stop $stopping ended with $code" >&2
# What does not go away in time is told by whoever looks; the service is started all the same.
seconds_up
[ "$seconds" -lt 20 ] && end=$((up + seconds)) || end=$((up + 20))
for process; do
  while runs "$process" && [ "$up" -lt $end ]; do
    sleep 0.1 2>/dev/null || sleep 1
    seconds_up
  done
done
act "$start" "$starting"
