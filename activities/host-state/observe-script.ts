import { BLOCK_BEGIN, BLOCK_END } from './shell.js';

/**
 * Reports what is there, one line a fact: the kind, the number under which it was asked for, the answer. Nothing here
 * changes anything. Paths are never printed, as they may hold anything.
 */
export const observeFunctions = String.raw`
# file NUMBER PATH SIZE: a digest only where the size is as wanted already
file() {
  if [ -f "$2" ] && [ ! -L "$2" ]; then
    digest=-
    [ "$(stat -c %s "$2")" != "$3" ] || digest=$(sha256 <"$2")
    echo "file $1 regular $(stat -c '%a %U:%G' "$2") $digest"
  elif [ -e "$2" ] || [ -L "$2" ]; then
    echo "file $1 not-regular"
  else
    echo "file $1 absent"
  fi
}

block() {
  if grep -qxF '${BLOCK_BEGIN}' "$2" 2>/dev/null && grep -qxF '${BLOCK_END}' "$2"; then
    echo "block $1 present $(sed -n '/^${BLOCK_BEGIN}$/,/^${BLOCK_END}$/p' "$2" | sed '1d;$d' | sha256)"
  else
    echo "block $1 absent"
  fi
}

# A symbolic link to a directory will do: it may lead to a larger disk.
directory() {
  if [ -d "$2" ]; then
    echo "directory $1 directory $(stat -L -c '%a %U:%G' "$2")"
  elif [ -e "$2" ] || [ -L "$2" ]; then
    echo "directory $1 not-directory"
  else
    echo "directory $1 absent"
  fi
}

leftover() {
  for path in "$2" "$2".[0-9]*; do
    if exists "$path"; then echo "leftover $1 yes"; return; fi
  done
}

account() { if getent passwd "$2" >/dev/null; then echo "account $1 yes"; else echo "account $1 no"; fi; }

# dpkg was killed with its journal open, and nobody works on it: apt refuses to begin until somebody finishes that.
dpkg_records=$(printenv DPKG_ADMINDIR || echo /var/lib/dpkg)
dpkg_interrupted() {
  [ -n "$(ls "$dpkg_records/updates" 2>/dev/null)" ] && ! grep -qsx dpkg /proc/[0-9]*/comm
}

package() {
  if dpkg-query -s "$2" 2>/dev/null | grep -q '^Status: .* ok installed$' && ! dpkg_interrupted; then
    echo "package $1 yes"
  else
    echo "package $1 no"
  fi
}

module() { if [ -e "$2" ]; then echo "module $1 yes"; else echo "module $1 no"; fi; }

sysctl() {
  if [ -e "$2" ]; then
    echo "sysctl $1 present $(tr '\n' ' ' <"$2")"
  else
    echo "sysctl $1 absent"
  fi
}

# changed NUMBER PATH: when a file last changed
changed() { if [ -f "$2" ]; then echo "changed $1 $(stat -L -c %.9Y "$2")"; fi; }

# systemd before 247 knows no --timestamp and prints whole seconds
show() {
  systemctl show --timestamp=us "$@" 2>/dev/null || systemctl show "$@"
}

unit() {
  properties=$(show -p UnitFileState -p ActiveState -p SubState -p NeedDaemonReload -p ActiveEnterTimestamp \
    -p FragmentPath -p DropInPaths -- "$2") || fail "systemctl cannot show $2"
  since=$(echo "$properties" | sed -n 's/^ActiveEnterTimestamp=//p')
  echo "$properties" | sed "s/^/unit $1 /"
  [ -z "$since" ] || echo "unit $1 ActiveSince=$(date -d "$since" +%s.%N)"
  echo "$properties" | sed -n 's/^FragmentPath=//p; s/^DropInPaths=//p' | tr ' ' '\n' | while IFS= read -r path; do
    [ ! -f "$path" ] || stat -L -c "unit $1 LoadedFrom=%.9Y %n" "$path"
  done
}

images() {
  if command -v ctr >/dev/null && list=$(timeout 10 ctr -n k8s.io images ls -q 2>/dev/null); then
    echo 'images 0 known'
    echo "$list" | sed 's/^/image 0 /'
  fi
}

clock() { echo "clock 0 $(date +%s.%N)"; }

# Without this line the report is not complete.
finish() { echo 'finish 0 yes'; }
`;
