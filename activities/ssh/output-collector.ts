import { StringDecoder } from 'node:string_decoder';

/** Keeps the end of an output stream within a bound, and hands out complete lines as they come. */
export class OutputCollector {
  private readonly decoder = new StringDecoder('utf8');
  private kept = '';
  private partialLine = '';
  private dropped = false;

  constructor(
    private readonly maxCharacters: number,
    private readonly onLine?: (line: string) => void,
  ) {}

  add(chunk: Buffer): void {
    const text = this.decoder.write(chunk);
    this.keep(text);
    if (this.onLine === undefined) return;
    const lines = (this.partialLine + text).split('\n');
    this.partialLine = (lines.pop() ?? '').slice(-this.maxCharacters);
    for (const line of lines) this.onLine(line);
  }

  get text(): string {
    return this.kept;
  }

  /** Whether earlier output had to be given up. */
  get truncated(): boolean {
    return this.dropped;
  }

  private keep(text: string): void {
    this.kept += text;
    if (this.kept.length <= this.maxCharacters) return;
    this.kept = this.kept.slice(-this.maxCharacters);
    this.dropped = true;
  }
}
