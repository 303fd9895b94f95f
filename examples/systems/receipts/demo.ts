/** The secrets of the demonstration: known to everybody, for this machine only. */
import { createHash, createPrivateKey, createPublicKey } from 'node:crypto';

const seed = createHash('sha256').update('receipts, a demonstration').digest();

export const DEMO = {
  telnyxPrivateKey: seed.toString('base64'),
  telnyxPublicKey: publicHalf(seed),
  resendSecret: `whsec_${createHash('sha256').update('mail of the demonstration').digest('base64')}`,
};

/** What of an Ed25519 key Telnyx shows: https://datatracker.ietf.org/doc/html/rfc8410#section-7 for the bytes before the seed. */
function publicHalf(privateSeed: Buffer): string {
  const der = Buffer.concat([Buffer.from('302e020100300506032b657004220420', 'hex'), privateSeed]);
  const key = createPublicKey(createPrivateKey({ key: der, format: 'der', type: 'pkcs8' }));
  return key.export({ format: 'der', type: 'spki' }).subarray(-32).toString('base64');
}
