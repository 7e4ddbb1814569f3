type Step = () => Promise<void>;
const steps = new Set<Step>();

/** Registers what must be undone even when the run is interrupted; call the answer to undo it, once, now. */
export const undoLater = (step: Step): Step => {
  const once: Step = async () => {
    if (steps.delete(once)) await step();
  };
  steps.add(once);
  return once;
};

const undoAll = async (): Promise<void> => {
  for (const step of [...steps].reverse()) {
    try {
      await step();
    } catch (cause) {
      process.stderr.write(`cleaning up: ${cause instanceof Error ? cause.message : String(cause)}\n`);
    }
  }
};

/** Ctrl-C of a soak leaves neither machines nor servers behind. */
export const cleanUpOnSignals = (): Step => {
  for (const name of ['SIGINT', 'SIGTERM'] as const) {
    process.once(name, () => void undoAll().then(() => process.exit(130)));
  }
  return undoAll;
};
