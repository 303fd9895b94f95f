/** Certificates for local TLS servers, made anew for each run by openssl, so that no private key lies in the repository. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A certificate and its key, in PEM. */
export interface Pair {
  readonly cert: string;
  readonly key: string;
}

/** An authority and what it has signed. */
export interface Certificates {
  /** The authority's own certificate, in PEM. */
  readonly ca: string;
  /** For `hooks.example.com` and 127.0.0.1. */
  readonly good: Pair;
  readonly expired: Pair;
  readonly notYet: Pair;
  /** For `other.example.com`. */
  readonly otherHost: Pair;
  /** Signed by itself, not by the authority. */
  readonly selfSigned: Pair;
  /** Of a client. */
  readonly client: Pair;
}

const CURVE = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];

/** Makes them all. */
export function makeCertificates(): Certificates {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-tls-'));
  const at = (name: string): string => join(folder, name);
  const openssl = (...args: readonly string[]): void =>
    void execFileSync('openssl', args, { cwd: folder, stdio: 'pipe' });
  const read = (name: string): Pair => ({
    cert: readFileSync(at(`${name}.crt`), 'utf8'),
    key: readFileSync(at(`${name}.key`), 'utf8'),
  });

  function selfSigned(name: string, subject: string): Pair {
    openssl(
      'req',
      '-x509',
      ...CURVE,
      '-keyout',
      at(`${name}.key`),
      '-out',
      at(`${name}.crt`),
      '-subj',
      subject,
      '-days',
      '2',
      '-addext',
      'subjectAltName=DNS:hooks.example.com',
    );
    return read(name);
  }

  function signed(name: string, altNames: string, dates: readonly string[] = []): Pair {
    openssl('req', ...CURVE, '-new', '-keyout', at(`${name}.key`), '-out', at(`${name}.csr`), '-subj', `/CN=${name}`);
    writeFileSync(at(`${name}.ext`), `subjectAltName=${altNames}\n`);
    const validity = dates.length === 0 ? ['-days', '2'] : dates;
    openssl(
      'ca',
      '-batch',
      '-notext',
      '-config',
      at('ca.cnf'),
      '-in',
      at(`${name}.csr`),
      '-out',
      at(`${name}.crt`),
      '-extfile',
      at(`${name}.ext`),
      ...validity,
    );
    return read(name);
  }

  try {
    selfSigned('ca', '/CN=Holdfast Test Authority');
    writeFileSync(at('index.txt'), '');
    writeFileSync(at('serial'), '01\n');
    writeFileSync(at('ca.cnf'), AUTHORITY);
    const names = 'DNS:hooks.example.com,IP:127.0.0.1';
    return {
      ca: readFileSync(at('ca.crt'), 'utf8'),
      good: signed('good', names),
      expired: signed('expired', names, ['-startdate', '20200101000000Z', '-enddate', '20200201000000Z']),
      notYet: signed('notyet', names, ['-startdate', '20900101000000Z', '-enddate', '20910101000000Z']),
      otherHost: signed('other', 'DNS:other.example.com'),
      selfSigned: selfSigned('self', '/CN=hooks.example.com'),
      client: signed('client', 'DNS:client.example.com'),
    };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const AUTHORITY = `
[ca]
default_ca = here
[here]
dir = .
new_certs_dir = .
database = index.txt
serial = serial
certificate = ca.crt
private_key = ca.key
default_md = sha256
policy = any
unique_subject = no
[any]
commonName = supplied
`;
