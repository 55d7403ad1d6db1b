package stopwatch

import (
	"runtime"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// echoes lets pass the echo requests that leave this host and the echo replies
// that come to it. The kernel runs it on every packet of the host; byte 0 is
// the first of the IP header, also behind a VLAN tag.
func echoes() []bpf.Instruction {
	// Where the parts begin.
	const (
		v6     = 11
		leaves = 17
		comes  = 19
		pass   = 21
		drop   = 22
	)
	var p []bpf.Instruction
	add := func(i bpf.Instruction) { p = append(p, i) }
	to := func(target int) uint8 { return uint8(target - len(p) - 1) }
	// need goes on if the value is the one, and drops otherwise.
	need := func(value uint32) {
		add(bpf.JumpIf{Cond: bpf.JumpEqual, Val: value, SkipFalse: to(drop)})
	}

	add(bpf.LoadAbsolute{Off: 0, Size: 1})
	add(bpf.ALUOpConstant{Op: bpf.ALUOpAnd, Val: 0xf0})
	add(bpf.JumpIf{Cond: bpf.JumpEqual, Val: 0x40, SkipFalse: to(v6)})

	add(bpf.LoadAbsolute{Off: 9, Size: 1})
	need(protoICMP)
	add(bpf.LoadAbsolute{Off: 6, Size: 2})
	add(bpf.JumpIf{Cond: bpf.JumpBitsSet, Val: 0x1fff, SkipTrue: to(drop)}) // not the first fragment
	add(bpf.LoadMemShift{Off: 0})
	add(bpf.LoadIndirect{Off: 0, Size: 1})
	add(bpf.JumpIf{Cond: bpf.JumpEqual, Val: echoRequest, SkipTrue: to(leaves)})
	add(bpf.JumpIf{Cond: bpf.JumpEqual, Val: echoReply, SkipTrue: to(comes), SkipFalse: to(drop)})

	need(0x60)
	add(bpf.LoadAbsolute{Off: 6, Size: 1})
	need(protoICMPv6)
	add(bpf.LoadAbsolute{Off: ipv6Header, Size: 1})
	add(bpf.JumpIf{Cond: bpf.JumpEqual, Val: echoRequestV6, SkipTrue: to(leaves)})
	add(bpf.JumpIf{Cond: bpf.JumpEqual, Val: echoReplyV6, SkipTrue: to(comes), SkipFalse: to(drop)})

	add(bpf.LoadExtension{Num: bpf.ExtType})
	add(bpf.JumpIf{Cond: bpf.JumpEqual, Val: unix.PACKET_OUTGOING, SkipTrue: to(pass), SkipFalse: to(drop)})

	add(bpf.LoadExtension{Num: bpf.ExtType})
	add(bpf.JumpIf{Cond: bpf.JumpEqual, Val: unix.PACKET_HOST, SkipTrue: to(pass), SkipFalse: to(drop)})

	add(bpf.RetConstant{Val: snapLength})
	add(bpf.RetConstant{Val: 0})
	return p
}

// Attach makes the kernel run a filter on what a socket is to receive.
func Attach(fd int, program []bpf.Instruction) error {
	code, err := bpf.Assemble(program)
	if err != nil {
		return err
	}
	filter := make([]unix.SockFilter, len(code))
	for i, c := range code {
		filter[i] = unix.SockFilter{Code: c.Op, Jt: c.Jt, Jf: c.Jf, K: c.K}
	}
	err = unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]})
	runtime.KeepAlive(filter)
	return err
}
