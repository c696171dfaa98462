package backend

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"ganglion/backend/modelconf"
	"ganglion/internal/oip"
	"ganglion/internal/onnxfile"
)

// The files of a repository: <name>/config.toml and <name>/<version>/model.onnx.
const (
	configFile = "config.toml"
	modelFile  = "model.onnx"
)

// repository is a folder of models. It only reads, and never follows a link out of the folder.
type repository struct {
	root string // absolute, without symbolic links
	log  *slog.Logger
}

// folder is a model as the repository has it at one moment.
type folder struct {
	name      string
	versions  []string // ascending
	problem   string   // why none of it can be served; then versions is empty
	empty     bool     // the problem is that there is no version
	misplaced string   // a model file that is in no version's folder

	// What its files looked like before any of them was read: those of each version, the configuration, all others.
	files        map[string]stamp
	config, rest stamp
}

// stamp sums up the whole folder.
func (f *folder) stamp() stamp {
	s := newStamper()
	for _, number := range f.versions {
		fmt.Fprintf(s.sum, "%s\x00%d\x00", number, f.files[number])
	}
	fmt.Fprintf(s.sum, "%s\x00%d\x00%d", f.problem, f.config, f.rest)
	return s.stamp()
}

func openRepository(path string, log *slog.Logger) (*repository, error) {
	root, err := filepath.Abs(path)
	if err == nil {
		root, err = filepath.EvalSymlinks(root)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot open model repository %q: %w", path, bare(err))
	}
	if !isFolder(root) {
		return nil, fmt.Errorf("model repository %q is not a folder", path)
	}
	return &repository{root: root, log: log}, nil
}

// scan lists the models by name. A folder with no version, no configuration and no model file in a wrong place is no model.
func (r *repository) scan() ([]folder, error) {
	entries, err := os.ReadDir(r.root)
	if err != nil {
		return nil, fmt.Errorf("cannot read the model repository: %w", err)
	}
	var folders []folder
	for _, entry := range entries {
		if f, ok := r.folder(entry.Name()); ok {
			folders = append(folders, f)
		}
	}
	return folders, nil
}

// folder reads what the repository has of one model. ok is false when there is no folder of that name, or it is no model.
func (r *repository) folder(name string) (f folder, ok bool) {
	path := filepath.Join(r.root, name)
	if strings.HasPrefix(name, ".") || !isFolder(path) {
		return folder{}, false
	}
	f = folder{name: name, files: map[string]stamp{}}
	configured, err := r.survey(&f)
	switch {
	case err != nil:
		f.problem = "cannot read its folder: " + bare(err).Error()
	case len(f.versions) == 0 && !configured && f.misplaced == "":
		r.log.Debug("skipped a folder that is no model", "folder", name)
		return folder{}, false
	case len(f.versions) == 0:
		f.empty, f.problem = true, "it has no version: want "+name+"/1/"+modelFile
		if f.misplaced != "" {
			f.problem += ", not " + f.misplaced
		}
	case !oip.ValidModelName(name):
		f.problem, f.versions = "its name cannot be in a URL: want 1 to 64 of A-Z a-z 0-9 _ . -", nil
	}
	return f, true
}

// survey fills f with the versions of a model, which are the folders whose name is a version number, and with stamps.
func (r *repository) survey(f *folder) (configured bool, err error) {
	entries, err := os.ReadDir(filepath.Join(r.root, f.name))
	if err != nil {
		return false, err
	}
	config, rest := newStamper(), newStamper()
	for _, entry := range entries {
		path := filepath.Join(r.root, f.name, entry.Name())
		switch {
		case isVersion(entry.Name()) && isFolder(path):
			files := newStamper()
			files.add("", path, stampDepth)
			f.files[entry.Name()] = files.stamp()
			f.versions = append(f.versions, entry.Name())
		case isConfig(entry.Name()):
			configured = true
			config.add(entry.Name(), path, 0)
		case !isScratch(entry):
			if f.misplaced == "" {
				f.misplaced = r.misplaced(f.name, entry.Name())
			}
			rest.add(entry.Name(), path, stampDepth)
		}
	}
	f.config, f.rest = config.stamp(), rest.stamp()
	slices.SortFunc(f.versions, compareVersions)
	return configured, nil
}

// misplaced is the path of a model file that somebody may take for a version: one that is, or is in, what an entry of a model's
// folder names, which is no version. "" if there is none.
func (r *repository) misplaced(name, entry string) string {
	for _, path := range []string{filepath.Join(name, entry, modelFile), filepath.Join(name, entry)} {
		if filepath.Base(path) == modelFile && exists(filepath.Join(r.root, path)) {
			return path
		}
	}
	return ""
}

// isConfig reports whether a file of a model's folder is its configuration.
func isConfig(name string) bool { return name == modelconf.TOMLFile || name == modelconf.PBTXTFile }

// isVersion reports whether s is a positive number without leading zeros, of at most 18 digits so that int64 holds it.
func isVersion(s string) bool {
	n, err := strconv.ParseInt(s, 10, 64)
	return err == nil && n > 0 && len(s) <= 18 && strconv.FormatInt(n, 10) == s
}

// compareVersions orders version numbers by their value: without leading zeros, the longer one is the larger.
func compareVersions(a, b string) int {
	if len(a) != len(b) {
		return len(a) - len(b)
	}
	return strings.Compare(a, b)
}

// check returns the path of a version's model file, free of links, after checks: the file, and all that it refers to, is
// regular, whole enough to be summed up, and inside the repository. A file that a request has brought has only a name.
func (r *repository) check(name, number string, from *origin) (path string, err error) {
	file := from.config.ModelFile
	if from.content != nil {
		return filepath.Join(r.root, name, number, file), checkContent(file, from.content)
	}
	relative := filepath.Join(name, number, file)
	if isFolder(filepath.Join(r.root, relative)) {
		// Triton's form for a model with weights in files of their own: a folder by the name of the model's file.
		relative = filepath.Join(relative, modelconf.DefaultModelFile)
	}
	path, err = r.resolve(relative)
	if err != nil {
		return "", err
	}
	summary, err := onnxfile.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("%s: %w", file, bare(err))
	}
	inside, err := filepath.Rel(r.root, filepath.Dir(path))
	if err != nil {
		return "", err
	}
	for _, location := range summary.External {
		// The location was written by whoever made the file. IsLocal knows about "..", roots and volume names.
		if !filepath.IsLocal(location) || strings.ContainsRune(location, '\\') {
			return "", fmt.Errorf("%s keeps weights in %q, outside of its own folder", file, location)
		}
		if _, err := r.resolve(filepath.Join(inside, location)); err != nil {
			return "", fmt.Errorf("%s keeps weights in %q: %w", file, location, err)
		}
	}
	return path, nil
}

// checkContent checks a model file that has no folder.
func checkContent(file string, content []byte) error {
	summary, err := onnxfile.Read(bytes.NewReader(content), int64(len(content)))
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	if len(summary.External) > 0 {
		return fmt.Errorf("%s keeps weights in %q: a model that a request brings has to have them inside", file, summary.External[0])
	}
	return nil
}

// resolve follows the links of a path relative to the root and refuses what is no regular file inside the root.
func (r *repository) resolve(relative string) (string, error) {
	path, err := filepath.EvalSymlinks(filepath.Join(r.root, relative))
	if errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("%s is missing", relative)
	}
	if err != nil {
		return "", fmt.Errorf("%s: %w", relative, bare(err))
	}
	if !strings.HasPrefix(path, r.root+string(filepath.Separator)) {
		return "", fmt.Errorf("%s is a link that leads out of the model repository", relative)
	}
	info, err := os.Stat(path)
	if err != nil {
		return "", fmt.Errorf("%s: %w", relative, bare(err))
	}
	if !info.Mode().IsRegular() {
		return "", fmt.Errorf("%s is not a regular file", relative)
	}
	return path, nil
}

// longestReason is room for what is wrong with a file and where, in bytes. A reason is part of every refusal, and the
// runtime's own words for some models fill pages.
const longestReason = 500

// reason is err as text for clients: the first of its lines, without the folder that the repository lies in.
func (r *repository) reason(err error) string {
	text := strings.ReplaceAll(err.Error(), r.root+string(filepath.Separator), "")
	first, rest, found := strings.Cut(text, "\n")
	if len(first) > longestReason {
		first = strings.ToValidUTF8(first[:longestReason], "") + "…"
	}
	if found {
		first += fmt.Sprintf(" (and %d more: the node's log has all)", 1+strings.Count(rest, "\n"))
	}
	return first
}

// bare takes the operation and the path off a file error, where the message names the path already.
func bare(err error) error {
	if pathError, ok := errors.AsType[*fs.PathError](err); ok {
		return pathError.Err
	}
	return err
}

func isFolder(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}
