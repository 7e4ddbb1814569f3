import { refusal } from '#kernel';
import type { TokenEnds } from '#access';
import type { ToolAnswer, ToolRequest } from './tool-call.js';

const tokenEnded = () =>
  refusal(401, 'invalid_token', 'the token has expired or was revoked while the call went on', {
    field: 'authorization',
    hint: 'call again with a valid token; what earlier calls began goes on',
  });

/**
 * A call that only reads, and may wait for minutes: its waiting ends with its token, and nothing is told to one that has ended. Changes are
 * made and answered: it may be the very call that ends the token, with the next one in its answer.
 */
export const whileTokenOpens = async (
  ends: Pick<TokenEnds, 'watch'> | undefined,
  request: ToolRequest,
  perform: (request: ToolRequest) => Promise<ToolAnswer>,
): Promise<ToolAnswer> => {
  const token = ends?.watch(request.principal);
  if (token === undefined) return perform(request);
  try {
    const { watch } = request;
    const signal = watch?.signal === undefined ? token.signal : AbortSignal.any([watch.signal, token.signal]);
    const answer = await perform({ ...request, watch: { ...watch, signal } });
    return token.signal.aborted ? { kind: 'refused', refusal: tokenEnded() } : answer;
  } finally {
    token.stop();
  }
};
