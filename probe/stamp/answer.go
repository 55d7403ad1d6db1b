package stamp

// Answer is what a reflector knows when it answers the TLVs of a request.
type Answer struct {
	// Of the base packets: the HMAC TLV covers them.
	RequestSequence, ReplySequence uint32

	TrafficClass uint8 // of the request's IP header: DSCP and ECN
	NoClass      bool  // TrafficClass is not known; Class of Service is then answered as not understood

	// Permitted has bit n set if a reply may be sent with DSCP n because a
	// sender asks for it. The DSCP that the request came with always may be.
	Permitted uint64

	Timestamps TimestampSources
	Previous   FollowUp // zero if nothing is known of an earlier reply of the session, and in a stateless reflector
}

// Fill makes the TLVs of a reply out of those of a request, in place, so that
// they are as long as they were: what the sender asks for is filled in, flags
// are set, and if there is a key and the request's HMAC fits, the reply's is put
// in its place (RFC 8972, sections 4 and 4.8). With a key, TLVs must be under an
// HMAC; without, none can be checked, so there must be none: otherwise nothing
// is filled in, and all are flagged NotIntact. A malformed one is flagged, and
// all behind it, but the HMAC, left as it came.
//
// It gives the DSCP that the reply is to be sent with, and all flags that it
// set.
//
// A TWAMP-Light peer has padding where STAMP has TLVs, and no mark on it. It is
// taken for padding, and left as it is, if its first byte is not the one that
// a sender must begin TLVs with and it is not TLVs from end to end either, or
// if it is zeros.
func (a *Answer) Fill(tlvs, key []byte) (dscp uint8, set Flags) {
	dscp = a.TrafficClass >> ecnBits
	s := look(tlvs)
	if s.count == 0 || !s.whole && Flags(tlvs[0]) != Unrecognised {
		return dscp, 0
	}
	if !s.intact(tlvs, a.RequestSequence, key) {
		return dscp, a.refuse(tlvs)
	}
	asked := false
	for rest := tlvs; ; {
		tlv, whole := next(rest)
		if tlv == nil {
			break
		}
		rest = rest[len(tlv):]
		flags := a.judge(tlv, whole)
		tlv[0] = byte(flags)
		set |= flags
		if flags&Malformed != 0 {
			spoil(tlv)
			break
		}
		if flags != 0 {
			continue
		}
		switch value := tlv[tlvHeader:]; Type(tlv[1]) {
		case ClassOfService:
			dscp = a.class(value, dscp, asked)
			asked = true
		case TimestampInformation:
			a.Timestamps.put(value)
		case FollowUpTelemetry:
			a.Previous.put(value)
		}
	}
	if s.hmac >= 0 {
		tlvs[s.hmac] = 0
		sum := digestTLVs(key, a.ReplySequence, tlvs[:s.hmac])
		copy(tlvs[s.hmac+tlvHeader:], sum[:])
	}
	return dscp, set
}

// refuse flags all TLVs as not intact, and changes nothing else.
func (a *Answer) refuse(tlvs []byte) (set Flags) {
	for {
		tlv, whole := next(tlvs)
		if tlv == nil {
			return set
		}
		flags := NotIntact | a.judge(tlv, whole)
		tlv[0] = byte(flags)
		set |= flags
		tlvs = tlvs[len(tlv):]
	}
}

// judge gives the flags of a TLV by itself.
func (a *Answer) judge(tlv []byte, whole bool) (f Flags) {
	t := Type(tlv[1])
	if !t.known() || t == ClassOfService && a.NoClass {
		f |= Unrecognised
	}
	if !whole || !t.admits(len(tlv)-tlvHeader) {
		f |= Malformed
	}
	return f
}

// spoil clears what must not be mistaken for an answer in a malformed TLV (RFC
// 8972, section 4.7).
func spoil(tlv []byte) {
	const sequenceAndTime = 12
	if Type(tlv[1]) == FollowUpTelemetry && len(tlv) > tlvHeader {
		value := tlv[tlvHeader:]
		clear(value[:min(len(value), sequenceAndTime)])
	}
}

// class fills a Class of Service TLV and gives the DSCP for the reply, of which
// there is but one: of several TLVs the first is asked.
func (a *Answer) class(value []byte, dscp uint8, asked bool) uint8 {
	var c Class
	c.read(value)
	c.DSCP, c.ECN = a.TrafficClass>>ecnBits, a.TrafficClass&ecnMask
	if !asked && a.Permitted>>c.Asked&1 == 1 {
		dscp = c.Asked
	}
	c.Refused = c.Asked != dscp
	c.put(value)
	return dscp
}
