import { parse, stringify } from 'yaml';
import { z } from 'zod';
import { RefusedError, refusal } from '#kernel';

const kubeconfigFile = z.looseObject({
  clusters: z.array(z.looseObject({ name: z.string(), cluster: z.looseObject({ server: z.string() }) })).min(1),
  users: z.array(z.looseObject({ name: z.string() })).min(1),
  contexts: z.array(z.looseObject({ name: z.string() })).min(1),
});

/**
 * K3s writes `https://127.0.0.1:6443` and calls everything `default`. The file we hand out reaches the cluster's endpoint and
 * carries the cluster's name, so that it can be merged with others.
 */
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
    ...rest,
    clusters: clusters.map((c) => ({ ...c, cluster: { ...c.cluster, server: apiEndpoint } })),
  });
};

const safeYaml = (text: string): unknown => {
  try {
    return parse(text);
  } catch {
    return undefined; // refused by the caller, which names the field
  }
};
