import { z } from 'zod';
import type { SecretStore } from '#access';
import type { Endpoint } from './lane.js';

const endpointSchema = z.object({ url: z.string(), secret: z.string() });

/** URL and signing secret by reference; undefined when they were shredded. */
export const endpointOf =
  (secrets: Pick<SecretStore, 'get'>) =>
  async (ref: string): Promise<Endpoint | undefined> => {
    const text = await secrets.get(ref);
    return text === undefined ? undefined : endpointSchema.parse(JSON.parse(text));
  };
