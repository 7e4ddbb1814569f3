import { parseCli } from './cli.js';

const PIN = `sha256:${'Ab'.repeat(32)}`;
const parse = (line: string) => parseCli(line.split(' ').filter(Boolean), '1.2.3');

describe('the command line of the agent', () => {
  it('reads options in both forms and fills in the rest', () => {
    const parsed = parse(`join --enroll [fd99::1]:7444 --ca-pin=${PIN} --state-dir /s --wireguard route`);
    expect(parsed).toMatchObject({
      kind: 'run',
      options: {
        enrollAddress: '[fd99::1]:7444',
        caPin: 'ab'.repeat(32),
        stateDir: '/s',
        wireguard: 'route',
        root: '/',
        onExit: 'keep',
      },
    });
  });

  it.each([
    ['rum', /command rum .* did you mean run\?/],
    ['run --enrol x:1', /did you mean --enroll\?/],
    ['run --wireguard uapy', /did you mean uapi\?/],
    ['run --state-dir', /a value is missing/],
    ['run --enroll nowhere', /not HOST:PORT/],
    ['run --ca-pin sha256:12', /64 hexadecimal digits/],
    ['run stray', /option stray is not known/],
  ])('refuses `%s` and says what would work', (line, message) => {
    expect(parse(line)).toEqual({ kind: 'refused', message: expect.stringMatching(message) });
  });

  it('prints help and version', () => {
    expect(parse('--version')).toEqual({ kind: 'print', text: 'drover-agent 1.2.3\n' });
    expect(parse('run --help')).toMatchObject({ kind: 'print' });
  });
});
