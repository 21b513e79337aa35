package gunzip

import "encoding/binary"

// fast decodes as symbol does, several at once, until the input is nearly at its end or
// the output full. It holds 56 bits at least before it looks up a code: a length takes 20
// and a distance 28.
//
//nolint:funlen,gocognit // the hot loop: calls would cost its speed
func (z *Reader) fast() (done bool, err error) {
	in, out, from := z.in[:z.ie], z.out, z.from
	ip, oe, hold, held := z.ip, z.oe, z.hold, z.held
	keep := func() { z.ip, z.oe, z.hold, z.held = ip, oe, hold&(1<<held-1), held }
	for ip <= len(in)-16 && oe <= len(out)-longestMatch-beyond {
		hold |= binary.LittleEndian.Uint64(in[ip:]) << (held & 63)
		ip += int(63-held) >> 3
		held |= 56
		e := z.literals[hold&literalMask]
		if e&literal != 0 {
			out[oe] = e.octet()
			oe++
			hold >>= e.size()
			held -= e.size()
			e = z.literals[hold&literalMask]
			if e&literal != 0 {
				out[oe] = e.octet()
				oe++
				hold >>= e.size()
				held -= e.size()
				e = z.literals[hold&literalMask]
				if e&literal != 0 {
					out[oe] = e.octet()
					oe++
					hold >>= e.size()
					held -= e.size()
					continue
				}
			}
			hold |= binary.LittleEndian.Uint64(in[ip:]) << (held & 63)
			ip += int(63-held) >> 3
			held |= 56
		}
		if e&special != 0 {
			if e&deeper != 0 {
				hold >>= literalBits
				held -= literalBits
				e = z.literals[e.below(hold)&(literalSize-1)]
				if e&literal != 0 {
					out[oe] = e.octet()
					oe++
					hold >>= e.size()
					held -= e.size()
					continue
				}
			}
			if e&special != 0 {
				keep()
				if e&endOfBlock == 0 {
					return false, z.corrupt()
				}
				z.bits(e.size())
				z.end()
				return true, nil
			}
		}
		length := e.value(hold)
		hold >>= e.size()
		held -= e.size()
		e = z.distances[hold&distanceMask]
		if e&special != 0 {
			if e&deeper != 0 {
				hold >>= distanceBits
				held -= distanceBits
				e = z.distances[e.below(hold)&(distanceSize-1)]
			}
			if e&special != 0 {
				keep()
				return false, z.corrupt()
			}
		}
		back := e.value(hold)
		hold >>= e.size()
		held -= e.size()
		if back > oe-from {
			keep()
			return false, z.corrupt()
		}
		end, at := oe+length, oe-back
		switch {
		case back >= length && length > 32:
			copy(out[oe:end], out[at:end])
		case back >= 8: // it may write after the end what the next symbols overwrite
			for ; oe < end; oe, at = oe+8, at+8 {
				binary.LittleEndian.PutUint64(out[oe:], binary.LittleEndian.Uint64(out[at:]))
			}
		default:
			for ; oe < end; oe, at = oe+1, at+1 {
				out[oe] = out[at]
			}
		}
		oe = end
	}
	keep()
	return false, nil
}
