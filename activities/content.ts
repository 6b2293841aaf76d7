import { createHash, createPublicKey } from 'node:crypto';
import { createReadStream } from 'node:fs';
import type { Readable } from 'node:stream';
import type { FileContent, IssuedContent } from '../cluster/desired-state.js';
import { encryptionConfiguration } from '../cluster/encryption.js';
import type { ArtifactCatalog } from './artifacts/artifact-catalog.js';
import { PkiError, readIssued } from './certificates/ensure-pki.js';
import { kubeconfigText } from './certificates/kubeconfig.js';
import { readRing } from './encryption/key-ring.js';
import type { ClusterStore } from './state-store/state-store.js';

/** Content whose bytes are not in the desired state itself. */
export type ReferencedContent = Exclude<FileContent, { kind: 'text' | 'block' }>;

export interface ResolvedContent {
  /** Hexadecimal. */
  readonly sha256: string;
  /** Bytes. */
  readonly size: number;
  /** The bytes, as often as wanted. They may be secret. */
  open(): Readable | Buffer;
}

/** Puts the bytes of desired files together on the worker, from the state store's secrets and the artifacts. */
export class Content {
  constructor(
    private readonly store: Pick<ClusterStore, 'name' | 'pki' | 'encryption'>,
    private readonly artifacts: ArtifactCatalog,
  ) {}

  /** @throws PkiError for a certificate or key that was not issued, ArtifactError for an artifact that cannot be had. */
  async resolve(content: ReferencedContent): Promise<ResolvedContent> {
    switch (content.kind) {
      case 'certificate':
      case 'private-key':
        return inMemory(await this.pem(content));
      case 'public-key':
        return inMemory(publicKeyPem((await readIssued(this.store.pki, content.key)).privateKey));
      case 'kubeconfig':
        return inMemory(await this.kubeconfig(content.server, content.certificate));
      case 'encryption-config':
        return inMemory(encryptionConfiguration(await readRing(this.store.encryption)));
      case 'artifact': {
        const { path, sha256, size } = await this.artifacts.resolve(content.artifact);
        return { sha256, size, open: () => createReadStream(path) };
      }
    }
  }

  /** A certificate, or a private key, in PEM. */
  async pem(content: IssuedContent): Promise<string> {
    return content.kind === 'certificate'
      ? this.certificate(content.certificate)
      : (await readIssued(this.store.pki, content.key)).privateKey;
  }

  /** A kubeconfig for the holder of that client certificate, which trusts the cluster's authority. */
  async kubeconfig(server: string, certificateName: string): Promise<string> {
    const { certificate, privateKey } = await readIssued(this.store.pki, certificateName);
    return kubeconfigText({
      cluster: this.store.name,
      user: certificateName.split('/')[0] ?? certificateName,
      server,
      authority: await this.certificate('kubernetes-ca'),
      certificate: requireCertificate(certificateName, certificate),
      privateKey,
    });
  }

  private async certificate(name: string): Promise<string> {
    return requireCertificate(name, (await readIssued(this.store.pki, name)).certificate);
  }
}

function requireCertificate(name: string, certificate: string | undefined): string {
  if (certificate === undefined) {
    throw new PkiError(`${name} is a key pair without a certificate: refer to its key or public key instead`);
  }
  return certificate;
}

function publicKeyPem(privateKey: string): string {
  return createPublicKey(privateKey).export({ type: 'spki', format: 'pem' }) as string;
}

function inMemory(text: string): ResolvedContent {
  const bytes = Buffer.from(text, 'utf8');
  return { sha256: createHash('sha256').update(bytes).digest('hex'), size: bytes.length, open: () => bytes };
}
