import { accounts, operators } from '#access';
import { fleetProjections } from '#fleet';
import { dockerProjections } from '#docker';
import { kubernetesProjections } from '#kubernetes';
import { listed, processDecisions, type ListedProjection } from '#processing';
import { sdwanProjections } from '#sdwan';
import { webhooks } from '#consumers';
import { toolApprovals } from '#tools';

/** Every read model of the platform, for what checks or rebuilds them all. */
export const platformProjections: readonly ListedProjection[] = [
  listed(processDecisions),
  listed(operators),
  listed(accounts),
  ...fleetProjections,
  ...sdwanProjections,
  ...kubernetesProjections,
  ...dockerProjections,
  listed(webhooks),
  listed(toolApprovals),
];
