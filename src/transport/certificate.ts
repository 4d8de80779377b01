/**
 * The certificate of a node: self-signed with its Ed25519 identity key, so that the key in it is the node id.
 *
 * Rules: docs/transport.md, Certificate (RFC 5280, RFC 8410). No name, no authority, no time in it counts: what it says
 * is one key, and TLS proves that the peer holds it.
 */
import { createPublicKey, sign, type KeyObject, type X509Certificate } from 'node:crypto';
import { AsnConvert } from '@peculiar/asn1-schema';
import {
  AlgorithmIdentifier,
  Certificate,
  Name,
  SubjectPublicKeyInfo,
  TBSCertificate,
  Validity,
  Version,
} from '@peculiar/asn1-x509';
import { LRUCache } from 'lru-cache';
import { nodeIdOf, NODE_ID_BYTES, type NodeId } from '../core/ids.js';
import { LIMITS } from '../core/limits.js';
import { bytesOfPublicKey } from './keys.js';

/** RFC 8410, 3. */
const ED25519_OID = '1.3.101.112';

/** RFC 5280, 4.1.2.5: a certificate without a well-defined end. */
const NOT_AFTER = new Date('9999-12-31T23:59:59Z');
const NOT_BEFORE = new Date('2000-01-01T00:00:00Z');

/** Far above what one key takes (176 bytes here). */
const CERTIFICATE_BYTES = 2_048;

/** PEM. The same key always gives the same certificate. */
export function identityCertificate(privateKey: KeyObject): string {
  const spki = createPublicKey(privateKey).export({ type: 'spki', format: 'der' });
  const signatureAlgorithm = new AlgorithmIdentifier({ algorithm: ED25519_OID });
  const tbsCertificate = new TBSCertificate({
    version: Version.v3,
    serialNumber: Uint8Array.of(1).buffer,
    signature: signatureAlgorithm,
    issuer: new Name([]),
    subject: new Name([]),
    validity: new Validity({ notBefore: NOT_BEFORE, notAfter: NOT_AFTER }),
    subjectPublicKeyInfo: AsnConvert.parse(spki, SubjectPublicKeyInfo),
  });
  const signed = sign(null, Buffer.from(AsnConvert.serialize(tbsCertificate)), privateKey);
  const signatureValue = Uint8Array.from(signed).buffer;
  const whole = new Certificate({ tbsCertificate, signatureAlgorithm, signatureValue });
  const base64 = Buffer.from(AsnConvert.serialize(whole)).toString('base64');
  const lines = base64.match(/.{1,64}/g) ?? [];
  return ['-----BEGIN CERTIFICATE-----', ...lines, '-----END CERTIFICATE-----', ''].join('\n');
}

/**
 * Reads the certificates of peers. One that was found good is known by its bytes, whose signature holds once and for all:
 * who comes again costs no second look at it. That it holds the key, TLS asks each time.
 */
export class CertificateReader {
  /** By all bytes of the certificate. */
  readonly #known = new LRUCache<string, NodeId>({ max: LIMITS.TRANSPORT_CERTIFICATES_KNOWN });

  /** The node id that a peer's certificate stands for; null where it is not one Ed25519 key, signed by itself. */
  nodeIdOf(certificate: X509Certificate | undefined): NodeId | null {
    if (certificate === undefined) return null;
    const { raw } = certificate;
    // A chain would be other keys beside the one.
    if (raw.length > CERTIFICATE_BYTES || certificate.issuerCertificate !== undefined) return null;
    const name = raw.toString('latin1');
    const known = this.#known.get(name);
    if (known !== undefined) return known;
    const nodeId = keyOf(certificate);
    if (nodeId !== null) this.#known.set(name, nodeId);
    return nodeId;
  }
}

function keyOf(certificate: X509Certificate): NodeId | null {
  try {
    const { publicKey } = certificate;
    if (publicKey.asymmetricKeyType !== 'ed25519' || !certificate.verify(publicKey)) return null;
    const raw = bytesOfPublicKey(publicKey);
    return raw.length === NODE_ID_BYTES ? nodeIdOf(raw) : null;
  } catch {
    return null; // what stands in the place of the key is none
  }
}
