import { fleetCommands } from './fleet-commands.js';
import { give, type Dice, type Step } from './given.js';
import { networkCommands } from './network-commands.js';

/**
 * Commands of every context, as its handlers give them to its deciders, in any order: many are refused or change nothing, which
 * is what deciders are for. What is accepted is a valid history.
 */
export const randomStep = (dice: Dice): Step => {
  const given = give(dice);
  const { pick } = given;
  return pick(pick([...fleetCommands(given), ...networkCommands(given)]))();
};
