// The certificate of a node is one Ed25519 key and nothing else. Rules: docs/transport.md, Certificate.
import { X509Certificate } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import type { NodeId } from '../../../src/core/ids.js';
import { CertificateReader, identityCertificate } from '../../../src/transport/certificate.js';
import { identity } from '../../support/identities.js';
import { openssl, withoutOpenssl } from '../../support/openssl.js';

const directory = mkdtempSync(join(tmpdir(), 'blvm-mesh-cert-'));

/** As of a peer that was never seen. */
function nodeIdOfCertificate(certificate: X509Certificate | undefined): NodeId | null {
  return new CertificateReader().nodeIdOf(certificate);
}

afterAll(() => {
  rmSync(directory, { recursive: true, force: true });
});

describe('certificate', () => {
  it('of the same key is always the same, 176 bytes, and names its node', () => {
    const { privateKey, nodeId } = identity(1);
    const pem = identityCertificate(privateKey);
    expect(identityCertificate(privateKey)).toBe(pem);
    const parsed = new X509Certificate(pem);
    expect(parsed.raw).toHaveLength(176);
    expect(parsed.subject).toBeFalsy();
    expect(nodeIdOfCertificate(parsed)).toEqual(nodeId);
  });

  it('that was changed anywhere is refused, or stands for the same key', () => {
    const raw = new X509Certificate(identityCertificate(identity(2).privateKey)).raw;
    for (let at = 0; at < raw.length; at++) {
      const changed = Buffer.from(raw);
      changed[at] = (changed[at] ?? 0) ^ 1;
      let parsed: X509Certificate;
      try {
        parsed = new X509Certificate(changed);
      } catch {
        continue;
      }
      const nodeId = nodeIdOfCertificate(parsed);
      if (nodeId !== null) expect(Buffer.from(nodeId)).toEqual(Buffer.from(identity(2).nodeId));
    }
  });

  it('that is known already is known by all its bytes, and so is no other', () => {
    const reader = new CertificateReader();
    const { raw } = new X509Certificate(identityCertificate(identity(3).privateKey));
    const { raw: others } = new X509Certificate(identityCertificate(identity(4).privateKey));
    for (let i = 0; i < 2; i++) {
      expect(reader.nodeIdOf(new X509Certificate(raw))).toEqual(identity(3).nodeId);
      expect(reader.nodeIdOf(new X509Certificate(others))).toEqual(identity(4).nodeId);
      // Its last byte is one of the signature.
      const forged = Buffer.from(raw);
      forged[raw.length - 1] = (raw[raw.length - 1] ?? 0) ^ 1;
      expect(reader.nodeIdOf(new X509Certificate(forged))).toBeNull();
    }
  });

  it('that is missing is refused', () => {
    expect(nodeIdOfCertificate(undefined)).toBeNull();
  });

  it.skipIf(withoutOpenssl)('of another kind of key, or signed by another, is refused', () => {
    const make = (name: string, ...args: readonly string[]): X509Certificate => {
      const cert = join(directory, `${name}.pem`);
      const key = join(directory, `${name}.key`);
      openssl(['req', '-x509', '-nodes', '-subj', '/CN=x', '-keyout', key, '-out', cert, ...args]);
      return new X509Certificate(readFileSync(cert));
    };
    expect(nodeIdOfCertificate(make('rsa', '-newkey', 'rsa:2048'))).toBeNull();
    expect(
      nodeIdOfCertificate(make('ec', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256')),
    ).toBeNull();
    expect(nodeIdOfCertificate(make('ed448', '-newkey', 'ed448'))).toBeNull();
    // Names in it are nobody's business: the key counts.
    const own = make('own', '-newkey', 'ed25519');
    expect(nodeIdOfCertificate(own)).not.toBeNull();
    const request = join(directory, 'signed.csr');
    const key = join(directory, 'signed.key');
    const cert = join(directory, 'signed.pem');
    openssl([
      'req',
      '-new',
      '-nodes',
      '-subj',
      '/CN=y',
      '-newkey',
      'ed25519',
      '-keyout',
      key,
      '-out',
      request,
    ]);
    openssl([
      ...['x509', '-req', '-in', request, '-out', cert, '-set_serial', '7'],
      ...['-CA', join(directory, 'own.pem'), '-CAkey', join(directory, 'own.key')],
    ]);
    expect(nodeIdOfCertificate(new X509Certificate(readFileSync(cert)))).toBeNull();
  });
});
