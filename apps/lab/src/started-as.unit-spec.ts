import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from '../../platform/src/version.js';
import { startedAs, startedAsOf } from './started-as.js';

const text = (path: string): string => readFileSync(join(ROOT, path), 'utf8');
const line = (path: string, start: string): string => {
  const found = text(path)
    .split('\n')
    .find((each) => each.startsWith(start));
  if (found === undefined) throw new Error(`${path} has no line ${start}`);
  return found.slice(start.length);
};
/** Without what says where this installation keeps its data and listens. */
const forMemory = (environment: string): string =>
  environment
    .trim()
    .split(/\s+/)
    .filter((word) => !word.startsWith('DROVER_'))
    .join(' ');

describe('how the platform is started', () => {
  const own = startedAs(ROOT);

  it('is told by npm start: flags of Node and settings of malloc', () => {
    expect(own.flags.length).toBeGreaterThan(0);
    expect(Object.keys(own.env).every((name) => name.startsWith('MALLOC_'))).toBe(true);
  });

  it('is the same under systemd', () => {
    const unit = 'packaging/drover/drover.service';
    expect(startedAsOf(`${forMemory(line(unit, 'Environment='))} ${line(unit, 'ExecStart=')}`)).toEqual(own);
  });

  it('is the same in the image', () => {
    const image = 'packaging/Dockerfile';
    const entry = (JSON.parse(line(image, 'ENTRYPOINT ')) as string[]).join(' ');
    expect(startedAsOf(`${forMemory(line(image, 'ENV '))} ${entry}`)).toEqual(own);
  });

  it('refuses a command line that starts something else', () => {
    expect(() => startedAsOf('node dist/apps/lab/src/demo.js')).toThrow('does not start the platform');
  });
});
