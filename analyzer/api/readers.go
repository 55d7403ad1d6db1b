package api

// SchemaReaders names the version of the form of Readers.
const SchemaReaders = "fibergauge.readers/1"

// Readers is who may ask for reports. Nobody learns a token from it.
type Readers struct {
	Schema  string   `json:"schema"`
	Readers []Reader `json:"readers"` // in the order in which they were made
}

// Reader is somebody who may ask. Times are RFC 3339 in UTC.
type Reader struct {
	Name     string   `json:"name"`
	Role     string   `json:"role"` // regulator, carrier, viewer or admin
	Carriers []string `json:"carriers,omitempty"`
	Created  string   `json:"created"`
	Expires  *string  `json:"expires"` // null: never
	Expired  bool     `json:"expired"`
}
