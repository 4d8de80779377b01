// payments.md, Free traffic: the gate in each mode, and the cheats against it.
import { describe, expect, it } from 'vitest';
import { concatBytes, utf8 } from '../../../src/core/bytes.js';
import { nodeKey } from '../../../src/core/ids.js';
import type { JudgePolicy } from '../../../src/core/policy.js';
import { SeededRandom } from '../../../src/core/random.js';
import { reasonName, type ReasonName } from '../../../src/core/reasons.js';
import { encodeBitcoinMessage } from '../../../src/packet/bitcoin-wire.js';
import {
  DISCOVERY_PROTOCOL,
  discoveryPacket,
  HELLO_PROTOCOL,
  helloPacket,
  withDiscoveryPacket,
} from '../../../src/packet/control.js';
import { DETECTED_PROTOCOLS, PlainProtocolDetector } from '../../../src/packet/detect.js';
import { PACKET_TYPES } from '../../../src/packet/packet-type.js';
import { encodePacket, type MeshPacket } from '../../../src/packet/packet.js';
import { RoutingPolicyEngine, type GateVerdict } from '../../../src/packet/policy.js';
import type { PaymentProof } from '../../../src/packet/proof.js';
import { encodeStratumMessage } from '../../../src/packet/stratum-wire.js';
import { testNode, testPacket, testPolicy } from '../../support/packets.js';

const detector = new PlainProtocolDetector();
const ping = encodeBitcoinMessage('regtest', 'ping', utf8('12345678'));
const shares = encodeStratumMessage(0x1a, true, new Uint8Array(24));
const proof: PaymentProof = {
  kind: 'Lightning',
  invoice: 'lnbcrt1',
  preimage: new Uint8Array(32),
  amountMsats: 1n,
  timestamp: 1n,
  expiresAt: 1n,
};

function gate(packet: MeshPacket, changes: Partial<JudgePolicy> = {}): GateVerdict {
  return new RoutingPolicyEngine(testPolicy(changes), detector).judgeGate(packet);
}

function refusal(packet: MeshPacket, changes: Partial<JudgePolicy> = {}): ReasonName | 'passed' {
  const verdict = gate(packet, changes);
  return verdict.kind === 'refused' ? reasonName(verdict.reason) : 'passed';
}

describe('gate in payment_gated', () => {
  it('lets Bitcoin P2P of this network and Stratum V2 pass free', () => {
    expect(gate(testPacket({ packetType: 'BitcoinP2P', payload: ping }))).toEqual({
      kind: 'free',
      protocol: 'BitcoinP2P',
    });
    expect(gate(testPacket({ packetType: 'StratumV2', payload: shares }))).toEqual({
      kind: 'free',
      protocol: 'StratumV2',
    });
  });

  it('refuses Bitcoin P2P of another network', () => {
    const payload = encodeBitcoinMessage('mainnet', 'ping', utf8('12345678'));
    expect(refusal(testPacket({ packetType: 'BitcoinP2P', payload }))).toBe('OtherBitcoinNetwork');
  });

  it('sends packets with a proof to verification, whatever their payload', () => {
    for (const payload of [new Uint8Array(0), ping, encodePacket(testPacket())]) {
      expect(gate(testPacket({ paymentProof: proof, payload }))).toEqual({ kind: 'paid' });
    }
  });

  it('lets nothing pass free by its declared type alone, nor by its payload alone: both must say the same', () => {
    const payloads = {
      BitcoinP2P: ping,
      StratumV2: shares,
      MeshPacket: encodePacket(testPacket()),
      none: utf8('x'),
    };
    for (const packetType of PACKET_TYPES) {
      for (const [said, payload] of Object.entries(payloads)) {
        const verdict = gate(testPacket({ packetType, payload }));
        expect(verdict.kind, `${packetType} with ${said}`).toBe(packetType === said ? 'free' : 'refused');
      }
    }
  });

  it('cheat 37 › type says BitcoinP2P, payload is not: TypeMismatch', () => {
    for (const payload of [utf8('hello'), shares, concatBytes(ping, ping), encodePacket(testPacket())]) {
      expect(refusal(testPacket({ packetType: 'BitcoinP2P', payload }))).toBe('TypeMismatch');
    }
    expect(refusal(testPacket({ packetType: 'StratumV2', payload: ping }))).toBe('TypeMismatch');
  });

  it('cheat 38 › governance from an unknown node: GovernanceNotAllowed', () => {
    const changes = { governanceProtocols: ['governance-v1'], governanceNodes: [nodeKey(testNode(1))] };
    const governance = (protocol: string | null, source = testNode(1)): MeshPacket =>
      testPacket({ packetType: 'CommonsGovernance', source, metadata: { protocol, fields: new Map() } });
    expect(gate(governance('governance-v1'), changes)).toEqual({
      kind: 'free',
      protocol: 'CommonsGovernance',
    });
    expect(refusal(governance('governance-v1', testNode(9)), changes)).toBe('GovernanceNotAllowed');
    expect(refusal(governance('governance-v2'), changes)).toBe('GovernanceNotAllowed');
    expect(refusal(governance(null), changes)).toBe('GovernanceNotAllowed');
    expect(refusal(testPacket({ packetType: 'CommonsGovernance' }), changes)).toBe('GovernanceNotAllowed');
    expect(refusal(governance('governance-v1'))).toBe('GovernanceNotAllowed');
  });

  it('cheat 39 › Stratum-like random bytes: TypeMismatch', () => {
    const random = new SeededRandom(39);
    for (let i = 0; i < 2_000; i++) {
      const payload = random.bytes(6 + (i % 60));
      payload.set([0, i % 2 === 0 ? 0 : 0x80]);
      expect(refusal(testPacket({ packetType: 'StratumV2', payload }))).toBe('TypeMismatch');
    }
  });

  it('cheat 41 › Paid without proof: PaymentRequired', () => {
    expect(refusal(testPacket())).toBe('PaymentRequired');
    expect(refusal(testPacket({ payload: ping }))).toBe('PaymentRequired');
  });

  it('refuses a proof in a packet of a free type: it would travel unpaid and unread', () => {
    expect(refusal(testPacket({ packetType: 'BitcoinP2P', payload: ping, paymentProof: proof }))).toBe(
      'UnexpectedProof',
    );
    expect(refusal(testPacket({ packetType: 'CommonsGovernance', paymentProof: proof }))).toBe(
      'UnexpectedProof',
    );
  });
});

describe('gate in the other modes', () => {
  it('bitcoin_only › carries Bitcoin P2P and nothing else', () => {
    const mode = { mode: 'bitcoin_only' } as const;
    expect(gate(testPacket({ packetType: 'BitcoinP2P', payload: ping }), mode).kind).toBe('free');
    expect(refusal(testPacket({ packetType: 'BitcoinP2P', payload: shares }), mode)).toBe('TypeMismatch');
    expect(refusal(testPacket({ packetType: 'StratumV2', payload: shares }), mode)).toBe('ModeForbids');
    const governance = { ...mode, governanceProtocols: ['g'], governanceNodes: [nodeKey(testNode(1))] };
    const packet = testPacket({
      packetType: 'CommonsGovernance',
      metadata: { protocol: 'g', fields: new Map() },
    });
    expect(refusal(packet, governance)).toBe('ModeForbids');
  });

  it('cheat 40 › a paid packet in bitcoin_only: ModeForbids', () => {
    expect(refusal(testPacket({ paymentProof: proof }), { mode: 'bitcoin_only' })).toBe('ModeForbids');
    expect(refusal(testPacket({ paymentProof: proof, payload: ping }), { mode: 'bitcoin_only' })).toBe(
      'ModeForbids',
    );
  });

  it('open › everything passes free, named by what it parses as', () => {
    const mode = { mode: 'open' } as const;
    expect(gate(testPacket(), mode)).toEqual({ kind: 'free', protocol: 'Unknown' });
    expect(gate(testPacket({ paymentProof: proof }), mode)).toEqual({ kind: 'free', protocol: 'Unknown' });
    expect(gate(testPacket({ packetType: 'StratumV2', payload: ping }), mode)).toEqual({
      kind: 'free',
      protocol: 'BitcoinP2P',
    });
  });

  it('a mesh that is switched off refuses all', () => {
    expect(refusal(testPacket({ packetType: 'BitcoinP2P', payload: ping }), { enabled: false })).toBe(
      'ModuleDisabled',
    );
  });

  it('determinePolicy › free are Bitcoin P2P, governance and Stratum V2, as the documents say', () => {
    const policies = (mode: JudgePolicy['mode']): string[] =>
      DETECTED_PROTOCOLS.map((protocol) =>
        new RoutingPolicyEngine(testPolicy({ mode }), detector).determinePolicy(protocol),
      );
    expect(policies('payment_gated')).toEqual(['Free', 'Free', 'Free', 'PaymentRequired', 'PaymentRequired']);
    expect(policies('open')).toEqual(['Free', 'Free', 'Free', 'Free', 'Free']);
    expect(policies('bitcoin_only').filter((policy) => policy === 'Free')).toHaveLength(1);
  });
});

describe('gate for control packets', () => {
  const header = { self: testNode(1), sequence: 7n, nowSeconds: 1_800_000_000 };
  const hello = helloPacket(header, testNode(2));
  const discovery = discoveryPacket(header, testNode(2), {
    kind: 'RouteRequest',
    destination: testNode(3),
    source: testNode(1),
    requestId: 5n,
    maxHops: 2,
  });

  it('encodes a discovery message within its packet as by itself', () => {
    const message = {
      kind: 'RouteRequest',
      destination: testNode(3),
      source: testNode(1),
      requestId: 5n,
      maxHops: 2,
    } as const;
    let bytes = new Uint8Array(0);
    withDiscoveryPacket(header, testNode(2), message, (lent) => (bytes = lent.slice()));
    expect(bytes).toEqual(encodePacket(discovery));
  });

  it('lets hello and discovery pass in every mode', () => {
    for (const mode of ['bitcoin_only', 'payment_gated', 'open'] as const) {
      expect(gate(hello, { mode })).toEqual({ kind: 'control', protocol: HELLO_PROTOCOL });
      expect(gate(discovery, { mode })).toEqual({ kind: 'control', protocol: DISCOVERY_PROTOCOL });
    }
  });

  it('cheat 42 › a control protocol name on a paid-size payload: ControlTooLarge', () => {
    const large = new Uint8Array(65_537);
    expect(refusal({ ...discovery, payload: large })).toBe('ControlTooLarge');
    expect(refusal({ ...hello, payload: new Uint8Array(33) })).toBe('ControlTooLarge');
    expect(refusal({ ...hello, packetType: 'Paid', paymentProof: proof, payload: large })).toBe(
      'ControlTooLarge',
    );
  });

  it('refuses control names on other types, with a proof, over several hops, or with a payload of another kind', () => {
    expect(refusal({ ...hello, packetType: 'BitcoinP2P' })).toBe('TypeMismatch');
    expect(refusal({ ...hello, packetType: 'Paid' })).toBe('TypeMismatch');
    expect(refusal({ ...hello, paymentProof: proof })).toBe('UnexpectedProof');
    expect(refusal({ ...hello, route: [testNode(1), testNode(5), testNode(2)] })).toBe('RouteTooLong');
    expect(refusal({ ...hello, payload: new Uint8Array(31) })).toBe('HelloMismatch');
    expect(refusal({ ...hello, payload: testNode(9) })).toBe('HelloMismatch');
    expect(refusal({ ...discovery, payload: concatBytes(discovery.payload, Uint8Array.of(0)) })).toBe(
      'TrailingBytes',
    );
    expect(refusal({ ...discovery, payload: new Uint8Array(0) })).toBe('Truncated');
  });
});
