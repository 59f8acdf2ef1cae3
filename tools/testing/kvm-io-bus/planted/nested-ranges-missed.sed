# The search ends at the nearest range below, as stock's does
# file: io_bus_ranges.c
# caught by: regress nested_ranges
s/while (range->end_below >= end \&\&/while (range->end_below < 0 \&\&/
