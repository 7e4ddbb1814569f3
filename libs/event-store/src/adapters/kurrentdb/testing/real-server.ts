// Run by `npm run test:kurrentdb` only; jest does not find it by itself.
import { errorMessage, systemIds } from '#kernel';
import { MAX_EVENT_BYTES } from '../../../port.js';
import { KurrentEventStore } from '../kurrentdb-event-store.js';
import { kurrentContract } from './kurrent-contract.js';

const url = process.env.KURRENTDB_URL ?? '';
/** What the server counts beside an event's content. */
const ALLOWANCE_BYTES = 1024;

interface Server {
  /** Its MaxAppendSize, when that is less than Drover may need. */
  readonly limit?: number;
}

const look = async (): Promise<Server> => {
  const store = await KurrentEventStore.open({ url, namespace: `drover_test_${systemIds.uuid().slice(0, 8)}` });
  try {
    await store.head();
    const limit = await store.tooSmallFor(MAX_EVENT_BYTES + ALLOWANCE_BYTES);
    return limit === undefined ? {} : { limit };
  } finally {
    await store.close();
  }
};

const found = await look().catch((error: unknown) => errorMessage(error));
if (typeof found === 'string') {
  // One clear failure; a whole suite of them would hide the reason.
  it('the server that KURRENTDB_URL names can be used', () => {
    throw new Error(`KURRENTDB_URL: ${found}`);
  });
} else {
  if (found.limit !== undefined)
    process.stderr.write(
      `\nThis server's MaxAppendSize is ${found.limit} bytes, and Drover writes events of up to ${MAX_EVENT_BYTES}: for production ` +
        'start it with --max-append-size=4194304. Here the largest event is tested at its own limit.\n\n',
    );
  kurrentContract('kurrentdb (real server)', async () => url, found.limit);
}
