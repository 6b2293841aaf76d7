import { readFileSync } from 'node:fs';

// Beside the sources, as the shell that it is: the compiler copies nothing, and the worker's image has both.
const lookFunctions = readFileSync(new URL('../../../activities/preflight/look.sh', import.meta.url), 'utf8');

export interface Question {
  /** Units of which to tell where they come from and how they are. */
  readonly units: readonly string[];
  /** What the host shall try to reach. */
  readonly targets?: readonly { readonly address: string; readonly port: number }[];
  /** A directory in the place of `/`, for tests. */
  readonly root?: string;
}

/** Looks at everything that could stop a deployment, or that it could harm; see look.sh. */
export function preflightScript(question: Question): string {
  return script(question, 'look');
}

/** Tries the targets alone, and prints `reach ADDRESS PORT open|refused|no`. */
export function reachScript(targets: NonNullable<Question['targets']>): string {
  return script({ units: [], targets }, 'for target in $targets; do reach "${target%:*}" "${target#*:}" & done; wait');
}

function script({ units, targets = [], root = '' }: Question, call: string): string {
  return [
    `root='${root}'`,
    `units='${units.join(' ')}'`,
    `targets='${targets.map(({ address, port }) => `${address}:${port}`).join(' ')}'`,
    lookFunctions,
    // Nothing that runs may eat the script.
    `{ ${call}; } </dev/null`,
    '',
  ].join('\n');
}
