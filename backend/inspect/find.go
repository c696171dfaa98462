package inspect

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"

	"ganglion/backend/modelconf"
)

// Find returns the model file that what stands for: a file, the folder of a model or of one of its versions, or the name of
// a model in the repository models. Of several versions it is the highest.
func Find(models, what string) (string, error) {
	info, err := os.Stat(what)
	if errors.Is(err, fs.ErrNotExist) && filepath.Base(what) == what {
		named := filepath.Join(models, what)
		if info, err = os.Stat(named); err != nil {
			return "", fmt.Errorf("there is neither a file nor a folder %q, and no model of that name in %q", what, models)
		}
		what = named
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "", fmt.Errorf("there is neither a file nor a folder %q", what)
	case err != nil:
		return "", err
	case !info.IsDir():
		return what, nil
	}
	return inFolder(what)
}

// inFolder finds the model file in the folder of a model, of a version, or of a model file that has others beside it.
func inFolder(folder string) (string, error) {
	version, err := highest(folder)
	if err != nil {
		return "", err
	}
	file := modelFileOf(folder)
	if version != "" {
		folder = filepath.Join(folder, version)
	} else if _, err := strconv.ParseInt(filepath.Base(folder), 10, 64); err == nil {
		file = modelFileOf(filepath.Dir(folder))
	}
	path := filepath.Join(folder, file)
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("there is no %s in %q, nor in the folder of a version in it, such as 1", file, folder)
	}
	info, err := os.Stat(path)
	if err != nil {
		return "", err
	}
	if info.IsDir() { // Triton's form for a model with weights beside it
		path = filepath.Join(path, modelconf.DefaultModelFile)
	}
	return path, nil
}

// modelFileOf is what a model's configuration calls its file. One that cannot be read says nothing here.
func modelFileOf(folder string) string {
	c, err := Config(folder)
	if err != nil || c.ModelFile == "" {
		return modelconf.DefaultModelFile
	}
	return c.ModelFile
}

// Config reads the configuration in a model's folder, as a node would.
func Config(folder string) (modelconf.Config, error) {
	for _, one := range []struct {
		file string
		read func(string, []byte) (modelconf.Config, error)
	}{
		{modelconf.TOMLFile, modelconf.ReadTOML},
		{modelconf.PBTXTFile, func(name string, src []byte) (modelconf.Config, error) {
			return modelconf.ReadPBTXT(name, filepath.Base(folder), src)
		}},
	} {
		src, err := os.ReadFile(filepath.Join(folder, one.file))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return modelconf.Config{}, err
		}
		return one.read(one.file, src)
	}
	return modelconf.Default(), nil
}

// highest is the version folder with the highest number, "" if there is none.
func highest(folder string) (string, error) {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return "", err
	}
	best, found := int64(0), ""
	for _, entry := range entries {
		if n, err := strconv.ParseInt(entry.Name(), 10, 64); err == nil && n > best {
			best, found = n, entry.Name()
		}
	}
	return found, nil
}
