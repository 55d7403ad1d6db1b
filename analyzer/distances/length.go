package distances

import (
	"math"
	"strconv"
)

func meters(km float64) int64 { return int64(math.Round(km * 1000)) }

// inKM is whole metres in kilometres, as the mesh has them.
func inKM(meters int64) float64 { return float64(meters) / 1000 }

func decimal(km float64) string { return strconv.FormatFloat(km, 'f', -1, 64) }

func kilometres(km float64) string { return decimal(km) + " km" }
