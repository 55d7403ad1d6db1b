package api

// Revision is an entry of Report.Revisions: what one revision of a filed report
// changed of the one that it replaces.
type Revision struct {
	Number   int              `json:"number"` // the first report is revision 1, and has no entry
	Replaces Replaced         `json:"replaces"`
	Reason   string           `json:"reason,omitempty"` // in the words of whoever filed it
	Causes   []RevisionCause  `json:"causes"`           // what it was made from that differs
	Rates    []RevisedRate    `json:"rates"`            // planes whose rate differs
	Verdicts []RevisedVerdict `json:"verdicts"`         // pairs of a plane whose verdict differs
	Figures  int              `json:"figures"`          // pairs of a plane whose verdict is as it was, and whose RTT or limit differs
}

// Replaced names the revision before.
type Replaced struct {
	Number         int    `json:"number"`          // 1 is the first
	ManifestSHA256 string `json:"manifest_sha256"` // of its manifest, which names its files
}

// Codes of causes.
const (
	CauseData     = "data"     // SHA-256 of the data
	CauseMesh     = "mesh"     // SHA-256 of the mesh
	CausePolicy   = "policy"   // SHA-256 of the policy
	CauseProgram  = "program"  // program and version
	CauseComplete = "complete" // the period was not over, and now is
)

// RevisionCause is something that a report was made from, before and now.
type RevisionCause struct {
	Cause string `json:"cause"` // what it is
	Was   string `json:"was"`   // a SHA-256, the name of the program, or false
	Is    string `json:"is"`    // the same of this revision, or true
}

// RevisedRate is the rate of a plane, before and now; null where the report has
// no such plane.
type RevisedRate struct {
	Plane string `json:"plane"`
	Was   *Rate  `json:"was"` // of the revision before
	Is    *Rate  `json:"is"`  // of this one
}

// RevisedVerdict is the verdict on a pair, before and now; absent where the report
// has no such pair.
type RevisedVerdict struct {
	Plane string    `json:"plane"`
	Pair  [2]string `json:"pair"`
	Was   Verdict   `json:"was,omitempty"` // of the revision before
	Is    Verdict   `json:"is,omitempty"`  // of this one
}
