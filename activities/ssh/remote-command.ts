/** How long a command may take between SIGTERM and SIGKILL. */
export const KILL_GRACE_SECONDS = 5;

/** Where every program that we name is found, whatever the account's own PATH is. */
const PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** The variable in which every process that a command starts carries the word of that command. */
const MARK = 'HA_KUBERNETES_COMMAND';

/**
 * Ends the session $1 and whatever carries the word $2 in its environment, as what left the session does (setsid, as
 * daemons do): SIGTERM, and SIGKILL after the grace time, a few times over, as what is killed may be starting others.
 *
 * Processes of a session are those with its number in stat (proc(5), field 6), in whichever process groups they are,
 * and which have not ended. Only a program that leaves its session and empties its own environment outlives this. What a
 * command has systemd start is not its own, and carries no word.
 */
const functions = String.raw`
members() {
  sed -n "s/^\([0-9]*\) (.*) [^ZX] [0-9]* [0-9]* $1 .*/\1/p" /proc/[0-9]*/stat 2>/dev/null
  grep -lazxF "${MARK}=$2" /proc/[0-9]*/environ 2>/dev/null | cut -d / -f 3
}
end_all() {
  # By its pid, too: it may not have its session yet.
  kill -s TERM "$1" $(members "$1" "$2") 2>/dev/null
  end=$(($(date +%s) + ${KILL_GRACE_SECONDS}))
  while [ "$(date +%s)" -lt "$end" ] && [ -n "$(members "$1" "$2")" ]; do sleep 0.1; done
  for again in 1 2 3; do
    rest=$(members "$1" "$2")
    [ -n "$rest" ] || break
    kill -s KILL $rest 2>/dev/null
  done
}
`;

/**
 * Announces the beginning of the command $1 on both streams, with the word $2 that nobody else knows and the pid of its
 * session's leader; whatever came before is the login shell's. Then runs it without the account's environment: proxies,
 * languages and settings of tools are for people. Only apt may need the proxy of the host's network, and asks for it by
 * other names.
 */
const beginning = String.raw`
for stream in 1 2; do echo "ha-kubernetes-started $2 $$" >&$stream; done
exec env -i PATH=${PATH} HOME="$HOME" LC_ALL=C TZ=UTC ${MARK}="$2" \
  apt_http_proxy="$http_proxy" apt_https_proxy="$https_proxy" apt_no_proxy="$no_proxy" sh -c "$1"
`;

/**
 * Runs on the host around every command. OpenSSH leaves a command without a terminal running when its client goes away,
 * so the command gets a session of its own and a watchdog that ends all of it as soon as sshd's process ($1) is gone or
 * the deadline ($2, seconds) has passed; once it has begun to, it goes on though the command is gone. The file descriptor
 * 3 keeps stdin, because a shell gives /dev/null to what it starts in the background.
 */
const wrapper = `${functions}
PATH=${PATH}
exec 3<&0
setsid sh -c ${quote(beginning)} sh "$3" "$4" <&3 3<&- &
session=$!
exec 3<&- </dev/null
(
  exec >/dev/null 2>&1
  left=$2
  while [ "$left" -gt 0 ] && [ -d "/proc/$1" ]; do
    sleep 1
    left=$((left - 1))
  done
  trap '' TERM
  end_all "$session" "$4"
) &
watchdog=$!
wait "$session"
status=$?
kill "$watchdog" 2>/dev/null
exit "$status"
`;

/** Ends the command with the session $1 and the word $2. */
const killer = `${functions}
PATH=${PATH}
end_all "$1" "$2"
exit 0
`;

/** One word of a POSIX shell command line, whatever it holds (but NUL, which no argument can hold). */
export function quote(word: string): string {
  return `'${word.replaceAll("'", "'\\''")}'`;
}

/**
 * One word of a command line that means the same to POSIX shells, csh and fish: csh takes no line break within quotes and
 * replaces `!` there, fish reads a backslash there. The reader undoes it with `printf %b`.
 */
function portableWord(text: string): string {
  const oneLine = text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n');
  return `'${oneLine.replaceAll(/['\\!]+/g, (special) => `'${special.replaceAll(/./g, '\\$&')}'`)}'`;
}

/**
 * The command line that runs `command` under `sh`, so that it cannot outlive its session by more than a second, whatever
 * the login shell is.
 *
 * The outer `exec sh` makes $PPID sshd's session process.
 *
 * @param word - tells the command's own output from what the login shell prints before; see {@link startLine}
 */
export function wrapCommand(command: string, deadlineSeconds: number, sudo: boolean, word: string): string {
  const inner = `exec ${sudoPrefix(sudo)}sh -c "$(printf %b "$1")" sh "$PPID" "$2" "$(printf %b "$3")" "$4"`;
  return [`exec sh -c '${inner}' sh`, portableWord(wrapper), deadlineSeconds, portableWord(command), word].join(' ');
}

/** Finds the line that begins the output of the command with that word; its first group is the session. */
export function startLine(word: string): RegExp {
  return new RegExp(`ha-kubernetes-started ${word} (\\d+)\\n`);
}

/** The command line that kills a command that {@link wrapCommand} announced, by its session and its word. */
export function killCommand(session: number, sudo: boolean, word: string): string {
  const inner = `exec ${sudoPrefix(sudo)}sh -c "$(printf %b "$1")" sh "$2" "$3"`;
  return [`exec sh -c '${inner}' sh`, portableWord(killer), session, word].join(' ');
}

function sudoPrefix(sudo: boolean): string {
  return sudo ? 'sudo -n -- ' : '';
}
