import type { Dispatcher } from 'undici';
import type { Cancel, Timers } from '#kernel';

type Handler = Dispatcher.DispatchHandler;
type Controller = Dispatcher.DispatchController;

/**
 * An answer of an API server that a tenant owns: not compressed, because a few KiB would unfold to gigabytes; no way to somewhere
 * else; complete within its time, however steadily it drips.
 */
class BoundedAnswer implements Handler {
  private cancel: Cancel | undefined;
  private refused: Error | undefined;

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
    if (this.refused === undefined) this.inner.onResponseData?.(controller, chunk as never);
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
