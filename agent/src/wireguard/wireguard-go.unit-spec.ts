import { errorMessage, silentLog, systemTimers } from '#kernel';
import { WireGuardGo } from './wireguard-go.js';

describe('wireguard-go', () => {
  const start = async (stands: boolean) => {
    let end = (): void => undefined;
    const exited = new Promise<{ code: number; signal: null }>(
      (resolve) => (end = () => resolve({ code: 1, signal: null })),
    );
    const files = { read: async () => undefined, write: async () => undefined, remove: async () => undefined };
    const processes = { spawnDetached: async () => ({ pid: 4_194_304, exited }), startTime: async () => undefined };
    const go = new WireGuardGo({ files, processes, timers: systemTimers, log: silentLog } as never, '/state');
    const lost: string[] = [];
    go.onExit((name) => lost.push(name));
    if (!stands) end();
    let looks = 0;
    const failure = await go.ensure('wg-1', async () => stands && looks++ > 0).catch(errorMessage);
    return { failure, lost, end: async () => (end(), await exited, await Promise.resolve()) };
  };

  it('that ends at its start is told to the caller only: nobody else brings it back at once, over and over', async () => {
    const { failure, lost } = await start(false);
    expect(failure).toContain('wireguard-go ended with 1 at its start');
    expect(lost).toEqual([]);
  });

  it('that stood and ends is told to who listens', async () => {
    const { failure, lost, end } = await start(true);
    expect(failure).toBeUndefined();
    await end();
    expect(lost).toEqual(['wg-1']);
  });
});
