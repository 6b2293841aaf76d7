import { readdir, readFile, rm } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { LabError } from '../../errors.js';
import type { Apt } from '../apt.js';
import { copyModule, debianGo, goCode, goEnvironment, goToolchain } from '../go.js';
import type { KubernetesSource } from '../plan.js';
import { run } from '../run.js';
import type { Step } from '../step.js';

/** Where the tree stands below the output, which is a GOPATH: its vendored packages are found in no other way. */
export const TREE = 'src/k8s.io/kubernetes';

/** Output: a GOPATH with Debian's patched source, replaced modules, and the OpenAPI definitions generated. */
export async function kubernetesSource(
  name: string,
  source: KubernetesSource,
  apt: Apt,
  goCache: string,
): Promise<Step> {
  const version = await apt.sourceCandidate(source.package);
  if (!version.includes(source.upstream)) {
    throw new LabError(
      `the plan builds "${name}" from Debian's source package of Kubernetes ${source.upstream}, but apt offers ${version}: build on the release of Debian that has it`,
    );
  }
  const go = await goToolchain(debianGo(source.go), `apt-get install golang-${source.go}-go`);
  return {
    name,
    recipe: { ...source, version, go: go.version },
    code: [import.meta.filename, goCode],
    inputs: {},
    run: async ({ output, scratch, detail }) => {
      const tree = join(output, TREE);
      detail('fetching the source package');
      const description = await apt.downloadSource(source.package, version, scratch);
      detail('unpacking');
      await run('mkdir', ['--parents', dirname(tree)]);
      await run('dpkg-source', ['--extract', description, tree]);
      for (const [module, replacement] of Object.entries(source.vendor)) {
        const place = join(tree, 'vendor', module);
        await rm(place, { recursive: true });
        await copyModule(go, goCache, module, replacement, place);
      }
      detail('generating OpenAPI definitions');
      const environment = { ...goEnvironment(go, goCache), GO111MODULE: 'off', GOPATH: output };
      const generator = join(scratch, 'openapi-gen');
      await run(go.command, ['build', '-trimpath', '-o', generator, './vendor/k8s.io/kube-openapi/cmd/openapi-gen'], {
        cwd: tree,
        env: environment,
      });
      const report = join(scratch, 'violations.report');
      await run(
        generator,
        [
          ...['-i', (await packagesWithOpenApi(tree)).join(',')],
          ...['-p', 'k8s.io/kubernetes/pkg/generated/openapi', '-O', 'zz_generated.openapi'],
          ...['-h', 'vendor/k8s.io/code-generator/hack/boilerplate.go.txt', '-r', report, '--logtostderr'],
        ],
        { cwd: tree, env: { ...environment, PATH: `${dirname(go.command)}:${process.env['PATH'] ?? ''}` } },
      );
      await requireKnownViolations(tree, report);
    },
  };
}

/** The packages whose types go into the API server's OpenAPI document, as upstream's Makefile.generated_files finds them. */
async function packagesWithOpenApi(tree: string): Promise<string[]> {
  const packages = new Set<string>();
  for (const root of ['pkg', 'staging/src/k8s.io']) {
    for (const entry of await readdir(join(tree, root), { recursive: true, withFileTypes: true })) {
      if (!entry.isFile() || !entry.name.endsWith('.go') || entry.name.endsWith('_test.go')) continue;
      const directory = relative(tree, entry.parentPath);
      if (/\/(code-generator|sample-apiserver)(\/|$)/.test(directory)) continue;
      const text = await readFile(join(entry.parentPath, entry.name), 'utf8');
      if (/^\/\/ \+k8s:openapi-gen=/m.test(text)) {
        packages.add(`k8s.io/kubernetes/${directory.replace(/^staging\/src\//, 'vendor/')}`);
      }
    }
  }
  return [...packages].sort();
}

/** Upstream commits the generator's report: an equal one shows that nothing was left out or added. */
async function requireKnownViolations(tree: string, report: string): Promise<void> {
  const known = await readFile(join(tree, 'api/api-rules/violation_exceptions.list'), 'utf8');
  if ((await readFile(report, 'utf8')) !== known) {
    throw new LabError(
      'the generated OpenAPI definitions differ from those of the release: its list of known violations does not match',
    );
  }
}
