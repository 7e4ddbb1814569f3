import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { startTestPlatform, type TestPlatform } from '../../apps/platform/src/testing/test-platform.js';
import { race } from '../../scripts/soaks/support/redeemers.js';

const REDEEMERS = 64;
let drover: TestPlatform;
beforeAll(async () => {
  drover = await startTestPlatform();
});
afterAll(() => drover.stop());

const tool = async <T>(name: string, args: object): Promise<T> => {
  const { body } = await drover.rest(name, args);
  if (!body.success) throw new Error(`${name}: ${JSON.stringify(body.error)}`);
  return body.data as T;
};

/** With 512, over and over: `npm run soak -- token-race`. */
it('gives one of many racing redeemers of a join token a certificate over real TLS, and refuses the rest', async () => {
  await tool('system_create_template', { name: 'racers' });
  const { node } = await tool<{ node: { id: string } }>('system_create_node', {
    hostname: 'racer',
    node_template_id: 'racers',
  });
  const provisioned = await tool<{ instance: { id: string }; join: { token: string } }>('system_provision_instance', {
    node_id: node.id,
  });
  const caPem = readFileSync(join(drover.dataDir, 'ca/ca.pem'), 'utf8');
  const offer = { token: provisioned.join.token, address: drover.platform.enrollAddress, caPem };
  const { certificates, refusals } = await race(offer, REDEEMERS);
  expect(certificates).toHaveLength(1);
  expect(refusals).toEqual({ join_token_used: REDEEMERS - 1 });
  const certificate = new X509Certificate(Buffer.from(certificates[0]!, 'base64'));
  expect(certificate.verify(new X509Certificate(caPem).publicKey)).toBe(true);
  const { events } = await tool<{ events: { kind: string; payload: { certificate_serial: string } }[] }>(
    'recent_events',
    { kind_prefix: 'system.instance.enroll' },
  );
  expect(events.map((e) => e.kind)).toEqual(['system.instance.enrolled', 'system.instance.enrollment_refused']);
  expect(events[0]!.payload.certificate_serial.toLowerCase()).toBe(certificate.serialNumber.toLowerCase());
});
