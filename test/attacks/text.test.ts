import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import fc from 'fast-check';
import * as markdown from 'prettier/plugins/markdown';
import { auditLines } from '../../client/audit.js';
import { runCommand } from '../../client/errors.js';
import { commanderOutput, print, tell, writeJson } from '../../client/output.js';
import { watch } from '../../client/progress.js';
import type { WholeStatus } from '../../client/run-status.js';
import { literal, shown, shownJson } from '../../cluster/shown.js';
import { requestOf } from '../workflows/mock-activities.js';

/** What programs of hosts, kubelets and senders of messages could say to whoever reads it. */
const hostile = [
  '\u001b[1A\u001b[2K all is well',
  '\u001b]0;title\u0007\u001b]52;c;Zm9v\u0007',
  '\u009b2J\u0085\r\b\t\u007f\0',
  'node01\u202e10edon\u2066\u200b\u00ad\ufeff',
  '\ud800 \udc00 \u{e0001} \ue000',
];
const text = fc.oneof(
  fc.constantFrom(...hostile),
  fc.string({ unit: 'binary', maxLength: 200 }),
  fc.array(fc.integer({ min: 0, max: 0x9f }).map((code) => String.fromCodePoint(code))).map((parts) => parts.join('')),
);

/** What a client writes while `act` runs. */
async function written(t: TestContext, act: () => unknown): Promise<string> {
  const said: string[] = [];
  for (const stream of [process.stdout, process.stderr]) {
    t.mock.method(stream, 'write', (part: string) => said.push(part) > 0);
  }
  try {
    await act();
  } finally {
    t.mock.restoreAll();
  }
  return said.join('');
}

const assertPlain = (output: string): void => {
  assert.doesNotMatch(output, /[^\P{C}\n]/u);
};

function statusWith(said: string): WholeStatus {
  const step = { id: 'a', title: said, attempts: 1, note: said, problem: said } as const;
  const at = '2026-01-01T00:00:00.000Z';
  return {
    operation: 'deploy-ha',
    cluster: 'demo',
    workflowId: 'demo',
    state: 'COMPLETED',
    unread: 0,
    steps: [
      { ...step, state: 'held' },
      { ...step, id: 'b', state: 'done', start: at, end: at },
    ],
    approvals: {
      pending: [{ ...requestOf('node01'), node: said, requester: said, subject: said }],
      decided: [],
      refused: [{ at, node: said, approver: said, why: said }],
    },
    interventions: [{ at: said, kind: 'retry', about: said, by: said, why: said }],
    retries: [{ attempt: 2, problem: said }],
    waitingFor: said,
    pausing: [said],
  } as unknown as WholeStatus;
}

test('nothing that a client writes has a control character or an invisible one but line breaks', async (t) => {
  await fc.assert(
    fc.asyncProperty(text, async (said) => {
      const finding = { id: said, title: said, reason: said };
      const output = await written(t, async () => {
        print(said);
        tell(said);
        commanderOutput.writeErr(said);
        commanderOutput.writeOut(said);
        print(...auditLines([{ host: said, benchmark: 'cis-1.20', passed: 1, failed: [finding], warned: [finding] }]));
        await writeJson(true, { said });
        await runCommand(() => Promise.reject(new Error(said)));
        await watch(() => Promise.resolve(statusWith(said)), 'demo');
      });
      assertPlain(output);
    }),
    { numRuns: 100 },
  );
  process.exitCode = 0;
});

test('what is not invisible is shown as it is, in every language', () => {
  for (const plain of ['node01: exit code 1', 'Knoten läuft nicht: é ü 日本語 ✔ ▶', 'two\nlines']) {
    assert.equal(shown(plain), plain);
  }
  assert.equal(shown('\u001b[2K\u009b\u202e\t'), String.raw`\x1b[2K\x9b\u{202e}\x09`);
});

test('JSON on standard output says the same as before, in characters that show', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (said) => {
      assertPlain(shownJson({ said }));
      assert.deepEqual(JSON.parse(shownJson({ said })), JSON.parse(JSON.stringify({ said })));
    }),
  );
});

test('a line of a megabyte is cut', () => {
  assert.ok(shown('x'.repeat(1_000_000)).length < 40_000);
  assert.ok(literal('`'.repeat(1_000_000)).length < 4000);
});

interface Node {
  readonly type: string;
  readonly value?: string;
  readonly children?: readonly Node[];
}

/** What CommonMark with GitHub's extensions makes of a text. */
function parse(source: string): Node {
  const options = { originalText: source, filepath: 'x.md' } as Parameters<typeof markdown.parsers.markdown.parse>[1];
  return markdown.parsers.markdown.parse(source, options) as Node;
}

test('held text shows as text in Markdown: no links, images, headings or code beside it', () => {
  const dangerous = [
    '[Approve it here](https://evil.example)',
    '![](https://evil.example/pixel)',
    'https://evil.example and www.evil.example and <https://evil.example>',
    '<script>alert(1)</script>',
    '\n# all is well\n\n- **done**',
    '`` ` ``` `',
    '`a` [b](c)',
    '``` \n[b](c)\n ```',
    '| a | b |\n|---|---|',
    '&lt;b&gt; \\`[x](y)',
    '',
    ' ',
  ];
  fc.assert(
    fc.property(fc.oneof(fc.constantFrom(...dangerous), fc.string({ unit: 'binary' })), (said) => {
      const tree = parse(`- **held** Install etcd: ${literal(said)} (signal)`);
      const types = new Set<string>();
      let code = '';
      const visit = (node: Node): void => {
        types.add(node.type);
        if (node.type === 'inlineCode') code = node.value ?? '';
        node.children?.forEach(visit);
      };
      visit(tree);
      for (const type of ['link', 'linkReference', 'image', 'html', 'heading', 'code', 'table', 'liquidNode']) {
        assert.ok(!types.has(type), `${type} of ${said}`);
      }
      const expected = shown(said.replaceAll(/\s+/g, ' ').trim());
      if (expected.length <= 1000 && expected !== '') assert.equal(code.trim(), expected.trim());
    }),
    { numRuns: 500 },
  );
});
