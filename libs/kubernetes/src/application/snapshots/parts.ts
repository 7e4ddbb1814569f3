import type { ProcessingRegistrar } from '#processing';
import { snapshotCommands } from './commands.js';
import { restoreJobs, snapshotJobs, snapshotSchedule } from './managers.js';
import { PruneSnapshots, PruneSnapshotsHandler } from './prune.handler.js';
import { FailRestoreHandler, RequestRestoreHandler, RunRestoreHandler } from './restore.handlers.js';
import {
  FailSnapshotHandler,
  RequestSnapshotHandler,
  SaveSnapshotHandler,
  SetSnapshotPolicyHandler,
  SnapshotWork,
} from './snapshot.handlers.js';

/** What the module provides for snapshots and restores. */
export const snapshotParts = [
  SnapshotWork,
  RequestSnapshotHandler,
  SaveSnapshotHandler,
  FailSnapshotHandler,
  SetSnapshotPolicyHandler,
  PruneSnapshotsHandler,
  RequestRestoreHandler,
  RunRestoreHandler,
  FailRestoreHandler,
];

export const registerSnapshots = (processing: ProcessingRegistrar): void => {
  for (const manager of [snapshotJobs, restoreJobs]) processing.addProcessManager(manager);
  processing.addProcessManager(snapshotSchedule);
  for (const command of [...snapshotCommands, PruneSnapshots]) processing.addCommand(command as never);
};
