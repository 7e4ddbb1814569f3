import type { Tool } from './tool.js';

export const quote = (value: unknown): string => {
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  return /^[\w.:/@+-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
};

export const commandOf = (tool: Tool): string => (tool.cli === undefined ? `tool ${tool.name}` : tool.cli.join(' '));
