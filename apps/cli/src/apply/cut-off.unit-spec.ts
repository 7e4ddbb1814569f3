import { existsSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ApplyRig, type Answer } from '../testing/apply-rig.js';
import { recordFile } from './record.js';

const GRANT = 'system_sdwan_create_access_grant';
const NETWORK = 'system_sdwan_create_network';
const NETWORKS = { networks: [{ id: 'net-1', name: 'net' }] };
const TOLD: Answer = { status: 409, error: { code: 'token_told_already', message: 'this call made grant-1 before' } };
const FAILS: Answer = { status: 500, error: { code: 'internal_error', message: 'it broke' } };
const DELETED: Answer = { status: 410, error: { code: 'network_deleted', message: 'which was deleted since' } };
const made = (name: string, id: string): Answer => ({ data: { outcome: 'done', [name]: { id } } });

let rig: ApplyRig;
let apply: ApplyRig['apply'];
let record: ApplyRig['record'];
let secret: string;
let grant: string;
beforeEach(() => {
  rig = new ApplyRig();
  ({ apply, record } = rig);
  secret = join(rig.home, 'url');
  grant = `kind: Grant\nnetwork: net\nname: laptop\nwrite_url_to: ${secret}\n`;
});
afterEach(() => rig.end());

const there = (status: string, more: object = {}) => ({
  ...NETWORKS,
  grants: [{ id: 'grant-1', name: 'laptop', network_id: 'net-1', status, tags: [], ...more }],
});
/** The next apply calls once, to find out, and what is there is taken into the record. */
const stays = async (lists: object) => {
  const again = await apply(grant, lists, { [GRANT]: TOLD });
  expect([again.code, again.called.map(({ tool }) => tool)]).toEqual([0, [GRANT]]);
  expect(record()).toMatchObject({ made: [{ key: 'Grant net/laptop', id: 'grant-1' }] });
  expect(record().pending).toBeUndefined();
  return again.said;
};

describe('a grant of an apply that was cut off', () => {
  it('is not revoked once a device has joined with it, wherever its file is', async () => {
    await apply(grant, NETWORKS, {});
    await stays(there('active'));
  });

  it('is not revoked when its URL could not be put in its place and was carried away', async () => {
    const answers = {
      get [GRANT]() {
        writeFileSync(secret, 'somebody was faster');
        return { data: { outcome: 'done', grant: { id: 'grant-1' }, bootstrap_url: 'https://b/1' } };
      },
    };
    const first = await apply(grant, NETWORKS, answers);
    const draft = `${secret}.new-${process.pid}`;
    expect([first.code, first.error?.hint]).toEqual([1, expect.stringContaining(`mv ${draft}`)]);
    expect([readFileSync(draft, 'utf8'), record().pending]).toEqual([
      'https://b/1\n',
      [expect.objectContaining({ told: true, draft })],
    ]);
    const left = JSON.stringify(record());
    rmSync(secret);
    expect(await stays(there('pending'))).toContain(`its URL stands in ${draft}`);

    writeFileSync(recordFile({ HOME: rig.home }, 'http://platform.test', 'default'), left);
    renameSync(draft, join(rig.home, 'carried-away'));
    expect(await stays(there('pending'))).toContain('drover grant revoke grant-1 if nobody has it');
    expect(existsSync(secret)).toBe(false);
  });

  it('is made anew by the apply after one that was cut off between revoking and writing that down', async () => {
    await apply(grant, NETWORKS, {});
    let tells = 0;
    const answers = {
      get [GRANT]() {
        return tells++ === 0
          ? TOLD
          : { data: { outcome: 'done', grant: { id: 'grant-2' }, bootstrap_url: 'https://b/2' } };
      },
    };
    const lists = there('revoked', { revoked_reason: 'its URL was lost with the answer' });
    expect((await apply(grant, lists, answers)).called.map(({ tool }) => tool)).toEqual([GRANT, GRANT]);
    expect(record()).toMatchObject({ made: [{ id: 'grant-2' }] });
  });

  it('is told apart from one that somebody else made under its name', async () => {
    await apply(grant, NETWORKS, {});
    const grants = [{ id: 'grant-9', name: 'laptop', network_id: 'net-1', status: 'pending', tags: [] }];
    const again = await apply(grant, { ...NETWORKS, grants }, { [GRANT]: TOLD });
    expect([again.code, again.called.length, record().made]).toEqual([0, 1, []]);
  });
});

describe('a call that can never be answered under its key', () => {
  const network = 'kind: Network\nname: net\n';

  it.each([
    ['fails', FAILS, 'it broke'],
    ['is refused, because what it made was deleted since', DELETED, ''],
  ])('is given up where there is something of that name: it %s', async (_, answer, said) => {
    await apply(network, {}, {});
    const again = await apply(network, NETWORKS, { [NETWORK]: answer });
    expect([again.code, again.said, record().made]).toEqual([0, expect.stringContaining(said), []]);
    expect(record().pending).toBeUndefined();
  });

  it.each([
    ['fails', FAILS],
    ['is refused, because what it made was deleted since', DELETED],
  ])('is made under another key by the next try where there is nothing: it %s', async (_, answer) => {
    const first = await apply(network, {}, {});
    const second = await apply(network, {}, { [NETWORK]: answer });
    expect([second.code, second.called[0]?.key]).toEqual([1, first.called[0]?.key]);
    const third = await apply(network, {}, { [NETWORK]: made('network', 'net-2') });
    expect([third.code, third.called[0]?.key === first.called[0]?.key]).toEqual([0, false]);
    expect(record()).toMatchObject({ made: [{ key: 'Network net', id: 'net-2' }] });
  });
});

it('a peer that is there may be of anybody who attached it, so it is not taken for one of its own', async () => {
  const peer = 'kind: Peer\nnetwork: net\nnode: n1\n';
  await apply(peer, { ...NETWORKS, peers: [] }, {});
  expect(record().pending).toHaveLength(1);
  const peers = [{ id: 'peer-1', name: 'n1', network_id: 'net-1', kind: 'node', status: 'active' }];
  const again = await apply(peer, { ...NETWORKS, peers }, { system_sdwan_attach_peer: made('peer', 'peer-1') });
  expect([again.code, again.called, again.said]).toEqual([0, [], expect.stringContaining('--take-over takes it')]);
  expect(record()).toEqual({ set: 'default', platform: 'http://platform.test', made: [] });
});
