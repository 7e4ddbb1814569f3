import type { Dispatcher } from 'undici';
import type { Cancel, Timers } from '#kernel';

/** Things in an answer, however small: `{},{},…` takes a hundred times its size in memory. 100 nodes with all they tell are 100,000. */
export const MOST_THINGS = 500_000;
/** On one watch: 1,000 nodes tell as much in ten minutes, and a watch ends after five. */
const MOST_WATCHED = 2_000_000;
/** A line that is none costs an exception. */
const LINE = 10;
const [COMMA, BRACE, BRACKET, NEWLINE] = [0x2c, 0x7b, 0x5b, 0x0a];

type Handler = Dispatcher.DispatchHandler;
type Controller = Dispatcher.DispatchController;

/**
 * An answer of an API server that a tenant owns: not compressed, because a few KiB would unfold to gigabytes; no way to somewhere
 * else; complete within its time, however steadily it drips; of no more things than it can have to say.
 */
class BoundedAnswer implements Handler {
  private cancel: Cancel | undefined;
  private refused: Error | undefined;
  private things = 0;

  constructor(
    private readonly inner: Handler,
    private readonly timers: Timers,
    private readonly wholeMs: number | undefined,
  ) {}

  onRequestStart(controller: Controller, context: unknown): void {
    this.cancel?.();
    if (this.wholeMs !== undefined) {
      const late = new Error(`the answer was not complete within ${this.wholeMs / 1_000} s`);
      this.cancel = this.timers.after(this.wholeMs, () => controller.abort(late));
    }
    this.inner.onRequestStart?.(controller, context);
  }

  onRequestUpgrade(...args: Parameters<NonNullable<Handler['onRequestUpgrade']>>): void {
    this.inner.onRequestUpgrade?.(...args);
  }

  onResponseStart(
    controller: Controller,
    status: number,
    headers: Parameters<NonNullable<Handler['onResponseStart']>>[2],
    text?: string,
  ): void {
    const encoding = headers['content-encoding'];
    if (encoding !== undefined && encoding !== 'identity') this.refused = new Error('it sent a compressed answer');
    if (status >= 300 && status < 400)
      this.refused = new Error(`it answered HTTP ${status}: redirects are not followed`);
    if (this.refused !== undefined) return controller.abort(this.refused);
    this.inner.onResponseStart?.(controller, status, headers, text);
  }

  onResponseData(controller: Controller, chunk: Buffer): void {
    this.count(chunk);
    if (this.refused !== undefined) return controller.abort(this.refused);
    this.inner.onResponseData?.(controller, chunk as never);
  }

  private count(chunk: Buffer): void {
    const isWatch = this.wholeMs === undefined;
    const line = isWatch ? LINE : 0;
    let things = 0;
    for (const byte of chunk) {
      if (byte === COMMA || byte === BRACE || byte === BRACKET) things++;
      else if (byte === NEWLINE) things += line;
    }
    this.things += things;
    const most = isWatch ? MOST_WATCHED : MOST_THINGS;
    if (this.things > most) this.refused ??= new Error(`the answer is of more than ${most} things`);
  }

  onResponseEnd(controller: Controller, trailers: never): void {
    this.cancel?.();
    if (this.refused === undefined) this.inner.onResponseEnd?.(controller, trailers);
    else this.inner.onResponseError?.(controller, this.refused);
  }

  onResponseError(controller: Controller, error: Error): void {
    this.cancel?.();
    this.inner.onResponseError?.(controller, this.refused ?? error);
  }
}

/** For `Dispatcher.compose`. `wholeMs`: for how long an answer may go on; undefined for watches, which do not end. */
export const boundedAnswers =
  (timers: Timers, wholeMs: number | undefined): Dispatcher.DispatcherComposeInterceptor =>
  (dispatch) =>
  (options, handler) => {
    const headers = { ...(options.headers as Record<string, string>), 'accept-encoding': 'identity' };
    return dispatch({ ...options, headers }, new BoundedAnswer(handler, timers, wholeMs));
  };
