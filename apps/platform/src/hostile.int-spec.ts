import { honest, hostilities, tenantApi } from '../../../test/doubles/hostile-api.js';
import { HIDDEN_TEXT, HOSTILE_TEXTS } from '../../../test/doubles/hostile-texts.js';
import { hostileApiCases } from './http/testing/hostile-api-cases.js';
import { hostileCases } from './http/testing/hostile-cases.js';
import { makeExamplesWorld } from './http/testing/examples-world.js';
import { startTestPlatform, type TestPlatform } from './testing/test-platform.js';

/** In memory: what is tried is what the platform makes of texts, many thousand times. */
let drover: TestPlatform;
beforeAll(async () => {
  drover = await startTestPlatform({ DROVER_EVENT_STORE: 'memory' });
  await makeExamplesWorld(drover);
});
afterAll(() => drover.stop());

describe('what nodes write', () => hostileCases(() => drover, { texts: HOSTILE_TEXTS, hidden: HIDDEN_TEXT }));
describe('a platform', () =>
  hostileApiCases(() => drover, { ...{ texts: HOSTILE_TEXTS, hidden: HIDDEN_TEXT }, tenantApi, honest, hostilities }));
