# Takes packet filter rules back, unless a decision about exactly this change says otherwise. It knows no rules: what it loads
# was written before. POSIX sh, with the tools of CentOS 5 or of BusyBox.
#
#   sh FOLDER/revert.sh start WATCH SYSTEMCTL         starts the watch, and ends when it stands
#   sh FOLDER/revert.sh watch ROLE WATCH PEER         is one watcher
#
# WATCH is SECONDS UNTIL WAY PROGRAM PROGRAM: the length of the window; when it ends, in seconds since the boot, or since
# 1970 on a host that does not tell the former; nftables with the path of nft, or iptables with those of iptables-restore
# and ip6tables-restore. ROLE is alone, where systemd starts a watcher again that ended; or first and second: two that watch
# each other, of which PEER names the other one. A program that the host does not have is the empty word.
#
# FOLDER is the window's own, and ends with its id. No file that is missing, unreadable or replaced ends a watch, and no
# command that fails: only a decision that is read and names this id. In doubt the rules go back.
#
# An error of a redirection ends a shell where it stands at a special builtin (`:`, exec, trap ...), so none stands there; and
# a shell that ends all the same, e.g. since it cannot fork, starts itself anew by its EXIT trap, which needs no fork.

PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
LC_ALL=C
export PATH LC_ALL
umask 077
script=$0
folder=${0%/*}
id=${folder##*/}
id=${id#mailward-}
# Where the same rules lie on the disk: for a watcher that comes when the folder is gone.
disk=$MAILWARD_ROOT/var/lib/mailward/access
unit=mailward-revert-$id.service
units=$MAILWARD_ROOT/run/systemd/system

# The process as others name it: pid and start in ticks since boot. One that has ended or is stopped is none.
named() {
  IFS= read -r stat <"/proc/$1/stat" || return 1
  # The name of a program may hold anything; what follows it are numbers.
  set -- "$1" ${stat##*) }
  case $2 in Z | X | x | T) return 1 ;; esac
  named=$1-${21}
} 2>/dev/null

stands() {
  [ -n "$1" ] && named "${1%%-*}" && [ "$named" = "$1" ]
}

# Whether a file of the folder names this window. A pipe in its place would be waited for.
says() {
  [ -f "$folder/$1" ] && IFS= read -r word <"$folder/$1" && [ "$word" = "$id" ]
} 2>/dev/null

# A stand-in that was thrown away has no rules any more.
decided() {
  says confirmed || says closed || says reverted || { [ -n "$MAILWARD_ROOT" ] && [ ! -d "$MAILWARD_ROOT" ]; }
}

# A program of a stand-in, never the machine's.
inside() {
  case $1 in
    '' | "$MAILWARD_ROOT"/*) printf '%s\n' "$1" ;;
    *) printf '%s\n' "$MAILWARD_ROOT$1" ;;
  esac
}

# Starts the watch: under systemd, which starts a watcher again; elsewhere, and where systemd is too old to, as a pair.
start() {
  systemctl=$6
  rm -f "$folder/ready.alone" "$folder/ready.first" "$folder/ready.second"
  if [ -n "$systemctl" ] && under_systemd "$1" "$2" "$3" "$4" "$5" && stood alone; then
    if keeps; then return 0; fi
  fi
  session=setsid
  command -v setsid >/dev/null 2>&1 || session=
  (
    # Nothing is kept of whoever starts this: no terminal, no pipe of ssh, no lock.
    trap '' HUP
    exec $session /bin/sh "$script" watch first "$1" "$2" "$3" "$4" "$5" '' \
      </dev/null >/dev/null 2>&1 3>&- 4>&- 5>&- 6>&- 7>&- 8>&- 9>&-
  ) &
  stood first && stood second && return 0
  # Whoever has begun all the same is told that it is over, in a way that needs no room.
  mv -f "$folder/open" "$folder/closed" 2>/dev/null
  echo 'no watch is running that would take the change back' >&2
  return 1
}

under_systemd() {
  mkdir -p "$units/sysinit.target.wants" || return 1
  # A new start of the user space alone (systemd-soft-reboot.service) keeps /run and the kernel's rules: the link brings the
  # watch back. An ordinary stop is refused, and so is one by a change of the target. Where the window was cleared away
  # meanwhile, there is nothing to bring back.
  printf '%s\n' '[Unit]' \
    "Description=Takes mailward's packet filter rules back unless they are confirmed" \
    DefaultDependencies=no Conflicts=shutdown.target Before=shutdown.target \
    IgnoreOnIsolate=yes RefuseManualStop=yes \
    '[Service]' \
    "ExecStart=/bin/sh -c 'test -f $script || exit 0; exec /bin/sh $script watch alone $1 $2 $3 \"$4\" \"$5\" \"\"'" \
    Restart=on-failure RestartSec=200ms StartLimitInterval=0 \
    'RestartForceExitStatus=SIGHUP SIGINT SIGTERM SIGPIPE' KillSignal=SIGKILL OOMScoreAdjust=-1000 \
    >"$folder/unit" && mv -f "$folder/unit" "$units/$unit" || return 1
  ln -sf "../$unit" "$units/sysinit.target.wants/$unit"
  "$systemctl" start "$unit" 2>/dev/null && return 0
  # An old systemd sees new units only when it is told to look.
  "$systemctl" daemon-reload && "$systemctl" start "$unit"
}

# Whether this systemd has taken what makes a watcher come back.
keeps() {
  shown=$("$systemctl" show -p Restart -p IgnoreOnIsolate -p RefuseManualStop "$unit" 2>/dev/null)
  for line in Restart=on-failure IgnoreOnIsolate=yes RefuseManualStop=yes; do
    case "
$shown
" in
      *"
$line
"*) ;;
      *) return 1 ;;
    esac
  done
}

# Whether a watcher has begun, which has its rules by then; a short window may be over already.
stood() {
  left=70
  while [ $left -gt 0 ]; do
    if [ -f "$folder/ready.$1" ] && IFS= read -r wanted <"$folder/ready.$1" && [ -n "$wanted" ]; then
      if stands "$wanted" || says reverted; then return 0; fi
    fi
    # It takes some hundredths of a second, unless the host is busy.
    if [ $left -gt 50 ]; then
      sleep 0.01 || left=50
    else
      sleep 0.1 || sleep 1
    fi
    left=$((left - 1))
  done 2>/dev/null
  return 1
}

# Reads what is to be loaded, so that nothing that becomes of the files matters afterwards.
hold() {
  nft= v4= v6=
  for place in "$disk" "$folder"; do
    [ ! -f "$place/revert.nft" ] || nft=$(cat "$place/revert.nft")
    [ ! -f "$place/revert.v4" ] || v4=$(cat "$place/revert.v4")
    [ ! -f "$place/revert.v6" ] || v6=$(cat "$place/revert.v6")
  done 2>/dev/null
}

# Whether the window is over: by the host's time since the boot, which goes on while it sleeps and which no clock that is
# set moves; or since so much was slept, whatever the host tells.
over() {
  now=
  if [ "$until" -ge 1000000000 ]; then
    now=$(date +%s)
  elif [ -f /proc/uptime ]; then
    IFS=' .' read -r now rest </proc/uptime
  fi 2>/dev/null
  case $now in '' | *[!0-9]*) now=0 ;; esac
  [ "$now" -ge "$until" ] || [ "$quarters" -ge $((seconds * 4)) ]
}

# Sleeps for a moment, and counts it if it was slept.
nap() {
  if sleep 0.25 2>/dev/null; then
    quarters=$((quarters + 1))
  elif sleep 1; then
    quarters=$((quarters + 4))
  fi
}

# One of two looks after the other: whoever finds that it is alone starts another.
accompany() {
  case $role in
    alone) return 0 ;;
    second)
      stands "$peer" && return 0
      role=first
      ;;
    first) stands "$peer" && return 0 ;;
  esac
  peer=
  if [ -f "$script" ] && [ -O "$script" ]; then
    /bin/sh "$script" watch second "$seconds" "$until" "$way" "$one" "$other" "$own" </dev/null >/dev/null 2>&1 &
  else
    # What this shell has in its memory does as well.
    twin </dev/null >/dev/null 2>&1 &
  fi
  # One that cannot be named would be forgotten, and never end with this one.
  if named $!; then peer=$named; else kill -KILL $! 2>/dev/null; fi
}

# Becomes the second watcher, without a file to read.
twin() {
  role=second peer=$own
  # A subshell has the traps of nobody, but goes on to ignore what was ignored.
  trap again EXIT
  IFS= read -r stat </proc/self/stat && named "${stat%% *}" && own=$named
  go
}

# Ends what still loads the rules that are to go back: a slow program outlives a run that is killed, and would have the last
# word. It has the window in its environment, as has all that it starts.
end_loaders() {
  left=20
  while [ $left -gt 0 ] && loaders=$(grep -l -F "MAILWARD_WINDOW=$id" /proc/[0-9]*/environ); do
    for loader in $loaders; do
      loader=${loader%/environ}
      kill -KILL "${loader#/proc/}"
    done
    sleep 0.1 || sleep 1
    left=$((left - 1))
  done
} 2>/dev/null

# One ruleset: text, file, program, options. What is loaded twice does no harm.
load() {
  text=$1 file=$2
  shift 2
  [ -n "$text" ] || return 0
  [ -n "$1" ] || {
    echo "there is no program for $file"
    return 1
  }
  case $file in
    *.nft)
      printf '%s\n' "$text" | "$@" /dev/stdin || printf '%s\n' "$text" | "$@" /proc/self/fd/0 ||
        "$@" "$folder/$file" || "$@" "$disk/$file"
      ;;
    *) printf '%s\n' "$text" | "$@" ;;
  esac || {
    echo "$1 $file: exit $?"
    return 1
  }
}

load_all() {
  case $way in
    nftables)
      [ -n "$nft" ] || {
        echo "$folder/revert.nft cannot be read"
        return 1
      }
      load "$nft" revert.nft "$(inside "$one")" -f
      ;;
    iptables)
      [ -n "$v4$v6" ] || {
        echo "$folder/revert.v4 cannot be read"
        return 1
      }
      # One that fails keeps nobody from loading the other.
      load "$v4" revert.v4 "$(inside "$one")" --noflush
      four=$?
      load "$v6" revert.v6 "$(inside "$other")" --noflush && [ $four = 0 ]
      ;;
    *) echo "no way to load rules: $way" && return 1 ;;
  esac
}

# tidy TEXT RESTORE: takes away what loading a text could not: the chains that it empties and that hold nothing then, and where
# it has no rule at all, the jumps to them. That the rules are back does not hang on it.
tidy() {
  [ -n "$1" ] && [ -n "$2" ] || return 0
  printf '%s\n' "$1" | sed -n 's/^\*//p' | while read -r table; do
    text=$(printf '%s\n' "$1" | sed -n "/^\*$table\$/,/^COMMIT\$/p")
    now=$("${2%restore}save" -t "$table") || continue
    {
      echo "*$table"
      case $text in
        *'
-A MAILWARD'*) ;;
        *) printf '%s\n' "$now" | sed -n 's/^-A \([A-Z]* -j MAILWARD[^ ]*\) *$/-D \1/p' ;;
      esac
      printf '%s\n' "$text" | sed -n 's/^:\(MAILWARD[^ ]*\) .*/\1/p' | while read -r chain; do
        case $text in *"-A $chain "*) continue ;; esac
        case $now in *":$chain "*) echo "-X $chain" ;; esac
      done
      echo COMMIT
    } | "$2" --noflush
  done
} </dev/null >/dev/null 2>&1

# Ends this watcher, and the second one with the first.
leave() {
  trap - EXIT
  if [ "$role" = first ] && stands "$peer"; then
    kill -KILL "${peer%%-*}" 2>/dev/null
  fi
  exit 0
}

again() {
  trap - EXIT
  if [ -f "$script" ]; then
    exec /bin/sh "$script" watch "$role" "$seconds" "$until" "$way" "$one" "$other" "$peer"
  fi
  go
}

watch() {
  role=$1 seconds=$2 until=$3 way=$4 one=$5 other=$6 peer=$7
  # What is ignored here is ignored by what it starts as well.
  trap '' HUP INT QUIT TERM PIPE
  trap again EXIT
  quarters=0
  echo -1000 2>/dev/null >/proc/self/oom_score_adj
  cd /
  hold
  named $$ && own=$named
  printf '%s\n' "$own" 2>/dev/null >"$folder/ready.$role"
  go
}

go() {
  until over; do
    if decided; then leave; fi
    accompany
    nap
  done
  # The second one gives the first some time: it comes where that hangs.
  quarters=0
  while [ "$role" = second ] && [ $quarters -lt 20 ]; do
    if decided; then leave; fi
    accompany
    nap
  done
  # Of two who rename it one fails. That it cannot be renamed at all is no decision.
  mv -f "$folder/open" "$folder/reverting" 2>/dev/null
  pause=1
  while :; do
    if decided; then leave; fi
    accompany
    end_loaders
    if said=$(load_all 2>&1); then break; fi
    printf '%s\n' "$said" 2>/dev/null >"$folder/log"
    logger -p daemon.crit -t mailward \
      "the packet filter rules of before cannot be loaded, tried again in $pause s: $said" 2>/dev/null
    sleep $pause
    pause=$((pause * 2))
    [ $pause -le 60 ] || pause=60
  done
  mv -f "$folder/reverting" "$folder/reverted" 2>/dev/null ||
    { printf '%s\n' "$id" >"$folder/reverted.new" && mv -f "$folder/reverted.new" "$folder/reverted"; } 2>/dev/null
  if [ "$way" = iptables ]; then
    tidy "$v4" "$(inside "$one")"
    tidy "$v6" "$(inside "$other")"
  fi
  leave
}

verb=$1
shift
case $verb in
  start) start "$@" ;;
  watch) watch "$@" ;;
  *) exit 1 ;;
esac
