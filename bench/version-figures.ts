import { readFile } from 'node:fs/promises';
import { z } from 'zod';

const seconds = z.number().nonnegative();

const figuresSchema = z.strictObject({
  /** Such as `v1.37.2`. */
  kubernetes: z.string(),
  /** When it was deployed, e.g. `2026-11-24`. */
  date: z.iso.date(),
  /** PRETTY_NAME of the hosts. */
  hosts: z.string(),
  /** Versions that the programs on the hosts said of themselves. */
  programs: z.strictObject({ etcd: z.string(), containerd: z.string(), runc: z.string() }),
  /** Until the last node was Ready, in a deployment for which the worker had to unpack the programs first. */
  firstReadySeconds: seconds,
  /** The same in another one, after a destroy. */
  readySeconds: seconds,
  /** The whole of that one, with checks and audits. */
  deploySeconds: seconds,
  destroySeconds: seconds,
  checks: z.strictObject({ passed: z.int(), of: z.int() }),
  /** Failed CIS checks over all hosts; absent where the lock file has no benchmark. */
  failedAudits: z.int().optional(),
  drill: z.strictObject({ leaseMoveSeconds: seconds, nodesNotReady: z.array(z.string()) }),
  /** What the nodes waited for in the second deployment, as a list in Markdown. */
  criticalPath: z.array(z.string()),
});

/** What `test/lab/versions.ts` saw of one version on the lab. */
export type VersionFigures = z.infer<typeof figuresSchema>;

/** Where they are kept. */
export const FIGURES = 'bench/versions.json';

/** The newest run of every version, oldest version first. */
export async function readVersionFigures(): Promise<VersionFigures[]> {
  return z.array(figuresSchema).parse(JSON.parse(await readFile(FIGURES, 'utf8')));
}
