import { EventEmitter } from 'node:events';
import type { Cli } from '../cli.js';
import { keys } from './top-keys.js';
import { runTop } from './top.js';

const { fetch } = globalThis;
afterEach(() => {
  globalThis.fetch = fetch;
});

const keyboard = () => {
  const raw: boolean[] = [];
  const stdin = Object.assign(new EventEmitter(), {
    isTTY: true,
    setRawMode: (is: boolean) => void raw.push(is),
    pause: () => undefined,
  });
  return {
    raw,
    stdin: stdin as unknown as NodeJS.ReadStream,
    press: (text: string) => stdin.emit('data', Buffer.from(text)),
  };
};

describe('the keys of drover top', () => {
  it('Ctrl-C interrupts at once, whoever waits for what, and is no key', async () => {
    let interrupted = 0;
    const { stdin, press } = keyboard();
    const hands = keys(stdin, () => void interrupted++);
    press('\x03s');
    expect([interrupted, await hands.next(), hands.quit.aborted]).toEqual([1, 's', false]);
  });

  it('q ends at once as well, and the terminal is given back as it was', () => {
    const { stdin, press, raw } = keyboard();
    const hands = keys(stdin);
    press('q');
    hands.stop();
    expect([hands.quit.aborted, raw, stdin.listenerCount('data')]).toEqual([true, [true, false], 0]);
  });
});

it('drover top ends with 130 while the platform does not answer', async () => {
  const ending = new AbortController();
  const drawn: string[] = [];
  // It takes the question and never answers.
  globalThis.fetch = (_, init) =>
    new Promise((_resolve, reject) => {
      init?.signal?.addEventListener('abort', () => reject(init.signal!.reason as Error));
      setImmediate(() => ending.abort());
    });
  const cli = {
    settings: { url: 'http://platform.test', token: 't', json: false },
    ...{ env: {}, terminal: true, end: ending.signal },
    ...{ out: (text: string) => void drawn.push(text), progress: () => undefined },
  } as unknown as Cli;
  expect([await runTop(cli, []), drawn]).toEqual([130, []]);
});
