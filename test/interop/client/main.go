// A client of the direct transport, written from docs/transport.md and the packet's wire format alone, with Go's standard
// library: connects, checks and says the signed hello, and sends one packet that it builds itself.
//
// usage: client ADDRESS NETWORK < JSON
//
//	{"seed": hex 32, "peer": hex 32 or "", "protocol": text, "payload": hex, "sequence": n,
//	 "invoice": text, "preimage": hex 32, "amount_msat": n, "expires_at": n}
//
// Prints one JSON object: what the peer declared, and that the packet was written.
package main

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"os"
	"time"
)

const (
	alpn           = "blvm-mesh/1"
	exporterLabel  = "EXPORTER-blvm-mesh-hello"
	helloPrefix    = "blvm-mesh/hello/2"
	helloProtocol  = "mesh-hello-v2"
	frameMost      = 1_000_000
	typeGovernance = 1
	typePaid       = 3
)

// bincode 1.x: little endian, fixed width.
type writer struct{ bytes.Buffer }

func (w *writer) u8(v uint8)   { w.WriteByte(v) }
func (w *writer) u16(v uint16) { binary.Write(w, binary.LittleEndian, v) }
func (w *writer) u32(v uint32) { binary.Write(w, binary.LittleEndian, v) }
func (w *writer) u64(v uint64) { binary.Write(w, binary.LittleEndian, v) }
func (w *writer) raw(v []byte) { w.Write(v) }
func (w *writer) vec(v []byte) { w.u64(uint64(len(v))); w.Write(v) }
func (w *writer) text(v string) {
	w.vec([]byte(v))
}

var errShort = errors.New("the input ends before its value does")

type reader struct {
	rest []byte
	err  error
}

func (r *reader) take(n uint64) []byte {
	if r.err != nil || n > uint64(len(r.rest)) {
		r.err = errShort
		return nil
	}
	part := r.rest[:n]
	r.rest = r.rest[n:]
	return part
}
func (r *reader) u8() uint8 {
	if b := r.take(1); b != nil {
		return b[0]
	}
	return 0
}
func (r *reader) u16() uint16 {
	if b := r.take(2); b != nil {
		return binary.LittleEndian.Uint16(b)
	}
	return 0
}
func (r *reader) u32() uint32 {
	if b := r.take(4); b != nil {
		return binary.LittleEndian.Uint32(b)
	}
	return 0
}
func (r *reader) u64() uint64 {
	if b := r.take(8); b != nil {
		return binary.LittleEndian.Uint64(b)
	}
	return 0
}
func (r *reader) vec() []byte { return r.take(r.u64()) }

type proof struct {
	invoice   string
	preimage  []byte
	amount    uint64
	expiresAt uint64
}

type packet struct {
	kind        uint32
	source      []byte
	destination []byte
	sequence    uint64
	proof       *proof
	payload     []byte
	protocol    string
}

func encodePacket(p packet) []byte {
	w := &writer{}
	now := uint64(time.Now().Unix())
	w.raw([]byte("MESH"))
	w.u8(1)
	w.u32(p.kind)
	w.raw(p.source)
	w.raw(p.destination)
	w.u64(2)
	w.raw(p.source)
	w.raw(p.destination)
	w.u64(p.sequence)
	w.u64(now)
	if p.proof == nil {
		w.u8(0)
	} else {
		w.u8(1)
		w.u32(0) // Lightning
		w.text(p.proof.invoice)
		w.raw(p.proof.preimage)
		w.u64(p.proof.amount)
		w.u64(now)
		w.u64(p.proof.expiresAt)
	}
	w.vec(p.payload)
	w.u8(1) // metadata
	w.u8(1) // protocol
	w.text(p.protocol)
	w.u64(0) // no fields
	return w.Bytes()
}

// The payload of a packet of two hops without proof, of one protocol.
func payloadOf(frame, source, destination []byte, protocol string) ([]byte, error) {
	r := &reader{rest: frame}
	if string(r.take(4)) != "MESH" || r.u8() != 1 || r.u32() != typeGovernance {
		return nil, errors.New("not a control packet")
	}
	if !bytes.Equal(r.take(32), source) || !bytes.Equal(r.take(32), destination) {
		return nil, errors.New("not from this peer to this client")
	}
	if r.u64() != 2 {
		return nil, errors.New("not a route of one hop")
	}
	r.take(64 + 16)
	if r.u8() != 0 {
		return nil, errors.New("a control packet with a proof")
	}
	payload := r.vec()
	if r.u8() != 1 || r.u8() != 1 || string(r.vec()) != protocol || r.u64() != 0 || r.err != nil || len(r.rest) != 0 {
		return nil, errors.New("not of the protocol " + protocol)
	}
	return payload, nil
}

func writeFrame(conn io.Writer, body []byte) error {
	frame := make([]byte, 4+len(body))
	binary.BigEndian.PutUint32(frame, uint32(len(body)))
	copy(frame[4:], body)
	_, err := conn.Write(frame)
	return err
}

func readFrame(conn io.Reader) ([]byte, error) {
	var head [4]byte
	if _, err := io.ReadFull(conn, head[:]); err != nil {
		return nil, err
	}
	length := binary.BigEndian.Uint32(head[:])
	if length == 0 || length > frameMost {
		return nil, fmt.Errorf("a frame of %d bytes", length)
	}
	body := make([]byte, length)
	_, err := io.ReadFull(conn, body)
	return body, err
}

func statement(exported, listener, body []byte) []byte {
	parts := [][]byte{[]byte(helloPrefix), {0}, exported, listener, body}
	return bytes.Join(parts, nil)
}

func hello(key ed25519.PrivateKey, network string, exported, listener []byte) []byte {
	own := key.Public().(ed25519.PublicKey)
	body := &writer{}
	body.u16(1)
	body.u16(1)
	body.text(network)
	body.raw(own)
	body.u64(0) // payees
	body.u64(0) // family
	for i := 0; i < 4; i++ {
		body.u64(0) // price list
	}
	body.u64(0) // features
	body.u64(0) // addresses
	body.u64(0) // known
	message := &writer{}
	message.u32(1)
	message.vec(body.Bytes())
	message.raw(ed25519.Sign(key, statement(exported, listener, body.Bytes())))
	return message.Bytes()
}

type declared struct {
	Network  string   `json:"network"`
	NodeID   string   `json:"node_id"`
	Payees   []string `json:"payees"`
	BaseMsat uint64   `json:"base_msat"`
	PerHop   uint64   `json:"per_hop_msat"`
	Features uint64   `json:"features"`
	Sent     bool     `json:"sent"`
}

func checkHello(payload, exported, own []byte, peer ed25519.PublicKey, network string) (*declared, error) {
	r := &reader{rest: payload}
	if r.u32() != 1 {
		return nil, errors.New("not a hello")
	}
	body := r.vec()
	signature := r.take(64)
	if r.err != nil || len(r.rest) != 0 {
		return nil, errors.New("a hello that does not decode")
	}
	if !ed25519.Verify(peer, statement(exported, own, body), signature) {
		return nil, errors.New("the signature of the hello does not hold")
	}
	b := &reader{rest: body}
	if least, most := b.u16(), b.u16(); least > 1 || most < 1 {
		return nil, errors.New("no common version")
	}
	d := &declared{Network: string(b.vec()), NodeID: hex.EncodeToString(b.take(32)), Payees: []string{}}
	for n := b.u64(); n > 0 && b.err == nil; n-- {
		d.Payees = append(d.Payees, hex.EncodeToString(b.take(33)))
	}
	for n := b.u64(); n > 0 && b.err == nil; n-- {
		b.take(32)
	}
	d.BaseMsat, d.PerHop = b.u64(), b.u64()
	b.u64()
	b.u64()
	d.Features = b.u64()
	for n := b.u64(); n > 0 && b.err == nil; n-- {
		b.vec()
	}
	for n := b.u64(); n > 0 && b.err == nil; n-- {
		b.take(32)
		b.vec()
	}
	if b.err != nil || len(b.rest) != 0 {
		return nil, errors.New("a body that does not decode")
	}
	if d.Network != network || d.NodeID != hex.EncodeToString(peer) {
		return nil, errors.New("a hello of another network or node")
	}
	return d, nil
}

type order struct {
	Seed       string `json:"seed"`
	Peer       string `json:"peer"`
	Protocol   string `json:"protocol"`
	Payload    string `json:"payload"`
	Sequence   uint64 `json:"sequence"`
	Invoice    string `json:"invoice"`
	Preimage   string `json:"preimage"`
	AmountMsat uint64 `json:"amount_msat"`
	ExpiresAt  uint64 `json:"expires_at"`
}

func unhex(text string) []byte {
	raw, err := hex.DecodeString(text)
	if err != nil {
		fail(err)
	}
	return raw
}

func run(address, network string, in order) (*declared, error) {
	key := ed25519.NewKeyFromSeed(unhex(in.Seed))
	own := key.Public().(ed25519.PublicKey)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		NotBefore:    time.Unix(946684800, 0),
		NotAfter:     time.Unix(4102444800, 0),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, own, key)
	if err != nil {
		return nil, err
	}
	conn, err := tls.Dial("tcp", address, &tls.Config{
		Certificates:       []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}},
		MinVersion:         tls.VersionTLS13,
		NextProtos:         []string{alpn},
		InsecureSkipVerify: true, // the key is looked at below; nobody signs for anybody
	})
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(10 * time.Second))
	state := conn.ConnectionState()
	if state.NegotiatedProtocol != alpn || len(state.PeerCertificates) != 1 {
		return nil, errors.New("another protocol, or not one certificate")
	}
	peer, isEd25519 := state.PeerCertificates[0].PublicKey.(ed25519.PublicKey)
	if !isEd25519 {
		return nil, errors.New("a certificate of another kind of key")
	}
	if in.Peer != "" && in.Peer != hex.EncodeToString(peer) {
		return nil, errors.New("another node than the one that was wanted")
	}
	exported, err := state.ExportKeyingMaterial(exporterLabel, []byte{}, 32)
	if err != nil {
		return nil, err
	}
	say := packet{
		kind: typeGovernance, source: own, destination: peer, sequence: 1,
		payload: hello(key, network, exported, peer), protocol: helloProtocol,
	}
	if err := writeFrame(conn, encodePacket(say)); err != nil {
		return nil, err
	}
	frame, err := readFrame(conn)
	if err != nil {
		return nil, err
	}
	payload, err := payloadOf(frame, peer, own, helloProtocol)
	if err != nil {
		return nil, err
	}
	result, err := checkHello(payload, exported, own, peer, network)
	if err != nil {
		return nil, err
	}
	if in.Invoice != "" {
		paid := packet{
			kind: typePaid, source: own, destination: peer, sequence: in.Sequence, payload: unhex(in.Payload),
			protocol: in.Protocol, proof: &proof{in.Invoice, unhex(in.Preimage), in.AmountMsat, in.ExpiresAt},
		}
		if err := writeFrame(conn, encodePacket(paid)); err != nil {
			return nil, err
		}
		result.Sent = true
	}
	// The peer must have read it before the end: it says nothing, so what it says next is waited for, or the end.
	conn.SetReadDeadline(time.Now().Add(2 * time.Second))
	io.Copy(io.Discard, conn)
	return result, nil
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

func main() {
	if len(os.Args) != 3 {
		fail(errors.New("usage: client ADDRESS NETWORK < JSON"))
	}
	var in order
	if err := json.NewDecoder(os.Stdin).Decode(&in); err != nil {
		fail(err)
	}
	result, err := run(os.Args[1], os.Args[2], in)
	if err != nil {
		fail(err)
	}
	json.NewEncoder(os.Stdout).Encode(result)
}
