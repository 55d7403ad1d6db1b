package wire

// Schemas of the messages. The number rises when a reader of the old one would
// misread the new one.
const (
	SchemaBatch      = "fibergauge.batch/1"
	SchemaAck        = "fibergauge.ack/1"
	SchemaAssignment = "fibergauge.assignment/1"
	SchemaError      = "fibergauge.error/1"
)

// Limits on one batch, which the probe keeps and the collector enforces.
const (
	MaxBatchWindows = 1000
	MaxBatchBytes   = 8 << 20 // uncompressed JSON
)

// Batch is what a probe posts to /v1/sites/{site}/windows.
type Batch struct {
	Schema    string     `json:"schema"`
	Site      string     `json:"site"`
	Windows   []Window   `json:"windows"`
	Signature *Signature `json:"signature,omitempty"` // over Canonical
}

// Signature is a detached signature over the canonical bytes of a batch.
type Signature struct {
	Algorithm string `json:"algorithm"` // "ed25519"
	KeyID     string `json:"key_id"`    // SHA-256 of the public key, hex
	Value     []byte `json:"value"`
}

// Ack answers a batch. It is sent only after the store has confirmed the
// write: each window of the batch is stored, or it stands under Refused. What
// is refused will never be taken and must be set aside, but with CodeFuture it
// will be once the collector's clock has come so far: which of the two clocks
// is wrong, the probe has to judge.
type Ack struct {
	Schema     string    `json:"schema"`
	Batch      string    `json:"batch"` // digest of the batch, hex
	Stored     int       `json:"stored"`
	Refused    []Refusal `json:"refused,omitempty"`
	MeshSHA256 string    `json:"mesh_sha256"` // mesh served now; another one than the assignment's: ask again
}

// Refusal says why one window of a batch was not taken.
type Refusal struct {
	Index   int    `json:"index"` // in Batch.Windows
	Key     Key    `json:"key"`
	Code    Code   `json:"code"`
	Message string `json:"message"`
}

// Assignment is what GET /v1/sites/{site}/assignment answers: everything a
// probe needs to measure. Its ETag changes whenever it does.
type Assignment struct {
	Schema     string `json:"schema"`
	Site       string `json:"site"`
	Cluster    string `json:"cluster"`
	Carrier    string `json:"carrier"`
	Plane      string `json:"plane"`
	Address    string `json:"address"` // the site's own; packets leave from it
	MeshSHA256 string `json:"mesh_sha256"`
	Tasks      []Task `json:"tasks"`
	// Reflector is the one that the site's probe runs; absent where nobody
	// measures the site by STAMP.
	Reflector *Reflector `json:"reflector,omitempty"`
}

// Reflector is what a STAMP reflector needs to know.
type Reflector struct {
	Port          int  `json:"port"`          // UDP, on the site's own address
	Authenticated bool `json:"authenticated"` // it answers no other packets
	// Sources are the addresses that measure the site; nobody else is answered.
	Sources []string `json:"sources"`
	// PacketsPerS is the most that all tests together send from one of the
	// sources; 0 is not known.
	PacketsPerS float64 `json:"packets_per_s,omitempty"`
}

// Task is one test towards its targets.
type Task struct {
	Test       string   `json:"test"`
	Method     string   `json:"method"`
	IntervalMS int      `json:"interval_ms"` // one packet in each, at a random moment
	SizeBytes  int      `json:"size_bytes"`  // of the IP packet, header included
	DSCP       int      `json:"dscp"`
	WindowS    int      `json:"window_s"`
	Targets    []Target `json:"targets"`
}

// Target is a site to be measured.
type Target struct {
	Site    string `json:"site"`
	Cluster string `json:"cluster"`
	Address string `json:"address"`
	// STAMP is how its reflector is spoken to; present with method stamp.
	STAMP *STAMPTarget `json:"stamp,omitempty"`
}

// STAMPTarget is how a reflector is spoken to.
type STAMPTarget struct {
	Port          int    `json:"port"`          // UDP
	Timestamps    string `json:"timestamps"`    // format in the packets sent: "ntp" or "ptp"
	Authenticated bool   `json:"authenticated"` // by a key that the probe has
	Plain         bool   `json:"plain"`         // padding instead of TLVs: a TWAMP-Light peer
}

// Code classifies an error for the program that reads it.
type Code string

// Codes of refusals and errors.
const (
	// Of a whole request.
	CodeBadRequest       Code = "bad_request"        // not the message that the schema describes
	CodeUnsupported      Code = "unsupported"        // schema, field, media type or encoding not known; mended at the collector
	CodeTooLarge         Code = "too_large"          // above MaxBatchBytes or MaxBatchWindows, or too much for the time; send fewer windows
	CodeUnknownSite      Code = "unknown_site"       // the mesh has no such site, nor has any version that the windows name
	CodeNotFound         Code = "not_found"          // no such path
	CodeMethodNotAllowed Code = "method_not_allowed" //
	CodeUnauthenticated  Code = "unauthenticated"    // no certificate, or a token that is not good: enrol
	CodeForbidden        Code = "forbidden"          // the certificate is of another site
	CodeBadSignature     Code = "bad_signature"      // of the batch: none where one is asked, of no enrolled key, or not of these windows
	CodeOverloaded       Code = "overloaded"         // again after Retry-After
	CodeStoreUnavailable Code = "store_unavailable"  // again after Retry-After
	CodeInternal         Code = "internal"

	// Of one window.
	CodeInvalidWindow Code = "invalid_window" // contradicts itself
	CodeForeignLink   Code = "foreign_link"   // not measured by the site that sends it
	CodeUnknownTest   Code = "unknown_test"
	CodeUnknownMesh   Code = "unknown_mesh"  // no such version was ever served
	CodeFuture        Code = "future"        // ends later than the collector's clock allows
	CodeStoreRefused  Code = "store_refused" // the store will never take it
)

// Problem is the body of every answer that is not 2xx or 304.
type Problem struct {
	Schema  string `json:"schema"`
	Code    Code   `json:"code"`
	Message string `json:"message"` // one line; what to do next
}
