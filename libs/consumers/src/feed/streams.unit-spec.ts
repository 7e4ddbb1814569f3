import { deterministicId, RefusedError, STREAM_CATEGORIES } from '#kernel';
import { checkEntity, checkStream } from './streams.js';

const refusalOf = (check: () => void) => {
  try {
    check();
  } catch (error) {
    if (error instanceof RefusedError) return error.refusal;
    throw error;
  }
  return undefined;
};
const cluster = deterministicId('cluster', 'c');
const network = deterministicId('sdwan_network', 'n').slice('sdwan_network-'.length);

describe('a filter by stream', () => {
  it.each([
    cluster,
    'cluster',
    'cluster-',
    'sdwan',
    'sdwan_peer-',
    `address_ledger-${network}`,
    `port_ledger-${network}`,
    'projection-fleet_nodes',
    `secret_subject-${cluster}`,
    'audit_keys-seals',
    ...STREAM_CATEGORIES,
  ])('takes %s', (name) => expect(refusalOf(() => checkStream(name, 'stream'))).toBeUndefined());

  it.each([
    ['clustr', 'did you mean cluster?', 'cluster'],
    [`clustr-${network}`, `did you mean cluster-${network}?`, `cluster-${network}`],
    ['sdwan_networks-', 'did you mean sdwan_network-?', 'sdwan_network-'],
    ['prod', expect.stringMatching(/start with access_grant-, account-, .*webhook-$/), undefined],
    ['cluster-prod', 'give the id as a tool answered it', undefined],
    [cluster.slice(0, -1), 'give the id as a tool answered it', undefined],
    [`${cluster}0`, 'give the id as a tool answered it', undefined],
  ])('refuses %j, and says what there is', (name, hint, candidate) => {
    const refused = refusalOf(() => checkStream(name, 'stream'));
    expect(refused).toMatchObject({ status: 400, code: 'invalid_parameter', field: 'stream', hint });
    expect(refused?.candidates?.[0]?.id).toBe(candidate);
  });

  it.each(['pm', 'pm_', 'pm_sdwan', 'pm_sdwan-1'])(
    'refuses %s: inboxes of process managers are shown to nobody',
    (name) => expect(refusalOf(() => checkStream(name, 'stream'))).toMatchObject({ code: 'not_for_consumers' }),
  );
});

describe('a filter by subject', () => {
  it('takes ids of entities and nothing else: links name no other streams', () => {
    expect(refusalOf(() => checkEntity(cluster, 'subject'))).toBeUndefined();
    for (const name of ['cluster', 'cluster-', 'audit_keys-seals', 'pm_sdwan-1'])
      expect(refusalOf(() => checkEntity(name, 'subject'))).toMatchObject({ status: 400, field: 'subject' });
  });
});
