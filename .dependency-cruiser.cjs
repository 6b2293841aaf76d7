/** Imports point one way: client and worker -> workflows, activities -> cluster (docs/architecture.md). */
module.exports = {
  forbidden: [
    { name: 'no-cycles', severity: 'error', from: {}, to: { circular: true } },
    {
      name: 'the-domain-is-pure',
      severity: 'error',
      from: { path: '^cluster/' },
      to: { pathNot: ['^cluster/', '^node_modules/(zod|yaml|diff)/'] },
    },
    {
      name: 'workflows-know-activities-by-type-only',
      severity: 'error',
      from: { path: '^workflows/' },
      to: { path: '^activities/', dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'workflows-import-the-domain-and-temporal-only',
      severity: 'error',
      from: { path: '^workflows/' },
      to: { pathNot: ['^workflows/', '^cluster/', '^activities/', '^node_modules/@temporalio/(workflow|common)/'] },
    },
    {
      name: 'activities-do-not-know-workflows-or-clients',
      severity: 'error',
      from: { path: '^activities/' },
      to: { path: '^(workflows|client|lab|worker)' },
    },
    {
      name: 'clients-do-not-touch-hosts',
      severity: 'error',
      from: { path: '^client/' },
      to: { path: '^(lab/|worker|activities/ssh)' },
    },
    {
      name: 'the-engine-knows-no-operation',
      severity: 'error',
      from: { path: '^workflows/engine/' },
      to: { path: '^workflows/', pathNot: '^workflows/(engine/|messages)' },
    },
    {
      name: 'components-know-no-operation',
      severity: 'error',
      from: { path: '^cluster/', pathNot: '^cluster/operations/' },
      to: { path: '^cluster/operations/' },
    },
    {
      name: 'what-activities-stand-on-knows-no-activity',
      severity: 'error',
      from: { path: '^activities/(artifacts|certificates|host-state|kubernetes|ssh|state-store)/' },
      to: {
        path: '^activities/[^/]+\\.ts$',
        pathNot: '^activities/(content|file-trust|secret-shapes|shared-work)\\.ts$',
      },
    },
    {
      name: 'ssh-stands-below-what-uses-it',
      severity: 'error',
      from: { path: '^activities/ssh/' },
      to: { path: '^activities/[^/]+/', pathNot: '^activities/(ssh|state-store)/' },
    },
    {
      name: 'only-activities-ssh-imports-ssh2',
      severity: 'error',
      from: { pathNot: '^(activities/ssh/|test/)' },
      to: { path: '^node_modules/ssh2/' },
    },
    {
      name: 'the-lab-stands-alone',
      severity: 'error',
      from: { path: '^lab/' },
      to: { path: '^(workflows|activities|client|worker)' },
    },
  ],
  options: {
    tsConfig: { fileName: 'tsconfig.json' },
    tsPreCompilationDeps: true,
    doNotFollow: { path: 'node_modules' },
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'node', 'default', 'types'] },
  },
};
