package readers

import (
	"time"

	"github.com/fibergauge/fibergauge/analyzer/api"
)

// Public is the list as administrators see it: without tokens and their hashes.
func (l *List) Public(now time.Time) api.Readers {
	out := api.Readers{Schema: api.SchemaReaders, Readers: []api.Reader{}}
	for i := range l.readers {
		r := &l.readers[i]
		reader := api.Reader{
			Name: r.Name, Role: string(r.Role), Carriers: r.Carriers,
			Created: r.Created.UTC().Format(time.RFC3339), Expired: r.Expired(now),
		}
		if !r.Expires.IsZero() {
			expires := r.Expires.UTC().Format(time.RFC3339)
			reader.Expires = &expires
		}
		out.Readers = append(out.Readers, reader)
	}
	return out
}
