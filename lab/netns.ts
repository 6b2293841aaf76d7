import { execa } from 'execa';
import { z } from 'zod';

/** Every namespace and link of the lab starts with this, so that it meets nothing else on the machine. */
const prefix = 'hk-';

/** Namespace of the switch that joins the hosts. */
export const switchNamespace = `${prefix}switch`;

/** The machine's own port on the switch: tools in the root namespace reach the hosts through it. */
export const machineLink = `${prefix}machine`;

/** Name of the host's network namespace, and of its port on the switch. */
export function namespaceOf(host: string): string {
  return `${prefix}${host}`;
}

/** The host whose port on the switch, or whose namespace, is called `name`. */
export function hostOf(name: string): string {
  return name.slice(prefix.length);
}

const names = z.array(z.object({ name: z.string() }).partial());

/** Names of the lab's network namespaces. */
export async function labNamespaces(): Promise<string[]> {
  const { stdout } = await execa('ip', ['-json', 'netns', 'list']);
  const found = names.parse(JSON.parse(stdout === '' ? '[]' : stdout)).flatMap(({ name }) => name ?? []);
  return found.filter((name) => name.startsWith(prefix));
}

const links = z.array(z.object({ ifname: z.string(), flags: z.array(z.string()) }).partial());

/** A network link, and whether it is switched on. */
export interface Link {
  name: string;
  up: boolean;
}

/** Links in a namespace; in the machine's own without one. */
export async function linksIn(namespace?: string): Promise<Link[]> {
  const where = namespace === undefined ? [] : ['-netns', namespace];
  const { stdout } = await execa('ip', [...where, '-json', 'link', 'show']);
  return links
    .parse(JSON.parse(stdout))
    .flatMap(({ ifname, flags }) =>
      ifname === undefined ? [] : [{ name: ifname, up: flags?.includes('UP') ?? false }],
    );
}

/** Whether a namespace, or the machine itself without one, has a link of that name. */
export async function hasLink(name: string, namespace?: string): Promise<boolean> {
  return (await linksIn(namespace)).some((link) => link.name === name);
}

/** Runs ip(8). */
export async function ip(...args: string[]): Promise<void> {
  await execa('ip', args);
}

/** Runs ip(8) on the switch. */
export async function inSwitch(...args: string[]): Promise<void> {
  await ip('-netns', switchNamespace, ...args);
}
