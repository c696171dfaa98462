package oip

import "strconv"

// The parts of a model configuration that say how a model is run.

func (d *configDecoder) optimization(o *ConfigOptimization) error {
	const path = "optimization."
	return d.within("optimization", "", func(name string) (known bool, err error) {
		switch name {
		case "graph":
			o.GraphLevel = new(int32)
			err = d.within(name, path, func(name string) (bool, error) {
				if name != "level" {
					return false, nil
				}
				return true, numberInto(&d.decoder, o.GraphLevel, name)
			})
		case "priority":
			err = d.oneOf(&o.Priority, name, "PRIORITY_DEFAULT", "PRIORITY_MAX", "PRIORITY_MIN")
		case "execution_accelerators":
			err = d.within(name, path, func(name string) (bool, error) { return d.accelerators(o, name) })
		default:
			return false, nil
		}
		return true, err
	})
}

func (d *configDecoder) accelerators(o *ConfigOptimization, name string) (known bool, err error) {
	switch name {
	case "gpu_execution_accelerator":
		err = listInto(&d.decoder, &o.GPUAccelerators, name, d.accelerator)
	case "cpu_execution_accelerator":
		err = listInto(&d.decoder, &o.CPUAccelerators, name, d.accelerator)
	default:
		return false, nil
	}
	return true, err
}

func (d *configDecoder) accelerator(a *Accelerator) error {
	const path = "optimization.execution_accelerators."
	return d.section("an execution accelerator", path, func(name string) (known bool, err error) {
		switch name {
		case "name":
			err = d.textInto(&a.Name, name)
		case "parameters":
			err = mapInto(&d.decoder, &a.Parameters, name, func(v *string) error { return d.textInto(v, name) })
		default:
			return false, nil
		}
		return true, err
	})
}

func (d *configDecoder) dynamicBatching(b *DynamicBatching) error {
	return d.within("dynamic_batching", "", func(name string) (known bool, err error) {
		switch name {
		case "preferred_batch_size":
			err = numbersInto(&d.decoder, &b.PreferredBatchSizes, name)
		case "max_queue_delay_microseconds":
			err = numberInto(&d.decoder, &b.MaxQueueDelay, name)
		case "preserve_ordering":
			err = d.flagInto(&b.PreserveOrdering, name)
		case "priority_levels":
			err = numberInto(&d.decoder, &b.PriorityLevels, name)
		case "default_priority_level":
			err = numberInto(&d.decoder, &b.DefaultPriorityLevel, name)
		case "default_queue_policy":
			b.DefaultQueuePolicy = new(QueuePolicy)
			err = d.queuePolicy(b.DefaultQueuePolicy)
		case "priority_queue_policy":
			err = d.priorityPolicies(b)
		default:
			return false, nil
		}
		return true, err
	})
}

// priorityPolicies reads the policies by priority level.
func (d *configDecoder) priorityPolicies(b *DynamicBatching) error {
	const what = `"priority_queue_policy"`
	b.PriorityQueuePolicy = map[uint64]QueuePolicy{}
	return d.members(what, func(name string) error {
		level, err := strconv.ParseUint(name, 10, 64)
		if err != nil {
			return invalid("%s has the priority level %s, expected a whole number from 0", what, quoted(name))
		}
		var p QueuePolicy
		err = d.queuePolicy(&p)
		b.PriorityQueuePolicy[level] = p
		return err
	})
}

func (d *configDecoder) queuePolicy(p *QueuePolicy) error {
	return d.section("a queue policy", "dynamic_batching.queue_policy.", func(name string) (known bool, err error) {
		switch name {
		case "timeout_action":
			err = d.oneOf(&p.TimeoutAction, name, "REJECT", "DELAY")
		case "default_timeout_microseconds":
			err = numberInto(&d.decoder, &p.DefaultTimeout, name)
		case "allow_timeout_override":
			err = d.flagInto(&p.AllowTimeoutOverride, name)
		case "max_queue_size":
			err = numberInto(&d.decoder, &p.MaxQueueSize, name)
		default:
			return false, nil
		}
		return true, err
	})
}

func (d *configDecoder) instanceGroup(g *InstanceGroup) error {
	return d.section("an entry of \"instance_group\"", "instance_group.", func(name string) (known bool, err error) {
		switch name {
		case "name":
			err = d.textInto(&g.Name, name)
		case "kind":
			err = d.oneOf(&g.Kind, name, "KIND_AUTO", "KIND_GPU", "KIND_CPU", "KIND_MODEL")
		case "count":
			err = numberInto(&d.decoder, &g.Count, name)
		case "gpus":
			err = numbersInto(&d.decoder, &g.GPUs, name)
		case "profile":
			err = listInto(&d.decoder, &g.Profile, name, func(v *string) error { return d.textInto(v, name) })
		case "passive":
			err = d.flagInto(&g.Passive, name)
		case "host_policy":
			err = d.textInto(&g.HostPolicy, name)
		default:
			return false, nil
		}
		return true, err
	})
}

func (d *configDecoder) warmup(u *ConfigWarmup) error {
	return d.section("an entry of \"model_warmup\"", "model_warmup.", func(name string) (known bool, err error) {
		switch name {
		case "name":
			err = d.textInto(&u.Name, name)
		case "batch_size":
			err = numberInto(&d.decoder, &u.BatchSize, name)
		case "inputs":
			err = mapInto(&d.decoder, &u.Inputs, name, d.warmupInput)
		case "count":
			err = numberInto(&d.decoder, &u.Count, name)
		default:
			return false, nil
		}
		return true, err
	})
}

func (d *configDecoder) warmupInput(in *WarmupInput) error {
	return d.section("a warmup input", "model_warmup.inputs.", func(name string) (known bool, err error) {
		switch name {
		case "data_type":
			err = d.configDatatype(&in.Datatype)
		case "dims":
			err = numbersInto(&d.decoder, &in.Dims, name)
		case "zero_data":
			err = d.flagInto(&in.ZeroData, name)
		case "random_data":
			err = d.flagInto(&in.RandomData, name)
		case "input_data_file":
			err = d.textInto(&in.InputDataFile, name)
		default:
			return false, nil
		}
		return true, err
	})
}
