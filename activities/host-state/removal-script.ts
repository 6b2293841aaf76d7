import { BLOCK_BEGIN, SPOOL } from './shell.js';

/** Reads a journal, and changes nothing. */
export const readFunctions = String.raw`
# journal DIRECTORY KEPT ASIDE
journal() {
  [ ! -s "$1/cluster" ] || echo "cluster $(cat "$1/cluster")"
  [ ! -d "$1" ] || echo 'journal'
  [ ! -d "$1.done" ] && [ ! -d ${SPOOL} ] || echo 'leftover'
  [ ! -d "$2" ] || echo 'kept'
  for data in "$3"/*; do [ ! -e "$data" ] || echo "aside $data"; done
  echo 'records'
  cat "$1/records" 2>/dev/null
  # Its last line may have been cut off.
  printf '\nfinish\n'
}
`;

/** Undoes what a journal says. Every function finds its work done already as easily as not yet done. */
export const removalFunctions = String.raw`
DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1
export DEBIAN_FRONTEND NEEDRESTART_SUSPEND

# end UNIT SECONDS
end() {
  [ "$(property LoadState "$1")" != not-found ] || return 0
  echo "stopping $1"
  timeout "$2" systemctl stop -- "$1" || fail "$1 did not stop within $2 s"
  systemctl -q disable -- "$1" 2>/dev/null
}

# cleanup TITLE COMMAND
cleanup() {
  echo "$1"
  output=$(sh -c "$2" 2>&1) || fail "cannot $1: $(echo "$output" | tail -n 1)"
}

# put_aside PATH TARGET: whole under its new name, or not there yet
put_aside() {
  [ -e "$1" ] || return 0
  echo "putting $1 aside"
  mkdir -p "$(dirname "$2")" || fail "cannot create $(dirname "$2")"
  if [ ! -e "$2" ]; then
    if [ "$(stat -c %d "$1")" = "$(stat -c %d "$(dirname "$2")")" ]; then
      mv -T -- "$1" "$2" && sync "$(dirname "$2")" || fail "cannot move $1 to $2"
      return 0
    fi
    rm -rf -- "$2.partial"
    cp -aT -- "$1" "$2.partial" && sync -f "$2.partial" && mv -T -- "$2.partial" "$2" || fail "cannot copy $1 to $2"
  fi
  tree "$1"
}

# delete PATH TEMPORARY
delete() { rm -f -- "$1" && discard "$2" || fail "cannot remove $1"; }

# restore PATH TEMPORARY COPY
restore() {
  exists "$3" || fail_permanently "the copy of $1 that should be in $3 is gone; put $1 right, then skip this step"
  mkdir -p "$(dirname "$1")" && rm -rf -- "$2" && cp -aT -- "$3" "$2" && mv -fT -- "$2" "$1" || fail "cannot restore $1"
}

# unblock PATH TEMPORARY COPY: takes our lines away. A file in which nobody has changed the others gets back the bytes
# and times that it had; without a COPY there was no file.
unblock() {
  [ -f "$1" ] || return 0
  require_pairs "$1"
  if [ -n "$3" ] && [ "$(without_block "$3" | sha256)" = "$(without_block "$1" | sha256)" ]; then
    restore "$1" "$2" "$3"
  elif [ -z "$3" ] && [ -z "$(without_block "$1")" ]; then
    delete "$1" "$2"
  elif grep -qxF '${BLOCK_BEGIN}' "$1"; then
    without_block "$1" >"$2" && chown --reference="$1" "$2" && chmod --reference="$1" "$2" && mv -fT -- "$2" "$1" ||
      fail "cannot write $1"
  fi
}

daemon_reload() { systemctl daemon-reload || fail 'systemctl daemon-reload failed'; }

# forget UNIT: that it failed, if it did
forget() { systemctl reset-failed -- "$1" 2>/dev/null; }

# installed NAME...: those that are there, whole or in part
installed() {
  for package in "$@"; do
    case $(package_state "$package") in
      '' | not-installed) ;;
      config-files) [ "$how" = remove ] || echo "$package" ;;
      *) echo "$package" ;;
    esac
  done
}

# uninstall purge|remove NAME...: without apt, which would take along what others have installed upon these. A package
# that was killed while it was unpacked is removed like any other.
uninstall() {
  how=$1
  shift
  set -- $(installed "$@")
  [ $# -gt 0 ] || return 0
  echo "removing the packages $*"
  # What an interrupted run left half done, if it can be done; others' packages may have reasons of their own.
  to_the_end dpkg --configure -a
  tries=0
  until output=$(dpkg --force-remove-reinstreq "--$how" "$@" 2>&1); do
    case $output in *'frontend lock'*) ;; *) break ;; esac
    [ "$tries" -lt 60 ] || break
    tries=$((tries + 1))
    sleep 1
  done
  set -- $(installed "$@")
  [ $# -gt 0 ] || return 0
  case $output in
    *'dependency problems'*)
      # dpkg remembers what it was told for the next one who lets it remove what is pending.
      printf '%s install\n' "$@" | dpkg --set-selections
      echo "left: other packages need $*"
      ;;
    *) echo "$output" >&2; fail "cannot remove the packages $*: $(echo "$output" | tail -n 1)" ;;
  esac
}

# leave_account NAME GROUP-ID|-
leave_account() {
  ! getent passwd "$1" >/dev/null || userdel "$1" || fail "cannot remove the account $1"
  if [ "$2" = - ]; then
    ! getent group "$1" >/dev/null || groupdel "$1" || fail "cannot remove the group $1"
  else
    getent group "$1" >/dev/null || groupadd --gid "$2" "$1" || fail "cannot keep the group $1"
  fi
}

# others_in PATH: something is mounted below it. What was ours is unmounted by now (the components' cleanups).
others_in() { awk -v below="$1/" 'index($2, below) == 1 { found = 1 } END { exit !found }' /proc/self/mounts; }

# tree PATH
tree() {
  if others_in "$1"; then
    echo "left: $1, in which others have mounted something"
  else
    rm -rf --one-file-system -- "$1" || fail "cannot remove $1"
  fi
}

# empty PATH
empty() { [ ! -d "$1" ] || find "$1" -xdev -mindepth 1 -delete || fail "cannot empty $1"; }

leave_parent() { [ ! -d "$1" ] || rmdir -- "$1" 2>/dev/null; }

# owner PATH MODE OWNER
owner() { [ ! -d "$1" ] || { chown "$3" "$1" && chmod "$2" "$1"; } || fail "cannot give $1 back owner $3 and mode $2"; }

# sysctl NAME PATH VALUE. Not all that may be read may be written, as in a system container.
sysctl() {
  [ ! -e "$2" ] || [ "$(cat "$2")" = "$3" ] || printf '%s\n' "$3" >"$2" ||
    fail "the kernel setting $1 cannot be set back to $3"
}

# A module that something else uses stays.
module() { modprobe -r "$1" 2>/dev/null; }

# unit NAME FILE-STATE ACTIVE-STATE: as it was
unit() {
  [ "$(property LoadState "$1")" != not-found ] || return 0
  case $2 in
    enabled) systemctl -q enable -- "$1" || fail "cannot enable $1" ;;
  esac
  case $3 in
    active) systemctl start -- "$1" || fail "cannot start $1" ;;
  esac
}

# close_journal DIRECTORY: from now on there is nothing to undo
close_journal() {
  mv -T -- "$1" "$1.done" || fail "cannot remove $1"
  sync "$(dirname "$1")"
}
`;
