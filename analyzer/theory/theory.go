// Package theory computes the theoretical latency: the time that light needs
// in fibre along the road between two places, and the limit that follows from
// it. Distances come from package mesh, index and factor from the policy; the
// results go to the verdicts, and to whoever emulates a network.
//
// Everything is an exact fraction. A verdict that hangs on the last bit of a
// float64 would differ between machines; here an RTT at the limit complies and
// one a microsecond above does not, on all of them.
package theory

import (
	"fmt"
	"math/big"
	"strings"

	"github.com/fibergauge/fibergauge/mesh"
)

// LightSpeed is the speed of light in vacuum in metres a second, exact by the
// definition of the metre (SI, 1983).
const LightSpeed = 299_792_458

// GroupIndex is the group index of G.652 fibre at 1550 nm, with which the
// default policy computes.
const GroupIndex = "1.468"

// Light is how long light takes on its way. The zero value is not usable.
type Light struct {
	usPerMeter *big.Rat // one way
}

// InVacuum is light where nothing slows it down: no signal is faster.
func InVacuum() Light { return WithIndex(big.NewRat(1, 1)) }

// InFibre is light in G.652 fibre at 1550 nm, 4.8967 µs/km.
func InFibre() Light { return WithIndex(big.NewRat(1468, 1000)) }

// WithIndex is light in a medium of the given group index.
func WithIndex(index *big.Rat) Light {
	return Light{new(big.Rat).Mul(index, big.NewRat(1_000_000, LightSpeed))}
}

// WithDelay is light by a convention: so many microseconds a kilometre, one
// way. Five is the usual one.
func WithDelay(usPerKM *big.Rat) Light {
	return Light{new(big.Rat).Mul(usPerKM, big.NewRat(1, 1000))}
}

// OneWayUS is the time from one end to the other, in microseconds.
func (l Light) OneWayUS(meters int64) *big.Rat {
	return new(big.Rat).Mul(l.usPerMeter, new(big.Rat).SetInt64(meters))
}

// RTTUS is the time there and back, in microseconds: twice the one-way time.
func (l Light) RTTUS(meters int64) *big.Rat {
	return l.OneWayUS(2 * meters)
}

// RouteRTTUS is the theoretical RTT over a route of the mesh, in microseconds.
func (l Light) RouteRTTUS(route mesh.Route) *big.Rat { return l.RTTUS(route.Meters) }

// LimitUS is the largest RTT that complies, in microseconds: factor times the
// theoretical RTT.
func LimitUS(theoreticalUS, factor *big.Rat) *big.Rat {
	return new(big.Rat).Mul(theoreticalUS, factor)
}

// Complies tells whether an RTT of whole microseconds is within a limit. With
// the default policy it is the same as
//
//	rtt_us × 299 792 458 ≤ 3 × distance_m × 1 468 000
func Complies(rttUS int64, limitUS *big.Rat) bool {
	return new(big.Rat).SetInt64(rttUS).Cmp(limitUS) <= 0
}

// Ratio is an RTT over the theoretical one, which must be positive.
func Ratio(rttUS int64, theoreticalUS *big.Rat) *big.Rat {
	return new(big.Rat).Quo(new(big.Rat).SetInt64(rttUS), theoreticalUS)
}

// maxDecimal bounds the digits of a number that a person writes in a file.
const maxDecimal = 18

// ParseDecimal reads a number written as digits with at most one point, such
// as 1.468, as the exact fraction that it is. Signs and exponents are refused:
// no number of a policy has them.
func ParseDecimal(s string) (*big.Rat, error) {
	whole, fraction, point := strings.Cut(s, ".")
	if whole == "" || point && fraction == "" || len(whole)+len(fraction) > maxDecimal || !digits(whole) || !digits(fraction) {
		return nil, fmt.Errorf("%.40q is not a decimal number such as 1.468", s)
	}
	value, ok := new(big.Rat).SetString(s)
	if !ok {
		return nil, fmt.Errorf("%.40q is not a decimal number such as 1.468", s)
	}
	return value, nil
}

func digits(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r < '0' || r > '9' })
}
