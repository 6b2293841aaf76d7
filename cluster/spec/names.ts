import { apiName, fullName } from '../topology.js';
import type { ClusterSpec } from '../spec.js';
import type { SpecProblem } from './problem.js';

/** What a host file of a distribution says already (hosts(5), RFC 6761). */
const localNames = ['localhost', 'ip6-localhost', 'ip6-loopback', 'ip6-allnodes', 'ip6-allrouters'];
/** Domains that never mean a host on a network (RFC 6761). */
const specialDomains = ['localhost', 'invalid'];
const LONGEST_NAME = 253;

/** Names that mean something else already: to a host, to a resolver, or to whoever trusts the API server's certificate. */
export function nameProblems(spec: ClusterSpec): SpecProblem[] {
  return [...domainProblems(spec), ...apiNameProblems(spec), ...hostNameProblems(spec)];
}

function domainProblems(spec: ClusterSpec): SpecProblem[] {
  const { domain, network } = spec;
  const problems: SpecProblem[] = [];
  if (within(domain, network.dnsDomain)) {
    problems.push({
      path: ['domain'],
      value: domain,
      allowed: `a domain outside network.dnsDomain (${network.dnsDomain}), for which cluster DNS alone answers`,
      fix: 'choose another domain for the hosts or another network.dnsDomain, such as example.org and cluster.local',
    });
  }
  for (const [path, name] of [
    [['domain'], domain],
    [['network', 'dnsDomain'], network.dnsDomain],
  ] as const) {
    if (specialDomains.some((special) => within(name, special))) {
      problems.push({
        path: [...path],
        value: name,
        allowed: `a domain outside ${specialDomains.join(' and ')}, which resolvers answer by themselves (RFC 6761)`,
        fix: 'write a domain of your own, such as example.org',
      });
    }
  }
  return problems;
}

/** The API's name must lead to the API and to nothing else; its default is judged with the domain and the hosts' names. */
function apiNameProblems(spec: ClusterSpec): SpecProblem[] {
  const { name } = spec.apiEndpoint;
  if (name === undefined) return [];
  const path = ['apiEndpoint', 'name'];
  const taken = spec.hosts.find((host) => name === host.name || name === fullName(spec, host));
  if (taken !== undefined) {
    return [
      {
        path,
        value: name,
        allowed: `a name that no host has (it is that of ${taken.name}, whose certificate would be good for the API)`,
        fix: `choose another name, such as kubernetes-api.${spec.domain}`,
      },
    ];
  }
  const { dnsDomain } = spec.network;
  if (within(name, dnsDomain) || specialDomains.some((special) => within(name, special))) {
    return [
      {
        path,
        value: name,
        allowed: `a name outside ${[dnsDomain, ...specialDomains].join(', ')}`,
        fix: `choose another name, such as kubernetes-api.${spec.domain}`,
      },
    ];
  }
  return [];
}

function hostNameProblems(spec: ClusterSpec): SpecProblem[] {
  // Those in every API server's certificate (cluster/pki.ts): a node's certificate for one of them would be the API's.
  const service = ['kubernetes', 'kubernetes.default', 'kubernetes.default.svc'];
  const reserved = new Set([...service, `kubernetes.default.svc.${spec.network.dnsDomain}`, ...localNames]);
  if (spec.apiEndpoint.name === undefined) reserved.add(apiName(spec));
  return spec.hosts.flatMap((host, index): SpecProblem[] => {
    const path = ['hosts', index, 'name'];
    const full = fullName(spec, host);
    const meant = [host.name, full].find((name) => reserved.has(name));
    if (meant !== undefined) {
      return [
        {
          path,
          value: host.name,
          allowed: `a name that means nothing else (${meant} is the API's or every host's own)`,
          fix: 'give the host another name, such as node01',
        },
      ];
    }
    if (/^(\d+|0x[\da-f]*)$/.test(host.name)) {
      return [
        {
          path,
          value: host.name,
          allowed: 'a name with a letter in it: a number alone is an address to some programs (inet_aton)',
          fix: `write a name such as node${host.name}`,
        },
      ];
    }
    if (full.length > LONGEST_NAME) {
      return [
        {
          path,
          value: host.name,
          allowed: `at most ${LONGEST_NAME} characters with the domain behind it; these are ${full.length}`,
          fix: 'choose a shorter domain',
        },
      ];
    }
    return [];
  });
}

/** Whether a name is a domain, or below it. */
function within(name: string, domain: string): boolean {
  return name === domain || name.endsWith(`.${domain}`);
}
