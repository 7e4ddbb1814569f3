import type { RecordedEvent } from '#event-store';
import { grantOwners } from './grant-owners.js';

const event = (type: string, data: object = {}): RecordedEvent =>
  ({
    type: `system.operator.${type}`,
    stream: 'operator-1',
    version: 7,
    position: 9n,
    recordedAt: 'then',
    data,
  }) as never;
const told = (one: RecordedEvent) =>
  grantOwners.correlate(one) === undefined
    ? undefined
    : grantOwners
        .react(null, { kind: 'event', event: one })
        .outputs.map((output) => 'payload' in output && output.payload);
const about = { operator_id: 'operator-1', position: '9', before: 'then' };

it.each<[RecordedEvent, object | undefined]>([
  [event('disabled'), { because: 'disabled', role: null }],
  [event('logged_in', { role: 'viewer' }), { because: 'permission_lost', role: 'viewer' }],
  [event('logged_in', { role: 'operator' }), undefined],
  [event('logged_in', { role: 'admin' }), undefined],
  [event('token_revoked', { because: 'no_rule' }), { because: 'permission_lost', role: null }],
  // Logging out, or a token that got lost, is no reason to cut a laptop off.
  [event('token_revoked', { because: 'logged_out' }), undefined],
  [event('token_revoked'), undefined],
  [event('enabled'), undefined],
])('%# revokes the grants of who may let nobody in any more', (one, expected) => {
  expect(told(one)).toEqual(expected === undefined ? undefined : [{ ...about, ...expected }]);
});
