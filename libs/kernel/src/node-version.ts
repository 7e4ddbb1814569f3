/** Entry points call this first: the platform needs Node 24, which npm scripts put on the PATH by themselves. */
export const requireNode24 = (version: string, exit: (message: string) => never): void => {
  if (Number(version.replace(/^v/, '').split('.')[0]) >= 24) return;
  exit(
    `Drover needs Node 24; this is ${version}. Start it through npm (npm start, npm run demo, npx drover), ` +
      'which uses the Node 24 that `npm ci` installed.',
  );
};
