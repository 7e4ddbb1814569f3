import { z } from 'zod';
import { idSchema, keptFoldName, type KeptFold } from '#kernel';
import { operatorEvents, type OperatorState } from './operator-state.js';

const token = z.strictObject({
  tokenId: z.string(),
  digest: z.string(),
  permissions: z.array(z.string()),
  expiresAt: z.string().nullable(),
  revoked: z.boolean(),
  guarded: z.boolean(),
  label: z.string(),
  login: z.boolean(),
});

const state = z.strictObject({
  created: z.strictObject({ operatorId: idSchema('operator'), accountId: idSchema('account'), name: z.string() }),
  tokens: z.array(token),
  disabled: z.boolean(),
  logins: z.array(z.number()),
  letInNoMore: z.boolean(),
});

/** Three events a login: an operator's stream grows for as long as they work here, while what it says of them does not. */
export const keptOperator: KeptFold<OperatorState> = {
  name: keptFoldName('operator.1', operatorEvents),
  revive: (value) => state.safeParse(value).data,
};
