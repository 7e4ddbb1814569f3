import type { ProcessingRegistrar } from '#processing';
import { KubeconfigTools } from '../../tools/kubeconfig-handlers.js';
import { IssueKubeconfig, RevokeKubeconfig, WithdrawKubeconfigsOf } from './commands.js';
import { IssueKubeconfigHandler, RevokeKubeconfigHandler } from './handlers.js';
import { kubeconfigManager } from './manager.js';
import { kubeconfigOwners, WithdrawKubeconfigsOfHandler } from './owners.js';

/** What the module provides for kubeconfigs that are issued to operators. */
export const kubeconfigParts = [
  IssueKubeconfigHandler,
  RevokeKubeconfigHandler,
  WithdrawKubeconfigsOfHandler,
  KubeconfigTools,
];

export const registerKubeconfigs = (processing: ProcessingRegistrar): void => {
  processing.addProcessManager(kubeconfigManager);
  processing.addCommand(IssueKubeconfig);
  processing.addCommand(RevokeKubeconfig);
  processing.addProcessManager(kubeconfigOwners);
  processing.addCommand(WithdrawKubeconfigsOf);
};
