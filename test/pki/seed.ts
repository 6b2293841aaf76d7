import { type CertificatePlan, certificatePlan } from '../../cluster/pki.js';
import type { ClusterSpec } from '../../cluster/spec.js';
import { validateSpec } from '../../cluster/spec/validate.js';

/** The seed's hosts: three masters that carry etcd, three nodes. */
export function seedSpec(): ClusterSpec {
  const hosts = [1, 2, 3, 4, 5, 6].map((number) => ({
    name: number <= 3 ? `master0${number}` : `node0${number - 3}`,
    address: `172.16.0.10${number}`,
    roles: number <= 3 ? ['etcd', 'control-plane'] : ['node'],
  }));
  const result = validateSpec({
    name: 'seed',
    kubernetes: 'v1.20.2',
    domain: 'mykernel.cn',
    network: { pods: '10.244.0.0/16', services: '10.64.0.0/12' },
    hosts,
  });
  if ('problems' in result) throw new Error(JSON.stringify(result.problems));
  return result.spec;
}

/** The seed's plan with only the leaves of those names, so that a test need not make all 34. */
export function seedPlan(...names: string[]): CertificatePlan {
  const plan = certificatePlan(seedSpec());
  const certificates = plan.certificates.filter(({ name }) => names.length === 0 || names.includes(name));
  return { ...plan, certificates };
}
