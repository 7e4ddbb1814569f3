import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { fetchTools } from './client.js';
import { CliError } from './errors.js';
import { remembered, toolsFile } from './remembered.js';
import type { Settings } from './settings.js';
import type { Tool } from './tool.js';

export type { Parameter, Tool } from './tool.js';

/**
 * The tools of one platform for one token, remembered in the user's cache folder: a stale entry does no harm, because the
 * platform checks every call anyway, and help works while the platform is down.
 */
export class Catalogue {
  private readonly file: string;

  constructor(private readonly settings: Settings) {
    this.file = toolsFile(settings);
  }

  /** The tool that `pick` wants: from the cache when it is there, else asked for. */
  async find(pick: (tool: Tool) => boolean): Promise<Tool | undefined> {
    return this.cached()?.find(pick) ?? (await this.fresh()).find(pick);
  }

  async all(): Promise<readonly Tool[]> {
    try {
      return await this.fresh();
    } catch (error) {
      const cached = this.cached();
      if (cached !== undefined && error instanceof CliError && error.exitCode === 3) return cached;
      throw error;
    }
  }

  /** What is remembered, else asked for: for what does no harm when it is old. */
  async known(): Promise<readonly Tool[]> {
    return this.cached() ?? this.all();
  }

  /** Without asking anybody. */
  remembered(): readonly Tool[] | undefined {
    return this.cached();
  }

  /** The file, when something else than a list of tools is in it. */
  brokenFile(): string | undefined {
    if (!existsSync(this.file)) return undefined;
    return Array.isArray(this.cached()) ? undefined : this.file;
  }

  private cached(): readonly Tool[] | undefined {
    return remembered(this.file);
  }

  private async fresh(): Promise<readonly Tool[]> {
    const tools = (await fetchTools(this.settings)) as readonly Tool[];
    try {
      mkdirSync(dirname(this.file), { recursive: true });
      writeFileSync(this.file, JSON.stringify(tools));
    } catch (error) {
      process.emitWarning(`the tool list could not be cached: ${(error as Error).message}`);
    }
    return tools;
  }
}
