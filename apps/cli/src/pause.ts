/** So long, or until it ends: nothing that waits keeps an ended command alive. */
export const pause = (ms: number, end: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    const over = () => {
      clearTimeout(timer);
      end.removeEventListener('abort', over);
      resolve();
    };
    const timer = setTimeout(over, ms);
    end.addEventListener('abort', over);
    if (end.aborted) over();
  });
