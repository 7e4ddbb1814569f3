import type { ReadModels } from '#processing';
import { webhooks } from '../projections/webhooks.js';

const MOST = 20;

/** The webhooks that are known to take nothing now, of all accounts. */
export const webhookWarnings = async (readModels: ReadModels): Promise<readonly string[]> => {
  const sick = await Promise.all(
    (['dead_lettering', 'failing'] as const).map((health) =>
      readModels.find(webhooks, { where: { status: 'active', health }, limit: MOST }),
    ),
  );
  return sick
    .flat()
    .slice(0, MOST)
    .map(({ id, name, account, health }) => {
      const what = health === 'failing' ? 'its endpoint takes nothing, it is tried again' : 'events are given up';
      return `webhook ${name} (${id}, ${account}): ${what}; see system_get_webhook`;
    });
};
