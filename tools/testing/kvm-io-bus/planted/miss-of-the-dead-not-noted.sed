# A doorbell that was unregistered meanwhile leaves the note of an older miss
# file: io_bus.c
# caught by: regress miss_of_what_goes
/^static __always_inline bool ring_found(/,/^}/{
	s/if (doorbell \(&& ring_doorbell(.*)\))$/if (doorbell)/
	s/^\t\treturn true;/\t\treturn ring_doorbell(doorbell, bus_idx, addr, len);/
}
