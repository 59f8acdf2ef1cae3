# An ioeventfd that was unregistered meanwhile leaves the note of an older miss
# file: io_bus.c
# caught by: regress miss_of_what_goes
/^bool kvm_io_bus_miss_mmio(/,/^}/{
	s/if (found.set && \(kvm_io_bus_ring_found(.*)\))$/if (found.set)/
	s/^\t\treturn true;/\t\treturn kvm_io_bus_ring_found(found.set, gpa, len, value);/
}
