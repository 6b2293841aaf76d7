import { Client, Connection } from '@temporalio/client';
import { temporalServer } from '../../temporal.js';
import { recordHistory } from './histories.js';

/**
 * `node dist/test/replay/record.js <workflowId> <name> [runId]`: fetches a history, by default the newest run's, from the Temporal
 * server that the environment names, and writes it to test/replay/histories/<name>.json.
 */
const [workflowId, name, runId] = process.argv.slice(2);
if (workflowId === undefined || name === undefined || !/^[a-z0-9-]+$/.test(name)) {
  process.stderr.write(
    'usage: node dist/test/replay/record.js <workflowId> <name> [runId]; a name such as deploy-ha\n',
  );
  process.exit(2);
}
const { connectionOptions, namespace } = temporalServer();
const connection = await Connection.connect(connectionOptions);
try {
  const client = new Client({ connection, namespace });
  process.stdout.write(`${await recordHistory(client, workflowId, name, runId)}\n`);
} finally {
  await connection.close();
}
