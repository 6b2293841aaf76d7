import assert from 'node:assert/strict';
import test from 'node:test';
import { eventIn, focusOf, secondsOf } from '../../lab/conformance/ginkgo-output.js';

void test("a test's end is read from ginkgo's output, and whether it failed", () => {
  assert.deepEqual(eventIn('• [5.213 seconds]'), { kind: 'ended', failed: false });
  assert.deepEqual(eventIn('• [FAILED] [300.104 seconds]'), { kind: 'ended', failed: true });
  assert.deepEqual(eventIn('• [PANICKED!] [0.104 seconds]'), { kind: 'ended', failed: true });
  assert.deepEqual(eventIn('S [SKIPPED] [0.004 seconds]'), { kind: 'ended', failed: false });
  for (const line of [
    '[SynchronizedBeforeSuite] PASSED [1.402 seconds]',
    '• • •',
    'Ran 27 of 7512 Specs in 346.104 seconds',
    '  Nov 28 08:00:00.000: INFO: • [5.213 seconds]',
  ]) {
    assert.equal(eventIn(line), undefined, line);
  }
});

void test('a test that runs for long is read from a progress report, with its name and its seconds', () => {
  const name = '[sig-apps] CronJob should not schedule jobs when suspended [Slow] [Conformance]';
  assert.deepEqual(eventIn(`    ${name} (Spec Runtime: 5m0.002s)`), { kind: 'running', name, seconds: 300.002 });
  assert.equal(eventIn('      In [It] (Node Runtime: 5m0.001s)'), undefined);
});

void test('durations are read as Go prints them', () => {
  assert.equal(secondsOf('1h2m3.5s'), 3723.5);
  assert.equal(secondsOf('500ms'), 0.5);
  assert.equal(secondsOf('20s'), 20);
});

void test('a focus matches its own test, which may have signs of patterns in its name, and none that goes on', () => {
  const name = '[sig-network] Services should serve (a|b) with $x.y* [Conformance]';
  assert.match(`Kubernetes e2e suite ${name}`, new RegExp(focusOf(name)));
  assert.doesNotMatch(`Kubernetes e2e suite ${name} [Slow]`, new RegExp(focusOf(name)));
  assert.doesNotMatch(name.replace('x.y', 'xzy'), new RegExp(focusOf(name)));
});
