import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { fetchTools } from './client.js';
import { CliError } from './errors.js';
import type { Settings } from './settings.js';

export interface Parameter {
  readonly type?: string;
  readonly description?: string;
  readonly enum?: readonly unknown[];
  readonly default?: unknown;
  readonly anyOf?: readonly Parameter[];
  readonly items?: Parameter;
  readonly properties?: Readonly<Record<string, Parameter>>;
}

/** A tool as the platform lists it; the same definition MCP and REST are made of. */
export interface Tool {
  readonly name: string;
  readonly group: string;
  readonly summary: string;
  readonly description: string;
  readonly danger: 'read' | 'change' | 'destroy';
  readonly cli?: readonly [noun: string, verb: string];
  readonly aliases: Readonly<Record<string, string>>;
  readonly examples: readonly { readonly title: string; readonly arguments: Readonly<Record<string, unknown>> }[];
  readonly input_schema: {
    readonly properties?: Readonly<Record<string, Parameter>>;
    readonly required?: readonly string[];
  };
  readonly output_schema?: Parameter;
}

/**
 * The tools of one platform for one token, remembered in the user's cache folder: a stale entry does no harm, because the
 * platform checks every call anyway, and help works while the platform is down.
 */
export class Catalogue {
  private readonly file: string;

  constructor(
    private readonly settings: Settings,
    cacheDir = join(homedir(), '.cache', 'drover'),
  ) {
    const key = createHash('sha256').update(`${settings.url}|${settings.token}`).digest('hex').slice(0, 16);
    this.file = join(cacheDir, `tools-${key}.json`);
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
    try {
      return JSON.parse(readFileSync(this.file, 'utf8')) as readonly Tool[];
    } catch {
      return undefined;
    }
  }

  private async fresh(): Promise<readonly Tool[]> {
    const tools = (await fetchTools(this.settings)) as readonly Tool[];
    try {
      mkdirSync(join(this.file, '..'), { recursive: true });
      writeFileSync(this.file, JSON.stringify(tools));
    } catch (error) {
      process.emitWarning(`the tool list could not be cached: ${(error as Error).message}`);
    }
    return tools;
  }
}
