import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Cli } from '../cli.js';
import { runApply } from './command.js';

const { fetch } = globalThis;
let home: string;
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'drover-apply-'));
});
afterEach(() => {
  globalThis.fetch = fetch;
  rmSync(home, { recursive: true });
});

/** Applies one grant, which the platform answers so, `meanwhile` somebody does this. */
const apply = async (answer: object, meanwhile?: (ending: AbortController) => void) => {
  const ending = new AbortController();
  const file = join(home, 'fleet.yaml');
  const secret = join(home, 'url');
  writeFileSync(file, `kind: Grant\nnetwork: net\nname: laptop\nwrite_url_to: ${secret}\n`);
  globalThis.fetch = async (url, init) => {
    const isCreation = String(url).endsWith('system_sdwan_create_access_grant');
    if (isCreation) meanwhile?.(ending);
    init?.signal?.throwIfAborted();
    const data = isCreation ? answer : { networks: [], grants: [], next_cursor: null };
    return Response.json({ success: true, data });
  };
  const said: string[] = [];
  const cli = {
    settings: { url: 'http://platform.test', token: 't', json: false },
    ...{ env: { HOME: home }, terminal: false, end: ending.signal },
    ...{ out: () => undefined, progress: (text: string) => void said.push(text) },
  } as unknown as Cli;
  const code = await runApply(() => cli, 'apply', ['-f', file], cli.out);
  return { code, said, secret: existsSync(secret) ? readFileSync(secret, 'utf8') : undefined };
};

it('writes the secret of a grant into its file', async () => {
  const done = await apply({ grant: { id: 'access_grant-1' }, bootstrap_url: 'https://b/1', outcome: 'done' });
  expect(done).toMatchObject({ code: 0, secret: 'https://b/1\n' });
});

it('waits for a grant that is being made at Ctrl-C: its URL is told once', async () => {
  const answer = { grant: { id: 'access_grant-1' }, bootstrap_url: 'https://b/1', outcome: 'done' };
  const { secret, said } = await apply(answer, (ending) => ending.abort());
  expect([secret, said]).toEqual(['https://b/1\n', [expect.stringContaining('Ctrl-C again'), '+ Grant net/laptop']]);
});

it('writes no file for a grant that waits for an approval', async () => {
  const { code, said, secret } = await apply({ outcome: 'pending', pending: true, approval_id: 'approval-1' });
  expect({ code, secret }).toEqual({ code: 0, secret: undefined });
  expect(said.join('\n')).toContain('waits for approval approval-1');
});

it.each([false, true])('shows no password of a config that it is about to send (json: %s)', async (json) => {
  const file = join(home, 'fleet.yaml');
  const config = '{datastore_endpoint: "postgres://k3s:pa55@db/k3s", labels: {api_key: pa55}, size: 3}';
  writeFileSync(file, `kind: Template\nname: servers\nmodules:\n  - {module: k3s-server, config: ${config}}\n`);
  globalThis.fetch = async () => Response.json({ success: true, data: { templates: [], next_cursor: null } });
  const shown: string[] = [];
  const cli = {
    settings: { url: 'http://platform.test', token: 't', json },
    ...{ env: { HOME: home }, terminal: false, end: new AbortController().signal },
    ...{ out: (text: string) => void shown.push(text), progress: () => undefined },
  } as unknown as Cli;
  expect(await runApply(() => cli, 'diff', ['-f', file], cli.out)).toBe(1);
  expect(shown.join()).toContain('"size":3');
  expect(shown.join()).toContain('Template servers');
  expect(shown.join()).not.toContain('pa55');
});
