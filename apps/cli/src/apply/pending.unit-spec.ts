import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Cli } from '../cli.js';
import { CliError } from '../errors.js';
import { runApply } from './command.js';

const { fetch } = globalThis;
const GRANT = 'system_sdwan_create_access_grant';
let home: string;
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'drover-pending-'));
});
afterEach(() => {
  globalThis.fetch = fetch;
  rmSync(home, { recursive: true });
});

type Answer = { readonly status?: number; readonly error?: object; readonly data?: object; readonly broken?: true };
interface Called {
  readonly tool: string;
  readonly key: string | null;
  readonly body: Readonly<Record<string, unknown>>;
}

/** One apply against a platform whose lists and answers are these; `broken`: the connection breaks in the middle. */
const apply = async (
  document: string,
  lists: object,
  answers: Readonly<Record<string, Answer>>,
  verb: 'apply' | 'diff' = 'apply',
) => {
  const called: Called[] = [];
  const said: string[] = [];
  const file = join(home, 'fleet.yaml');
  writeFileSync(file, document);
  globalThis.fetch = async (url, init) => {
    const tool = String(url).split('/').at(-1)!;
    if (/_list_/.test(tool))
      return Response.json({
        success: true,
        data: { networks: [], grants: [], templates: [], nodes: [], next_cursor: null, ...lists },
      });
    const key = new Headers(init?.headers).get('idempotency-key');
    called.push({ tool, key, body: JSON.parse(String(init?.body)) as Called['body'] });
    const { status = 200, error, data, broken } = answers[tool] ?? { broken: true };
    if (broken === true) throw Object.assign(new TypeError('fetch failed'), { cause: new Error('socket hang up') });
    return Response.json(error === undefined ? { success: true, data } : { success: false, error }, { status });
  };
  const cli = {
    settings: { url: 'http://platform.test', token: 't', json: false },
    ...{ env: { HOME: home }, terminal: false, end: new AbortController().signal },
    ...{ out: () => undefined, progress: (text: string) => void said.push(text) },
  } as unknown as Cli;
  try {
    return {
      code: await runApply(() => cli, verb, ['-f', file], cli.out),
      called,
      said: said.join('\n'),
      error: undefined,
    };
  } catch (error) {
    if (!(error instanceof CliError)) throw error;
    return { code: error.exitCode, called, said: said.join('\n'), error };
  }
};
const record = () => {
  const folder = join(home, '.local/state/drover/apply');
  return JSON.parse(readFileSync(join(folder, readdirSync(folder)[0]!), 'utf8')) as {
    readonly made: readonly object[];
    readonly pending?: readonly { readonly idempotency_key: string }[];
  };
};
const TEMPLATE = 'kind: Template\nname: one\n';
const grant = () => `kind: Grant\nnetwork: net\nname: laptop\nwrite_url_to: ${home}/url\n`;
const NETWORKS = { networks: [{ id: 'net-1', name: 'net' }] };
const LIVE = {
  ...NETWORKS,
  grants: [{ id: 'grant-1', name: 'laptop', network_id: 'net-1', status: 'pending', tags: [] }],
};
const MADE = { outcome: 'done', grant: { id: 'grant-2' }, bootstrap_url: 'https://b/2' };

describe('apply after a connection that broke in the middle of a step', () => {
  it('says what the next apply does, and makes what was not made under the same key', async () => {
    const first = await apply(TEMPLATE, {}, {});
    expect(first.error?.hint).toContain('the same apply finds out first, and makes it once');
    expect(first.error?.hint).not.toContain('idempotency_key');
    const again = await apply(
      TEMPLATE,
      {},
      { system_create_template: { data: { outcome: 'done', template: { id: 't-1' } } } },
    );
    expect([again.code, again.called.map(({ key }) => key)]).toEqual([0, first.called.map(({ key }) => key)]);
    expect(record()).toMatchObject({ made: [{ key: 'Template one', id: 't-1' }] });
    expect(record().pending).toBeUndefined();
  });

  it('takes what was made all the same into its record, so that --prune knows it', async () => {
    await apply(TEMPLATE, {}, {});
    const templates = [{ id: 't-1', name: 'one', module_assignments: [] }];
    const answers = { system_create_template: { data: { outcome: 'done', template: { id: 't-1' } } } };
    const again = await apply(TEMPLATE, { templates }, answers);
    expect([again.code, again.said]).toEqual([
      0,
      expect.stringContaining('Template one was made by an apply that was cut off'),
    ]);
    expect(record()).toMatchObject({ made: [{ key: 'Template one', id: 't-1' }] });
  });

  it('leaves alone what somebody else made under that name', async () => {
    await apply(TEMPLATE, {}, {});
    const taken = { status: 409, error: { code: 'name_taken', message: 'taken' } };
    const templates = [{ id: 't-9', name: 'one', module_assignments: [] }];
    expect((await apply(TEMPLATE, { templates }, { system_create_template: taken })).code).toBe(0);
    expect(record()).toEqual({ set: 'default', platform: 'http://platform.test', made: [] });
  });

  it('revokes a grant whose URL was lost, and makes it anew under another key', async () => {
    const first = await apply(grant(), NETWORKS, {});
    expect(first.error?.hint).toContain('a grant whose URL was lost is revoked and made anew');
    let tells = 0;
    const told = { status: 409, error: { code: 'token_told_already', message: 'told' } };
    const answers = {
      get [GRANT]() {
        return tells++ === 0 ? told : { data: MADE };
      },
      system_sdwan_revoke_access_grant: { data: { revoked: true } },
    };
    const again = await apply(grant(), LIVE, answers);
    const [asked, revoked, made] = again.called;
    expect([again.code, asked?.key, revoked?.body.grant_id]).toEqual([0, first.called[0]!.key, 'grant-1']);
    expect(made?.key).not.toBe(asked?.key);
    expect(readFileSync(join(home, 'url'), 'utf8')).toBe('https://b/2\n');
    expect(record()).toMatchObject({ made: [{ key: 'Grant net/laptop', id: 'grant-2' }] });
  });

  it('keeps a grant whose URL was written before it ended', async () => {
    await apply(grant(), NETWORKS, {});
    writeFileSync(join(home, 'url'), 'https://b/1\n');
    const told = { status: 409, error: { code: 'token_told_already', message: 'told' } };
    const again = await apply(grant(), LIVE, { [GRANT]: told });
    expect([again.code, again.called.length]).toEqual([0, 1]);
    expect(record()).toMatchObject({ made: [{ id: 'grant-1' }] });
  });

  it('does not go on while it cannot be found out', async () => {
    await apply(grant(), NETWORKS, {});
    const away = { status: 503, error: { code: 'event_store_unavailable', message: 'away' } };
    expect((await apply(grant(), LIVE, { [GRANT]: away })).code).toBe(3);
    expect(record().pending).toHaveLength(1);
  });

  it('calls nothing in a preview, and says that something is open', async () => {
    await apply(grant(), NETWORKS, {});
    const { called, said } = await apply(grant(), LIVE, {}, 'diff');
    expect([called, said]).toEqual([[], expect.stringContaining('an apply was cut off at Grant net/laptop')]);
  });
});

it('a step that the platform refuses leaves nothing open', async () => {
  const refused = { status: 422, error: { code: 'no', message: 'no' } };
  expect((await apply(grant(), NETWORKS, { [GRANT]: refused })).code).toBe(1);
  expect([record().pending, existsSync(join(home, 'url'))]).toEqual([undefined, false]);
});

it.each([
  [500, 'internal_error'],
  [503, 'event_store_unavailable'],
])('HTTP %i leaves open whether it was made', async (status, code) => {
  await apply(grant(), NETWORKS, { [GRANT]: { status, error: { code, message: 'm' } } });
  expect(record().pending).toHaveLength(1);
});
