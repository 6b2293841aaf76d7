import { loadClientConnectConfig } from '@temporalio/envconfig';
import { Client, Connection } from '@temporalio/client';
import { recordHistory } from './histories.js';

/**
 * `node dist/test/replay/record.js <workflowId> <name>`: fetches the newest history of a workflow from the Temporal
 * server that the environment names, and writes it to test/replay/histories/<name>.json.
 */
const [workflowId, name] = process.argv.slice(2);
if (workflowId === undefined || name === undefined || !/^[a-z0-9-]+$/.test(name)) {
  process.stderr.write('usage: node dist/test/replay/record.js <workflowId> <name>; a name such as deploy-ha\n');
  process.exit(2);
}
const { connectionOptions, namespace } = loadClientConnectConfig();
const connection = await Connection.connect(connectionOptions);
try {
  const client = new Client({ connection, ...(namespace === undefined ? {} : { namespace }) });
  process.stdout.write(`${await recordHistory(client, workflowId, name)}\n`);
} finally {
  await connection.close();
}
