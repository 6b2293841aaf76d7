import forge from 'node-forge';
import type { PlannedAuthority, PlannedCertificate } from '../../cluster/pki.js';
import type { Asn1 } from './der.js';
import type { Extension } from './x509.js';

/** The distinguished name that the plan asks for: the organizations in their order, then the common name. */
export function plannedSubject({
  commonName,
  organizations = [],
}: Pick<PlannedAuthority, 'commonName'> & Partial<Pick<PlannedCertificate, 'organizations'>>): Asn1 {
  return forge.pki.distinguishedNameToAsn1({
    attributes: [
      ...organizations.map((name) => attribute('organizationName', name)),
      attribute('commonName', commonName),
    ],
  });
}

/** What a leaf may be used for. */
export function plannedUsages({ usages }: Pick<PlannedCertificate, 'usages'>): Extension {
  return { name: 'extKeyUsage', serverAuth: usages.includes('server'), clientAuth: usages.includes('client') };
}

/** The names and addresses that a leaf stands for; no extension at all if there are none. */
export function plannedNames({ sans }: Pick<PlannedCertificate, 'sans'>): Extension[] {
  const altNames = [...sans.dns.map((value) => ({ type: 2, value })), ...sans.ip.map((ip) => ({ type: 7, ip }))];
  return altNames.length === 0 ? [] : [{ name: 'subjectAltName', altNames }];
}

/** UTF8String, because ":" and most other characters of Kubernetes names have no place in forge's default type. */
function attribute(name: string, value: string): forge.pki.CertificateField {
  return {
    type: forge.pki.oids[name] ?? name,
    value,
    valueTagClass: forge.asn1.Type.UTF8 as unknown as forge.asn1.Class,
  };
}
