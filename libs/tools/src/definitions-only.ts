/** What definitions of tools need of this library, and nothing that brings Nest or the registry with it. */
export * from './conditions.js';
export * from './define-tool.js';
