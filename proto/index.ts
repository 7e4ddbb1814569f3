export * as agentV1 from './gen/agent/v1/agent.js';
export * from './agent/v1/sections.js';
