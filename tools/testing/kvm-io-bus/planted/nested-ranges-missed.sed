# The search ends at the nearest range below, as stock's does
# file: io_bus_ranges.c
# caught by: regress nested_ranges
s/base = range->outer;/break;/
