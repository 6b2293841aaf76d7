import { stringify } from 'yaml';
import type { Host, Role } from './spec.js';
import type { Benchmark } from './versions.js';

/** The artifact that has kube-bench, in the layout of its release. A lock file may have it, and need not. */
export const BENCH_ARTIFACT = 'kube-bench';

/** What kube-bench found on one host. */
export interface HostAudit {
  readonly host: string;
  readonly benchmark: Benchmark;
  readonly passed: number;
  readonly failed: readonly Finding[];
  readonly warned: readonly Finding[];
}

export interface Finding {
  /** Number of the check in the benchmark, e.g. `1.2.9`. */
  readonly id: string;
  readonly title: string;
  /** Why it is so by choice; absent where nobody has given one. */
  readonly reason?: string;
}

/** The parts of a benchmark that each role is checked by; kube-bench calls the control plane's programs `master`. */
const targets: Readonly<Record<Role, readonly string[]>> = {
  etcd: ['etcd'],
  'control-plane': ['master', 'controlplane'],
  node: ['node'],
};

export function benchmarkTargets(host: Pick<Host, 'roles'>): string[] {
  return host.roles.flatMap((role) => targets[role]);
}

/** Checks of `master` that are about etcd's unit and data, and fail where it runs on other hosts. */
const etcdChecks = ['1.1.7', '1.1.8', '1.1.11', '1.1.12'];

/** Checks of a kubeconfig for people, which no host has: the operator's is with the operator. */
const adminChecks = ['1.1.13', '1.1.14'];

/** Checks that do not concern the host. */
export function skippedChecks(host: Pick<Host, 'roles'>): string[] {
  return [...adminChecks, ...(host.roles.includes('etcd') ? [] : etcdChecks)];
}

/** The files of a benchmark inside {@link BENCH_ARTIFACT}, less the configuration, which is our own. */
export function benchmarkFiles(benchmark: Benchmark): string[] {
  return ['config', ...Object.values(targets).flat()].map((name) => `cfg/${benchmark}/${name}.yaml`);
}

/**
 * kube-bench's configuration: it looks for the manifests of kubeadm, and here the unit files have the command lines and
 * deserve the same care.
 */
export function benchmarkConfiguration(benchmark: Benchmark): string {
  const program = (name: string, files: object = {}): object => ({ bins: [name], ...files });
  const unit = (name: string): object => ({ confs: [`/etc/systemd/system/${name}.service`] });
  const etcd = program('etcd', { ...unit('etcd'), datadirs: ['/var/lib/etcd'] });
  const apiserver = program('kube-apiserver', unit('kube-apiserver'));
  return stringify({
    master: {
      components: ['apiserver', 'scheduler', 'controllermanager', 'etcd', 'kubelet'],
      apiserver,
      scheduler: program('kube-scheduler', {
        ...unit('kube-scheduler'),
        kubeconfig: ['/etc/kubernetes/scheduler.conf'],
      }),
      controllermanager: program('kube-controller-manager', {
        ...unit('kube-controller-manager'),
        kubeconfig: ['/etc/kubernetes/controller-manager.conf'],
      }),
      etcd: { ...etcd, optional: true },
      kubelet: { ...program('kubelet'), optional: true },
    },
    etcd: { components: ['etcd'], etcd },
    controlplane: { components: ['apiserver'], apiserver },
    node: {
      components: ['kubelet', 'proxy'],
      kubelet: program('kubelet', {
        confs: ['/var/lib/kubelet/config.yaml'],
        svc: ['/etc/systemd/system/kubelet.service'],
        kubeconfig: ['/etc/kubernetes/kubelet.conf'],
        cafile: ['/etc/kubernetes/pki/ca.crt'],
      }),
      proxy: program('kube-proxy', {
        confs: ['/var/lib/kube-proxy/config.yaml'],
        kubeconfig: ['/etc/kubernetes/proxy.conf'],
      }),
    },
    target_mapping: { [benchmark]: [...new Set(Object.values(targets).flat())] },
  });
}

/** Reasons for checks that both benchmarks have under one number. */
const sharedReasons = {
  '1.1.9': 'A master runs no pods and has no CNI configuration; on nodes, flannel writes it with mode 600.',
  '1.1.10': 'As 1.1.9; on nodes the file belongs to root.',
  '1.2.9': 'EventRateLimit is alpha in every version, and drops events just when a fault makes many of them.',
  '1.2.11': 'Hosts without a registry have their images loaded; always pulling would stop every pod there.',
  '3.1.1':
    "The operator's kubeconfig is a client certificate, which cannot be revoked: keep it, and give people OIDC or certificates of hours.",
  '3.2.2':
    'The audit policy records who did what to every object but events and leases of components, and whole changes to permissions; whether that is enough is yours to judge.',
};
const requestTimeout = 'The default of 60 s stands; watches and exec are exempt from it.';
const nodeName =
  'A host may get another name when it boots (DHCP, cloud-init); the name of its node and of its certificates is the one in the inventory.';
const servingCertificate =
  'The kubelet asks for its serving certificate (serverTLSBootstrap) and keeps it itself; the request is held against the inventory.';

/**
 * Why checks that want a person's judgement stay as they are. docs/hardening.md has the same table, and a test compares.
 */
export const warningReasons: Readonly<Record<Benchmark, Readonly<Record<string, string>>>> = {
  'cis-1.12': {
    ...sharedReasons,
    '1.2.1':
      'Anonymous requests are limited to /livez, /readyz and /healthz by a file that excludes this flag; load balancers need them.',
    '1.2.20': requestTimeout,
    '3.1.2':
      'Nothing that is deployed gives a person the token of a service account; whether somebody does is yours to see.',
    '3.1.3':
      'A bootstrap token is made for one join, may only ask for a certificate, and is removed when the node is Ready.',
    '4.2.7': nodeName,
    '4.2.9': servingCertificate,
  },
  'cis-1.20': {
    ...sharedReasons,
    '1.2.1':
      'Load balancers need /readyz without credentials; RBAC grants anonymous users that, its like, and /version.',
    '1.2.12': 'SecurityContextDeny refuses most pods that are in use; it was removed in 1.30.',
    '1.2.25': requestTimeout,
    '4.2.8': nodeName,
    '4.2.9':
      'The kubelet sends 50 events a second at most; without a limit, a fault on one node would load every API server.',
    '4.2.10': servingCertificate,
  },
};
