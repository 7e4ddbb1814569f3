import { readSample, stolenIn } from './machine-log.js';

const stat = (user: number, idle: number, stolen: number): string =>
  `cpu  ${user} 0 0 ${idle} 0 0 0 ${stolen} 7 0\ncpu0 1 2 3 4 5 6 7 8 9 10\nintr 5\n`;

describe('what the machine did beside a measurement', () => {
  it('is the share of the time that others had, as a whole and in the worst second', () => {
    const samples = [stat(100, 100, 0), stat(200, 200, 0), stat(250, 250, 100)].map((text, at) =>
      readSample(text, at)!,
    );
    expect(stolenIn(samples)).toEqual({ stolen_percent: 25, stolen_percent_worst_second: 50 });
  });

  it('is nothing where nobody counts, and not zero', () => {
    expect(readSample('cpu  1 2 3 4\n', 0)).toBeUndefined();
    expect(stolenIn([])).toEqual({ stolen_percent: null, stolen_percent_worst_second: null });
  });

  it('is zero between two looks within one tick', () => {
    const samples = [readSample(stat(1, 1, 1), 0)!, readSample(stat(1, 1, 1), 5)!];
    expect(stolenIn(samples)).toEqual({ stolen_percent: 0, stolen_percent_worst_second: 0 });
  });
});
