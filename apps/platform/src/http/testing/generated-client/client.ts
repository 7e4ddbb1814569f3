import createClient, { type Client } from 'openapi-fetch';
import type { paths } from './gen/openapi.js';

export type DroverClient = Client<paths>;

/** What anybody makes of the OpenAPI document: types by openapi-typescript, calls by openapi-fetch. Nothing here is written for Drover. */
export const droverClient = (baseUrl: string, token: string, headers: Record<string, string> = {}): DroverClient =>
  createClient<paths>({ baseUrl, headers: { authorization: `Bearer ${token}`, ...headers } });
