import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ApplyRig, type Answer } from '../testing/apply-rig.js';

const GRANT = 'system_sdwan_create_access_grant';
const NETWORKS = { networks: [{ id: 'net-1', name: 'net' }] };
const LIVE = {
  ...NETWORKS,
  grants: [{ id: 'grant-1', name: 'laptop', network_id: 'net-1', status: 'pending', tags: [] }],
};
const WAITS: Answer = { data: { outcome: 'pending', pending: true, approval_id: 'approval-1' } };
const EXPIRES = '2026-11-22T12:00:00.000Z';
const stands = (approval: object): Answer => ({
  data: { approval: { expires_at: EXPIRES, answer: null, ...approval } },
});
const DONE = stands({ status: 'completed', outcome: 'done', answer: { status: 'ready' } });
const ANSWER: Answer = {
  data: { answer: { outcome: 'done', grant: { id: 'grant-1' }, bootstrap_url: 'https://b/1', token: 't' } },
};

let rig: ApplyRig;
let apply: ApplyRig['apply'];
let record: ApplyRig['record'];
let secret: string;
let grant: string;
beforeEach(async () => {
  rig = new ApplyRig();
  ({ apply, record } = rig);
  secret = join(rig.home, 'url');
  grant = `kind: Grant\nnetwork: net\nname: laptop\nwrite_url_to: ${secret}\n`;
  const first = await apply(grant, NETWORKS, { [GRANT]: WAITS });
  expect([first.code, first.said]).toEqual([0, '? Grant net/laptop waits for approval approval-1']);
});
afterEach(() => rig.end());

describe('a grant that waits for an approval', () => {
  it.each(['apply', 'diff'] as const)('is not asked for again by %s, which says where it waits', async (verb) => {
    const again = await apply(grant, NETWORKS, { get_approval: stands({ status: 'pending' }) }, verb);
    expect(again.called.map(({ tool, body }) => [tool, body])).toEqual([
      ['get_approval', { approval_id: 'approval-1' }],
    ]);
    expect([again.code, again.out]).toEqual([
      verb === 'apply' ? 0 : 1,
      expect.stringMatching(
        /^\? Grant net\/laptop .*waits for approval approval-1 until 2026-11-22T12.*drover approval get/,
      ),
    ]);
    expect(record().approvals).toHaveLength(1);
  });

  it('waits beside what else there is to do', async () => {
    const answers = {
      get_approval: stands({ status: 'pending' }),
      system_create_template: { data: { outcome: 'done', template: { id: 't-1' } } },
    };
    const more = await apply(`${grant}---\nkind: Template\nname: one\n`, NETWORKS, answers);
    expect(more.called.map(({ tool }) => tool)).toEqual(['get_approval', 'system_create_template']);
    expect(more.said).toMatch(/^\? Grant net\/laptop .*approval-1[^]*\+ Template one$/);
    expect(record()).toMatchObject({ made: [{ key: 'Template one' }], approvals: [{ approval_id: 'approval-1' }] });
  });

  it('is taken into the record once it was made, and its URL into its file', async () => {
    const done = await apply(grant, LIVE, { get_approval: DONE, take_approved_answer: ANSWER });
    expect([done.code, done.called.map(({ tool }) => tool)]).toEqual([0, ['get_approval', 'take_approved_answer']]);
    expect(readFileSync(secret, 'utf8')).toBe('https://b/1\n');
    expect(record()).toMatchObject({ made: [{ key: 'Grant net/laptop', id: 'grant-1' }] });
    expect(record().approvals).toBeUndefined();
    const again = await apply(grant, LIVE, {});
    expect([again.code, again.called, again.out]).toEqual([0, [], 'nothing to do']);
  });

  it('is left to be taken by a preview', async () => {
    const { code, called, out } = await apply(grant, LIVE, { get_approval: DONE }, 'diff');
    expect([code, called.length, out]).toEqual([1, 1, expect.stringContaining('made after approval approval-1')]);
  });

  it('keeps its answer where it is while something lies in the place of its URL', async () => {
    writeFileSync(secret, 'mine');
    const { code, called } = await apply(grant, LIVE, { get_approval: DONE, take_approved_answer: ANSWER });
    expect([code, called.map(({ tool }) => tool)]).toEqual([2, ['get_approval']]);
    expect([readFileSync(secret, 'utf8'), record().approvals?.length]).toEqual(['mine', 1]);
  });

  it('takes the answer again under the same key when that was lost on its way', async () => {
    const first = await apply(grant, LIVE, { get_approval: DONE });
    expect([first.code, existsSync(secret)]).toEqual([3, false]);
    const taken = stands({ status: 'completed', outcome: 'done', answer: { status: 'taken' } });
    const again = await apply(grant, LIVE, { get_approval: taken, take_approved_answer: ANSWER });
    expect([again.code, again.called[1]!.key]).toEqual([0, first.called[1]!.key]);
    expect(readFileSync(secret, 'utf8')).toBe('https://b/1\n');
  });

  it.each([
    [403, 'not_your_call', 1],
    [410, 'answer_taken', 0],
  ])('is told to who asked only (%i %s)', async (status, code, left) => {
    const refused = { status, error: { code, message: 'only guest is told' } };
    const other = await apply(grant, LIVE, { get_approval: DONE, take_approved_answer: refused });
    expect([other.code, other.said, existsSync(secret)]).toEqual([
      0,
      expect.stringContaining('only guest is told'),
      false,
    ]);
    expect(record().approvals?.length ?? 0).toBe(left);
  });

  it.each([
    ['rejected', stands({ status: 'rejected', comment: 'not now' }), 'not now'],
    ['expired', stands({ status: 'expired' }), 'not decided in time'],
    [
      'refused after all',
      stands({ status: 'completed', outcome: 'refused', error: { code: 'x', message: 'revoked' } }),
      'revoked',
    ],
    ['unknown', { status: 404, error: { code: 'approval_not_found', message: 'm' } }, 'knows of no approval'],
  ])('is asked for anew when its approval is over: %s', async (_, standing, why) => {
    const second = { data: { outcome: 'pending', pending: true, approval_id: 'approval-2' } };
    const again = await apply(grant, NETWORKS, { get_approval: standing, [GRANT]: second });
    expect([again.code, again.said]).toEqual([0, expect.stringContaining(why)]);
    expect(record().approvals).toMatchObject([{ approval_id: 'approval-2' }]);
  });

  it('is asked for under the same key, which makes no second request, by who may not see approvals', async () => {
    const asked = record().approvals![0]!.idempotency_key;
    const denied = { status: 403, error: { code: 'permission_denied', message: 'm' } };
    const again = await apply(grant, NETWORKS, { get_approval: denied, [GRANT]: WAITS });
    expect([again.code, again.called.map(({ key }) => key)]).toEqual([0, [null, asked]]);
    expect(record().approvals).toHaveLength(1);
    const decided = { status: 409, error: { code: 'already_decided', message: 'that is rejected' } };
    expect((await apply(grant, NETWORKS, { get_approval: denied, [GRANT]: decided })).code).toBe(6);
    expect(record().approvals).toBeUndefined();
  });
});

it('a change that waits is not asked for again either, and its arguments are not written down', async () => {
  const template = 'kind: Template\nname: one\nmodules: [{module: k3s-server, config: {token: pa55word}}]\n';
  const templates = [{ id: 't-1', name: 'one', module_assignments: [] }];
  const waits = { data: { outcome: 'pending', pending: true, approval_id: 'approval-7' } };
  await apply(
    template,
    { templates },
    { get_approval: stands({ status: 'pending' }), system_assign_module_to_template: waits },
  );
  expect(JSON.stringify(record())).not.toContain('pa55word');
  const again = await apply(template, { templates }, { get_approval: stands({ status: 'pending' }) });
  expect([again.code, again.out]).toEqual([0, expect.stringContaining('Template one  (waits for approval approval-7')]);
});

it('what belongs to a thing that waits waits with it', async () => {
  const template = 'kind: Template\nname: one\nmodules: [{module: docker-engine}]\n';
  const waits = { data: { outcome: 'pending', pending: true, approval_id: 'approval-7' } };
  const answers = { get_approval: stands({ status: 'pending' }), system_create_template: waits };
  const first = await apply(template, {}, answers);
  expect([first.code, first.said]).toEqual([0, expect.stringContaining('more to be done once it is made')]);
  const again = await apply(template, {}, answers);
  expect(again.called.map(({ tool }) => tool)).toEqual(['get_approval', 'get_approval']);
  expect(again.code).toBe(0);
});
