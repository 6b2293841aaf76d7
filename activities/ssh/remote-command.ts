/** Announces, on stderr, the process group of a command that was started by {@link wrapCommand}. */
export const processGroupLine = /^ha-kubernetes-process-group (\d+)\n/m;

/** How long a process group may take between SIGTERM and SIGKILL. */
export const KILL_GRACE_SECONDS = 5;

/**
 * Runs on the host around every command. OpenSSH leaves a command without a terminal running when its client goes away,
 * so the command gets a process group of its own and a watchdog that ends the group as soon as sshd's session process
 * ($1) is gone or the deadline ($2, seconds) has passed. The file descriptor 3 keeps stdin, because a shell gives
 * /dev/null to what it starts in the background.
 */
const wrapper = `
exec 3<&0
setsid sh -c "$3" <&3 3<&- &
group=$!
exec 3<&- </dev/null
echo "ha-kubernetes-process-group $group" >&2
(
  exec >/dev/null 2>&1
  left=$2
  while [ "$left" -gt 0 ] && [ -d "/proc/$1" ]; do
    sleep 1
    left=$((left - 1))
  done
  kill -s TERM -- "-$group" && sleep ${KILL_GRACE_SECONDS} && kill -s KILL -- "-$group"
) &
watchdog=$!
wait "$group"
status=$?
kill "$watchdog" 2>/dev/null
exit "$status"
`;

/** Ends the process group $1: SIGTERM, and SIGKILL after the grace time. */
const killer = `
kill -s TERM -- "-$1" 2>/dev/null || exit 0
left=${KILL_GRACE_SECONDS * 10}
while [ "$left" -gt 0 ] && kill -s 0 -- "-$1" 2>/dev/null; do
  sleep 0.1
  left=$((left - 1))
done
kill -s KILL -- "-$1" 2>/dev/null
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

/** The command line that kills a process group which {@link wrapCommand} announced. */
export function killCommand(group: number, sudo: boolean): string {
  return `${sudoPrefix(sudo)}sh -c ${quote(killer)} sh ${group}`;
}

function sudoPrefix(sudo: boolean): string {
  return sudo ? 'sudo -n -- ' : '';
}
