import { keptFoldName } from './decision.js';

const [made, gone] = [
  { type: 'a.made', version: 1 },
  { type: 'a.gone', version: 2 },
];

it('what is kept by builds that can read other events is kept under another name', () => {
  const name = keptFoldName('a.1', [made, gone]);
  expect(name).toMatch(/^a\.1-[0-9a-f]{8}$/);
  expect(keptFoldName('a.1', [gone, made])).toBe(name);
  const others = [
    keptFoldName('a.2', [made, gone]),
    keptFoldName('a.1', [made]),
    keptFoldName('a.1', [made, gone, { type: 'a.moved', version: 1 }]),
    keptFoldName('a.1', [made, { ...gone, version: 3 }]),
  ];
  expect(new Set([name, ...others]).size).toBe(5);
});
