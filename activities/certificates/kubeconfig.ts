import { stringify } from 'yaml';

/** What a kubeconfig with a client certificate is made of; certificates and key are PEM. */
export interface KubeconfigParts {
  readonly cluster: string;
  readonly user: string;
  readonly server: string;
  readonly authority: string;
  readonly certificate: string;
  readonly privateKey: string;
}

/** A kubeconfig (YAML) with everything embedded; equal parts give equal text. It holds a private key. */
export function kubeconfigText(parts: KubeconfigParts): string {
  const { cluster, user, server } = parts;
  const context = `${user}@${cluster}`;
  return stringify(
    {
      apiVersion: 'v1',
      kind: 'Config',
      clusters: [{ name: cluster, cluster: { server, 'certificate-authority-data': base64(parts.authority) } }],
      users: [
        {
          name: user,
          user: {
            'client-certificate-data': base64(parts.certificate),
            'client-key-data': base64(parts.privateKey),
          },
        },
      ],
      contexts: [{ name: context, context: { cluster, user } }],
      'current-context': context,
    },
    { lineWidth: 0 },
  );
}

function base64(text: string): string {
  return Buffer.from(text, 'utf8').toString('base64');
}
