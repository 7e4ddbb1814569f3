import type { ProcessingRegistrar } from '#processing';
import { KubeconfigTools } from '../../tools/kubeconfig-handlers.js';
import { IssueKubeconfig, RevokeKubeconfig } from './commands.js';
import { IssueKubeconfigHandler, RevokeKubeconfigHandler } from './handlers.js';
import { kubeconfigManager } from './manager.js';

/** What the module provides for kubeconfigs that are issued to operators. */
export const kubeconfigParts = [IssueKubeconfigHandler, RevokeKubeconfigHandler, KubeconfigTools];

export const registerKubeconfigs = (processing: ProcessingRegistrar): void => {
  processing.addProcessManager(kubeconfigManager);
  processing.addCommand(IssueKubeconfig);
  processing.addCommand(RevokeKubeconfig);
};
