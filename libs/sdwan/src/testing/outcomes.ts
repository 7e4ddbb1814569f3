import { OverlayWorld } from './overlay-world.js';

export const code = (result: { kind: string; refusal?: { code: string } }) =>
  result.kind === 'refused' ? result.refusal!.code : result.kind;
export const all = async <T>(world: OverlayWorld, work: readonly Promise<T>[]): Promise<T[]> => {
  let done = false;
  const result = Promise.all(work).finally(() => (done = true));
  while (!done) await world.clock.advance(2);
  return result;
};
