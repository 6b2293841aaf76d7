import { condition } from '@temporalio/workflow';
import { Interrupted } from './failures.js';

/**
 * One step at a time may disturb the control plane (docs/architecture.md, contract 7). Who has the turn keeps it while
 * its step is held: nobody goes on to the next member before somebody has looked at the one that did not come back.
 */
export class Turns {
  /**
   * @param holder - id of the step that has the turn, in a run that continues another
   * @param isOver - whether a step is done or skipped
   * @param pausing - whether no step starts any more
   */
  constructor(
    private holder: string | undefined,
    private readonly isOver: (id: string) => boolean,
    private readonly pausing: () => boolean,
  ) {}

  /** The step that has the turn. */
  get heldBy(): string | undefined {
    return this.holder;
  }

  /**
   * Acts once it is the step's turn, and gives the turn back when that went well.
   *
   * @throws Interrupted when the run pauses before; whatever `act` throws
   */
  async take<Result>(id: string, act: () => Promise<Result>): Promise<Result> {
    // Several may see the turn free at once; the first one to go on takes it.
    while (!this.isFree(id)) {
      await condition(() => this.isFree(id) || this.pausing());
      if (!this.isFree(id) && this.pausing()) throw new Interrupted();
    }
    this.holder = id;
    const result = await act();
    this.holder = undefined;
    return result;
  }

  private isFree(id: string): boolean {
    return this.holder === undefined || this.holder === id || this.isOver(this.holder);
  }
}
