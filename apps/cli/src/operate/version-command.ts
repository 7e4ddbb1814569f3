import type { Cli } from '../cli.js';
import { callTool } from '../client.js';
import { CliError } from '../errors.js';
import { version } from '../version.js';
import type { Patient } from './doctor-checks.js';

/** `drover version`: of this CLI, and of the platform when there is one that answers; that it does not is no failure. */
export const runVersion = async ({ settings }: Patient, json: boolean, out: Cli['out']): Promise<number> => {
  const client = version();
  const platform = await ofPlatform(settings);
  if (json) {
    await out(JSON.stringify({ success: true, data: { client, node: process.version, platform } }));
    return 0;
  }
  const there = 'version' in platform ? `${platform.version} at ${platform.url}` : `not known: ${platform.problem}`;
  await out(`client    ${client} (Node ${process.version})\nplatform  ${there}`);
  return 0;
};

type Answered = { readonly url: string; readonly version: string } | { readonly problem: string };

const ofPlatform = async (settings: Patient['settings']): Promise<Answered> => {
  try {
    if (settings instanceof CliError) throw settings;
    const health = await callTool(settings, 'platform_health', {});
    return { url: settings.url, version: String(health.version) };
  } catch (error) {
    if (error instanceof CliError) return { problem: `${error.message}: ${error.why}` };
    throw error;
  }
};
