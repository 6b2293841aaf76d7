import { stringify } from 'yaml';

/** Where a kubeconfig leads, and whom it trusts there (PEM). */
interface ApiAccess {
  readonly cluster: string;
  readonly user: string;
  readonly server: string;
  readonly authority: string;
}

/** A kubeconfig (YAML) with a client certificate, everything embedded; equal parts give equal text. It holds a key. */
export function kubeconfigText(
  access: ApiAccess & { readonly certificate: string; readonly privateKey: string },
): string {
  return configText(access, {
    'client-certificate-data': base64(access.certificate),
    'client-key-data': base64(access.privateKey),
  });
}

/** A kubeconfig (YAML) with a bootstrap token. It is as secret as the token. */
export function bootstrapKubeconfigText(access: ApiAccess & { readonly token: string }): string {
  return configText(access, { token: access.token });
}

function configText({ cluster, user, server, authority }: ApiAccess, credentials: Record<string, string>): string {
  const context = `${user}@${cluster}`;
  return stringify(
    {
      apiVersion: 'v1',
      kind: 'Config',
      clusters: [{ name: cluster, cluster: { server, 'certificate-authority-data': base64(authority) } }],
      users: [{ name: user, user: credentials }],
      contexts: [{ name: context, context: { cluster, user } }],
      'current-context': context,
    },
    { lineWidth: 0 },
  );
}

function base64(text: string): string {
  return Buffer.from(text, 'utf8').toString('base64');
}
