import { readModelSuite } from '../../testing/read-model-suite.js';
import { MemoryReadModelStore } from './memory-read-model-store.js';

readModelSuite('memory', async () => ({ store: new MemoryReadModelStore(), close: async () => undefined }));
