package backend

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

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

// folder is a model as the repository has it.
type folder struct {
	name     string
	versions []string // ascending
	problem  string   // why none of it can be served; then versions is empty
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

// scan lists the models by name. A folder with neither a version nor a configuration is no model.
func (r *repository) scan() ([]folder, error) {
	entries, err := os.ReadDir(r.root)
	if err != nil {
		return nil, fmt.Errorf("cannot read the model repository: %w", err)
	}
	var folders []folder
	for _, entry := range entries {
		name := entry.Name()
		path := filepath.Join(r.root, name)
		if strings.HasPrefix(name, ".") || !isFolder(path) {
			continue
		}
		versions, err := r.versions(name)
		switch {
		case err != nil:
			folders = append(folders, folder{name: name, problem: "cannot read its folder: " + bare(err).Error()})
		case len(versions) == 0 && !exists(filepath.Join(path, configFile)):
			r.log.Debug("skipped a folder that is no model", "folder", name)
		case len(versions) == 0:
			folders = append(folders, folder{name: name, problem: "it has no version: want " + name + "/1/" + modelFile})
		case !oip.ValidModelName(name):
			folders = append(folders, folder{name: name, problem: "its name cannot be in a URL: want 1 to 64 of A-Z a-z 0-9 _ . -"})
		default:
			folders = append(folders, folder{name: name, versions: versions})
		}
	}
	return folders, nil
}

// versions lists the folders of a model whose name is a version number, ascending.
func (r *repository) versions(name string) ([]string, error) {
	entries, err := os.ReadDir(filepath.Join(r.root, name))
	if err != nil {
		return nil, err
	}
	var versions []string
	for _, entry := range entries {
		if !isFolder(filepath.Join(r.root, name, entry.Name())) {
			continue
		}
		if !isVersion(entry.Name()) {
			r.log.Debug("skipped a folder that is no version", "model", name, "folder", entry.Name())
			continue
		}
		versions = append(versions, entry.Name())
	}
	slices.SortFunc(versions, compareVersions)
	return versions, nil
}

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

// model returns the path of a version's model file, free of links, after checks: the file, and all that it refers to, is
// regular, whole enough to be summed up, and inside the repository.
func (r *repository) model(name, version string) (string, error) {
	path, err := r.resolve(filepath.Join(name, version, modelFile))
	if err != nil {
		return "", err
	}
	summary, err := onnxfile.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("%s: %w", modelFile, bare(err))
	}
	inside, err := filepath.Rel(r.root, filepath.Dir(path))
	if err != nil {
		return "", err
	}
	for _, location := range summary.External {
		// The location was written by whoever made the file. IsLocal knows about "..", roots and volume names.
		if !filepath.IsLocal(location) || strings.ContainsRune(location, '\\') {
			return "", fmt.Errorf("%s keeps weights in %q, outside of its own folder", modelFile, location)
		}
		if _, err := r.resolve(filepath.Join(inside, location)); err != nil {
			return "", fmt.Errorf("%s keeps weights in %q: %w", modelFile, location, err)
		}
	}
	return path, nil
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
