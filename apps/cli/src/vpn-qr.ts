import { renderUnicodeCompact } from 'uqr';
import { CliError } from './errors.js';

/** What a QR code holds at the lowest redundancy. */
const MOST_BYTES = 2_953;

/** Light modules are drawn; on a terminal in fixed colours, because a code in the user's own may come out inverted. */
export const qrCode = (config: string, colours: boolean): string => {
  const bytes = Buffer.byteLength(config);
  if (bytes > MOST_BYTES)
    throw new CliError(
      'the configuration does not fit into a QR code',
      `it has ${bytes} bytes and a code holds ${MOST_BYTES}: in a mesh every node is a peer`,
      'give the file to the device another way; behind a hub there is one peer',
    );
  const code = renderUnicodeCompact(config, { ecc: 'L', border: 2 });
  return colours ? code.replace(/^.*$/gm, '\x1b[97;40m$&\x1b[0m') : code;
};
