import { OutputCollector } from './output-collector.js';
import { startLine } from './remote-command.js';

/** More than the line that announces a command can have. */
const LONGEST_START_LINE = 100;

/** One output stream of a session: what the login shell said, then what the command says. */
export class SessionOutput {
  /** Leader of the command's session on the host; undefined while the command has not begun. */
  session: number | undefined;
  private readonly before: OutputCollector;
  private readonly command: OutputCollector;
  private undecided: Buffer = Buffer.alloc(0);
  private readonly startLine: RegExp;

  /** @param word - see {@link startLine} */
  constructor(word: string, maxCharacters: number, onLine?: (line: string) => void) {
    this.startLine = startLine(word);
    this.before = new OutputCollector(maxCharacters);
    this.command = new OutputCollector(maxCharacters, onLine);
  }

  add(chunk: Buffer): void {
    if (this.session !== undefined) {
      this.command.add(chunk);
      return;
    }
    const seen = Buffer.concat([this.undecided, chunk]);
    // One character a byte, so that an index is one of bytes.
    const start = this.startLine.exec(seen.toString('latin1'));
    if (start === null) {
      const decided = Math.max(0, seen.length - LONGEST_START_LINE);
      this.before.add(seen.subarray(0, decided));
      this.undecided = seen.subarray(decided);
      return;
    }
    this.session = Number(start[1]);
    this.before.add(seen.subarray(0, start.index));
    this.undecided = Buffer.alloc(0);
    this.command.add(seen.subarray(start.index + start[0].length));
  }

  /** What the command printed; before it began, what the login shell did. */
  get text(): string {
    return this.session === undefined ? this.before.text + this.undecided.toString() : this.command.text;
  }

  get truncated(): boolean {
    return this.command.truncated;
  }
}
