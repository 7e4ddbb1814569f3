import type { ModuleRef } from '@nestjs/core';
import { AGENT_LINK, type AgentLink } from '#agent-gateway';

/** The gateway is looked up at the first use: it is built after the contexts, from what they register with it. */
export const lateAgentLink = (modules: ModuleRef): AgentLink => {
  let found: AgentLink | undefined;
  const link = () => (found ??= modules.get<AgentLink>(AGENT_LINK, { strict: false }));
  return {
    liveness: (id) => link().liveness(id),
    sendVip: (id, item) => link().sendVip(id, item),
    sendPriority: (id, message) => link().sendPriority(id, message),
    setVipCandidate: (id, is) => link().setVipCandidate(id, is),
    openTunnel: (id, port) => link().openTunnel(id, port),
    disconnect: (id, bye) => link().disconnect(id, bye),
  };
};
