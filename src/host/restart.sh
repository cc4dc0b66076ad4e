# Stops a service and starts it again, whatever meanwhile becomes of whoever asked for it. POSIX sh, with the tools of CentOS 5
# or of BusyBox.
#
#   sh -c TEXT mailward-restart SECONDS commands SCRIPT PID-START...
#   sh -c TEXT mailward-restart SECONDS job SYSTEMCTL UNIT
#
# SECONDS is how long each program may take; the processes, by pid and start in ticks since boot, must be gone between stop
# and start, which may take as long, at most twenty. Prints what the programs print; ends with the exit code of the last.

seconds=$1 kind=$2
shift 2

# Handlers, since a signal that is ignored would be ignored by the daemon, too.
trap : HUP INT QUIT TERM PIPE

# Between the two a service is down: when memory runs out, the kernel shall look elsewhere. The two get back what was before.
score=/proc/self/oom_score_adj
before=
{ read -r before <$score; } 2>/dev/null
{ printf '%s\n' -1000 >$score; } 2>/dev/null

# Runs a program, in a session of its own, which is ended when its time is up.
act() {
  program=$1
  shift
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
    shift 2
    exec "$@"
  ' mailward-guarded "$seconds" "$before" "$program" "$@"
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

# One job stops and starts the service. systemd counts how often it was started of late, by whomever, and stops what it then
# refuses to start: the count begins anew. A job that ended with a failure may have left the service stopped.
job() {
  act "$1" reset-failed "$2" >/dev/null 2>&1
  act "$1" restart "$2"
  code=$?
  [ $code = 1 ] || exit $code
  act "$1" reset-failed "$2" >/dev/null 2>&1
  act "$1" start "$2"
  exit
}

[ "$kind" = commands ] || job "$@"
script=$1
shift
act "$script" stop
code=$?
[ $code = 0 ] || echo "$script stop ended with $code" >&2
# What does not go away in time is told by whoever looks; the service is started all the same.
seconds_up
[ "$seconds" -lt 20 ] && end=$((up + seconds)) || end=$((up + 20))
for process; do
  while runs "$process" && [ "$up" -lt $end ]; do
    sleep 0.1 2>/dev/null || sleep 1
    seconds_up
  done
done
act "$script" start
