import { refusal, RefusedError } from '#kernel';
import type { z } from 'zod';
import type { ToolDefinition } from './define-tool.js';
import { malformedText } from './input-text.js';
import { inputRefusal, normaliseAliases, unknownParameter } from './input-rules.js';

/** Arguments that every changing tool takes beside its own. */
export interface CallOptions {
  readonly key: string | undefined;
  readonly dryRun: boolean;
  readonly planId: string | undefined;
}

export interface ReadInput extends CallOptions {
  /** The tool's own arguments. */
  readonly input: Record<string, unknown>;
  readonly normalised: Record<string, string>;
}

type WithOptions = Record<string, unknown> & { idempotency_key?: string; dry_run?: boolean; plan_id?: string };

/** Arguments as the tool takes them. Refuses with RefusedError, naming the field and the nearest valid choice. */
export const readInput = (tool: ToolDefinition, schema: z.ZodObject, given: unknown): ReadInput => {
  const raw = given ?? {};
  if (typeof raw !== 'object' || Array.isArray(raw)) {
    throw new RefusedError(refusal(400, 'invalid_arguments', 'arguments must be a JSON object'));
  }
  const malformed = malformedText(raw);
  if (malformed !== undefined) throw new RefusedError(malformed);
  const aliases = tool.aliases ?? {};
  const known = new Set(Object.keys(schema.shape));
  const { named, normalised } = normaliseAliases(raw as Record<string, unknown>, aliases, known);
  const unknown = unknownParameter(schema, named, aliases);
  if (unknown !== undefined) throw new RefusedError(unknown);
  const parsed = schema.safeParse(named);
  if (!parsed.success) throw new RefusedError(inputRefusal(parsed.error, named));
  if (tool.danger === 'read')
    return { input: parsed.data, normalised, key: undefined, dryRun: false, planId: undefined };
  const { idempotency_key: key, dry_run: dryRun = false, plan_id: planId, ...input } = parsed.data as WithOptions;
  return { input, normalised, key, dryRun, planId };
};
