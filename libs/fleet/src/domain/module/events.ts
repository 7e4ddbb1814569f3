import { z } from 'zod';
import { defineEvent } from '#kernel';

/** Where the agent finds a version's program: a path on the node, a download, or whatever the node has already. */
const source = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('path'), path: z.string() }),
  z.object({ kind: z.literal('url'), url: z.string() }),
  z.object({ kind: z.literal('node') }),
]);
export type ModuleSource = z.output<typeof source>;

const state = z.enum(['built', 'staging', 'blessed', 'live', 'retired']);
const common = {
  /** What is versioned: one program may serve several modules (k3s serves k3s-server and k3s-agent). */
  artifact: z.string(),
  version_id: z.uuid(),
  version: z.string(),
};

export const ModuleVersionCreated = defineEvent(
  'system.module.version_created',
  1,
  z.object({
    ...common,
    source,
    /** Hex sha256 of the program; null when the operator vouches for the path. */
    sha256: z.string().nullable(),
    notes: z.string(),
  }),
);
export const ModuleVersionPromoted = defineEvent(
  'system.module.version_promoted',
  1,
  z.object({ ...common, from: state, to: state }),
);
/** Another version went live in its place: it is blessed again, so that one promotion brings it back. */
export const ModuleVersionSuperseded = defineEvent(
  'system.module.version_superseded',
  1,
  z.object({ ...common, by: z.string() }),
);
export const ModuleVersionRetired = defineEvent(
  'system.module.version_retired',
  1,
  z.object({ ...common, from: state, reason: z.string() }),
  { severity: 'warning' },
);

export const moduleVersionEvents = [
  ModuleVersionCreated,
  ModuleVersionPromoted,
  ModuleVersionSuperseded,
  ModuleVersionRetired,
] as const;
