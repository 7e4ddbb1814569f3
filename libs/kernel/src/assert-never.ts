/** Exhaustiveness check: reaching it is a bug, and the compiler says so before it can be reached. */
export const assertNever = (value: never): never => {
  throw new Error(`unreachable: ${JSON.stringify(value)}`);
};
