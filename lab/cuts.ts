import { execa } from 'execa';
import { z } from 'zod';
import { hostOf, inSwitch, labNamespaces, linksIn, namespaceOf, switchNamespace } from './netns.js';

/** A cable is in (`up`) or out (`down`); so is the path between two hosts. */
export type Connection = 'up' | 'down';

/** nft's words for the table, in the switch, of the pairs that are cut. */
const table = 'bridge lab';

/** Makes the table of pairs, or whatever of it is missing. */
export async function ensureCutsTable(): Promise<void> {
  await nft(`add table ${table}
add set ${table} cuts { type ifname . ifname; }
add chain ${table} forward { type filter hook forward priority 0; policy accept; }
flush chain ${table} forward
add rule ${table} forward iifname . oifname @cuts drop`);
}

/** Takes the cable out of the host's port on the switch, or puts it in again. A power cycle puts it in, too. */
export async function setCable(host: string, state: Connection): Promise<void> {
  await inSwitch('link', 'set', namespaceOf(host), state);
}

/** Drops every frame between two hosts, both ways, or lets them pass again. Outlives a power cycle of either. */
export async function setPath(one: string, other: string, state: Connection): Promise<void> {
  const [a, b] = [namespaceOf(one), namespaceOf(other)];
  const cuts = `element ${table} cuts { "${a}" . "${b}", "${b}" . "${a}" }`;
  // Added first, so that healing what is whole is no error.
  await nft(state === 'down' ? `add ${cuts}` : `add ${cuts}\ndelete ${cuts}`);
}

/** What is cut now. */
export interface Cuts {
  /** Hosts whose cable is out. */
  cables: Set<string>;
  /** Pairs of hosts, each pair in both orders. */
  pairs: [string, string][];
}

const pairSet = z.object({
  nftables: z.array(
    z
      .object({ set: z.object({ elem: z.array(z.object({ concat: z.tuple([z.string(), z.string()]) })).default([]) }) })
      .partial(),
  ),
});

/** Looks at the switch; without one nothing is cut. */
export async function currentCuts(): Promise<Cuts> {
  if (!(await labNamespaces()).includes(switchNamespace)) return { cables: new Set(), pairs: [] };
  const down = (await linksIn(switchNamespace)).filter(({ up }) => !up).map(({ name }) => hostOf(name));
  const listing = ['netns', 'exec', switchNamespace, 'nft', '--json', 'list', 'set', ...table.split(' '), 'cuts'];
  const { stdout } = await execa('ip', listing);
  const elements = pairSet.parse(JSON.parse(stdout)).nftables.flatMap(({ set }) => set?.elem ?? []);
  return {
    cables: new Set(down),
    pairs: elements.map(({ concat: [one, other] }) => [hostOf(one), hostOf(other)]),
  };
}

async function nft(script: string): Promise<void> {
  await execa('ip', ['netns', 'exec', switchNamespace, 'nft', '--file', '-'], { input: script });
}
