import { join } from 'node:path';
import { debianGo, goCode, goEnvironment, goToolchain } from '../go.js';
import type { KubernetesPrograms } from '../plan.js';
import { run } from '../run.js';
import type { Step } from '../step.js';
import { TREE } from './kubernetes-source.js';

/** Output: the programs, stripped and linked statically, that name `version` as theirs. */
export async function kubernetesPrograms(
  name: string,
  source: KubernetesPrograms,
  tree: Step,
  goCache: string,
): Promise<Step> {
  const go = await goToolchain(debianGo(source.go), `apt-get install golang-${source.go}-go`);
  const [, major = '', minor = ''] = /^v(\d+)\.(\d+)\./.exec(source.version) ?? [];
  const variables = { gitVersion: source.version, gitMajor: major, gitMinor: minor, gitTreeState: 'archive' };
  const linkerFlags = ['component-base/version', 'client-go/pkg/version'].flatMap((module) =>
    Object.entries(variables).map(([key, value]) => `-X k8s.io/kubernetes/vendor/k8s.io/${module}.${key}=${value}`),
  );
  const flags = ['-trimpath', '-ldflags', ['-s', '-w', ...linkerFlags].join(' ')];
  return {
    name,
    recipe: { kind: source.kind, programs: source.programs, flags, go: go.version },
    code: [import.meta.filename, goCode],
    inputs: { tree },
    run: async ({ output, inputs, detail }) => {
      const gopath = inputs['tree'] ?? '';
      const packages = source.programs.map((program) => `./cmd/${program}`);
      let compiled = 0;
      await run(go.command, ['build', '-v', ...flags, '-o', `${output}/`, ...packages], {
        cwd: join(gopath, TREE),
        env: { ...goEnvironment(go, goCache), GO111MODULE: 'off', GOPATH: gopath },
        onLine: (line) => {
          detail(`${++compiled} packages compiled, now ${line.replace('k8s.io/kubernetes/vendor/', '')}`);
        },
      });
    },
  };
}
