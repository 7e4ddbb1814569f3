export * as agentV1 from './gen/agent/v1/agent.js';
export * as eventsV1 from './gen/events/v1/events.js';
export * from './agent/v1/sections.js';
