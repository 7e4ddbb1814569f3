import fc from 'fast-check';
import { inclusionPath, leafHash, merkleRoot, restOf, rootFromParts, rootFromPath, type Hash } from './merkle.js';

const hex = (hash: Hash | undefined) => (hash === undefined ? undefined : Buffer.from(hash).toString('hex'));
const leavesOf = (count: number) => Array.from({ length: count }, (_, i) => leafHash(Buffer.from(`leaf ${i}`)));

/** The vectors of Certificate Transparency's own reference implementation. */
const CT_LEAVES = ['', '00', '10', '2021', '3031', '40414243', '5051525354555657', '606162636465666768696a6b6c6d6e6f'];
const CT_ROOTS = [
  '6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d',
  'fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125',
  'aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77',
  'd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7',
  '4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4',
  '76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef',
  'ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c',
  '5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328',
];

it.each(CT_ROOTS.map((root, i) => [i + 1, root] as const))(
  'the root over %i leaves is that of RFC 6962',
  (count, root) => {
    const leaves = CT_LEAVES.slice(0, count).map((data) => leafHash(Buffer.from(data, 'hex')));
    expect(hex(merkleRoot(leaves))).toBe(root);
  },
);

it('the root over nothing is the hash of nothing', () => {
  expect(hex(merkleRoot([]))).toBe('e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855');
});

it('every leaf of every tree has a path to the root, and to no other', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 70 }), fc.nat(), fc.nat(), (size, at, other) => {
      const leaves = leavesOf(size);
      const index = at % size;
      const root = hex(merkleRoot(leaves));
      const path = inclusionPath(leaves, index);
      expect(path.length).toBeLessThanOrEqual(Math.ceil(Math.log2(size)));
      expect(hex(rootFromPath(leaves[index]!, index, size, path))).toBe(root);
      const wrong = other % (size + 1);
      if (wrong !== index) expect(hex(rootFromPath(leaves[index]!, wrong, size, path))).not.toBe(root);
      expect(hex(rootFromPath(leafHash(Buffer.from('forged')), index, size, path))).not.toBe(root);
      expect(rootFromPath(leaves[index]!, index, size, [...path, leaves[0]!])).toBeUndefined();
      if (path.length > 0) expect(rootFromPath(leaves[index]!, index, size, path.slice(1))).toBeUndefined();
    }),
  );
});

it('any choice of leaves and the hashes of the rest make the root again; a changed part makes another', () => {
  const cases = fc
    .integer({ min: 1, max: 70 })
    .chain((size) => fc.tuple(fc.constant(size), fc.subarray([...Array(size).keys()]), fc.nat()));
  fc.assert(
    fc.property(cases, ([size, chosen, at]) => {
      const leaves = leavesOf(size);
      const root = hex(merkleRoot(leaves));
      const own = new Map(chosen.map((index) => [index, leaves[index]!]));
      const rest = restOf(leaves, new Set(chosen));
      expect(hex(rootFromParts(size, own, rest))).toBe(root);
      expect(rootFromParts(size, own, [...rest, leaves[0]!])).toBeUndefined();
      if (chosen.length > 0) {
        const forged = new Map(own).set(chosen[at % chosen.length]!, leafHash(Buffer.from('forged')));
        expect(hex(rootFromParts(size, forged, rest))).not.toBe(root);
      }
      if (rest.length > 0) expect(rootFromParts(size, own, rest.slice(1))).toBeUndefined();
      if (chosen.length === size) expect(rest).toEqual([]);
    }),
  );
});

it('a part that belongs to no leaf is refused, whatever its size claims', () => {
  const leaves = leavesOf(4);
  expect(rootFromParts(3, new Map([[3, leaves[3]!]]), [])).toBeUndefined();
  expect(rootFromParts(2 ** 40, new Map(), [leaves[0]!])).toBeUndefined();
  expect(rootFromParts(4, new Map(), [Buffer.from('short')])).toBeUndefined();
});
