package backend

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"ganglion/internal/oip"
)

// source says what to load a model from in place of its folder. The zero value is the folder.
type source struct {
	config *modelConfig      // nil is the folder's
	files  map[string][]byte // content of the model file by version; nil are the folder's
}

// folderOnly reports whether the source brings nothing of its own.
func (s source) folderOnly() bool { return s.config == nil && s.files == nil }

// plan is what a load goes by, read before anything is opened.
type plan struct {
	config modelConfig
	folder folder // not there where the source brings the files
	source source
}

// load is the change that makes a model what its folder and the source say.
func (l *loader) load(from source) change {
	return func(ctx context.Context, h *holding) outcome {
		f, there := l.repository.folder(h.name)
		if !there && from.files == nil {
			return outcome{err: oip.Errorf(oip.NotFound, "failed to load '%s', failed to poll from model repository: it has no folder of that name with a version in it", h.name)}
		}
		if there {
			h.handled = f.stamp()
		}
		p, err := l.plan(f, from)
		if err != nil {
			return outcome{err: l.keep(h, err)}
		}
		return l.serve(ctx, h, p)
	}
}

// plan reads what there is to read before the models themselves.
func (l *loader) plan(f folder, from source) (*plan, error) {
	p := &plan{folder: f, source: from}
	if f.problem != "" && from.files == nil {
		return nil, fmt.Errorf("%s", f.problem)
	}
	if from.config != nil {
		p.config = *from.config
		return p, nil
	}
	var err error
	p.config, err = l.repository.config(f.name)
	return p, err
}

// versions are those that there are to choose from.
func (p *plan) versions() (numbers []string) {
	if p.source.files == nil {
		return p.folder.versions
	}
	for number := range p.source.files {
		numbers = append(numbers, number)
	}
	return numbers
}

// origin is what a version is to be loaded from.
func (p *plan) origin(number string) *origin {
	if p.source.files != nil {
		return &origin{config: p.config, content: p.source.files[number]}
	}
	return &origin{config: p.config, files: p.folder.files[number], rest: p.folder.rest}
}

// keep records why a model could not be loaded at all. What is ready stays so.
func (l *loader) keep(h *holding, cause error) error {
	reason := l.repository.reason(cause)
	l.log.Error("cannot serve a model", "model", h.name, "reason", cause)
	l.metrics.loadFailures.Inc()
	e := &entry{name: h.name, problem: reason}
	if old := l.catalog.Load().models[h.name]; old != nil && len(old.readyVersions()) > 0 {
		e = &entry{name: h.name, aliases: old.aliases, versions: slices.Clone(old.versions)}
		for i := range e.versions {
			if e.versions[i].instance != nil {
				e.versions[i].reason = keptReason(reason)
			}
		}
	}
	l.settle(e)
	return oip.Errorf(oip.Internal, "failed to load '%s': %s", h.name, reason)
}

// settle publishes what a load has led to. A model that has neither a folder nor anything that serves is none: it came with
// a request, and has failed.
func (l *loader) settle(e *entry) {
	if _, there := l.repository.folder(e.name); !there && len(e.instances()) == 0 {
		l.withdraw(e.name)
		return
	}
	l.publish(e)
}

// keptReason is what the index says of a version that could not be loaded again.
func keptReason(reason string) string { return "what was loaded before serves on: " + reason }

// serve opens the versions of a plan that are not open yet, and then makes them the model's, all at once. If some that the
// policy asks for cannot be opened, those that were served before go on beside the rest. (An alias for a version that is
// missing keeps nothing: old versions would pile up for as long as it is there.)
func (l *loader) serve(ctx context.Context, h *holding, p *plan) outcome {
	old := l.catalog.Load().models[h.name]
	if old == nil {
		old = &entry{name: h.name}
	}
	next := &entry{name: h.name, aliases: p.config.Aliases}
	var failures []string
	selected := newSelection(&p.config, p.versions())
	for _, number := range selected.candidates() {
		if !selected.wants(number) {
			continue
		}
		v := l.version(ctx, h, old.version(number), number, p.origin(number))
		if v.reason != "" {
			failures = append(failures, fmt.Sprintf("%s (%s)", number, v.reason))
		}
		if v.instance == nil {
			selected.fail()
		}
		next.versions = append(next.versions, v)
	}
	for _, v := range old.versions {
		if selected.failed > 0 && v.instance != nil && next.version(v.number) == nil {
			next = next.with(v)
		}
	}
	if len(next.versions) == 0 {
		return outcome{err: l.keep(h, fmt.Errorf("no version is available"))}
	}
	return l.exchange(h, old, next, p, failures)
}

// version opens a version, unless what is open is what would be opened. Its reason is why that failed.
func (l *loader) version(ctx context.Context, h *holding, old *version, number string, from *origin) version {
	v := version{number: number, state: ready}
	if old != nil && old.instance != nil {
		v.instance = old.instance
		if v.instance.origin.is(from) {
			return v
		}
	} else {
		l.announce(h.name, version{number: number, state: loading, reason: "it is being loaded"})
	}
	in, err := l.openInPlace(ctx, h.name, number, from)
	if err == nil {
		v.instance = in
		return v
	}
	reason := l.repository.reason(err)
	l.log.Error("cannot load a model", "model", h.name, "version", number, "reason", err)
	l.metrics.loadFailures.Inc()
	if v.instance != nil {
		v.reason = keptReason(reason)
		return v
	}
	l.metrics.forget(h.name, number)
	return version{number: number, state: unavailable, reason: reason}
}

// openInPlace opens a version when there is a place for it.
func (l *loader) openInPlace(ctx context.Context, name, number string, from *origin) (*instance, error) {
	leave, err := l.places.take(ctx)
	if err != nil {
		return nil, errDraining()
	}
	defer leave()
	return l.open(ctx, name, number, from)
}

// announce shows what is about to happen to a version that is not ready.
func (l *loader) announce(name string, v version) {
	e := l.catalog.Load().models[name]
	if e == nil {
		e = &entry{name: name}
	}
	l.publish(e.with(v))
}

// exchange makes next what requests see, and returns what it replaces.
func (l *loader) exchange(h *holding, old, next *entry, p *plan, failures []string) (o outcome) {
	for _, v := range next.versions {
		if v.instance == nil {
			l.metrics.ready.WithLabelValues(h.name, v.number).Set(0)
			continue
		}
		v.instance.metrics.scheduler.Store(v.instance.scheduler)
		l.metrics.ready.WithLabelValues(h.name, v.number).Set(1)
	}
	l.settle(next)
	for _, v := range old.versions {
		if now := next.version(v.number); v.instance != nil && (now == nil || now.instance != v.instance) {
			o.replaced = append(o.replaced, v.instance)
		}
	}
	if len(failures) > 0 {
		o.err = oip.Errorf(oip.Internal, "failed to load '%s', versions that are not available: %s%s", h.name, strings.Join(failures, ", "), next.remaining())
		return o
	}
	h.fixed = !p.source.folderOnly()
	return o
}

// remaining says, at the end of a message about versions that are not ready, which are.
func (e *entry) remaining() string {
	if numbers := e.readyVersions(); len(numbers) > 0 {
		return "; served: " + strings.Join(numbers, ", ")
	}
	return ""
}

// unloaded is the reason of versions that were taken out of service on request. Triton's word.
const unloaded = "unloaded"

// unload is the change that takes a model out of service.
func (l *loader) unload(_ context.Context, h *holding) outcome {
	f, there := l.repository.folder(h.name)
	h.fixed, h.handled = false, 0
	if there {
		h.handled = f.stamp()
	}
	old := l.catalog.Load().models[h.name]
	if old == nil {
		return outcome{err: unknownModel(h.name)}
	}
	o := outcome{replaced: old.instances()}
	l.publish(old.all(unloading, "it is being unloaded"))
	o.closed = func() {
		if !there {
			l.withdraw(h.name)
			return
		}
		l.publish(old.all(unavailable, unloaded))
	}
	return o
}

// remove is the change that follows when a model's folder has gone, or has no version any more.
func (l *loader) remove(_ context.Context, h *holding) (o outcome) {
	old := l.catalog.Load().models[h.name]
	f, there := l.repository.folder(h.name)
	h.handled = 0
	if old != nil {
		o.replaced = old.instances()
	}
	if there {
		h.handled = f.stamp()
		l.publish(&entry{name: h.name, problem: f.problem})
	} else {
		l.withdraw(h.name)
	}
	return o
}

// instances are what is open of the model.
func (e *entry) instances() (open []*instance) {
	for _, v := range e.versions {
		if v.instance != nil {
			open = append(open, v.instance)
		}
	}
	return open
}

// all is the model with none of its versions ready, for one reason.
func (e *entry) all(state oip.ModelState, reason string) *entry {
	next := &entry{name: e.name, aliases: e.aliases}
	for _, v := range e.versions {
		next.versions = append(next.versions, version{number: v.number, state: state, reason: reason})
	}
	if len(e.versions) == 0 {
		next.problem = reason
	}
	return next
}
