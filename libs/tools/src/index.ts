export * from './define-tool.js';
