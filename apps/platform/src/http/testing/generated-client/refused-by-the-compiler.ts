import type { DroverClient } from './client.js';
import type { operations } from './gen/openapi.js';

/** openapi-fetch takes its argument generically, where TypeScript does not look for surplus fields; a typed body has none. */
type NewTemplate = NonNullable<operations['post_templates']['requestBody']>['content']['application/json'];

/**
 * Never called: `npm run types` compiles it. Each line would be a mistake of a caller, and a line that compiles without one is an
 * error of its own (TS2578), so the document cannot become so loose that it lets them through.
 */
export const refusedByTheCompiler = async (drover: DroverClient): Promise<void> => {
  // @ts-expect-error there is no such path
  await drover.GET('/api/v1/template');
  // @ts-expect-error a list is not removed
  await drover.DELETE('/api/v1/templates');
  // @ts-expect-error a template has a name
  await drover.POST('/api/v1/templates', { body: {} });
  // @ts-expect-error a name is a text
  await drover.POST('/api/v1/templates', { body: { name: 7 } });
  // @ts-expect-error one letter too many: unknown arguments are refused here as they are by the platform
  const body: NewTemplate = { name: 'web', descriptions: 'of the web' };
  await drover.POST('/api/v1/templates', { body });
  // @ts-expect-error which one?
  await drover.GET('/api/v1/templates/{template_id}');
  // @ts-expect-error a limit is a number
  await drover.GET('/api/v1/templates', { params: { query: { limit: 'all' } } });
  // @ts-expect-error no such routing mode
  await drover.POST('/api/v1/tools/system_sdwan_create_network', { body: { name: 'net', routing_mode: 'ospf' } });
  const { data, error } = await drover.GET('/api/v1/clusters/{cluster_id}', { params: { path: { cluster_id: 'a' } } });
  if (data !== undefined) {
    // @ts-expect-error the state is out of a closed set
    void (data.data.cluster.status === 'perfect');
    // @ts-expect-error it is called api_endpoint
    void data.data.cluster.endpoint;
  }
  // @ts-expect-error a refusal or a problem: which one has to be asked first
  void error!.detail.length;
};
