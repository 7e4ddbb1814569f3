import { ServerToken } from './server-token.js';

const id = 'cluster-1';
const begun = (at: number) => `time="${at}" level=info msg="Starting k3s v1.31.2+k3s1 (abc)"\n`;
const REFUSED = 'level=fatal msg="bootstrap data already found and encrypted with different token"\n';

/** A disk, and the token store of an agent on it. */
const node = () => {
  const disk = new Map<string, string>();
  const files = {
    read: async (path: string) => (disk.has(path) ? Buffer.from(disk.get(path)!) : undefined),
    write: async (path: string, text: string) => void disk.set(path, text),
    remove: async (path: string) => void disk.delete(path),
  };
  const token = new ServerToken(files as never, '/state');
  return { disk, token, started: async () => (await token.of(id))?.token };
};
const offer = { cluster_id: id, generation: 2, token: 'new', former: 'old' };

describe('a node that knows two server tokens, of which one is in force', () => {
  it('starts with the one it had until K3s refuses that, then with the new one, then with the former', async () => {
    const { token, started } = node();
    await token.takeOffer(offer);
    expect(await started()).toBeUndefined();
    expect(await token.refused(id, `${begun(1)}k3s is up and running`)).toBe(false);
    const first = `${begun(1)}${REFUSED}`;
    expect([await token.refused(id, first), await started()]).toEqual([true, 'new']);
    // The same words, and those of lives before the one that runs, are no second refusal.
    expect([await token.refused(id, first), await started()]).toEqual([false, 'new']);
    expect(await token.refused(id, `${first}${begun(2)}waiting for etcd`)).toBe(false);
    const second = `${first}${begun(2)}${REFUSED}`;
    expect([await token.refused(id, second), await started()]).toEqual([true, 'old']);
    // The offer comes with every look of the platform: what was tried stays tried.
    await token.takeOffer(offer);
    expect(await started()).toBe('old');
  });

  it('counts a refusal once, whatever systemd adds to the journal before K3s begins to speak again', async () => {
    const { token, started } = node();
    await token.takeOffer(offer);
    // As journalctl --output cat gives it: K3s' lines and systemd's own.
    const journal = [
      `${begun(1)}${REFUSED}`,
      'k3s.service: Main process exited, code=exited, status=1/FAILURE\n',
      "k3s.service: Failed with result 'exit-code'.\n",
      'k3s.service: Scheduled restart job, restart counter is at 1.\n',
      'Starting k3s.service - Lightweight Kubernetes...\n',
    ];
    const answers = [];
    for (const n of journal.keys()) answers.push(await token.refused(id, journal.slice(0, n + 1).join('')));
    expect([answers, await started()]).toEqual([[true, false, false, false, false], 'new']);
    expect(await token.refused(id, `${journal.join('')}${begun(2)}${REFUSED}`)).toBe(true);
    expect(await started()).toBe('old');
  });

  it('has the platform’s word as soon as it is settled, and nothing else to try from then on', async () => {
    const { token, started, disk } = node();
    await token.takeOffer(offer);
    await token.refused(id, `${begun(1)}${REFUSED}`);
    await token.refused(id, `${begun(2)}${REFUSED}`);
    await token.take({ cluster_id: id, generation: 2, token: 'new' });
    expect([await started(), await token.isOffered(id)]).toEqual(['new', false]);
    await token.takeOffer(offer);
    expect([await token.isOffered(id), disk.size]).toEqual([false, 1]);
  });

  it('waits for its turn with the generation of the token that it has, and forgets both with its data', async () => {
    const { token, disk } = node();
    await token.take({ cluster_id: id, generation: 1, token: 'old' });
    await token.takeOffer(offer);
    await token.refused(id, `${begun(1)}${REFUSED}`);
    expect(await token.of(id)).toEqual({ cluster_id: id, generation: 1, token: 'new' });
    expect(await token.refused('another', `${begun(2)}${REFUSED}`)).toBe(false);
    await token.forget();
    expect(disk.size).toBe(0);
  });
});
