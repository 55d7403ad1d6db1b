package api

// ProblemType is the media type of Problem (RFC 9457).
const ProblemType = "application/problem+json"

// Problem is the body of every answer that is not 200 (RFC 9457).
type Problem struct {
	Type   string `json:"type"` // "about:blank": the status says it all
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail"` // one line; what to do next
}
