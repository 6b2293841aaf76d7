import { setTimeout as delay } from 'node:timers/promises';
import { lab, must, type LabRun } from '../harness.js';
import type { Point } from './points.js';

/** A supervisor's pause before it starts again what died. */
const RESTART_MS = 500;
/** How long a host is without power, or a cable is out. */
export const DARK_MS = 6000;

/** Ends sshd's process of every session but this one; sshd itself goes on. */
const cutSessions =
  'for p in $(pgrep -P "$(systemctl show -p MainPID --value ssh)"); do [ "$p" = "$PPID" ] || kill -9 "$p"; done';

/** Makes a fault, and puts back what it took; for the client's death see the run that follows it. */
export async function inflict(run: LabRun, { fault, host = '' }: Point): Promise<void> {
  switch (fault) {
    case 'worker':
      await run.killWorker();
      await delay(RESTART_MS);
      await run.startWorker();
      return;
    case 'temporal':
      await run.killTemporal();
      await delay(RESTART_MS);
      await run.startTemporal();
      return;
    case 'ssh':
      await run.onHost(host, cutSessions);
      return;
    case 'network':
      await must(lab(['cut', host]));
      await delay(DARK_MS);
      await must(lab(['heal', host]));
      return;
    case 'power':
      await must(lab(['power', 'kill', host]));
      await delay(DARK_MS);
      await must(lab(['power', 'on', host]));
      return;
    case 'client':
      return;
  }
}
