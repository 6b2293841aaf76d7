import { BLOCK_BEGIN, BLOCK_END, PACKAGE_SPOOL } from './shell.js';

/** How long others may be at the packages of a host: unattended-upgrades of a host that was not up for long. */
export const LOCK_SECONDS = 600;
const LOCK_PAUSE_SECONDS = 5;

/** Installs packages of the distribution. Their services start as the packages like; the units put that right. */
export const packageFunctions = String.raw`
DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1
export DEBIAN_FRONTEND NEEDRESTART_SUSPEND

# A configuration file that we wrote stays. No --force-unsafe-io: after a loss of power dpkg would take a package for
# installed whose files are empty, and nothing would ever mend it. The host's way to its package source may be a proxy.
apt() {
  http_proxy=$apt_http_proxy https_proxy=$apt_https_proxy no_proxy=$apt_no_proxy \
    apt-get -q -y -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold "$@"
}

# in_turn COMMAND...: to the end, but first waits until others, such as unattended-upgrades, have done with packages or
# their lists. apt waits for some of the locks, dpkg for none; both say which one they did not get.
in_turn() {
  waited=0
  while :; do
    if heard=$("$@" 2>&1); then code=0; else code=$?; fi
    [ "$code" -ne 0 ] || break
    case $heard in *'Could not get lock'* | *'locked by another process'*) ;; *) break ;; esac
    [ "$waited" -lt ${LOCK_SECONDS} ] || fail "another program has had the packages of this host for ${LOCK_SECONDS} s: $heard"
    echo "waiting for another program that is at the packages of this host, since $waited s"
    sleep ${LOCK_PAUSE_SECONDS}
    waited=$((waited + ${LOCK_PAUSE_SECONDS}))
  done
  [ -z "$heard" ] || printf '%s\n' "$heard" >&2
  return "$code"
}

# What an apply that was killed in the middle left half done. Asked for without a look: dpkg --audit does not tell that
# dpkg's own journal was left open, with which apt refuses to begin.
finish_interrupted() { in_turn dpkg --configure -a || fail 'dpkg cannot finish what an interrupted run left half done'; }

# note_packages NAME...
note_packages() {
  for package in "$@"; do note_package "$package"; done
  journal_written
}

install_online() {
  in_turn apt update || fail 'cannot read the package source of the distribution'
  # All that would come with them: one that is only upgraded has its old version in brackets.
  note_packages $(apt -s install --no-install-recommends "$@" | sed -n 's/^Inst \([^ ]*\) (.*/\1/p')
  in_turn apt install --no-install-recommends "$@" || fail "cannot install $*"
}

# check FILE SHA256
check() { [ "$(sha256 <"$1")" = "$2" ] || fail "$1 arrived damaged"; }

# install_files: the packages in the spool. One that the host has whole in the same or a newer version is left out, as
# apt would refuse to go back; one that was killed while it was unpacked has its version too, and needs its file again.
install_files() {
  for deb in ${PACKAGE_SPOOL}/*.deb; do
    package=$(dpkg-deb -f "$deb" Package)
    has=$(dpkg-query -s "$package" 2>/dev/null | sed -n '/^Status: .* ok installed$/,$s/^Version: //p')
    note_package "$package"
    [ -z "$has" ] || dpkg --compare-versions "$has" lt "$(dpkg-deb -f "$deb" Version)" || rm "$deb"
  done
  journal_written
  set -- ${PACKAGE_SPOOL}/*.deb
  # Where apt's lists have the same package, it fetches the file that was sent, as a user who may not read the spool.
  [ ! -e "$1" ] || in_turn apt -o APT::Sandbox::User=root install --no-install-recommends "$@" ||
    fail 'cannot install the packages that were sent'
  rm -rf ${PACKAGE_SPOOL}
}
`;

/** Makes the places that files go to. */
export const prepareFunctions = String.raw`
account() {
  group=--user-group
  ! getent group "$1" >/dev/null || group="--gid=$1"
  useradd --system "$group" --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin "$1" ||
    fail "cannot create the account $1"
}

# A parent that nobody asks for is open to be read, as mkdir by hand would make it.
parent() { (umask 022 && mkdir -p "$1") || fail "cannot create the directory $1"; }

directory() {
  parent "$1"
  chown "$3" "$1" && chmod "$2" "$1" || fail "cannot give the directory $1 owner $3 and mode $2"
}
`;

/** Receives a tar on stdin. Every entry has a temporary name and is readable by its owner alone. */
export const receiveCommand = 'umask 077 && exec tar -x -m --no-same-owner -f - -C /';

/** Turns what was received into what is wanted, and makes the kernel and systemd follow. */
export const commitFunctions = String.raw`
# check TEMPORARY SHA256 PATH: claims what was received, then looks whether it is whole. An attempt that is taken for
# dead may live on for seconds beside the next one; neither may give a name to what the other is still writing.
check() {
  mv -fT -- "$1" "$1.$$" && [ "$(sha256 <"$1.$$")" = "$2" ] || fail "$3 arrived damaged"
}

# put TEMPORARY PATH MODE OWNER: complete in every respect before it has its name. Only root can write where files are
# received; should that ever be otherwise, a link is not followed to a file of somebody else.
put() {
  [ ! -d "$2" ] || [ -L "$2" ] || fail_permanently "$2 is a directory and should be a file; move it away"
  [ -f "$1.$$" ] && [ ! -L "$1.$$" ] || fail "$2 was exchanged for something that is no file"
  chown -h "$4" "$1.$$" && chmod "$3" "$1.$$" && mv -fT "$1.$$" "$2" ||
    fail "cannot write $2 with owner $4 and mode $3"
}

# put_block TEMPORARY PATH MODE OWNER: the rest of the file, its owner and mode stay as they are
put_block() {
  require_pairs "$2"
  block=$(cat "$1.$$")
  {
    [ ! -e "$2" ] || without_block "$2"
    printf '%s\n' '${BLOCK_BEGIN}' "$block" '${BLOCK_END}'
  } >"$1.$$" || fail "cannot write $2"
  if [ -e "$2" ]; then
    put "$1" "$2" "$(stat -c %a "$2")" "$(stat -c %U:%G "$2")"
  else
    put "$1" "$2" "$3" "$4"
  fi
}

# module NAME EVIDENCE
module() {
  modprobe "$1"
  [ -e "$2" ] || fail_permanently "the kernel module $1 cannot be loaded: $2 does not appear"
}

# sysctl NAME PATH VALUE
sysctl() {
  [ -e "$2" ] || fail_permanently "the kernel has no setting $1; does it need a module that is not loaded?"
  printf '%s\n' "$3" >"$2" || fail_permanently "the kernel setting $1 cannot be set to $3"
}

daemon_reload() { systemctl daemon-reload || fail 'systemctl daemon-reload failed'; }

# enablement enable|disable UNIT
enablement() { systemctl -q "$1" -- "$2" || fail "cannot $1 $2"; }

# run start|restart UNIT SECONDS. A service with Restart= may fail at first, for want of a peer, and still get there:
# systemctl's own exit code is not the last word. One that failed six times in a row waits for a person.
run() {
  deadline=$(($(date +%s) + $3))
  systemctl reset-failed -- "$2" 2>/dev/null
  echo "$1 $2"
  timeout "$3" systemctl "$1" -- "$2"
  while :; do
    case $(property ActiveState "$2") in
      active) return ;;
      failed | inactive) break ;;
    esac
    restarts=$(property NRestarts "$2")
    [ "0$restarts" -lt 6 ] && [ "$(date +%s)" -lt "$deadline" ] || break
    sleep 0.2
  done
  # To stderr, which goes to the log alone: stdout is progress, which people see and Temporal keeps.
  { systemctl status --no-pager --full --lines 0 -- "$2"; journalctl --no-pager --lines 20 --unit "$2"; } >&2
  result="result $(property Result "$2"), exit status $(property ExecMainStatus "$2")"
  said=$(last_words "$2")
  [ -z "$said" ] || result="$result, its last words: $said"
  case $(property ActiveState "$2") in
    failed | inactive) fail "$2 ended when it should run: $result" ;;
    *) fail "$2 is not up: $(property ActiveState "$2") ($(property SubState "$2")), $result" ;;
  esac
}

# stop UNIT SECONDS
stop() {
  echo "stop $1"
  timeout "$2" systemctl stop -- "$1" || fail "$1 did not stop within $2 s"
}

# import ARCHIVE REFERENCE...
import() {
  archive=$1
  shift
  ctr -n k8s.io images import "$archive.$$" || fail "cannot import the archive of $1"
  rm -f "$archive.$$"
  for reference in "$@"; do
    ctr -n k8s.io images ls -q | grep -qxF -e "$reference" ||
      fail_permanently "the archive that should hold the image $reference does not"
  done
}
`;
