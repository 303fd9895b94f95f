/** The secrets of the demonstration: known to everybody, for this machine only. */
import { createECDH, createHash, createPrivateKey, createPublicKey } from 'node:crypto';

export const DEMO = { authToken: 'the auth token of the demonstration', ...demoPair() };

/** The same pair every time, so that whoever sends load has the half that the running system expects. */
function demoPair(): { readonly publicKey: string; readonly privateKey: string } {
  const curve = createECDH('prime256v1');
  curve.setPrivateKey(createHash('sha256').update('messaging, a demonstration').digest());
  const point = curve.getPublicKey();
  const [d = '', x = '', y = ''] = [curve.getPrivateKey(), point.subarray(1, 33), point.subarray(33)].map((bytes) =>
    bytes.toString('base64url'),
  );
  const key = createPrivateKey({ key: { kty: 'EC', crv: 'P-256', d, x, y }, format: 'jwk' });
  const publicKey = createPublicKey(key).export({ format: 'der', type: 'spki' }).toString('base64');
  return { publicKey, privateKey: key.export({ format: 'der', type: 'pkcs8' }).toString('base64') };
}
