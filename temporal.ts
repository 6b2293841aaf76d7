import { loadClientConnectConfig } from '@temporalio/envconfig';

/** Where worker and clients find Temporal, and what they say when nobody answers there. */
export interface TemporalServer {
  readonly connectionOptions: ReturnType<typeof loadClientConnectConfig>['connectionOptions'];
  readonly address: string;
  readonly namespace: string;
  /** A sentence for the user. */
  readonly unreachable: string;
}

/** Reads what the environment and temporal.toml say (envconfig). */
export function temporalServer(): TemporalServer {
  const { connectionOptions, namespace = 'default' } = loadClientConnectConfig();
  const { address = 'localhost:7233' } = connectionOptions;
  const unreachable = `no Temporal server answers at ${address}; start one (docker compose up -d temporal, or temporal server start-dev) or set TEMPORAL_ADDRESS`;
  return { connectionOptions, address, namespace, unreachable };
}
