# What mailward defines in the shell of the other host, before it sends messages that call it. POSIX sh; the tools are
# those of CentOS 5 and of BusyBox. Nothing here knows what is managed: a message names the files and programs.
#
# A reply is what stands between "$key begin" and "$key end". Nobody but root gets to see the key, so no file and no
# process can end a reply or a section. Whatever else is printed, e.g. by a login script, is not part of a reply.
#
# Records of a reply are gathered in $text with builtins alone; files and /proc are then read by one stat and one cat for
# all of them, since starting a program is what takes time. Descriptors: 9 is the lock, 3 to 8 are the files of a command.

PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
LC_ALL=C
HOME=/root
export PATH LC_ALL HOME
# Not for the programs that are started.
connected=$SSH_CONNECTION
unset SHLVL OLDPWD CDPATH SSH_CONNECTION
umask 077
cd /
# A message that has arrived is carried out to its end, whether or not anybody still listens. What is caught, unlike what
# is ignored, is as usual for the programs that are started.
trap : HUP PIPE
state=/var/lib/mailward
for tool in stat cat grep; do
  command -v "$tool" >/dev/null 2>&1 || {
    echo "mailward needs $tool, which this host does not have" >&2
    exit 1
  }
done
# Where printf is a program of its own, its arguments can be seen by everybody.
PATH=/nowhere printf '' 2>/dev/null || {
  echo "mailward needs a shell with a printf of its own" >&2
  exit 1
}
text= wanted=0 sockets=0 announced=

say() {
  text="$text$1
"
  [ ${#text} -lt 4096 ] || flush
}

flush() {
  printf '%s' "$text"
  text=
}

begin() {
  printf '\n%s begin\n' "$key"
  text= wanted=0 sockets=0
}

# ---- reading ----

# Remembers a file whose metadata and content end the reply.
want() {
  wanted=$((wanted + 1))
  eval "want_$wanted=\$1"
}

# The reason in the last words of an error text.
reason() {
  why=${1##*: }
  say "u ${why:-it cannot be told why}"
}

# Says whether there is nothing at a path, or, which is no failure, that this cannot be told.
absent() {
  folder=$1
  while :; do
    if [ -h "$folder" ]; then
      # Only stat tells why a link leads nowhere.
      error=$(stat -L "$1" 2>&1 >/dev/null)
      case ${error##*: } in
        'No such file or directory' | 'Not a directory' | '') break ;;
      esac
      reason "$error"
      return 0
    fi
    folder=${folder%/*}
    if [ -d "${folder:-/}" ]; then
      [ ! -x "${folder:-/}" ] || break
      say 'u permission denied'
      return 0
    elif [ -e "$folder" ]; then
      break
    fi
  done
  say m
  return 1
}

# One file, links followed.
file() {
  if [ -f "$1" ]; then
    if true 2>/dev/null <"$1"; then
      if [ -h "$1" ]; then say 'f s'; else say 'f p'; fi
      want "$1"
    else
      error=$( { true <"$1"; } 2>&1 )
      reason "$error"
    fi
  elif [ -e "$1" ]; then
    say n
  else
    absent "$1"
  fi
}

# The names in a folder, each with the file behind it. A name ends with the one byte that no name holds.
folder() {
  if [ ! -d "$1" ]; then
    if [ -e "$1" ]; then say 'u not a directory'; else absent "$1"; fi
    return
  fi
  if [ ! -r "$1" ] || [ ! -x "$1" ]; then
    say 'u permission denied'
    return 0
  fi
  say d
  for entry in "$1"/* "$1"/.*; do
    name=${entry##*/}
    case $name in . | ..) continue ;; esac
    if [ -e "$entry" ] || [ -h "$entry" ]; then
      say "e $name/"
      file "$entry"
    fi
  done
  say .
}

exists() {
  if [ -f "$1" ]; then
    if [ -x "$1" ]; then
      say 'x y'
    elif [ -O / ]; then
      say 'x n'
    else
      # Only root is told about everybody's execute bits.
      mode=$(ls -ldL "$1" 2>/dev/null)
      case ${mode%% *} in *[xst]*) say 'x y' ;; *) say 'x n' ;; esac
    fi
  elif [ -d "$1" ]; then
    say d
  elif [ -e "$1" ]; then
    say o
  else
    absent "$1"
  fi
}

# The files of all processes whose numbers fit a pattern. A pattern with the file behind it would look each of them up.
files_of() {
  cd /proc && printf "/proc/%s/$kind " $1
}

# The processes that have one of some names, or look like it: a file of each in $named.
named() {
  # The file that holds the name alone is read in half the time; kernels before 2.6.33 have it not.
  if [ -e /proc/self/comm ]; then kind=comm whole=-x; else kind=stat whole=; fi
  for name in "$@"; do
    case $kind in
      comm) set -- "$@" -e "$name" ;;
      stat) set -- "$@" -e "($name) " ;;
    esac
    shift
  done
  # 2 is what it says of a process that has ended meanwhile.
  named=$(grep -l -F $whole "$@" $(files_of '[0-9]*') 2>/dev/null)
  [ $? -gt 2 ] || return 0
  # The kernel of CentOS 5 takes no more than 128 kB of arguments.
  named=$(
    for digit in 1 2 3 4 5 6 7 8 9; do
      grep -l -F $whole "$@" $(files_of "$digit*") 2>/dev/null
      [ $? -le 2 ] || exit 1
    done
  )
}

# Whether a process is of this host: of the same pid namespace and root folder, where the kernel tells.
here() {
  if [ -e "/proc/$1/ns/pid" ]; then
    [ "/proc/$1/ns/pid" -ef /proc/self/ns/pid ] || return 1
  else
    while read -r field first second; do
      if [ "$field" = NSpid: ]; then
        [ -z "$second" ] || return 1
        break
      fi
    done 2>/dev/null <"/proc/$1/status"
  fi
  [ "/proc/$1/ns/mnt" -ef /proc/self/ns/mnt ] || [ ! -e "/proc/$1/root/" ] || [ "/proc/$1/root/" -ef / ]
}

# Whose a process is: its real, effective and saved user id and that of the file system in $ids, as far as the kernel tells,
# and what it executes in $program where all of them are root's. That takes a program, so nobody else is asked for it.
owned() {
  ids='? ? ? ?' program=
  while read -r field real effective saved files; do
    if [ "$field" = Uid: ]; then
      ids="$real $effective $saved $files"
      break
    fi
  done 2>/dev/null <"/proc/$1/status"
  [ "$ids" = '0 0 0 0' ] || return 0
  program=$(readlink "/proc/$1/exe" 2>/dev/null)
  while :; do
    case $program in
      *"
"*) program=${program%%"
"*}?${program#*"
"} ;;
      *) break ;;
    esac
  done
}

# Whether root runs the program that a process is called after, from where nobody but root puts programs: pid, name.
roots() {
  owned "$1"
  case $ids in
    '0 0 0 0') ;;
    '? ? ? ?') return 0 ;;
    *) return 1 ;;
  esac
  program=${program%' (deleted)'}
  case $program in
    *.\#prelink\#.??????) program=${program%.\#prelink\#.??????} ;;
  esac
  case $program in
    '') ;;
    */tmp/*) return 1 ;;
    /usr/* | /bin/* | /sbin/* | /lib/* | /lib64/* | /opt/* | /var/qmail/bin/*) [ "${program##*/}" = "$2" ] || return 1 ;;
    *) return 1 ;;
  esac
}

# The processes of some programs, by the names that the kernel keeps of them.
processes() {
  # With hidepid the kernel shows a user little of the processes of others; there always is a first one.
  if ! true 2>/dev/null </proc/1/stat; then
    say '! /proc shows only some processes'
    return 0
  fi
  found=1
  named "$@" || {
    say '! the processes cannot be searched'
    return 0
  }
  for file in $named; do
    pid=${file%/*}
    pid=${pid#/proc/}
    here "$pid" || continue
    environment=y ports=y
    [ -r /proc/net/tcp ] || ports=n
    [ -r "/proc/$pid/environ" ] && true 2>/dev/null <"/proc/$pid/environ" || environment=n
    [ -r "/proc/$pid/fd" ] && [ -x "/proc/$pid/fd" ] || ports=n
    [ ! -e "/proc/$pid/ns/net" ] || [ "/proc/$pid/ns/net" -ef /proc/self/ns/net ] || ports=o
    owned "$pid"
    say "p $pid $environment $ports $ids $program"
    want "/proc/$pid/stat"
    want "/proc/$pid/cmdline"
    want "/proc/$pid/environ"
    want "/proc/$pid/cgroup"
    want "/proc/$pid/stat"
    eval "process_$sockets=$pid"
    sockets=$((sockets + 1))
    found=0
  done
  say .
  [ $found = 1 ] || want /proc/stat
  return $found
}

# The clock. A folder of /proc is made when it is looked at, so that the one of stat itself says what time it is.
now() {
  say t
  want /proc/self
}

# Lets time pass: seconds with a fraction, which not every sleep knows.
pause() {
  sleep "$1" 2>/dev/null || sleep 1
  say z
}

# The connection: the variables that sshd gave, of this shell and of each ancestor, since sudo takes them away; the clock,
# beside a process that has just begun; the host's own addresses; and the ancestors.
connection() {
  flush
  ancestors=
  set --
  pid=$$
  while [ "$pid" -gt 1 ] && IFS= read -r line <"/proc/$pid/stat"; do
    ancestors="$ancestors $pid"
    set -- "$@" "/proc/$pid/environ"
    line=${line##*) }
    line=${line#* }
    pid=${line%% *}
  done 2>/dev/null
  printf '%s variables\n' "$key"
  [ -z "$connected" ] || printf 'self:SSH_CONNECTION=%s\000' "$connected"
  grep -z -H -e '^SSH_CONNECTION=' -e '^SSH_CLIENT=' "$@" 2>/dev/null
  printf '%s clock\n' "$key"
  /bin/cat /proc/self/stat
  stat -L -c '%Z %z' /proc/self
  printf '%s ipv4\n' "$key"
  if [ -r /proc/net/fib_trie ]; then
    grep -e '|--' -e LOCAL /proc/net/fib_trie
  else
    # A kernel before 2.6.39 may have no such file.
    ip -o addr show || ifconfig -a
  fi 2>/dev/null
  printf '%s ipv6\n' "$key"
  /bin/cat /proc/net/if_inet6 2>/dev/null
  printf '%s ancestors\n' "$key"
  for pid in $ancestors; do
    say "p $pid"
    want "/proc/$pid/stat"
    want "/proc/$pid/cmdline"
  done
  say .
}

# Ends a reply: records, then metadata and content of what is wanted.
#
# The marker between two contents is the environment of cat itself, which only root can read and which holds the key. It
# comes twice at first, so that the other side learns where it ends.
end() {
  flush
  next=1
  while [ $next -le $wanted ]; do
    first=$next bytes=0
    while [ $next -le $wanted ] && [ $((next - first)) -lt 300 ] && [ $bytes -lt 50000 ]; do
      eval "bytes=\$((bytes + \${#want_$next}))"
      next=$((next + 1))
    done
    contents $first $((next - 1))
  done
  if [ $sockets -gt 0 ]; then
    printf '%s sockets\n' "$key"
    i=0
    set --
    while [ $i -lt $sockets ]; do
      eval "set -- \"\$@\" /proc/\$process_$i/fd/*"
      i=$((i + 1))
      if [ $# -gt 1000 ] || [ $i = $sockets ]; then
        stat -L -c '%f %i %n' "$@" 2>/dev/null
        [ $? -lt 126 ] || echo unknown
        set --
      fi
    done
    printf '%s tables\n' "$key"
    grep -h ' 0A ' /proc/net/tcp /proc/net/tcp6 2>/dev/null
    [ $? -lt 126 ] || echo unknown
  fi
  printf '%s end\n' "$key"
}

contents() {
  files= pairs=
  i=$1
  while [ $i -le "$2" ]; do
    files="$files \"\$want_$i\""
    pairs="$pairs \"\$want_$i\" /proc/self/environ"
    i=$((i + 1))
  done
  metadata=$(eval "stat -L -c \"\$tag %s %h %Z %n\" $files" 2>/dev/null) || [ $? -lt 126 ] || metadata="$tag died"
  case $metadata in
    # Eight digits and more are looked at one by one: above 64 MiB a file is told of and not read.
    # The size stands right behind the tag: a pattern with more stars costs the shell more than all the rest.
    *"$tag "[0-9][0-9][0-9][0-9][0-9][0-9][0-9][0-9]*)
      pairs=
      i=$1
      while [ $i -le "$2" ]; do
        eval "size=\$(stat -L -c %s \"\$want_$i\" 2>/dev/null)"
        [ "${size:-0}" -le 67108864 ] || eval "want_$i=/dev/null"
        pairs="$pairs \"\$want_$i\" /proc/self/environ"
        i=$((i + 1))
      done
      ;;
  esac
  printf '%s stat\n%s\n%s cat\n' "$key" "$metadata" "$key"
  # By its path: the shell of a BusyBox may have a cat of its own, which has no environment of its own.
  eval "MAILWARD_KEY=\$key /bin/cat /proc/self/environ /proc/self/environ $pairs" 2>/dev/null
}

# ---- commands ----

# Makes the files of a command in a folder that nobody else may enter: $folder. It lies in memory where that is possible.
make_room() {
  for folder in /dev/shm /run /tmp "$state"; do
    folder=$folder/.mailward-$tag
    if mkdir "$folder"; then
      printf "$1" >"$folder/in" && printf '' >"$folder/out" && printf '' >"$folder/err" && printf '' >"$folder/who" && return 0
      rm -rf "$folder"
    fi
  done 2>/dev/null
  return 1
}

# Finds out which process this is, also in a subshell: pid and start time.
self() {
  read -r line </proc/self/stat
  set -- "${line%% *}" ${line##*) }
  self="$1-${21}"
}

# Runs a program: seconds, bytes kept of each stream, variable and file of a secret, standard input as a format, the program,
# and the words that start it, setsid before it and env before that where it has variables. A group of its own lets its
# children be ended with it. Prints its two streams and how it ended.
run() {
  limit=$1 cap=$2 variable=$3 secret=$4 input=$5 program=$6
  shift 6
  # What ends it in time, and tells which process it is, are there.
  if [ ! -r /proc/self/stat ] || [ ! -r /proc/uptime ]; then
    unstarted '/proc is not mounted'
    return
  elif [ ! -e "$program" ]; then
    unstarted 'no such file or directory'
    return
  elif [ ! -f "$program" ] || [ ! -x "$program" ]; then
    unstarted 'permission denied'
    return
  fi
  value=
  if [ -n "$variable" ]; then
    if [ ! -f "$secret" ] || ! value=$(cat "$secret" 2>/dev/null); then
      unstarted "cannot read $secret"
      return
    fi
  fi
  make_room "$input" || {
    unstarted 'there is no room for what it reads and prints'
    return
  }
  # From here on these files have no names.
  exec 3<"$folder/in" 4<>"$folder/who" 5<"$folder/out" 6>>"$folder/out" 7<"$folder/err" 8>>"$folder/err"
  rm -rf "$folder"
  (
    exec </proc/self/fd/4 >/dev/null 2>&1 3<&- 4>&- 5<&- 6>&- 7<&- 8>&- 9>&-
    # A group is ended only while the process that it was made for is there: later its number may be another's.
    exec setsid sh -c '
      sleep "$0"
      IFS=- read -r pid start
      read -r line <"/proc/$pid/stat" || exit
      set -- ${line##*) }
      [ "${20}" = "$start" ] || exit
      kill -KILL "-$pid"
      kill -KILL "$pid"
    ' "$limit"
  ) &
  guard=$!
  read -r begun rest </proc/uptime
  # Not in the background, where SIGINT and SIGQUIT would be ignored for good.
  {
    (
      exec <&3 >&6 2>&8 3<&- 5<&- 6>&- 7<&- 8>&- 9>&-
      self
      echo "$self" >&4
      exec 4>&-
      trap - HUP PIPE
      umask 022
      unset PWD
      [ -z "$variable" ] || export "$variable=$value"
      exec "$@"
    )
  } 2>/dev/null
  code=$?
  read -r ended rest </proc/uptime
  value=
  exec 3<&- 4>&- 6>&- 8>&-
  # Hundredths of a second; the guard may have begun a moment earlier.
  [ $code = 137 ] && [ $((${ended%.*}${ended#*.} - ${begun%.*}${begun#*.})) -ge $((limit * 100 - 5)) ] && code=late
  kill -KILL "-$guard" 2>/dev/null || kill -KILL "$guard" 2>/dev/null
  wait "$guard" 2>/dev/null
  flush
  printf '%s out\n' "$key"
  head -c "$cap" <&5
  printf '%s err\n' "$key"
  head -c "$cap" <&7
  printf '%s ran\n' "$key"
  # A program that setsid could not start was none, for whoever asks for the first that is there.
  started=0
  case $code in
    126 | 127)
      IFS= read -r line </proc/self/fd/7
      case $line in 'setsid: '*) started=1 ;; esac
      ;;
  esac
  exec 5<&- 7<&-
  say "r $code"
  return $started
}

unstarted() {
  flush
  printf '%s out\n%s err\n%s%s ran\n' "$key" "$key" "$1" "$key"
  say 'r none'
  return 1
}

# ---- the state folder and the lock ----

# Says that an act failed: what kind, and the error text of a tool.
failed() {
  say "x $1 ${2##*: }"
  return 1
}

lacks() {
  for tool in "$@"; do
    command -v "$tool" >/dev/null 2>&1 || {
      say "L $tool"
      return 0
    }
  done
  return 1
}

make_folder() {
  [ -d "$1" ] && return 0
  case $1 in "$state" | "$state"/* | /run/mailward | /run/mailward/* | /dev/shm/mailward-*) ;; *) ( umask 022 && mkdir -p "$1" ) && return 0 ;; esac
  [ -d "${1%/*}" ] || make_folder "${1%/*}" || return 1
  mkdir "$1" && sync_path "${1%/*}"
}

# Whether a folder is that of one window of mailward's: its name is the window's id.
is_window() {
  case $1 in
    /run/mailward/*) window=${1#/run/mailward/} ;;
    /dev/shm/mailward-*) window=${1#/dev/shm/mailward-} ;;
    "$state"/access/*) window=${1#"$state"/access/} ;;
    *) return 1 ;;
  esac
  case $window in *[!0-9a-f]*) return 1 ;; esac
  [ ${#window} = 32 ]
}

# Makes a file or a folder survive a crash. Tools before 2015 take no name and sync everything.
sync_path() {
  sync "$1"
}

# Takes the lock as far as the folder and its file go: $kernel says whether the kernel holds it.
lock() {
  lacks stat cat grep date setsid cmp cp mv rm mkdir chmod sync sleep tail tr head awk && return
  if [ ! -r /proc/self/stat ]; then
    say 'n /proc is not mounted'
    return
  fi
  error=$( { make_folder "$state" && { [ "$(stat -c %a "$state")" = 700 ] || chmod 700 "$state"; }; } 2>&1 ) || {
    say "n ${error##*: }"
    return
  }
  if [ ! -O "$state" ]; then
    say 'n its folder belongs to somebody else'
    return
  elif [ -h "$state/lock" ]; then
    say 'n too many levels of symbolic links'
    return
  elif [ -e "$state/lock" ] && [ ! -f "$state/lock" ]; then
    say 'n it is not a regular file'
    return
  fi
  # A disk that takes nothing must not keep a change from being taken back: the kernel locks a file that is only read.
  written=1
  error=$( { true >>"$state/lock"; } 2>&1 ) || {
    written=
    case $error in *[Rr]ead-only*) [ -r "$state/lock" ] && command -v flock >/dev/null 2>&1 ;; *) false ;; esac || {
      say "n ${error##*: }"
      return
    }
  }
  if command -v flock >/dev/null 2>&1; then
    kernel_lock || return
    # Where there is no room for it, the kernel's lock is enough for all that use it.
    announce
  else
    announce || {
      withdraw
      say "n ${error##*: }"
      return
    }
    kernel_holds_none || return
  fi
  if other_holds; then
    withdraw
    say "h $holder"
    return
  fi
  [ -z "$written" ] || printf '%s\n' "$own" 2>/dev/null >"$state/lock"
  say l
}

kernel_lock() {
  tries=0
  while [ $tries -lt 100 ]; do
    tries=$((tries + 1))
    if [ -n "$written" ]; then exec 9<>"$state/lock"; else exec 9<"$state/lock"; fi
    flock -x -n 9 2>/dev/null
    case $? in
      0) ;;
      1)
        who
        say "h $holder"
        exec 9>&-
        return 1
        ;;
      *)
        say 'n flock does not work'
        exec 9>&-
        return 1
        ;;
    esac
    # Only the file that stands there now keeps others out.
    [ /proc/self/fd/9 -ef "$state/lock" ] && return 0
  done
  say 'n its file does not stay where it is'
  exec 9>&-
  return 1
}

who() {
  holder=
  IFS= read -r holder <"$state/lock"
}

# A run says that it holds the lock with a file whose name is its process. Without flock it holds it only if nobody else
# does: of two that begin at once at least one sees the other. What a dead process left means nothing. With flock it says so
# as well, since a kernel does not list, in a container, what the flock took that has ended.
announce() {
  self
  own="pid $$, since $(date -u +%Y-%m-%dT%H:%M:%SZ), user $(id -un), over ssh"
  announced=$state/holders/$self
  trap 'rm -f "$announced"' 0
  error=$( { make_folder "$state/holders" && printf '%s\n' "$own" >"$announced"; } 2>&1 )
}

withdraw() {
  rm -f "$announced"
  exec 9>&-
}

kernel_holds_none() {
  inode=$(stat -c %i "$state/lock")
  grep ' FLOCK .* WRITE ' /proc/locks 2>/dev/null | grep -q ":$inode " || return 0
  who
  withdraw
  say "h $holder"
  return 1
}

# Whether another process has announced itself and runs.
other_holds() {
  for file in "$state"/holders/*-*; do
    [ -f "$file" ] && [ "$file" != "$announced" ] || continue
    process=${file##*/}
    if alive "${process%-*}" "${process#*-}"; then
      holder=
      IFS= read -r holder <"$file"
      return 0
    fi
    rm -f "$file"
  done
  return 1
}

# ---- acts ----

acted() {
  say a
  flush
}

# A call that is never a failure.
act() {
  "$@"
  acted
}

# What is equal as long as nobody changed a file or its metadata; the number of its names first.
identity() {
  stat -c '%h %f %u %g %s %d %i %Z %z' "$1"
}

# Makes way for a temporary file: what a killed run left goes, anything else is not ours.
make_way() {
  if [ -f "$1" ] && [ ! -h "$1" ]; then
    error=$(rm -f "$1" 2>&1) || {
      failed s "$error"
      return 1
    }
  fi
  if [ -e "$1" ] || [ -h "$1" ]; then
    failed s 'File exists'
  fi
}

# Writes a format to a file, and looks whether all of it came.
fill() {
  error=$( { printf "$2" | /bin/cat >"$1"; } 2>&1 ) && printf "$2" | cmp -s - "$1" && return 0
  rm -f "$1"
  failed s "${error:-it does not hold what was written to it}"
}

# Makes a temporary file survive a crash, metadata included.
settle() {
  error=$(sync_path "$1" 2>&1) && return 0
  rm -f "$1"
  failed s "$error"
}

# Moves a temporary file to its place, durably.
place() {
  if [ -d "$2" ]; then
    rm -f "$1"
    failed d
    return 1
  fi
  error=$(mv -f "$1" "$2" 2>&1) || {
    rm -f "$1"
    failed s "$error"
    return 1
  }
  error=$(sync_path "${2%/*}/" 2>&1) || failed s "$error"
}

# Makes a file with another's metadata; $shown says whether it is certain that ACL and extended attributes came along.
copy() {
  label=
  if [ -e /sys/fs/selinux/enforce ] || [ -e /selinux/enforce ]; then label=,context; fi
  shown=y bare=y
  attributes "$1" "$2" && return 0
  bare=n
  rm -f "$2"
  # The cp of CentOS 6 copies attributes, but not without the content.
  cp --preserve=mode,ownership,xattr$label "$1" "$2" 2>/dev/null && return 0
  shown=n
  rm -f "$2"
  error=$(cp -p "$1" "$2" 2>&1) || {
    rm -f "$2"
    failed s "$error"
    return 1
  }
  [ -z "$label" ] || chcon --reference="$1" "$2" 2>/dev/null
  return 0
}

attributes() {
  cp --attributes-only --preserve=mode,ownership,xattr$label "$1" "$2" 2>/dev/null
}

# Gives back what writing to a file takes away: its capabilities, which mean something only to a program.
recover() {
  if [ $bare = y ]; then
    attributes "$1" "$2" || shown=n
  elif [ -x "$1" ]; then
    shown=n
  fi
}

# Looks whether a copy has its original's metadata.
kept() {
  if [ "$(stat -c '%f %u %g' "$1")" != "$(stat -c '%f %u %g' "$2")" ]; then
    failed s 'owner, group and mode cannot be kept'
    return 1
  fi
  if [ -n "$label" ] && [ "$(stat -c %C "$1")" != "$(stat -c %C "$2")" ]; then
    failed s 'the SELinux label cannot be kept'
    return 1
  fi
  if command -v getfattr >/dev/null 2>&1; then
    old=$(listed "$1") && new=$(listed "$2") || {
      failed s 'its extended attributes cannot be read'
      return 1
    }
    if [ "$old" != "$new" ]; then
      failed s 'ACL and extended attributes cannot be kept'
      return 1
    fi
    shown=y
  fi
  [ $shown = y ] || [ "$unseen" = allowed ] || failed m
}

# A file's extended attributes without its name, which is the first line; a file system may have none.
listed() {
  list=$(getfattr -d -m - -e hex --absolute-names "$1" 2>&1) || case $list in
    *': Operation not supported') return 0 ;;
    *) return 1 ;;
  esac
  case $list in *"
"*) printf '%s\n' "${list#*
}" | sort ;; esac
}

# Replaces a file: path, temporary path, old and new content as formats.
replace() {
  if [ -d "$2" ]; then
    rm -f "$1"
    failed d
    return 1
  fi
  if [ -h "$1" ]; then
    failed l
    return 1
  elif [ -d "$1" ]; then
    failed d
    return 1
  elif [ ! -e "$1" ]; then
    failed s 'No such file or directory'
    return 1
  elif [ ! -f "$1" ]; then
    failed o
    return 1
  fi
  before=$(identity "$1" 2>&1) || {
    failed s "$before"
    return 1
  }
  case $before in
    '1 '*) ;;
    '0 '*)
      failed c
      return 1
      ;;
    *)
      failed h
      return 1
      ;;
  esac
  printf "$3" | cmp -s - "$1" || {
    failed c
    return 1
  }
  make_way "$2" || return 1
  copy "$1" "$2" && fill "$2" "$4" && recover "$1" "$2" && kept "$1" "$2" && settle "$2" || {
    rm -f "$2"
    return 1
  }
  if [ -h "$1" ] || [ "$(identity "$1" 2>/dev/null)" != "$before" ] || ! printf "$3" | cmp -s - "$1"; then
    rm -f "$2"
    failed c
    return 1
  fi
  place "$2" "$1" && acted
}

# Writes a file of mailward's own: path, temporary path, content as a format.
save() {
  error=$(make_folder "${1%/*}" 2>&1) || {
    failed s "${error:-the folder cannot be made}"
    return 1
  }
  if is_window "${1%/*}" && { [ -h "${1%/*}" ] || [ ! -O "${1%/*}" ]; }; then
    failed s 'its folder belongs to somebody else'
    return 1
  fi
  if [ -d "$1" ]; then
    failed s 'Is a directory'
    return 1
  fi
  make_way "$2" && fill "$2" "$3" && settle "$2" && place "$2" "$1" && acted
}

# Writes a file of mailward's own outside its state: path, temporary path, mode, content as a format.
put() {
  if [ ! -d "${1%/*}" ]; then
    failed s 'No such file or directory'
    return 1
  fi
  at_most_one_file "$1" && make_way "$2" && fill "$2" "$4" || return 1
  error=$(chmod "$3" "$2" 2>&1) || {
    rm -f "$2"
    failed s "$error"
    return 1
  }
  settle "$2" && place "$2" "$1" && acted
}

# Removes a file of mailward's own, or the empty folder of a window.
remove() {
  if [ -d "$1" ] && [ ! -h "$1" ] && is_window "$1"; then
    error=$(rmdir "$1" 2>&1) || {
      failed s "$error"
      return 1
    }
  elif [ -d "$1" ] && [ ! -h "$1" ]; then
    failed d
    return 1
  fi
  if [ -e "$1" ] || [ -h "$1" ]; then
    error=$(rm -f "$1" 2>&1 && sync_path "${1%/*}/" 2>&1) || {
      failed s "$error"
      return 1
    }
  fi
  acted
}

# Whether a path stands for one file of one name, or for nothing: told by one look, since others may rename it meanwhile.
at_most_one_file() {
  look=$(stat -c '%f %h' "$1" 2>/dev/null) || return 0
  # The first digit of four is the kind, inode(7).
  case $look in
    8*' 1') return 0 ;;
    8*) failed h ;;
    a*) failed l ;;
    4???' '*) failed d ;;
    *) failed o ;;
  esac
}

# Gives a file of mailward's own another name in its folder: from, to.
#
# Two who do so at once cannot both succeed: within a folder mv is one rename(2), which takes the name away from all others
# in one step, and copies only where that says EXDEV. The mv of the loser fails with ENOENT, whether at its own look at the
# file or at its rename. A name that exists is no matter, since -f never asks; a folder, into which mv would move, is.
decide() {
  at_most_one_file "$1" && at_most_one_file "$2" || return 1
  if [ ! -e "$1" ]; then
    failed g
    return 1
  fi
  error=$(mv -f -- "$1" "$2" 2>&1) || {
    if [ -e "$1" ]; then failed s "$error"; else failed g; fi
    return 1
  }
  error=$(sync_path "${2%/*}/" 2>&1) || {
    failed s "$error"
    return 1
  }
  acted
}

# Whether exactly this process runs: pid, start time; a zombie does not.
alive() {
  line=$(cat "/proc/$1/stat" 2>/dev/null) || return 1
  set -- "$1" "$2" ${line##*) }
  case $3 in Z | X | x) return 1 ;; esac
  [ "${22}" = "$2" ]
}

# Sends a signal: name, pid, start time.
signal() {
  alive "$2" "$3" || {
    failed p
    return 1
  }
  error=$(kill "-$1" "$2" 2>&1) || {
    if alive "$2" "$3"; then failed s "$error"; else failed p; fi
    return 1
  }
  acted
}

# Waits until a function is true: seconds, the function with its arguments.
await() {
  seconds=$1
  shift
  # Without a clock nothing is waited for.
  up=
  { read -r up rest </proc/uptime; } 2>/dev/null || seconds=0
  deadline=$((${up%.*} + seconds + 1))
  while :; do
    if "$@"; then
      say 'w y'
      break
    fi
    { read -r up rest </proc/uptime; } 2>/dev/null || seconds=0
    if [ "$seconds" = 0 ] || [ "${up%.*}" -ge $deadline ]; then
      say 'w n'
      break
    fi
    sleep 0.1 2>/dev/null || sleep 1
  done
  acted
}

# No process of these is left: pid, start time, ...
gone() {
  while [ $# -gt 0 ]; do
    ! alive "$1" "$2" || return 1
    shift 2
  done
}

# For each argument list there is a process of the program, run by root, that has all of it and listens, also a moment later.
# Program, then for each list its length and its arguments.
serving() {
  all_serve "$@" || return 1
  old=$served
  sleep 0.2 2>/dev/null || sleep 1
  all_serve "$@" || return 1
  new=$served
  while [ -n "$old" ]; do
    same=
    for id in ${old%%/*}; do
      case "${new%%/*} " in *" $id "*) same=y ;; esac
    done
    [ -n "$same" ] || return 1
    old=${old#*/} new=${new#*/}
  done
}

all_serve() {
  program_name=$1
  shift
  listening=" $(awk '$4 == "0A" { print $10 }' /proc/net/tcp /proc/net/tcp6 2>/dev/null | tr '\n' ' ')"
  candidates= served=
  named "$program_name" || return 1
  for file in $named; do
    pid=${file%/*}
    pid=${pid#/proc/}
    line=$(cat "/proc/$pid/stat" 2>/dev/null)
    name=${line%)*}
    [ "${name#*(}" = "$program_name" ] || continue
    case ${line##*) } in [ZXx]*) continue ;; esac
    here "$pid" && roots "$pid" "$program_name" && listens "$pid" || continue
    candidates="$candidates $pid"
  done
  while [ $# -gt 0 ]; do
    length=$1
    shift
    ids=
    for pid in $candidates; do
      # A line for each argument, and one more, so that the last may be empty.
      words=$(tr '\000\n' '\n\001' 2>/dev/null <"/proc/$pid/cmdline"; printf '\001')
      has_all "$words" "$length" "$@" && ids="$ids $pid"
    done
    shift "$length"
    [ -n "$ids" ] || return 1
    served="$served$ids/"
  done
}

# Whether each of the first so many words is a line of a text: text, number, words.
has_all() {
  lines="
$1
" left=$2
  shift 2
  for word in "$@"; do
    [ "$left" -gt 0 ] || break
    left=$((left - 1))
    case $lines in
      *"
$word
"*) ;;
      *) return 1 ;;
    esac
  done
}

# Whether a process has a listening TCP socket of this network namespace.
listens() {
  [ ! -e "/proc/$1/ns/net" ] || [ "/proc/$1/ns/net" -ef /proc/self/ns/net ] || return 1
  for inode in $(stat -L -c '%f %i' "/proc/$1/fd/"* 2>/dev/null | grep '^c' | tr ' ' '\n'); do
    case $listening in *" $inode "*) return 0 ;; esac
  done
  return 1
}

# A file has grown beyond so many bytes, and what came ends with a text: path, bytes, text.
grown() {
  [ -f "$1" ] && size=$(stat -L -c %s "$1" 2>/dev/null) && [ "$size" -gt "$2" ] || return 1
  new=$(tail -c "+$(($2 + 1))" "$1" 2>/dev/null | tail -c 65536)
  while :; do
    case $new in *[[:space:]]) new=${new%?} ;; *) break ;; esac
  done
  case $new in *"$3") ;; *) return 1 ;; esac
}
