import { createHash } from 'node:crypto';
import { groupVersion, prefixOf, resourceTypes } from './resources.js';

const root = (gv: string): string => (gv.includes('/') ? `apis/${gv}` : `api/${gv}`);
const groupVersions = [...new Set(resourceTypes.map(groupVersion))];

/** Just enough OpenAPI v3 for kubectl to learn that the server validates fields itself. */
export const openApiDocument = (gv: string): object | undefined => {
  const types = resourceTypes.filter((t) => groupVersion(t) === gv);
  if (types.length === 0) return undefined;
  const paths = Object.fromEntries(
    types.map((t) => [
      `/${root(gv)}${t.namespaced ? '/namespaces/{namespace}' : ''}/${t.resource}/{name}`,
      {
        patch: {
          operationId: `patch${prefixOf(t)}`,
          parameters: [{ name: 'fieldValidation', in: 'query', schema: { type: 'string', uniqueItems: true } }],
          responses: { '200': { description: 'OK' } },
          'x-kubernetes-action': 'patch',
          'x-kubernetes-group-version-kind': { group: t.group, version: t.version, kind: t.kind },
        },
      },
    ]),
  );
  return {
    openapi: '3.0.0',
    info: { title: 'Kubernetes', version: 'v1.30.5+k3s1' },
    paths,
    components: { schemas: {} },
  };
};

export const openApiIndex = (): object => ({
  paths: Object.fromEntries(
    groupVersions.map((gv) => {
      const hash = createHash('sha256')
        .update(JSON.stringify(openApiDocument(gv)))
        .digest('hex')
        .toUpperCase();
      return [root(gv), { serverRelativeURL: `/openapi/v3/${root(gv)}?hash=${hash}` }];
    }),
  ),
});
