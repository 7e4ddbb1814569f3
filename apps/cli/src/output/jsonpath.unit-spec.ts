import { jsonPath } from './jsonpath.js';

const data = {
  nodes: [
    { name: 'a', state: 'running', tags: ['x'], load: 3, 'odd-name': 1 },
    { name: 'b', state: 'lost', tags: [], load: 7 },
  ],
  next: null,
};

it.each([
  ['{.nodes[*].name}', 'a b'],
  ['.nodes[0].name', 'a'],
  ['{.nodes[-1].name}', 'b'],
  ['{.nodes[0:1].name}', 'a'],
  ["{.nodes[0]['odd-name']}", '1'],
  ['{.nodes[?(@.state=="lost")].name}', 'b'],
  ['{.nodes[?(@.load>=4)].name}', 'b'],
  ["{.nodes[?(@.state!='lost')].name}", 'a'],
  ['{..name}', 'a b'],
  ['{range .nodes[*]}{.name}={.load}{"\\n"}{end}', 'a=3\nb=7\n'],
  ['{.nodes[0].tags}', '["x"]'],
  ['{.next}', ''],
  ['{.missing.entirely}', ''],
  ['{$.nodes[*].load}', '3 7'],
  ['{.nodes[0].constructor}', ''],
])('%s', (template, expected) => {
  expect(jsonPath(template)(data)).toBe(expected);
});

it.each(['{.nodes[*', '{range .nodes[*]}x', '{end}', '{.a[b]}', '{.a b}'])('refuses %s', (template) => {
  expect(() => jsonPath(template)).toThrow(expect.objectContaining({ exitCode: 2 }));
});
