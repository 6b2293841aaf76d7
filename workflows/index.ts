export { planCluster } from './plan-cluster.js';
export { auditCluster } from './audit-cluster.js';
export { deployHa } from './deploy-ha.js';
export { addNode } from './add-node.js';
export { failoverDrill } from './failover-drill.js';
export { destroy } from './destroy.js';
export { rotateEncryptionKey } from './rotate-encryption-key.js';
