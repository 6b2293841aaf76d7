/** Announces, on stderr, the session of a command that was started by {@link wrapCommand}; it is its leader's pid. */
export const sessionLine = /^ha-kubernetes-session (\d+)\n/m;

/** How long a command may take between SIGTERM and SIGKILL. */
export const KILL_GRACE_SECONDS = 5;

/** Lists the processes of the session $1 (proc(5), field 6 of stat), in whichever process groups they are. */
const members = String.raw`
members() { sed -n "s/^\([0-9]*\) (.*) . [0-9]* [0-9]* $1 .*/\1/p" /proc/[0-9]*/stat 2>/dev/null; }
`;

/**
 * Runs on the host around every command. OpenSSH leaves a command without a terminal running when its client goes away,
 * so the command gets a session of its own and a watchdog that ends all of it as soon as sshd's process ($1) is gone or
 * the deadline ($2, seconds) has passed. The file descriptor 3 keeps stdin, because a shell gives /dev/null to what it
 * starts in the background.
 */
const wrapper = `${members}
exec 3<&0
setsid sh -c "$3" <&3 3<&- &
session=$!
exec 3<&- </dev/null
echo "ha-kubernetes-session $session" >&2
(
  exec >/dev/null 2>&1
  left=$2
  while [ "$left" -gt 0 ] && [ -d "/proc/$1" ]; do
    sleep 1
    left=$((left - 1))
  done
  kill -s TERM $(members "$session") && sleep ${KILL_GRACE_SECONDS} && kill -s KILL $(members "$session")
) &
watchdog=$!
wait "$session"
status=$?
kill "$watchdog" 2>/dev/null
exit "$status"
`;

/** Ends the session $1: SIGTERM, and SIGKILL after the grace time. */
const killer = `${members}
# By its pid, too: it may not have its session yet.
kill -s TERM "$1" $(members "$1") 2>/dev/null
left=${KILL_GRACE_SECONDS * 10}
while [ "$left" -gt 0 ] && [ -n "$(members "$1")" ]; do
  sleep 0.1
  left=$((left - 1))
done
kill -s KILL $(members "$1") 2>/dev/null
exit 0
`;

/** One word of a POSIX shell command line, whatever it holds (but NUL, which no argument can hold). */
export function quote(word: string): string {
  return `'${word.replaceAll("'", "'\\''")}'`;
}

/**
 * The command line that runs `command` under `sh`, so that it cannot outlive its session by more than a second.
 *
 * The outer `exec sh` makes the words mean the same under any login shell, and makes $PPID sshd's session process.
 */
export function wrapCommand(command: string, deadlineSeconds: number, sudo: boolean): string {
  const inner = `exec ${sudoPrefix(sudo)}sh -c "$1" sh "$PPID" "$2" "$3"`;
  return ['exec sh -c', quote(inner), 'sh', quote(wrapper), String(deadlineSeconds), quote(command)].join(' ');
}

/** The command line that kills a session which {@link wrapCommand} announced. */
export function killCommand(session: number, sudo: boolean): string {
  return `${sudoPrefix(sudo)}sh -c ${quote(killer)} sh ${session}`;
}

function sudoPrefix(sudo: boolean): string {
  return sudo ? 'sudo -n -- ' : '';
}
