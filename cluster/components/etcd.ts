import type { HostState } from '../desired-state.js';
import { noTraces, nothing } from '../desired-state.js';
import type { ClusterSpec, Host } from '../spec.js';
import { ETCD_PEER } from '../pki.js';
import { hostsWithRole, serverHosts } from '../topology.js';
import { BIN, certificateFile, directory, keyFile, program } from './files.js';
import { sandbox, unitFile, unitPath } from './systemd.js';
import { standardCipherSuites } from './tls.js';

const PKI = '/etc/etcd/pki';
const UNIT = 'etcd.service';

/** etcd's client URL on one host. */
export function etcdClientUrl(host: Pick<Host, 'address'>): string {
  return `https://${host.address}:2379`;
}

/** The programs alone: they can travel while certificates are still being made. */
export function etcdBinaries(version: string): HostState {
  const inArchive = (name: string): string => `etcd-v${version}-linux-amd64/${name}`;
  return {
    ...nothing,
    files: ['etcd', 'etcdctl'].map((name) => program(name, 'etcd', inArchive(name))),
  };
}

/**
 * One member of etcd (seed, "高可用etcd"), as user etcd, TLS for peers and clients.
 *
 * Settings are flags, not /etc/default/etcd: CIS benchmarks read the command line. URLs are addresses, because a peer's
 * certificate is checked against the address it comes from. The data directory is never removed by a deployment.
 */
export function etcdState(spec: ClusterSpec, host: Host): HostState {
  const members = hostsWithRole(spec, 'etcd');
  const peerUrl = (member: Host): string => `https://${member.address}:2380`;
  const tls = [
    certificateFile(`${PKI}/ca.crt`, 'etcd-ca'),
    certificateFile(`${PKI}/server.crt`, `etcd-server/${host.name}`),
    keyFile(`${PKI}/server.key`, `etcd-server/${host.name}`, 'etcd:etcd'),
    certificateFile(`${PKI}/peer.crt`, `etcd-peer/${host.name}`),
    keyFile(`${PKI}/peer.key`, `etcd-peer/${host.name}`, 'etcd:etcd'),
  ];
  const healthcheck = [
    certificateFile(`${PKI}/healthcheck-client.crt`, `etcd-healthcheck-client/${host.name}`),
    keyFile(`${PKI}/healthcheck-client.key`, `etcd-healthcheck-client/${host.name}`),
  ];
  return {
    ...nothing,
    accounts: [{ name: 'etcd' }],
    directories: [directory('/etc/etcd'), directory(PKI), directory('/var/lib/etcd', 'etcd:etcd', 0o700)],
    files: [
      ...tls,
      ...healthcheck,
      unitFile(UNIT, {
        description: 'etcd, the key-value store of Kubernetes',
        documentation: 'https://etcd.io/docs/',
        type: 'notify',
        user: 'etcd',
        command: `${BIN}/etcd`,
        // A member is ready when it has seen a quorum, which needs another host: give slow hosts their time.
        startTimeoutSeconds: 120,
        flags: {
          name: host.name,
          'data-dir': '/var/lib/etcd',
          'listen-peer-urls': peerUrl(host),
          'listen-client-urls': `${etcdClientUrl(host)},https://127.0.0.1:2379`,
          'initial-advertise-peer-urls': peerUrl(host),
          'advertise-client-urls': etcdClientUrl(host),
          'initial-cluster': members.map((member) => `${member.name}=${peerUrl(member)}`).join(','),
          'initial-cluster-token': spec.name,
          'initial-cluster-state': 'new',
          'client-cert-auth': 'true',
          'trusted-ca-file': `${PKI}/ca.crt`,
          'cert-file': `${PKI}/server.crt`,
          'key-file': `${PKI}/server.key`,
          'peer-client-cert-auth': 'true',
          // Clients' certificates are of the same authority, and a peer may read and write everything.
          'peer-cert-allowed-cn': ETCD_PEER,
          'cipher-suites': standardCipherSuites.filter((name) => name.includes('_AES_')).join(','),
          'peer-trusted-ca-file': `${PKI}/ca.crt`,
          'peer-cert-file': `${PKI}/peer.crt`,
          'peer-key-file': `${PKI}/peer.key`,
        },
        service: [...sandbox(['/var/lib/etcd']), ...addressFilter(spec)],
      }),
    ],
    units: [
      {
        name: UNIT,
        enabled: true,
        running: true,
        restartOn: [unitPath(UNIT), `${BIN}/etcd`, ...tls.map((file) => file.path)],
        startTimeoutSeconds: 130,
      },
    ],
    ready: [
      {
        title: `etcd on ${host.name} is healthy`,
        command: `${etcdctl('https://127.0.0.1:2379')} endpoint health`,
        timeoutSeconds: 60,
      },
    ],
    traces: { ...noTraces, data: [{ name: 'etcd', path: '/var/lib/etcd/member' }] },
  };
}

/**
 * The hosts whose packets the unit's processes get and send, beside the host's own; by the kernel, before TLS. Systemd
 * needs cgroup v2 for it and says so once in the journal where there is none.
 *
 * @see https://www.freedesktop.org/software/systemd/man/latest/systemd.resource-control.html
 */
function addressFilter(spec: ClusterSpec): string[] {
  if (!spec.addressFilters) return [];
  return [
    'IPAddressDeny=any',
    `IPAddressAllow=${['localhost', ...serverHosts(spec).map(({ address }) => address)].join(' ')}`,
  ];
}

/** An etcdctl command line to be run as root on an etcd host. */
export function etcdctl(endpoints: string): string {
  const credentials = `--cacert=${PKI}/ca.crt --cert=${PKI}/healthcheck-client.crt --key=${PKI}/healthcheck-client.key`;
  return `ETCDCTL_API=3 ${BIN}/etcdctl --endpoints=${endpoints} ${credentials} --command-timeout=5s`;
}
