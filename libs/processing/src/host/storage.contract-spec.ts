import { storageSuite } from '../testing/storage-suite.js';
import { memoryStorage } from './storage.js';

storageSuite('memory', async () => ({ storage: memoryStorage(), close: async () => undefined }));
