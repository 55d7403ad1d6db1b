package run

import (
	"errors"
	"time"
)

// ChaosPlan is what a chaos run is asked for.
type ChaosPlan struct {
	Plan
	Seed        uint64
	Influxd     string // program of InfluxDB 1.8 to store in and to kill; "" for Plan.Store
	Older       string // folder of an older probe and collector; "" for none
	SpoolMaxMiB int    // of each probe
}

// ErrUnbalanced means that a chaos run came to its end and its account is not
// as it must be. The account has been shown.
var ErrUnbalanced = errors.New("the account of the windows does not balance")

// Chaos is the head of account.json: what a run was. What was felt of its faults
// and the account of its windows follow.
type Chaos struct {
	Schema     string         `json:"schema"` // SchemaChaos
	Notice     string         `json:"notice"`
	Seed       uint64         `json:"seed"`
	For        string         `json:"for"`
	Began      time.Time      `json:"began"`
	Store      string         `json:"store"`
	Programs   []string       `json:"programs"` // versions
	MeshSHA256 string         `json:"mesh_sha256"`
	Probes     int            `json:"probes"`
	Faults     int            `json:"faults"`
	ByKind     string         `json:"by_kind"`
	Restarts   map[string]int `json:"restarts"` // that were expected, because the disk was full; others are among the findings
}

// SchemaChaos is the schema of account.json.
const SchemaChaos = "fibergauge.chaos/1"
