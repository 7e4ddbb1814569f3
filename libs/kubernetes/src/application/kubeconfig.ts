import { parse, stringify } from 'yaml';
import { z } from 'zod';
import { RefusedError, refusal } from '#kernel';

/**
 * What of a reported kubeconfig is handed on; zod drops the rest. The file comes from a node and ends on operators' machines,
 * where `exec`, `auth-provider`, `proxy-url` or a file path would be the node's commands run with the operator's rights.
 */
const kubeconfigFile = z.object({
  clusters: z
    .array(
      z.object({
        name: z.string(),
        cluster: z.object({ server: z.string(), 'certificate-authority-data': z.string() }),
      }),
    )
    .min(1),
  users: z
    .array(
      z.object({
        name: z.string(),
        user: z.object({
          'client-certificate-data': z.string().optional(),
          'client-key-data': z.string().optional(),
          token: z.string().optional(),
        }),
      }),
    )
    .min(1),
  contexts: z
    .array(
      z.object({
        name: z.string(),
        context: z.object({ cluster: z.string(), user: z.string(), namespace: z.string().optional() }),
      }),
    )
    .min(1),
  'current-context': z.string(),
});

/** K3s writes `https://127.0.0.1:6443`. The file we hand out reaches the cluster's endpoint. */
export const rewriteKubeconfig = (text: string, apiEndpoint: string): string => {
  const parsed = kubeconfigFile.safeParse(safeYaml(text));
  if (!parsed.success) {
    throw new RefusedError(
      refusal(400, 'invalid_kubeconfig', 'the reported kubeconfig is not one', {
        field: 'kubeconfig',
        hint: 'report /etc/rancher/k3s/k3s.yaml as K3s wrote it',
      }),
    );
  }
  const { clusters, ...rest } = parsed.data;
  return stringify({
    apiVersion: 'v1',
    kind: 'Config',
    ...rest,
    clusters: clusters.map(({ name, cluster }) => ({ name, cluster: { ...cluster, server: apiEndpoint } })),
  });
};

const safeYaml = (text: string): unknown => {
  try {
    return parse(text);
  } catch {
    return undefined; // refused by the caller, which names the field
  }
};
