import type { Provider } from '@nestjs/common';
import { KubernetesDirectory } from '../directory.js';
import { AdvanceRolloutHandler } from './advance.handler.js';
import { TokenRotation } from '../token/token-rotation.js';
import { NodeProbe } from './node-probe.js';
import { ControlRolloutHandler, StartRotationHandler, StartUpgradeHandler } from './start.handlers.js';
import { VersionDirectory } from './version-directory.js';

export { VersionDirectory };

/** What the Kubernetes context provides for upgrades and rotations. */
export const upgradeParts: readonly Provider[] = [
  {
    provide: VersionDirectory,
    inject: [KubernetesDirectory],
    useFactory: (directory: KubernetesDirectory) => new VersionDirectory(directory),
  },
  NodeProbe,
  TokenRotation,
  AdvanceRolloutHandler,
  ControlRolloutHandler,
  StartRotationHandler,
  StartUpgradeHandler,
];
