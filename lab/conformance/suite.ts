import { execa } from 'execa';
import { join } from 'node:path';
import { parse } from 'yaml';
import { z } from 'zod';
import type { GoModule } from '../mirror/plan.js';
import { kubernetesVersion } from '../mirror/plans/modules.js';
import { kubernetesModule } from '../mirror/plans/parts.js';

/**
 * The programs of the suite of a Kubernetes version: the tests, ginkgo in the version that they are written for, and
 * kubectl, which they call.
 *
 * @param kubernetes e.g. `v1.37.2`
 */
export function suiteModule(kubernetes: string): GoModule {
  const version = kubernetes.slice(1);
  return {
    ...kubernetesModule(version, { ginkgo: 'github.com/onsi/ginkgo/v2/ginkgo', kubectl: './cmd/kubectl' }),
    tests: { 'e2e.test': './test/e2e' },
    variables: kubernetesVersion(version),
  };
}

/** The built programs of a suite. */
export interface Suite {
  readonly e2e: string;
  readonly ginkgo: string;
  readonly kubectl: string;
}

/** @param directory output of a {@link suiteModule} */
export function suiteIn(directory: string): Suite {
  return {
    e2e: join(directory, 'e2e.test'),
    ginkgo: join(directory, 'ginkgo'),
    kubectl: join(directory, 'kubectl'),
  };
}

const conformanceTests = z.array(z.object({ codename: z.string() }));

/** The names of all conformance tests, as the suite itself lists them, sorted. */
export async function conformanceSpecs({ e2e }: Suite): Promise<string[]> {
  const { stdout } = await execa(e2e, ['--list-conformance-tests'], { maxBuffer: 64 * 1024 * 1024 });
  return conformanceTests
    .parse(parse(stdout))
    .map(({ codename }) => codename)
    .sort();
}

/** References of all images that the tests name, such as `registry.k8s.io/e2e-test-images/agnhost:2.66.1`. */
export async function suiteImages({ e2e }: Suite): Promise<string[]> {
  const { stdout } = await execa(e2e, ['--list-images']);
  return stdout.split('\n').filter((line) => /^[\w.-]+(\/[\w.-]+)+:[\w.-]+$/.test(line));
}
