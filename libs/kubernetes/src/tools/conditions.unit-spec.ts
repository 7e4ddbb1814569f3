import type { KubeconfigDoc } from '../projections/kubeconfigs.js';
import type { SnapshotDoc } from '../projections/snapshots.js';
import { kubeconfigConditions, restoreConditions, snapshotConditions } from './conditions.js';

type Told = ReturnType<typeof snapshotConditions>;
const short = ({ conditions, generation, observed_generation }: Told) => [
  ...conditions.filter(({ status }) => status === 'true').map(({ type, reason }) => `${type} ${reason}`),
  `${observed_generation ?? '-'}/${generation}`,
];
const END = '2026-11-01T01:00:00Z';
const issued = (revoked: KubeconfigDoc['revoked'], nowMs: number) =>
  short(
    kubeconfigConditions(
      { expiresAt: END, issuedAt: '2026-11-01T00:00:00Z', revoked, revokedAt: null } as KubeconfigDoc,
      nowMs,
    ),
  );

it('say of a kubeconfig whether anything of it is left in its cluster', () => {
  expect(issued(null, Date.parse(END) - 1)).toEqual(['Ready Active', '1/1']);
  // Its token opens nothing any more, and its service account is still to be taken out.
  expect(issued(null, Date.parse(END))).toEqual(['Progressing GenerationBehind', '1/2']);
  expect(issued('expired', Date.parse(END))).toEqual(['Withdrawn NothingLeft', '2/2']);
  expect(issued('revoked', 0)).toEqual(['Withdrawn NothingLeft', '2/2']);
});

const doc = (status: SnapshotDoc['status'], error: string | null = null) =>
  ({ status, error, updatedAt: END, steps: [], warnings: [] }) as unknown as SnapshotDoc;

it('call a snapshot complete once it outlives its server', () => {
  expect(short(snapshotConditions(doc('requested')))).toEqual(['Progressing Requested', '-/1']);
  expect(short(snapshotConditions(doc('saved')))).toEqual(['Progressing Saved', '-/1']);
  expect(short(snapshotConditions(doc('available')))).toEqual(['Ready Available', 'Complete CopyKept', '1/1']);
  expect(short(snapshotConditions(doc('failed', 'disk full')))).toEqual(['Degraded Failed', '-/1']);
  expect(short(snapshotConditions(doc('deleted')))).toEqual(['2/2']);
});

it('call a restore complete once the cluster is what it was', () => {
  expect(short(restoreConditions(doc('running')))).toEqual(['Progressing Running', '-/1']);
  expect(short(restoreConditions(doc('completed')))).toEqual(['Ready Completed', 'Complete Restored', '1/1']);
  expect(short(restoreConditions(doc('failed', 'no server')))).toEqual(['Degraded Failed', '-/1']);
});
