import { z } from 'zod';

/** As far as a read model has them; each kind of subject has some of these. */
const docSchema = z.object({
  state_since: z.string().nullish(),
  deadline_at: z.string().nullish(),
  last_error: z.string().nullish(),
  next_action: z.string().nullish(),
  modules: z
    .array(z.object({ module_name: z.string(), status: z.string(), error: z.string().nullish(), since: z.string() }))
    .nullish(),
});

/** Where a module is as it should be, or on its way without trouble. */
const WELL = new Set(['running', 'removed', 'ready']);

/** A cluster keeps its own words, and those of its nodes. */
const clusterSchema = z.object({
  since: z.string().nullish(),
  lastError: z.string().nullish(),
  nodes: z.array(
    z.object({
      instanceId: z.string(),
      nodeName: z.string().nullish(),
      status: z.string(),
      since: z.string().nullish(),
      lastError: z.string().nullish(),
    }),
  ),
  /** Nodes in its Kubernetes API that are no members. */
  strangers: z.object({ reason: z.string(), nextAction: z.string() }).nullish(),
  /** Its API refuses the platform. */
  apiRefused: z.object({ reason: z.string(), nextAction: z.string() }).nullish(),
});

const ofCluster = (state: string, doc: z.infer<typeof clusterSchema>): Now => {
  const { since, lastError, nodes, strangers, apiRefused } = doc;
  const troubled = nodes.flatMap(({ instanceId, nodeName, status, since: from, lastError: why }) => {
    if (WELL.has(status) || why == null) return [];
    const name = nodeName ?? instanceId;
    return [{ name, cause: `${name} ${status}${from == null ? '' : ` since ${from}`}: ${why}` }];
  });
  const strange = state === 'decommissioned' ? [] : [apiRefused, strangers].filter((one) => one != null);
  const next = [
    ...(troubled.length === 0 ? [] : [`what is to be done: drover why ${troubled.map(({ name }) => name).join(', ')}`]),
    ...strange.map(({ nextAction }) => nextAction),
  ];
  return {
    state,
    since: since ?? null,
    causes: [
      ...(lastError == null ? [] : [lastError]),
      ...troubled.map(({ cause }) => cause),
      ...strange.map(({ reason }) => reason),
    ],
    next_action: next.length === 0 ? null : next.join('; '),
  };
};

export interface Now {
  readonly state: string;
  readonly since: string | null;
  /** What is known to be wrong, the most telling first. */
  readonly causes: string[];
  readonly next_action: string | null;
}

/** What an operator asks first: how it stands, why, and what is to be done. Of what the read model says, not of the story. */
export const nowOf = (state: string, doc: object): Now => {
  const cluster = clusterSchema.safeParse(doc);
  if (cluster.success) return ofCluster(state, cluster.data);
  const read = docSchema.safeParse(doc);
  if (!read.success) return { state, since: null, causes: [], next_action: null };
  const { state_since, last_error, next_action, modules } = read.data;
  const troubled = (modules ?? []).filter(({ status, error }) => !WELL.has(status) && error != null);
  const causes = troubled.map(
    ({ module_name, status, error, since }) => `${module_name} ${status} since ${since}: ${error}`,
  );
  const said = new Set(troubled.map(({ module_name, error }) => `${module_name}: ${error}`));
  return {
    state,
    since: state_since ?? null,
    causes: [...causes, ...(last_error == null || said.has(last_error) ? [] : [last_error])],
    next_action: next_action ?? null,
  };
};
