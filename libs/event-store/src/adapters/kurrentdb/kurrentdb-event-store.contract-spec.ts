import { FakeKurrent } from '../../../../../test/doubles/kurrentdb/server.js';
import { kurrentContract } from './testing/kurrent-contract.js';

let server: FakeKurrent | undefined;
afterAll(() => server?.stop());

// On a real one: npm run test:kurrentdb.
kurrentContract('kurrentdb (stand-in server)', async () => {
  server ??= await FakeKurrent.start({ maxAppendBytes: 4 * 1024 * 1024 });
  server.systemEvent();
  return server.url;
});
