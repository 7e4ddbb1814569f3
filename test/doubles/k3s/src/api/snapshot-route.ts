import type { IncomingMessage } from 'node:http';
import type { SnapshotDir, SnapshotInfo } from '../snapshots.js';
import { readBody } from '../raft/peer-server.js';
import { ApiError } from './status.js';

interface Request {
  readonly operation?: string;
  readonly name?: readonly string[];
  readonly retention?: number;
}

export interface SnapshotDeps {
  readonly dir: SnapshotDir;
  readonly nodeName: string;
  readonly defaultName: string;
  readonly defaultRetention: number;
  /** Takes a snapshot of what the quorum has. */
  save(name: string): Promise<SnapshotInfo>;
}

const asFile = (nodeName: string) => (s: SnapshotInfo) => ({
  metadata: { name: `local-${s.name}`, creationTimestamp: null },
  spec: { snapshotName: s.name, nodeName, location: s.location },
  status: { size: String(s.size), creationTime: s.createdAt, readyToUse: true },
});

/** POST /db/snapshot, which `k3s etcd-snapshot` speaks: save, list, delete, prune. */
export const snapshotRoute = async (deps: SnapshotDeps, request: IncomingMessage): Promise<string> => {
  if (request.method !== 'POST') throw new ApiError(405, `${request.method ?? ''} is not supported on snapshots`);
  const body = JSON.parse(await readBody(request, 64 * 1024)) as Request;
  const bad = (body.name ?? []).find((name) => name.includes('/'));
  if (bad !== undefined) throw new ApiError(400, 'invalid snapshot name: path traversal not allowed');
  switch (body.operation) {
    case 'save':
      return JSON.stringify({ created: [(await deps.save(body.name?.[0] ?? deps.defaultName)).name] });
    case 'list':
      return JSON.stringify({
        kind: 'ETCDSnapshotFileList',
        apiVersion: 'k3s.cattle.io/v1',
        metadata: {},
        items: deps.dir.list().map(asFile(deps.nodeName)),
      });
    case 'delete':
      return JSON.stringify({ deleted: deps.dir.delete(body.name ?? []) });
    case 'prune':
      return JSON.stringify({
        deleted: deps.dir.prune(body.name?.[0] ?? deps.defaultName, body.retention ?? deps.defaultRetention),
      });
    default:
      throw new ApiError(400, 'invalid snapshot operation');
  }
};
