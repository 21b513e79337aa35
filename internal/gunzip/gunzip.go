package gunzip

import (
	"compress/flate"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
)

const (
	inputSize    = 64 << 10
	window       = 32 << 10 // how far back a match may be
	outputSize   = 128 << 10
	longestMatch = 258 // bytes
	beyond       = 16  // that a copy may write after its end
)

// Reader reads what one or more gzip members hold, one after the other, as
// compress/gzip's does, with its errors.
type Reader struct {
	src    io.Reader
	srcErr error // what src ended with

	in       []byte
	ip, ie   int    // in[ip:ie] is to be read
	consumed int64  // bytes that were read before in[0]
	hold     uint64 // bits that are to be read, the first lowest
	held     uint   // how many

	out    []byte
	op, oe int // out[op:oe] is to be returned; before it is what matches refer to
	from   int // where the member begins in out; matches refer to nothing before

	stage  stage
	last   bool // the block is the member's last
	stored int  // bytes left in a stored block
	crc    uint32
	size   uint32
	err    error

	literals  [literalSize]entry
	distances [distanceSize]entry
	lengths   [literalCodes + distanceCodes]uint8
}

// stage is what comes next.
type stage uint8

const (
	header stage = iota
	block
	storedBlock
	codedBlock
	trailer
)

// errMore is that a symbol needs more input than there is.
var errMore = errors.New("more input")

// NewReader returns a Reader of src, whose first header it reads.
func NewReader(src io.Reader) (*Reader, error) {
	z := new(Reader)
	if err := z.Reset(src); err != nil {
		return nil, err
	}
	return z, nil
}

// Reset has the Reader read src, and keeps its buffers. The zero Reader may be reset.
func (z *Reader) Reset(src io.Reader) error {
	if z.in == nil {
		z.in, z.out = make([]byte, inputSize), make([]byte, outputSize)
	}
	z.src, z.srcErr, z.err = src, nil, nil
	z.ip, z.ie, z.consumed, z.hold, z.held = 0, 0, 0, 0, 0
	z.op, z.oe = 0, 0
	z.begin()
	z.err = z.readHeader()
	return z.err
}

// begin prepares for a member.
func (z *Reader) begin() {
	z.from, z.crc, z.size, z.last = z.oe, 0, 0, false
	z.stage = header
}

// Read is io.Reader's. It returns what there is before it waits for more input.
func (z *Reader) Read(p []byte) (n int, err error) {
	if len(p) == 0 {
		return 0, z.err
	}
	for z.op == z.oe && z.err == nil {
		z.err = z.decode()
	}
	if n = copy(p, z.out[z.op:z.oe]); n > 0 {
		z.op += n
		return n, nil
	}
	return 0, z.err
}

// decode makes some output, or goes on to the next stage.
func (z *Reader) decode() error {
	if z.oe > outputSize-longestMatch-beyond-1 {
		z.slide()
	}
	start := z.oe
	var err error
	switch z.stage {
	case header:
		if err = z.readHeader(); err != nil {
			return err
		}
	case block:
		err = z.readBlock()
	case storedBlock:
		err = z.copyStored()
	case codedBlock:
		if err = z.decodeBlock(); errors.Is(err, errMore) {
			if err = nil; z.oe == start {
				err = z.fill()
			}
		}
	case trailer:
		return z.readTrailer()
	}
	z.crc = crc32.Update(z.crc, crc32.IEEETable, z.out[start:z.oe])
	z.size += uint32(z.oe - start) //nolint:gosec // modulo 2^32
	return err
}

// slide moves what matches may refer to to the front. All else was returned.
func (z *Reader) slide() {
	keep := min(z.oe, window)
	copy(z.out, z.out[z.oe-keep:z.oe])
	z.from = max(0, z.from-(z.oe-keep))
	z.op, z.oe = keep, keep
}

// fill reads more input. That there is none is unexpected.
func (z *Reader) fill() error {
	return unexpected(z.more())
}

// unexpected is an error where there must be more.
func unexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// more reads more input; io.EOF is that there is none.
func (z *Reader) more() error {
	if shift := z.ip - 8; shift > 0 { // what is held may be given back
		z.consumed += int64(shift)
		z.ie = copy(z.in, z.in[shift:z.ie])
		z.ip -= shift
	}
	for idle := 0; z.srcErr == nil; idle++ {
		n, err := z.src.Read(z.in[z.ie:])
		z.ie += n
		z.srcErr = err
		if n > 0 {
			return nil
		}
		if idle == 100 && err == nil {
			z.srcErr = io.ErrNoProgress
		}
	}
	return z.srcErr
}

// need has at least so many bits held, of at most 32.
func (z *Reader) need(n uint) error {
	for z.held < n {
		if z.ip == z.ie {
			if err := z.fill(); err != nil {
				return err
			}
		}
		z.hold |= uint64(z.in[z.ip]) << z.held
		z.ip++
		z.held += 8
	}
	return nil
}

// bits takes bits that are held, of at most 14.
func (z *Reader) bits(n uint) int {
	v := int(z.hold & (1<<n - 1)) //nolint:gosec // of 14 bits
	z.hold >>= n
	z.held -= n
	return v
}

// align drops the bits up to the next byte, and gives back bytes that are held.
func (z *Reader) align() {
	z.bits(z.held & 7)
	z.ip -= int(z.held >> 3)
	z.hold, z.held = 0, 0
}

func (z *Reader) corrupt() error {
	return flate.CorruptInputError(z.consumed + int64(z.ip) - int64(z.held>>3))
}

// octet is the next byte; io.EOF where there is none.
func (z *Reader) octet() (byte, error) {
	if z.ip == z.ie {
		if err := z.more(); err != nil {
			return 0, err
		}
	}
	z.ip++
	return z.in[z.ip-1], nil
}

// readHeader reads a member's header (RFC 1952). io.EOF is that there is no member.
func (z *Reader) readHeader() error {
	const (
		headerCRC = 1 << 1
		extra     = 1 << 2
		name      = 1 << 3
		comment   = 1 << 4
	)
	var crc uint32
	var err error
	next := func() (b byte) {
		if err == nil {
			b, err = z.octet()
			crc = crc32.Update(crc, crc32.IEEETable, []byte{b})
		}
		return b
	}
	first := next()
	if err != nil {
		return err
	}
	var fixed [9]byte
	for i := range fixed {
		fixed[i] = next()
	}
	if err == nil && (first != 0x1f || fixed[0] != 0x8b || fixed[1] != 8) {
		return gzip.ErrHeader
	}
	flags := fixed[2]
	if flags&extra != 0 {
		n := int(next())
		n |= int(next()) << 8
		for range n {
			next()
		}
	}
	for _, text := range []byte{name, comment} {
		if flags&text != 0 {
			for n := 0; next() != 0 && err == nil; n++ {
				if n == 511 { // as compress/gzip has it
					return gzip.ErrHeader
				}
			}
		}
	}
	if flags&headerCRC != 0 {
		want := uint16(crc)
		if got := uint16(next()) | uint16(next())<<8; err == nil && got != want {
			return gzip.ErrHeader
		}
	}
	z.stage = block
	return unexpected(err)
}

// readTrailer checks what was read of the member.
func (z *Reader) readTrailer() error {
	z.align()
	for z.ie-z.ip < 8 {
		if err := z.fill(); err != nil {
			return err
		}
	}
	sum, size := binary.LittleEndian.Uint32(z.in[z.ip:]), binary.LittleEndian.Uint32(z.in[z.ip+4:])
	if sum != z.crc || size != z.size {
		return gzip.ErrChecksum
	}
	z.ip += 8
	z.begin()
	return nil
}

// end goes on after a block.
func (z *Reader) end() {
	z.stage = block
	if z.last {
		z.stage = trailer
	}
}

// readBlock reads the header of a block.
func (z *Reader) readBlock() error {
	if err := z.need(3); err != nil {
		return err
	}
	z.last = z.bits(1) == 1
	switch z.bits(2) {
	case 0:
		z.align()
		for z.ie-z.ip < 4 {
			if err := z.fill(); err != nil {
				return err
			}
		}
		n, not := binary.LittleEndian.Uint16(z.in[z.ip:]), binary.LittleEndian.Uint16(z.in[z.ip+2:])
		if n != ^not {
			return z.corrupt()
		}
		z.ip += 4
		z.stored, z.stage = int(n), storedBlock
		return nil
	case 1:
		z.fixedCodes()
	case 2:
		if err := z.readCodes(); err != nil {
			return err
		}
	default:
		return z.corrupt()
	}
	z.stage = codedBlock
	return nil
}

// copyStored copies some of a stored block.
func (z *Reader) copyStored() error {
	if z.stored == 0 {
		z.end()
		return nil
	}
	if z.ip == z.ie {
		return z.fill()
	}
	n := copy(z.out[z.oe:], z.in[z.ip:min(z.ie, z.ip+z.stored)])
	z.ip += n
	z.oe += n
	z.stored -= n
	return nil
}

func (z *Reader) fixedCodes() {
	lengths := z.lengths[:literalCodes]
	for i := range lengths {
		switch {
		case i < 144:
			lengths[i] = 8
		case i < 256:
			lengths[i] = 9
		case i < 280:
			lengths[i] = 7
		default:
			lengths[i] = 8
		}
	}
	build(z.literals[:], literalBits, lengths, literalOrLength)
	lengths = z.lengths[:distanceCodes]
	for i := range lengths {
		lengths[i] = 5
	}
	build(z.distances[:], distanceBits, lengths, distance)
}

// order is that of the lengths of the codes' lengths.
var order = [lengthCodes]uint8{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15}

// readCodes reads the codes of a block.
func (z *Reader) readCodes() error {
	if err := z.need(14); err != nil {
		return err
	}
	literals, distances, lengths := z.bits(5)+257, z.bits(5)+1, z.bits(4)+4
	if literals > 286 || distances > 30 {
		return z.corrupt()
	}
	var of [lengthCodes]uint8
	for _, i := range order[:lengths] {
		if err := z.need(3); err != nil {
			return err
		}
		of[i] = uint8(z.bits(3)) //nolint:gosec // of 3 bits
	}
	var table [1 << lengthBits]entry
	if !build(table[:], lengthBits, of[:], codeLength) {
		return z.corrupt()
	}
	all := z.lengths[:literals+distances]
	if err := z.readLengths(&table, all); err != nil {
		return err
	}
	if !build(z.literals[:], literalBits, all[:literals], literalOrLength) || !build(z.distances[:], distanceBits, all[literals:], distance) {
		return z.corrupt()
	}
	return nil
}

// readLengths reads the lengths of codes, which are themselves coded.
func (z *Reader) readLengths(table *[1 << lengthBits]entry, all []uint8) error {
	for i := 0; i < len(all); {
		e := table[z.hold&(1<<lengthBits-1)]
		for e&special != 0 || e.size() > z.held {
			if e&special != 0 && z.held >= lengthBits {
				return z.corrupt()
			}
			if err := z.need(z.held + 1); err != nil {
				return err
			}
			e = table[z.hold&(1<<lengthBits-1)]
		}
		z.bits(e.size())
		symbol, again, extra := e.octet(), 1, uint(0)
		value := symbol
		switch {
		case symbol == 16 && i == 0:
			return z.corrupt()
		case symbol == 16:
			value, again, extra = all[i-1], 3, 2
		case symbol == 17:
			value, again, extra = 0, 3, 3
		case symbol == 18:
			value, again, extra = 0, 11, 7
		}
		if err := z.need(extra); err != nil {
			return err
		}
		if again += z.bits(extra); i+again > len(all) {
			return z.corrupt()
		}
		for range again {
			all[i] = value
			i++
		}
	}
	return nil
}

// decodeBlock decodes until the block ends, the output is full, or errMore.
func (z *Reader) decodeBlock() error {
	for z.oe <= outputSize-longestMatch-beyond {
		if z.ie-z.ip >= 16 {
			if done, err := z.fast(); done || err != nil {
				return err
			}
			continue
		}
		if done, err := z.symbol(); done || err != nil {
			return err
		}
	}
	return nil
}

// symbol decodes one symbol, with what follows it, near the end of the input.
func (z *Reader) symbol() (done bool, err error) {
	for z.held <= 48 && z.ip < z.ie {
		z.hold |= uint64(z.in[z.ip]) << z.held
		z.ip++
		z.held += 8
	}
	hold, held := z.hold, z.held
	// take looks up a code, and takes its bits; ok is false where there are too few.
	take := func(table []entry, index uint) (e entry, value int, ok bool) {
		if e = table[hold&(1<<index-1)]; e&deeper != 0 {
			if held < index {
				return e, 0, false
			}
			at := e.below(hold >> index)
			e, hold, held = table[at], hold>>index, held-index
		}
		if e.size() > held || e == special && held < longestCode {
			return e, 0, false
		}
		value = e.value(hold)
		hold >>= e.size()
		held -= e.size()
		return e, value, true
	}
	e, length, ok := take(z.literals[:], literalBits)
	switch {
	case !ok:
		return false, errMore
	case e&literal != 0:
		z.out[z.oe] = e.octet()
		z.oe++
		z.hold, z.held = hold, held
		return false, nil
	case e&endOfBlock != 0:
		z.hold, z.held = hold, held
		z.end()
		return true, nil
	case e&special != 0:
		return false, z.corrupt()
	}
	e, back, ok := take(z.distances[:], distanceBits)
	switch {
	case !ok:
		return false, errMore
	case e&special != 0 || back > z.oe-z.from:
		return false, z.corrupt()
	}
	z.hold, z.held = hold, held
	for range length {
		z.out[z.oe] = z.out[z.oe-back]
		z.oe++
	}
	return false, nil
}
