//go:build !linux

package measure

import "github.com/fibergauge/fibergauge/probe/wire"

// rawIsFiltered: pro-bing cannot filter what its raw sockets receive here.
const rawIsFiltered = false

// ClockState is not known here.
func ClockState() wire.Clock { return wire.Clock{State: wire.ClockUnknown} }
