import type { LoggerService } from '@nestjs/common';
import type { Log } from '#kernel';

/** Nest's own messages in the platform's log. What Nest says at start-up is noise to an operator, hence debug. */
export class NestLog implements LoggerService {
  constructor(private readonly out: Log) {}
  log(message: unknown): void {
    this.out.debug({}, String(message));
  }
  error(message: unknown, ...more: unknown[]): void {
    this.out.error({ more }, String(message));
  }
  warn(message: unknown, ...more: unknown[]): void {
    this.out.warn({ more }, String(message));
  }
  debug(message: unknown): void {
    this.out.debug({}, String(message));
  }
  verbose(message: unknown): void {
    this.out.debug({}, String(message));
  }
}
