import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { testDatabase } from '#event-store';
import { startTestPlatform, type TestPlatform } from './testing/test-platform.js';

const cases: [string, () => Promise<Record<string, string>>][] = [
  ['in memory', async () => ({ DROVER_EVENT_STORE: 'memory' })],
  [
    'on a socket that DATABASE_URL names',
    async () => ({ DATABASE_URL: (await testDatabase()).connectionString.replace('@localhost/', '@/') }),
  ],
  ['on a server that DATABASE_URL names', async () => ({ DATABASE_URL: (await testDatabase()).connectionString })],
];

describe.each(cases)('the platform %s', (_, env) => {
  let drover: TestPlatform;
  beforeAll(async () => {
    drover = await startTestPlatform(await env());
  });
  afterAll(() => drover.stop());

  it('serves calls, shows them, and starts no Postgres of its own', async () => {
    const args = { name: 'web', idempotency_key: 'k' };
    const made = await drover.rest('system_create_template', args);
    expect(made.body).toMatchObject({ success: true, data: { outcome: 'done' } });
    expect((await drover.rest('system_create_template', args)).body).toEqual(made.body);
    const { body } = await drover.rest('recent_events', { kind_prefix: 'system.template' });
    expect((body.data.events as { kind: string }[]).map((event) => event.kind)).toEqual(['system.template.created']);
    expect(existsSync(join(drover.dataDir, 'postgres'))).toBe(false);
  });
});
