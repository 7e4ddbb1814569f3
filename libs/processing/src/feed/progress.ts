import type { Position } from '#event-store';
import { Alarm } from '../alarm.js';

/** How far each projection that is read has come; rings at every change. */
export class Progress {
  readonly alarm = new Alarm();
  private readonly reached = new Map<string, Position>();

  report(name: string, at: Position): void {
    if (this.reached.get(name) === at) return;
    this.reached.set(name, at);
    this.alarm.ring();
  }

  get(name: string): Position | undefined {
    return this.reached.get(name);
  }

  clear(): void {
    this.reached.clear();
    this.alarm.ring();
  }
}
