#!/usr/bin/env node
import { describe, say } from '../progress.js';
import { mirrorCommand } from './index.js';

try {
  await mirrorCommand().parseAsync();
} catch (error) {
  say(`error: ${describe(error)}`);
  process.exitCode = 1;
}
