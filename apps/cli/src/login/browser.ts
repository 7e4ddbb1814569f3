import { spawn } from 'node:child_process';

/** The browser of this machine, if there is one; whether it could be started. The address is no secret: it opens nothing alone. */
export const openBrowser = (url: string, env: Readonly<Record<string, string | undefined>>): Promise<boolean> => {
  const mine = process.platform === 'darwin' ? 'open' : 'xdg-open';
  const program = env.BROWSER || mine;
  return new Promise((resolve) => {
    const child = spawn(program, [url], { stdio: 'ignore', detached: true });
    child.once('error', () => resolve(false));
    child.once('spawn', () => {
      child.unref();
      resolve(true);
    });
  });
};
