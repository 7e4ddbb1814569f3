import { accessGrantDecider } from './decide.js';
import { drive, code, uuid, net } from '../testing/drive.js';

describe('an access grant', () => {
  const key = Buffer.alloc(32, 7).toString('base64');
  const create = {
    kind: 'create',
    grantId: `access_grant-${uuid(1)}`,
    networkId: net(1),
    name: 'ws',
    tags: [],
    tokenDigest: 'd',
    expiresAtMs: 1_000,
  } as const;
  const redeem = (nowMs: number, tokenDigest = 'd', publicKey = key) =>
    ({
      kind: 'redeem',
      tokenDigest,
      publicKey,
      peerId: `sdwan_peer-${uuid(1)}`,
      deviceTokenDigest: 'x',
      nowMs,
    }) as const;

  it('is redeemed once, in time, with the right token and a real key', () => {
    expect(
      drive(accessGrantDecider, [
        create,
        redeem(10, 'other'),
        redeem(10, 'd', 'bad'),
        redeem(10),
        redeem(11),
      ]).answers.map(code),
    ).toEqual(['accept', 'bootstrap_token_gone', 'public_key_invalid', 'accept', 'bootstrap_token_gone']);
    expect(drive(accessGrantDecider, [create, redeem(1_000)]).answers.map(code)[1]).toBe('bootstrap_token_gone');
    expect(drive(accessGrantDecider, [create, { kind: 'revoke', reason: 'x' }, redeem(10)]).answers.map(code)[2]).toBe(
      'bootstrap_token_gone',
    );
  });
});
