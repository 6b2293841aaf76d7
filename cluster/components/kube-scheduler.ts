import type { HostState } from '../desired-state.js';
import { nothing } from '../desired-state.js';
import type { ClusterSpec, Host } from '../spec.js';
import { requireSupport } from '../versions.js';
import { OWN_API_SERVER, programPath } from './control-plane.js';
import { kubeconfigFile } from './files.js';
import { credential, sandbox, unitFile, unitPath } from './systemd.js';
import { cipherSuites } from './tls.js';

const UNIT = 'kube-scheduler.service';
const USER = 'kube-scheduler';
const KUBECONFIG = '/etc/kubernetes/scheduler.conf';

/** One scheduler (seed, "配置kube-scheduler组件"); the lease decides which one is active. */
export function kubeSchedulerState(spec: ClusterSpec, host: Host): HostState {
  const kubeconfig = kubeconfigFile(KUBECONFIG, OWN_API_SERVER, `scheduler/${host.name}`);
  return {
    ...nothing,
    accounts: [{ name: USER }],
    files: [
      kubeconfig,
      unitFile(UNIT, {
        description: 'Kubernetes scheduler',
        documentation: 'https://kubernetes.io/docs/reference/command-line-tools-reference/kube-scheduler/',
        after: ['kube-apiserver.service'],
        type: 'simple',
        user: USER,
        command: programPath('kube-scheduler'),
        flags: {
          'bind-address': '127.0.0.1',
          ...(requireSupport(spec.kubernetes).features.insecurePortFlags ? { port: '0' } : {}),
          profiling: 'false',
          kubeconfig: credential(KUBECONFIG),
          'authentication-kubeconfig': credential(KUBECONFIG),
          'authorization-kubeconfig': credential(KUBECONFIG),
          'leader-elect': 'true',
          'tls-cipher-suites': cipherSuites.join(','),
          'tls-min-version': 'VersionTLS12',
        },
        credentials: [KUBECONFIG],
        service: sandbox([]),
      }),
    ],
    units: [
      {
        name: UNIT,
        enabled: true,
        running: true,
        restartOn: [unitPath(UNIT), programPath('kube-scheduler'), kubeconfig.path],
        startTimeoutSeconds: 60,
      },
    ],
    ready: [
      {
        title: `the scheduler on ${host.name} is healthy`,
        // Its serving certificate is made in memory at each start, so there is no authority to check it against.
        command: 'curl -fsS --insecure https://127.0.0.1:10259/healthz',
        timeoutSeconds: 60,
      },
    ],
  };
}
