package report

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/fibergauge/fibergauge/analyzer/policy"
	"github.com/fibergauge/fibergauge/collector/store"
	"github.com/fibergauge/fibergauge/mesh"
)

// Meshes are what a period may be judged by.
type Meshes struct {
	File    *mesh.Mesh          // judges every period; nil: the archive does
	Archive []store.MeshVersion // in the order in which store.Reader gives them
}

// ReadMeshes reads the archive of a store; the file may be nil.
func ReadMeshes(ctx context.Context, s interface {
	Meshes(context.Context) ([]store.MeshVersion, error)
}, file *mesh.Mesh) (Meshes, error) {
	archive, err := s.Meshes(ctx)
	if err != nil {
		return Meshes{}, fmt.Errorf("read the archived meshes: %w", err)
	}
	return Meshes{File: file, Archive: archive}, nil
}

// Plan plans a period by the mesh of that period. When a period ends may hang
// on the time zone of the mesh, so parse is asked with it.
func (m Meshes) Plan(p *policy.Policy, parse func(zone *time.Location) (Period, error)) (*Plan, error) {
	period, by, err := m.Period(parse)
	if err != nil {
		return nil, err
	}
	plan, err := NewPlan(by, p, period, m.Archive)
	if err != nil {
		return nil, err
	}
	plan.meshes = m
	return plan, nil
}

// Period finds out which period is meant, and the mesh that judges it. That takes
// as long for ten years as for a day, which a Plan does not.
func (m Meshes) Period(parse func(zone *time.Location) (Period, error)) (Period, *mesh.Mesh, error) {
	by, err := m.Newest()
	if err != nil {
		return Period{}, nil, err
	}
	period, err := parse(by.Location())
	if err != nil || m.File != nil {
		return period, by, err
	}
	if by, err = parseVersion(inForce(m.Archive, period.To)); err != nil {
		return Period{}, nil, err
	}
	period, err = parse(by.Location())
	return period, by, err
}

// Newest is the mesh of what is measured now.
func (m Meshes) Newest() (*mesh.Mesh, error) {
	switch {
	case m.File != nil:
		return m.File, nil
	case len(m.Archive) == 0:
		return nil, errors.New("no mesh is given, and no collector has archived one in this store; give the one to judge by with --mesh FILE")
	}
	return parseVersion(m.Archive[len(m.Archive)-1])
}

// inForce is the last version that was first served before a moment. Where none
// was, as with what was imported later, it is the first ever served.
func inForce(archive []store.MeshVersion, at time.Time) store.MeshVersion {
	for _, version := range slices.Backward(archive) {
		if version.ServedFrom.Before(at) {
			return version
		}
	}
	return archive[0]
}

// inForceSHA256 names the version of the archive for the period; empty where
// there is none.
func (p *Plan) inForceSHA256() string {
	if len(p.archive) == 0 {
		return ""
	}
	return inForce(p.archive, p.Period.To).SHA256
}

func parseVersion(v store.MeshVersion) (*mesh.Mesh, error) {
	m, err := mesh.Parse("archived mesh "+v.SHA256, v.Bytes)
	if err != nil {
		return nil, fmt.Errorf("%w; give a mesh to judge by with --mesh FILE", err)
	}
	return m, nil
}
