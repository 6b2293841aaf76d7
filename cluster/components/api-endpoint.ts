import type { HostState } from '../desired-state.js';
import { nothing } from '../desired-state.js';
import type { ClusterSpec } from '../spec.js';
import { API_PORT, API_PROXY_PORT, hostsWithRole, KONNECTIVITY_PORT, konnectivityServers } from '../topology.js';
import { certificateFile, directory, textFile } from './files.js';
import { sandbox, unitFile, unitPath } from './systemd.js';

const UNIT = 'kube-api-proxy.service';
const CONFIG = '/etc/kubernetes/api-proxy.cfg';

/**
 * Where a node's components reach the API: through the proxy on their own host. An address, which is in every API server's
 * certificate: a name in /etc/hosts may be gone after a reboot (docs/decisions/nodes-need-no-name.md).
 */
export const NODE_API_URL = `https://127.0.0.1:${API_PROXY_PORT}`;

/**
 * A TCP proxy on each node to all API servers (seed, S19a), so that a master's death needs no edit anywhere.
 *
 * A dead or isolated master is noticed within about four seconds (two failed checks, 2 s apart), and its connections
 * are closed at once, so that no client waits minutes on a connection to nowhere (kubernetes/kubernetes#41185).
 */
export function apiEndpointState(spec: ClusterSpec): HostState {
  const servers = hostsWithRole(spec, 'control-plane').map(
    (host) => `  server ${host.name} ${host.address}:${API_PORT}`,
  );
  const tunnels = konnectivityServers(spec).map((host) => `  server ${host.name} ${host.address}:${KONNECTIVITY_PORT}`);
  const config = textFile(
    CONFIG,
    [
      'global',
      '  maxconn 8192',
      'defaults',
      '  mode tcp',
      '  timeout connect 2s',
      '  timeout check 2s',
      // An idle `kubectl exec` or watch is not cut; dead peers are found by the checks instead.
      '  timeout client 24h',
      '  timeout server 24h',
      '  option clitcpka',
      '  option srvtcpka',
      'listen kube-apiserver',
      `  bind 127.0.0.1:${API_PROXY_PORT}`,
      '  balance roundrobin',
      '  option httpchk GET /readyz',
      '  default-server check check-ssl verify required ca-file /etc/kubernetes/pki/ca.crt inter 2s fall 2 rise 2 on-marked-down shutdown-sessions',
      ...servers,
      // The node's one konnectivity agent wants one connection to each server. What it asks for beyond that waits here
      // for a server that is not up yet, instead of troubling those that are.
      ...(tunnels.length === 0
        ? []
        : [
            'listen konnectivity-server',
            `  bind 127.0.0.1:${KONNECTIVITY_PORT}`,
            '  balance leastconn',
            '  timeout queue 10s',
            '  default-server check inter 2s fall 2 rise 1 maxconn 1 on-marked-down shutdown-sessions',
            ...tunnels,
          ]),
      '',
    ].join('\n'),
    'root:root',
    0o644,
  );
  return {
    ...nothing,
    directories: [directory('/etc/kubernetes'), directory('/etc/kubernetes/pki')],
    files: [
      certificateFile('/etc/kubernetes/pki/ca.crt', 'kubernetes-ca'),
      config,
      unitFile(UNIT, {
        description: 'Proxy from this node to every Kubernetes API server',
        documentation: 'https://docs.haproxy.org/',
        type: 'notify',
        user: 'haproxy',
        command: `/usr/sbin/haproxy -Ws -f ${CONFIG}`,
        flags: {},
        startTimeoutSeconds: 30,
        service: ['ExecReload=/bin/kill -USR2 $MAINPID', 'KillMode=mixed', 'SuccessExitStatus=143', ...sandbox([])],
      }),
    ],
    units: [
      {
        name: UNIT,
        enabled: true,
        running: true,
        restartOn: [unitPath(UNIT), CONFIG, '/etc/kubernetes/pki/ca.crt'],
        startTimeoutSeconds: 35,
      },
    ],
  };
}
