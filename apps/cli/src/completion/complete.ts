export const complete = async (
  _words: readonly string[],
  _env: Readonly<Record<string, string | undefined>>,
): Promise<number> => 0;
