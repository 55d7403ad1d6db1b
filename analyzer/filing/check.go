package filing

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/fibergauge/fibergauge/analyzer/api"
	"github.com/fibergauge/fibergauge/analyzer/manifest"
)

// Options are what a check needs besides the files.
type Options struct {
	GeneratedBy string                // program and version
	Keys        []*manifest.PublicKey // whose signature is trusted; none: any, and the result says so
}

// checker collects a result.
type checker struct {
	Options
	*Result
	done   map[string]bool // paths of manifests
	listed map[string]bool // paths of files that they name
}

// Check looks at what paths name: a manifest, a folder, or any file of a report,
// whose manifest is looked for beside it. A path where nothing is, and that no
// manifest names, is an error.
func Check(paths []string, o Options) (*Result, error) {
	c := &checker{o, &Result{Schema: SchemaVerification, GeneratedBy: o.GeneratedBy, Reports: []Report{}, Counts: map[string]int{}, Findings: []Finding{}}, map[string]bool{}, map[string]bool{}}
	for _, path := range paths {
		if err := c.path(filepath.Clean(path)); err != nil {
			return nil, err
		}
	}
	c.Good = len(c.Findings) == 0
	return c.Result, nil
}

func (c *checker) add(f Finding) {
	c.Counts[f.Code]++
	c.Findings = append(c.Findings, f)
}

func (c *checker) path(path string) error {
	info, err := os.Stat(path)
	switch {
	case err == nil && info.IsDir():
		return c.folder(path)
	case err == nil && !info.Mode().IsRegular():
		return fmt.Errorf("%s is neither a file nor a folder", path)
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return err
	}
	dir, name := filepath.Split(path)
	dir = filepath.Clean(dir)
	if name = strings.TrimSuffix(name, signatureSuffix); strings.HasSuffix(name, manifestSuffix) {
		if err != nil {
			return fmt.Errorf("%s: there is no such file", path)
		}
		c.manifest(dir, name)
		return nil
	}
	name, errOfDir := manifestBeside(dir, name)
	switch {
	case errOfDir != nil && err == nil:
		return errOfDir
	case err != nil && name == "":
		return fmt.Errorf("%s: there is no such file, and no manifest beside it names one", path)
	case name == "":
		c.add(Finding{Code: NothingToVerify, File: path, Detail: plain(path) + " has no manifest beside it, so nothing says what it was; ask for the manifest and its signature, which were filed with it"})
	default:
		c.manifest(dir, name)
	}
	return nil
}

// folder checks every manifest of a folder and of those in it, and finds what
// belongs to none.
func (c *checker) folder(root string) error {
	var bare []string // folders with files and without a manifest
	some := false
	err := filepath.WalkDir(root, func(dir string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return err
		}
		manifests, others, err := list(dir)
		if err != nil {
			return err
		}
		if len(manifests) == 0 && len(others) > 0 {
			bare = append(bare, dir)
			return nil
		}
		for _, name := range manifests {
			some = true
			c.manifest(dir, name)
		}
		for _, name := range others {
			path := filepath.Join(dir, name)
			if !c.listed[path] && !slices.ContainsFunc(manifests, func(m string) bool { return belongs(name, m) }) {
				c.add(Finding{Code: FileExtra, File: path, Detail: "no manifest of the folder names it"})
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	if !some {
		c.add(Finding{Code: NothingToVerify, File: root, Detail: plain(root) + " has no manifest, so nothing says what its files were; ask for the manifest and its signature, which were filed with them"})
		return nil
	}
	for _, dir := range bare {
		c.add(Finding{Code: FileExtra, File: dir, Detail: "it is a folder with files and without a manifest"})
	}
	return nil
}

// list gives the names in a folder: of manifests, and of all else but folders.
func list(dir string) (manifests, others []string, err error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, nil, err
	}
	for _, e := range entries {
		if e.IsDir() {
			continue
		}
		if strings.HasSuffix(e.Name(), manifestSuffix) {
			manifests = append(manifests, e.Name())
		} else {
			others = append(others, e.Name())
		}
	}
	return manifests, others, nil
}

// belongs tells by the names whether a file is of a manifest.
func belongs(file, manifestFile string) bool {
	stem := strings.TrimSuffix(manifestFile, manifestSuffix)
	return file == stem || strings.HasPrefix(file, stem+".")
}

// manifestBeside finds the manifest of a file: by the names, or else the one that
// has the file in its list. Empty: there is none.
func manifestBeside(dir, file string) (string, error) {
	manifests, _, err := list(dir)
	if err != nil {
		return "", err
	}
	best := ""
	for _, name := range manifests {
		if belongs(file, name) && len(name) > len(best) {
			best = name
		}
	}
	if best != "" {
		return best, nil
	}
	for _, name := range manifests {
		data, err := readUpTo(filepath.Join(dir, name), manifest.MaxBytes)
		if err != nil {
			continue
		}
		if m, err := manifest.Parse(data); err == nil && slices.ContainsFunc(m.Files, func(f manifest.File) bool { return f.Name == file }) {
			return name, nil
		}
	}
	return "", nil
}

// readUpTo reads a regular file that has no more than so many bytes.
func readUpTo(path string, most int64) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is no file", path)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, most+1))
	if err == nil && int64(len(data)) > most {
		err = fmt.Errorf("%s has more than %d bytes", path, most)
	}
	return data, err
}

// manifest checks one, and everything that it names.
func (c *checker) manifest(dir, name string) {
	path := filepath.Join(dir, name)
	if c.done[path] {
		return
	}
	c.done[path] = true
	r := Report{Manifest: path, Signature: Signature{State: SignatureUnread}, Notes: []string{}}
	defer func() { c.Reports = append(c.Reports, r) }()
	data, err := readUpTo(path, manifest.MaxBytes)
	if err != nil {
		c.add(Finding{Code: ManifestBroken, Manifest: path, Detail: err.Error()})
		return
	}
	r.SHA256 = manifest.Hash(data)
	m, err := manifest.Parse(data)
	if err != nil {
		c.add(Finding{Code: ManifestBroken, Manifest: path, Detail: err.Error()})
		return
	}
	r.Period, r.Revision, r.Replaces, r.Files = &m.Period, m.Revision, m.Replaces, len(m.Files)
	c.signature(&r, m, data)
	is := c.files(&r, m)
	c.extra(dir, name, m)
	c.chain(&r, m, is)
}

// signature checks who signed.
func (c *checker) signature(r *Report, m *manifest.Manifest, canonical []byte) {
	fail := func(state, code, detail string) {
		r.Signature.State = state
		if code != "" {
			c.add(Finding{Code: code, Manifest: r.Manifest, Detail: detail})
		}
	}
	if m.Signer == nil {
		code := ""
		if len(c.Keys) > 0 {
			code = NotSigned
		}
		fail(SignatureNone, code, "")
		return
	}
	r.Signature = Signature{State: SignatureGood, Algorithm: m.Signer.Algorithm, KeyID: m.Signer.KeyID}
	signature, err := readUpTo(r.Manifest+signatureSuffix, manifest.MaxSignatureBytes)
	if errors.Is(err, fs.ErrNotExist) {
		fail(SignatureAbsent, SignatureMissing, "")
		return
	}
	key, errOfKey := manifest.ParsePublicKey(m.Signer.PublicKey)
	if err != nil || errOfKey != nil || !key.Verify(canonical, signature) {
		fail(SignatureBad, SignatureWrong, "")
		return
	}
	r.Signature.KeyGiven = slices.ContainsFunc(c.Keys, func(given *manifest.PublicKey) bool { return given.ID() == key.ID() })
	if len(c.Keys) > 0 && !r.Signature.KeyGiven {
		c.add(Finding{Code: KeyNotGiven, Manifest: r.Manifest, Detail: key.ID()})
	}
}

// files holds each file against its size and digest, and says of one that
// differs in what. It gives the JSON report as it was filed; nil if that is not
// known.
func (c *checker) files(r *Report, m *manifest.Manifest) *api.Report {
	dir := filepath.Dir(r.Manifest)
	found := map[string]manifest.File{}
	var changed []Finding
	for _, filed := range m.Files {
		filed.BlockSHA256 = nil // no finding needs them
		path := filepath.Join(dir, filed.Name)
		c.listed[path] = true
		got, problem := digest(path, filed.Name)
		if problem != nil {
			problem.Manifest, problem.File, problem.Filed = r.Manifest, path, &filed
			c.add(*problem)
			continue
		}
		found[filed.Name] = got
		if got.Is(filed) {
			r.AsFiled++
			continue
		}
		changed = append(changed, Finding{Code: FileChanged, Manifest: r.Manifest, File: path, Filed: &filed, Found: &got})
	}
	e := newExplainer(dir, m, found)
	// The JSON first: what was filed may be found again, and tells of the others.
	slices.SortStableFunc(changed, func(a, b Finding) int {
		switch e.json {
		case a.Filed.Name:
			return -1
		case b.Filed.Name:
			return 1
		}
		return 0
	})
	for i := range changed {
		e.explain(&changed[i])
		c.add(changed[i])
	}
	c.report(r, m, e)
	return e.report
}

// digest reads a file. It follows no link: what a link leads to is not what lies
// in the folder.
func digest(path, name string) (manifest.File, *Finding) {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return manifest.File{}, &Finding{Code: FileMissing}
	case err != nil:
		return manifest.File{}, &Finding{Code: FileUnreadable, Detail: err.Error()}
	case info.Mode()&fs.ModeSymlink != 0:
		return manifest.File{}, &Finding{Code: FileNotRegular, Detail: "a link"}
	case info.IsDir():
		return manifest.File{}, &Finding{Code: FileNotRegular, Detail: "a folder"}
	case !info.Mode().IsRegular():
		return manifest.File{}, &Finding{Code: FileNotRegular, Detail: "a device or pipe"}
	}
	f, err := os.Open(path)
	if err != nil {
		return manifest.File{}, &Finding{Code: FileUnreadable, Detail: err.Error()}
	}
	defer f.Close()
	sum := sha256.New()
	n, err := io.Copy(sum, f)
	if err != nil {
		return manifest.File{}, &Finding{Code: FileUnreadable, Detail: err.Error()}
	}
	return manifest.File{Name: name, SizeBytes: n, SHA256: hex.EncodeToString(sum.Sum(nil))}, nil
}

// extra finds files that pass for filed ones.
func (c *checker) extra(dir, name string, m *manifest.Manifest) {
	manifests, others, err := list(dir)
	if err != nil {
		c.add(Finding{Code: FileUnreadable, File: dir, Detail: err.Error()})
		return
	}
	filed := map[string]bool{name + signatureSuffix: m.Signer != nil}
	for _, f := range m.Files {
		filed[f.Name] = true
	}
	for _, other := range others {
		// Of a file that was filed alone, report.pdf say, the longest name decides.
		if !filed[other] && belongs(other, name) && !slices.ContainsFunc(manifests, func(m string) bool { return len(m) > len(name) && belongs(other, m) }) {
			c.add(Finding{Code: FileExtra, Manifest: filepath.Join(dir, name), File: filepath.Join(dir, other), Detail: "its name is like those of the report, and the manifest has it not"})
		}
	}
}

// chain looks at the revisions before and after, as far as they are there. is is
// the report; nil if it is not known.
func (c *checker) chain(r *Report, m *manifest.Manifest, is *api.Report) {
	dir := filepath.Dir(r.Manifest)
	base, revision := split(strings.TrimSuffix(filepath.Base(r.Manifest), manifestSuffix))
	if revision != m.Revision && (revision > 1 || m.Revision > 1) {
		c.add(Finding{Code: ChainBroken, Manifest: r.Manifest, Detail: fmt.Sprintf("by its name it is revision %d, by its content %d", revision, m.Revision)})
		return
	}
	if m.Replaces != nil {
		before := filepath.Join(dir, ManifestOf(Stem(base, m.Replaces.Revision)))
		data, err := readUpTo(before, manifest.MaxBytes)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			r.Notes = append(r.Notes, fmt.Sprintf("revision %d, which it takes the place of, is not here", m.Replaces.Revision))
		case err != nil || manifest.Hash(data) != m.Replaces.ManifestSHA256:
			c.add(Finding{Code: ChainBroken, Manifest: r.Manifest, Detail: fmt.Sprintf("it takes the place of a manifest with the SHA-256 %s, and %s is another", m.Replaces.ManifestSHA256, plain(before))})
		default:
			c.revised(r, filedWith(dir, Stem(base, m.Replaces.Revision)+".json", data), is)
		}
	}
	// A later one takes its place too, if the next is not here.
	manifests, _, err := list(dir)
	if err != nil {
		c.add(Finding{Code: FileUnreadable, File: dir, Detail: err.Error()})
		return
	}
	after := 0
	for _, file := range manifests {
		if name, n := split(strings.TrimSuffix(file, manifestSuffix)); name == base && n > m.Revision && (after == 0 || n < after) {
			after = n
		}
	}
	if after > 0 {
		r.Notes = append(r.Notes, fmt.Sprintf("revision %d is here and takes its place", after))
	}
}

// filedWith reads the JSON report of a manifest; nil if it is not there as it was
// filed, which is told of that manifest.
func filedWith(dir, name string, canonical []byte) *api.Report {
	m, err := manifest.Parse(canonical)
	if err != nil {
		return nil
	}
	got, problem := digest(filepath.Join(dir, name), name)
	if problem != nil || !slices.ContainsFunc(m.Files, got.Is) {
		return nil
	}
	data, err := readUpTo(filepath.Join(dir, name), maxExplained)
	if err != nil {
		return nil
	}
	return reportOf(data)
}

// revised holds what a report says of the one that it replaces against that one.
func (c *checker) revised(r *Report, was, is *api.Report) {
	if was == nil || is == nil {
		return
	}
	for _, d := range misquoted(was, is) {
		c.add(Finding{Code: ReportContradicts, Manifest: r.Manifest, File: strings.TrimSuffix(r.Manifest, manifestSuffix) + ".json",
			Detail: fmt.Sprintf("%s is %s, and by the revision before %s", d.Where, shown(d.Found), shown(d.Filed))})
	}
}

// report holds the JSON report against what the manifest says of it, and against
// itself.
func (c *checker) report(r *Report, m *manifest.Manifest, e *explainer) {
	if e.json == "" || !e.intact(e.json) {
		return
	}
	contradicts := func(detail string) {
		c.add(Finding{Code: ReportContradicts, Manifest: r.Manifest, File: filepath.Join(e.dir, e.json), Detail: detail})
	}
	if e.report == nil {
		if size := e.filed(e.json).SizeBytes; size > maxExplained {
			r.Notes = append(r.Notes, fmt.Sprintf("%s has %d bytes, too many to hold it against its manifest and itself", plain(e.json), size))
		} else {
			contradicts("it is not a report of " + api.SchemaReport)
		}
		return
	}
	for _, fact := range facts(m, e.report) {
		if fact.Filed != fact.Found {
			contradicts(fmt.Sprintf("%s is %s in the report and %s in the manifest", fact.Where, shown(fact.Found), shown(fact.Filed)))
		}
	}
	for _, d := range append(contradictions(e.report), miscounted(e.report)...) {
		contradicts(fmt.Sprintf("%s is %s, and by the rest of the report %s", d.Where, shown(d.Found), shown(d.Filed)))
	}
}

// facts are what a manifest and a report both say; Found is the report's word.
func facts(m *manifest.Manifest, r *api.Report) []Difference {
	all := []Difference{
		{"generated_by", m.GeneratedBy, r.GeneratedBy},
		{"period.from", m.Period.From, r.Period.From},
		{"period.to", m.Period.To, r.Period.To},
		{"period.time_zone", m.Period.TimeZone, r.Period.TimeZone},
		{"mesh_sha256", m.MeshSHA256, r.MeshSHA256},
		{"policy_sha256", m.PolicySHA256, r.PolicySHA256},
		{"data_sha256", m.DataSHA256, r.DataSHA256},
	}
	if m.Replaces != nil {
		last := api.Revision{}
		if n := len(r.Revisions); n > 0 {
			last = r.Revisions[n-1]
		}
		all = append(all, Difference{"the manifest that is replaced", m.Replaces.ManifestSHA256, last.Replaces.ManifestSHA256})
	}
	return all
}

// reportOf reads a JSON report; nil if it is none.
func reportOf(data []byte) *api.Report {
	var r api.Report
	if err := json.Unmarshal(data, &r); err != nil || r.Schema != api.SchemaReport {
		return nil
	}
	return &r
}

// codes are those of the findings, in order.
func (r *Result) codes() []string { return slices.Sorted(maps.Keys(r.Counts)) }
