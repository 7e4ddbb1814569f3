import { armFailpoints } from '#kernel';
import { shreddingGround } from './shredding-ground.js';

/** `node shredding-child.mjs DATABASE_URL`: shreds what the log says until its stdin ends, or until a failpoint kills it. */
armFailpoints(process.env);
const ground = shreddingGround({ connectionString: process.argv[2]! });
void ground.host.start().then(() => process.stdout.write('started\n'));
process.stdin.resume().once('end', () => void ground.close().then(() => process.exit(0)));
