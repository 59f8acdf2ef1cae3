# Only the range right below counts for how far the ranges below reach
# file: io_bus_ranges.c
# caught by: random
s/end = max(end, end_of(range->start, range->size));/end = end_of(range->start, range->size);/
