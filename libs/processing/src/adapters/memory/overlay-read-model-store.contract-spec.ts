import { overlaySuite } from '../../testing/overlay-suite.js';
import { MemoryReadModelStore } from './memory-read-model-store.js';

overlaySuite('memory', async () => ({ store: new MemoryReadModelStore(), close: async () => undefined }));
