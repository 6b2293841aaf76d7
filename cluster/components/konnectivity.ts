import { stringify } from 'yaml';
import type { DesiredFile, HostState } from '../desired-state.js';
import { nothing } from '../desired-state.js';
import type { ClusterSpec, Host } from '../spec.js';
import { KONNECTIVITY_PORT, konnectivityServers } from '../topology.js';
import { answersHttp } from './health.js';
import { BIN, certificateFile, directory, keyFile, program, textFile } from './files.js';
import { credential, sandbox, unitFile, unitPath } from './systemd.js';
import { standardCipherSuites } from './tls.js';

const SERVER = 'konnectivity-server';
const AGENT = 'konnectivity-agent';
const PKI = '/etc/kubernetes/pki';
const AUTHORITY = `${PKI}/konnectivity-ca.crt`;
const DOCUMENTATION = 'https://kubernetes.io/docs/concepts/architecture/control-plane-node-communication/';

/** Ports on 127.0.0.1, upstream's defaults: for metrics, and for health. No host has both programs. */
const SERVER_PORTS = { admin: 8133, health: 8134 };
const AGENT_PORTS = { admin: 8094, health: 8093 };

/** Group of those who may use a konnectivity server: the API server of the same host. */
export const KONNECTIVITY_GROUP = SERVER;

/**
 * Both ends take the first signal for a request to let go of what goes through them, and wait for that without an end; only
 * the second one ends them, with the exit code 1 (cmd/server/app/server.go, cmd/agent/app/server.go). Left at that, every
 * stop and every reboot would last until systemd kills them, 90 s.
 */
const STOP = ["ExecStop=/bin/sh -c 'kill -s TERM $MAINPID && sleep 1'", 'SuccessExitStatus=1', 'TimeoutStopSec=10'];

/** Upstream logs every packet unless told otherwise. */
const QUIET = { v: '1' };

const SOCKET = `/run/${SERVER}/${SERVER}.sock`;

/**
 * What makes an API server reach kubelets, pods and Services through the konnectivity server on its own host, and
 * everything else by itself (https://kubernetes.io/docs/tasks/extend-kubernetes/setup-konnectivity/).
 */
export function egressSelector(path: string): DesiredFile {
  return textFile(
    path,
    stringify({
      apiVersion: 'apiserver.k8s.io/v1beta1',
      kind: 'EgressSelectorConfiguration',
      egressSelections: [
        {
          name: 'cluster',
          connection: { proxyProtocol: 'HTTPConnect', transport: { uds: { udsName: SOCKET } } },
        },
      ],
    }),
    'root:root',
    0o644,
  );
}

/**
 * The end of the tunnel at an API server: takes connections from it by a socket that only its group may open, and hands
 * each to an agent. A kubelet is reached by the agent of its own node, a pod by any.
 */
export function konnectivityServerState(spec: ClusterSpec, host: Host): HostState {
  const unit = `${SERVER}.service`;
  const certificate = `${PKI}/${SERVER}.crt`;
  const key = `${PKI}/${SERVER}.key`;
  const name = `${SERVER}/${host.name}`;
  return konnectivityState(SERVER, 'proxy-server', SERVER_PORTS.health, [
    certificateFile(AUTHORITY, 'konnectivity-ca'),
    certificateFile(certificate, name),
    keyFile(key, name),
    unitFile(unit, {
      description: 'Tunnel server from the Kubernetes API server to nodes, pods and Services',
      documentation: DOCUMENTATION,
      type: 'simple',
      user: SERVER,
      command: `${BIN}/${SERVER}`,
      flags: {
        mode: 'http-connect',
        'uds-name': SOCKET,
        'server-port': '0',
        'server-id': host.name,
        'server-count': String(konnectivityServers(spec).length),
        'agent-bind-address': host.address,
        'agent-port': String(KONNECTIVITY_PORT),
        'admin-bind-address': '127.0.0.1',
        'admin-port': String(SERVER_PORTS.admin),
        'health-bind-address': '127.0.0.1',
        'health-port': String(SERVER_PORTS.health),
        'cluster-ca-cert': AUTHORITY,
        'cluster-cert': certificate,
        'cluster-key': credential(key),
        'cipher-suites': standardCipherSuites.join(','),
        // Upstream's hour would keep the agent of a node without power among those to choose from.
        'keepalive-time': '5s',
        'proxy-strategies': 'destHost,default',
        ...QUIET,
      },
      credentials: [key],
      service: [`RuntimeDirectory=${SERVER}`, 'RuntimeDirectoryMode=0750', ...STOP, ...sandbox([])],
    }),
  ]);
}

/** The end of the tunnel on a node: keeps a connection to every server, and opens what they ask for. */
export function konnectivityAgentState(host: Host): HostState {
  const unit = `${AGENT}.service`;
  const certificate = `${PKI}/${AGENT}.crt`;
  const key = `${PKI}/${AGENT}.key`;
  const name = `${AGENT}/${host.name}`;
  return konnectivityState(AGENT, 'proxy-agent', AGENT_PORTS.health, [
    certificateFile(AUTHORITY, 'konnectivity-ca'),
    certificateFile(certificate, name),
    keyFile(key, name),
    unitFile(unit, {
      description: 'Tunnel agent of this node for Kubernetes API servers',
      documentation: DOCUMENTATION,
      after: ['kube-api-proxy.service'],
      type: 'simple',
      user: AGENT,
      command: `${BIN}/${AGENT}`,
      flags: {
        'agent-id': host.name,
        'agent-identifiers': `ipv4=${host.address}`,
        'proxy-server-host': '127.0.0.1',
        'proxy-server-port': String(KONNECTIVITY_PORT),
        'admin-bind-address': '127.0.0.1',
        'admin-server-port': String(AGENT_PORTS.admin),
        'health-server-host': '127.0.0.1',
        'health-server-port': String(AGENT_PORTS.health),
        'ca-cert': AUTHORITY,
        'agent-cert': certificate,
        'agent-key': credential(key),
        // The least that servers put up with (their enforcement policy).
        'keepalive-time': '30s',
        'sync-interval': '1s',
        'sync-interval-cap': '5s',
        // A master more is found without a restart.
        'sync-forever': 'true',
        ...QUIET,
      },
      credentials: [key],
      service: [...STOP, ...sandbox([])],
    }),
  ]);
}

/** What both ends have in common: a program, a user of its own, files that call for a restart, and a health port. */
function konnectivityState(name: string, member: string, healthPort: number, files: readonly DesiredFile[]): HostState {
  const unit = `${name}.service`;
  const binary = program(name, `konnectivity-${member}`, member);
  return {
    ...nothing,
    accounts: [{ name }],
    directories: [directory('/etc/kubernetes'), directory(PKI)],
    files: [binary, ...files],
    units: [
      {
        name: unit,
        enabled: true,
        running: true,
        restartOn: [unitPath(unit), binary.path, ...files.map(({ path }) => path)],
        startTimeoutSeconds: 30,
      },
    ],
    ready: [
      {
        title: `${unit} is healthy`,
        command: answersHttp(healthPort, '/healthz'),
        timeoutSeconds: 60,
      },
    ],
  };
}
