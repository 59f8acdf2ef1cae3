# The end of a range is computed, and wraps
# file: io_bus_ranges.c
# caught by: regress ends_of_address_space
s/!kvm_io_range_holds(range->start, range->size, addr, len)/addr < range->start || addr + len > range->start + range->size/
